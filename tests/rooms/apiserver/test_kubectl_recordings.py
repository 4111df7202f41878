"""What `kubectl edit` was recorded to send, byte for byte, and what it was answered: the same from this server.

The recordings are of 2017; Kubernetes fills in more since, so a recorded answer has to be part of ours. Patches are sent
to the object as it was got in the recording.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.corpora import corpus
from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import opened
from trueup.apiserver.admission import addresses
from trueup.apiserver.hub import Hub
from trueup.kube.names import Kind, Object

NEWLY = frozenset({"uid", "resourceVersion", "creationTimestamp", "selfLink", "generation"})
"""Metadata that is each server's own, or is no more (selfLink)."""
BARS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "bars.company.com"},
    "spec": {
        "group": "company.com",
        "scope": "Namespaced",
        "names": {"plural": "bars", "kind": "Bar"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
UNSAID = {
    "apply-edit-last-applied-list": "the request sends the annotation with apiVersion, which its answer lacks",
    "list-record": "the recorded requests do not send the change-cause that their answers have",
    "not-update-annotation": "the recorded request does not send the annotation that its answer has",
}
"""Recordings that their authors changed by hand: annotations of an answer that nobody sent. All else of it holds."""
GONE = {
    "/apis/extensions/v1beta1": "a group that Kubernetes dropped in 1.16",
    "/apis/storage.k8s.io/v1beta1": "StorageClasses are v1 alone since Kubernetes 1.22",
    "/apis/storage.k8s.io/v0": "no Kubernetes ever served it; the recording is made up",
}
"""Paths that are answered 404 now, as by Kubernetes."""


@dataclass(frozen=True)
class Pair:
    """One request with its recorded answer; ``before``: what the recording had got of each path by then."""

    case: str
    method: str
    path: str
    media: str
    body: bytes
    status: int
    answer: Object
    before: dict[str, Object]


def pairs(folder: Path) -> Iterator[Pair]:
    """All pairs, in the order of their cases."""
    for case in sorted(folder.glob("testcase-*")):
        seen: dict[str, Object] = {}
        for step in yaml.safe_load((case / "test.yaml").read_text())["steps"]:
            if step["type"] != "request":
                continue
            body = (case / step["expectedInput"]).read_bytes()
            answer = orjson.loads((case / step["resultingOutput"]).read_bytes())
            method, path = step["expectedMethod"], step["expectedPath"]
            yield Pair(
                case.name.removeprefix("testcase-"),
                method,
                path,
                step.get("expectedContentType") or "application/json",
                body,
                step["resultingStatusCode"],
                answer,
                dict(seen),
            )
            for obj in _objects(answer):
                seen[obj["metadata"]["name"]] = obj


def _objects(answer: Object) -> list[Object]:
    """The objects of an answer, each with its kind."""
    if answer["kind"] == "Status":
        return []
    if not answer["kind"].endswith("List"):
        return [answer]
    head = {"kind": answer["kind"].removesuffix("List"), "apiVersion": answer["apiVersion"]}
    return [{**head, **item} for item in answer["items"]]


async def _stored(hub: Hub, obj: Object) -> None:
    """Put an object there as it was recorded."""
    kind = Kind.of(obj)
    served = hub.registry.of_kind(kind)
    if served is None:
        return
    meta = {name: value for name, value in obj["metadata"].items() if name not in ("resourceVersion", "selfLink")}
    bucket = hub.store.bucket(served.storage)
    if kind.kind == "Service":  # one that was stored since there may be two addresses
        obj = {**obj, "spec": {**obj["spec"], "clusterIPs": [obj["spec"]["clusterIP"]]}}
    known = bucket.newest(meta.get("namespace", ""), meta["name"])
    await hub.put(bucket, {**obj, "metadata": meta}, known.revision if known is not None else 0)


def _missing(wanted: Any, found: Any, path: str = "", own: frozenset[str] = frozenset()) -> list[str]:
    """Where an answer lacks what was recorded, or says otherwise."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        out: list[str] = []
        for name, value in wanted.items():
            if name not in own and value not in ({}, [], None):
                out += _missing(value, found.get(name), f"{path}.{name}", own)
        return out
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [line for i, each in enumerate(wanted) for line in _missing(each, found[i], f"{path}[{i}]", own)]
    return [] if wanted == found else [f"{path}: {found!r}, recorded {wanted!r}"]


def _faults(status: Object) -> tuple[str, set[tuple[str, str]]]:
    """Why, and which fields for what reason; the words are newer."""
    causes = (status.get("details") or {}).get("causes") or ()
    return status["reason"], {
        (cause["field"].replace("spec.clusterIPs[0]", "spec.clusterIP"), cause["reason"]) for cause in causes
    }


async def _wrong(hub: Hub, asking: Asking, pair: Pair) -> str:
    """What is answered otherwise; empty when nothing is."""
    wanted = pair.before if pair.method != "GET" else {obj["metadata"]["name"]: obj for obj in _objects(pair.answer)}
    for obj in wanted.values():
        await _stored(hub, obj)
    answer = await asking.send(pair.method, pair.path, pair.body, content_type=pair.media)
    if answer.status != pair.status:
        return f"{answer.status} {answer.body!r}, recorded {pair.status}"
    if pair.answer["kind"] == "Status":
        found, recorded = _faults(answer.json), _faults(pair.answer)
        if pair.case == "create-list-error":  # since Services may have two, wrong addresses are told before all else
            recorded = (recorded[0], {("spec.clusterIP", "FieldValueInvalid")})
        return "" if found == recorded else f"{found}, recorded {recorded}"
    own = NEWLY if b"clusterIP" in pair.body or pair.method != "POST" else NEWLY | {"clusterIP"}
    lines = _missing(pair.answer, answer.json, own=own)
    if pair.case in UNSAID and pair.method == "PATCH":
        lines = [line for line in lines if not line.startswith(".metadata.annotations.")]
    return "; ".join(lines)


async def test_what_kubectl_edit_sends_is_answered_as_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gets, creates, and patches of all kinds, those that were refused too."""
    monkeypatch.setattr(addresses, "NETWORK", ipaddress.ip_network("10.0.0.0/16"))  # the recorded cluster's
    found = list(pairs(corpus("k8s-kubectl") / "pkg/cmd/edit/testdata"))
    wrong: list[str] = []
    gone = 0
    for pair in found:
        async with opened() as hub:
            asking = Asking(hub)
            assert (
                await asking.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", BARS)
            ).status == 201
            for name in ("edit-test", "myproject"):
                space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                assert (await asking.send("POST", "/api/v1/namespaces", space)).status == 201
            if why := next((why for lead, why in GONE.items() if pair.path.startswith(lead + "/")), ""):
                assert (await asking.send(pair.method, pair.path, pair.body, content_type=pair.media)).status == 404
                print(f"kubectl edit: left out {pair.case}, {pair.method} {pair.path}: {why}")
                gone += 1
            elif trouble := await _wrong(hub, asking, pair):
                wrong.append(f"{pair.case} {pair.method} {pair.path}: {trouble}")
    held = len(found) - gone - len(wrong)
    for case, why in UNSAID.items():
        print(f"kubectl edit: left out the annotations of {case}'s answer: {why}")
    print(f"kubectl edit, requests and answers: {held} of {len(found) - gone}; {gone} left out")
    assert not wrong, "\n".join(wrong)
