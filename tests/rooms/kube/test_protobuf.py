"""Protobuf bodies become the objects that their JSON would be, and objects the bodies that Go would write."""

import json

import pytest

from tests.corpora import corpus
from trueup.kube.documents import dump, parse_one
from trueup.kube.messages import META, for_kind, message
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem, BadRequest, UnsupportedMediaType
from trueup.kube.protobuf import decode, encode, envelope
from trueup.kube.protobuf_writing import write

EVENT = "core.v1.WatchEvent"
"""Names no kind of its own: it is the frame that a watch sends, with an object in it."""


def _event(raw: bytes) -> Object:
    named = raw.replace(b"\n\x04\n\x00\x12\x00", b"\n\x10\n\x02v1\x12\nWatchEvent", 1)
    return {name: value for name, value in decode(named).items() if name not in ("apiVersion", "kind")}


def _event_bytes(obj: Object) -> bytes:
    return envelope("", "", write(obj, message(f"{META}WatchEvent")))


def test_published_objects_are_the_same_in_yaml() -> None:
    """What is read from YAML is what is read from JSON, and is printed as the YAML again."""
    wrong, total = [], 0
    for path in sorted((corpus("k8s-api") / "testdata/HEAD").glob("*.yaml")):
        total += 1
        text, obj = path.read_text(), json.loads(path.with_suffix(".json").read_text())
        if parse_one(text) != obj or dump(obj) != text:
            wrong.append(path.stem)
    print(f"k8s-api, read from YAML and written: {total - len(wrong)} of {total} kinds")

    assert wrong == []


def test_published_objects_decode_to_their_json() -> None:
    """Every kind of Kubernetes' own round-trip data, against the JSON beside it."""
    wrong, total = [], 0
    for path in sorted((corpus("k8s-api") / "testdata/HEAD").glob("*.pb")):
        total += 1
        try:
            read = _event if path.stem == EVENT else decode
            if read(path.read_bytes()) != json.loads(path.with_suffix(".json").read_text()):
                wrong.append(path.stem)
        except ApiProblem as problem:
            wrong.append(f"{path.stem}: {problem.message}")
    print(f"k8s-api, read from protobuf: {total - len(wrong)} of {total} kinds")

    assert wrong == []


def test_published_objects_encode_to_their_bytes() -> None:
    """What is written for every kind is byte for byte what Kubernetes wrote."""
    wrong, total = [], 0
    for path in sorted((corpus("k8s-api") / "testdata/HEAD").glob("*.pb")):
        total += 1
        obj = json.loads(path.with_suffix(".json").read_text())
        if (_event_bytes(obj) if path.stem == EVENT else encode(obj)) != path.read_bytes():
            wrong.append(path.stem)
    print(f"k8s-api, written as protobuf: {total - len(wrong)} of {total} kinds")

    assert wrong == []


def test_zeros_that_were_meant_survive() -> None:
    """A zero in a pointer field is kept, one in a plain field is Go's absence."""
    scaled = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 0, "paused": False, "minReadySeconds": 0, "selector": {"matchLabels": {"app": "web"}}},
    }

    spec = decode(encode(scaled))["spec"]

    assert (spec.get("replicas"), "paused" in spec, "minReadySeconds" in spec) == (0, False, False)


def test_a_custom_kind_has_no_message() -> None:
    """Custom resources travel as JSON alone."""
    with pytest.raises(UnsupportedMediaType, match=r"Widget in example\.com/v1 cannot be written"):
        encode({"apiVersion": "example.com/v1", "kind": "Widget"})


@pytest.mark.parametrize("body", [b"", b"{}", b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"k8s\0\x0a\x7f"])
def test_broken_bodies_are_bad_requests(body: bytes) -> None:
    """A body that is cut off or no protobuf at all is refused, not half read."""
    with pytest.raises((BadRequest, UnsupportedMediaType)):
        decode(body)


def test_a_custom_kind_of_a_name_that_kubernetes_has_is_none_of_its_own() -> None:
    """Groups of others have no Go types, whatever their names begin with."""
    assert for_kind(Kind("apps", "v1", "Deployment")) is not None
    assert for_kind(Kind("apps.example.com", "v1", "Deployment")) is None
