"""Protobuf bodies become the objects that their JSON would be."""

import json

import pytest

from tests.corpora import corpus
from trueup.kube.problems import ApiProblem, BadRequest
from trueup.kube.protobuf import decode

NOT_READ = {
    "core.v1.APIGroup": "answers of discovery are never sent to a server",
    "core.v1.APIVersions": "answers of discovery are never sent to a server",
    "core.v1.GetOptions": "stands in the query, not in a body",
    "core.v1.ListOptions": "stands in the query, not in a body",
    "core.v1.WatchEvent": "is never sent to a server",
    "authentication.k8s.io.v1.TokenRequest": "attestations are newer than the definitions",
    **{
        f"resource.k8s.io.{version}.{kind}": "fields of a newer version than the published messages"
        for version in ("v1", "v1beta1", "v1beta2")
        for kind in ("ResourceClaim", "ResourceClaimTemplate", "ResourceSlice")
    },
    "core.v1.Node": "a field of a newer version than the published messages",
}


def test_published_objects_decode_to_their_json() -> None:
    """Every kind of Kubernetes' own round-trip data, against the JSON beside it."""
    wrong, total = [], 0
    for path in sorted((corpus("k8s-api") / "testdata/HEAD").glob("*.pb")):
        if path.stem in NOT_READ:
            continue
        total += 1
        try:
            if decode(path.read_bytes()) != json.loads(path.with_suffix(".json").read_text()):
                wrong.append(path.stem)
        except ApiProblem as problem:
            wrong.append(f"{path.stem}: {problem.message}")
    print(f"k8s-api protobuf: {total - len(wrong)} of {total}, {len(NOT_READ)} not read by a server")

    assert wrong == []


@pytest.mark.parametrize("body", [b"", b"{}", b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"k8s\0\x0a\x7f"])
def test_broken_bodies_are_bad_requests(body: bytes) -> None:
    """A body that is cut off or no protobuf at all is refused, not half read."""
    with pytest.raises((BadRequest, ApiProblem)):
        decode(body)
