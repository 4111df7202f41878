"""Custom resources whose versions a webhook converts: reads, lists, watches, writes, managed fields, and bad webhooks.

The words, and who owns which fields, are those that kube-apiserver 1.36 answers with for the same webhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.hookserver import HookServer, Review
from tests.rooms.apiserver.web import Web, until

GROUP = "stable.example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V2 = (f"/apis/{GROUP}/{version}/namespaces/default/hosts" for version in ("v1", "v2"))
APPLY = {"content-type": "application/apply-patch+yaml"}
MERGE = {"content-type": "application/merge-patch+json"}
TEXT = {"type": "string"}
LEAD = f"conversion webhook for {GROUP}/v1, Kind=Host "


def converted(review: Review, change: Callable[[Review], Any] | None = None, **response: Any) -> Review:
    """An honest webhook's answer: ``hostPort`` of v1 is ``host`` and ``port`` of v2."""
    request = review["request"]
    made = []
    for given in request["objects"]:
        obj = orjson.loads(orjson.dumps(given))
        spec = obj.get("spec") or {}
        if "hostPort" in spec and request["desiredAPIVersion"] == f"{GROUP}/v2":
            spec["host"], _, spec["port"] = spec.pop("hostPort").partition(":")
        elif "host" in spec and request["desiredAPIVersion"] == f"{GROUP}/v1":
            spec["hostPort"] = f"{spec.pop('host')}:{spec.pop('port', '')}"
        obj["apiVersion"] = request["desiredAPIVersion"]
        if change is not None:
            change(obj)
        made.append(obj)
    said = {"uid": request["uid"], "convertedObjects": made, "result": {"status": "Success"}, **response}
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": said}


def definition(client: Review, stored: str = "v1") -> Review:
    """A definition of two versions."""
    fields = {"v1": {"hostPort": TEXT}, "v2": {"host": TEXT, "port": TEXT}}
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == stored,
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "properties": {**fields[name], "replicas": {"type": "integer"}}},
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    },
                }
            },
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
            },
            **({"selectableFields": [{"jsonPath": ".spec.host"}]} if name == "v2" else {}),
        }
        for name in ("v1", "v2")
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"hosts.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "hosts", "singular": "host", "kind": "Host", "listKind": "HostList"},
            "versions": versions,
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]},
            },
        },
    }


def host(version: str, name: str = "one", **spec: Any) -> Review:
    """An object of one of the versions."""
    return {"apiVersion": f"{GROUP}/{version}", "kind": "Host", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def server(web: Web, tmp_path: Path) -> AsyncIterator[HookServer]:
    """An honest webhook, and the definition that names it."""
    with HookServer(tmp_path) as made:
        made.answers["/c"] = converted
        await web.post(DEFINITIONS, definition(made.client("/c")))
        yield made


async def test_every_version_is_shown(web: Web, server: HookServer) -> None:
    """An object is stored in one version and read, written and listed in each; its own version asks nobody."""
    await web.post(V1, host("v1", "a", hostPort="h:1"))
    assert server.seen == []
    assert (await web.get(f"{V2}/a"))["spec"] == {"host": "h", "port": "1"}
    made = await web.post(V2, host("v2", "b", host="hb", port="2"))
    assert (made["apiVersion"], made["spec"]) == (f"{GROUP}/v2", {"host": "hb", "port": "2"})
    assert [obj["spec"] for obj in (await web.get(V1))["items"]] == [{"hostPort": "h:1"}, {"hostPort": "hb:2"}]
    changed = await web.ask("PATCH", f"{V2}/a", {"spec": {"port": "9"}}, MERGE)
    assert changed.json["spec"] == {"host": "h", "port": "9"}
    assert (await web.get(f"{V1}/a"))["spec"] == {"hostPort": "h:9"}


async def test_lists_ask_once(web: Web, server: HookServer) -> None:
    """A list sends what it does not know in one review, in order, and what it knows never again."""
    for name in "abc":
        await web.post(V1, host("v1", name, hostPort=f"{name}:1"))
    listed = await web.get(V2)
    assert [obj["spec"]["host"] for obj in listed["items"]] == ["a", "b", "c"]
    assert [obj["metadata"]["name"] for obj in server.seen[0][1]["request"]["objects"]] == ["a", "b", "c"]
    assert await web.get(V2) == listed
    assert len(server.seen) == 1
    chosen = await web.get(V2, fieldSelector="spec.host=b")
    assert [obj["metadata"]["name"] for obj in chosen["items"]] == ["b"]


async def test_watches(web: Web, server: HookServer) -> None:
    """A watch shows the past and every change in its version, and selects by what that version says."""
    await web.post(V1, host("v1", "a", hostPort="h:1"))
    async with web.watch(V2, fieldSelector="spec.host=h") as watching:
        type_, obj = await watching.next()
        assert (type_, obj["spec"]) == ("ADDED", {"host": "h", "port": "1"})
        await web.ask("PATCH", f"{V1}/a", {"spec": {"hostPort": "h:2"}}, MERGE)
        type_, obj = await watching.next()
        assert (type_, obj["spec"]) == ("MODIFIED", {"host": "h", "port": "2"})
        await web.ask("PATCH", f"{V1}/a", {"spec": {"hostPort": "x:2"}}, MERGE)
        type_, obj = await watching.next()
        assert (type_, obj["apiVersion"], obj["spec"]["host"]) == ("DELETED", f"{GROUP}/v2", "h")


async def test_watches_of_what_cannot_be_shown(web: Web, server: HookServer) -> None:
    """A watch whose webhook fails says so and ends."""
    async with web.watch(V2) as watching:
        server.answers["/c"] = lambda review: (500, b"oops")
        await web.post(V1, host("v1", "a", hostPort="h:1"))
        type_, status = await watching.next()
        assert (type_, status["code"]) == ("ERROR", 500)
        assert status["message"].startswith(f"{LEAD}failed: an error on the server")
        await watching.ended()


async def test_who_owns_what_in_which_version(web: Web, server: HookServer) -> None:
    """Appliers of different versions own, take and leave fields as each version names them."""

    async def applied(version: str, manager: str, force: bool = False, **spec: Any) -> Any:
        place = V1 if version == "v1" else V2
        forced = {"force": "true"} if force else {}
        answer = await web.ask("PATCH", f"{place}/c", host(version, "c", **spec), APPLY, fieldManager=manager, **forced)
        return answer.json

    await applied("v1", "one", hostPort="x:1")
    refused = await applied("v2", "two", host="y")
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.hostPort'
    taken = await applied("v2", "two", force=True, host="y")
    owners = [(e["manager"], e["apiVersion"], e["fieldsV1"]) for e in taken["metadata"]["managedFields"]]
    assert owners == [("two", f"{GROUP}/v2", {"f:spec": {"f:host": {}}})]
    assert taken["spec"] == {"host": "y", "port": "1"}
    await applied("v2", "three", replicas=3)
    left = await applied("v1", "one")
    assert left["spec"] == {"hostPort": "y:1", "replicas": 3}
    assert {e["manager"]: e["fieldsV1"] for e in left["metadata"]["managedFields"]} == {
        "one": {"f:spec": {}},
        "two": {"f:spec": {"f:host": {}}},
        "three": {"f:spec": {"f:replicas": {}}},
    }


async def test_migration(web: Web, server: HookServer) -> None:
    """An update that changes nothing brings an object to the version that is stored by now, once."""
    made = await web.post(V1, host("v1", "a", hostPort="h:1"))
    stored = await web.get(f"{DEFINITIONS}/hosts.{GROUP}")
    for version in stored["spec"]["versions"]:
        version["storage"] = version["name"] == "v2"
    assert (await web.ask("PUT", f"{DEFINITIONS}/hosts.{GROUP}", stored)).status == 200
    moved = (await web.ask("PUT", f"{V1}/a", await web.get(f"{V1}/a"))).json
    assert moved["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    again = (await web.ask("PUT", f"{V1}/a", await web.get(f"{V1}/a"))).json
    assert again["metadata"]["resourceVersion"] == moved["metadata"]["resourceVersion"]
    server.seen.clear()
    await web.get(f"{V2}/a")
    assert server.seen == []


async def test_subresources_and_deletion(web: Web, server: HookServer) -> None:
    """Status, scale and deletion go through any version."""
    await web.post(V1, host("v1", "a", hostPort="h:1", replicas=2))
    status = await web.ask("PATCH", f"{V2}/a/status", {"status": {"replicas": 1}}, MERGE)
    assert (status.json["spec"]["host"], status.json["status"]) == ("h", {"replicas": 1})
    scale = await web.ask("PATCH", f"{V2}/a/scale", {"spec": {"replicas": 5}}, MERGE)
    assert scale.json["spec"] == {"replicas": 5}
    assert (await web.get(f"{V1}/a"))["spec"] == {"hostPort": "h:1", "replicas": 5}
    assert (await web.ask("DELETE", f"{V2}/a")).status == 200
    assert (await web.get(V1))["items"] == []


def _with(**response: Any) -> Callable[[Review], Any]:
    return lambda review: converted(review, **response)


def _changing(change: Callable[[Review], Any]) -> Callable[[Review], Any]:
    return lambda review: converted(review, change)


BAD: list[tuple[Callable[[Review], Any], str]] = [
    (_with(result={"status": "Failure", "message": "cannot"}), "failed: cannot"),
    (_with(result={}), "failed: response.result.status was '', not 'Success'"),
    (_with(result={"status": "Failure"}), "failed: response.result.status was 'Failure', not 'Success'"),
    (lambda review: {"apiVersion": review["apiVersion"], "kind": "ConversionReview"}, "failed: no response provided"),
    (
        _with(result={"status": 3}),
        "failed: json: cannot unmarshal number into Go struct field Status.response.result.status of type string",
    ),
    (_with(result="Success"), "failed: result is no Status, or convertedObjects is no list"),
    (_with(convertedObjects=[]), "returned 0 objects, expected 1"),
    (
        _changing(lambda obj: obj.update(apiVersion=f"{GROUP}/v1")),
        f"returned invalid object at index 0: invalid groupVersion (expected {GROUP}/v2, received {GROUP}/v1)",
    ),
    (
        _changing(lambda obj: obj.update(kind="Other")),
        "returned invalid object at index 0: invalid kind (expected Host, received Other)",
    ),
    (
        _changing(lambda obj: obj["metadata"].update(name="zz")),
        "returned invalid object: must have the same name: a != zz",
    ),
    (
        _changing(lambda obj: obj["metadata"].update(namespace="zz")),
        "returned invalid object: must have the same namespace: default != zz",
    ),
    (_changing(lambda obj: obj.pop("metadata")), "returned invalid object: must have the same name: a != "),
    (
        _changing(lambda obj: obj["metadata"].update(labels={"a": 1})),
        "returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
    ),
    (
        _changing(lambda obj: obj["metadata"].update(labels={"a b": "1"})),
        'returned invalid metadata: metadata.labels: Invalid value: "a b": name part must consist of alphanumeric '
        "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
        "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ),
    (
        lambda review: (500, b"oops"),
        'failed: an error on the server ("oops") has prevented the request from succeeding',
    ),
    (
        lambda review: {**converted(review), "apiVersion": "apiextensions.k8s.io/v1beta1"},
        "failed: converting (v1beta1.ConversionReview) to (v1.ConversionReview): unknown conversion",
    ),
    (
        lambda review: {**converted(review), "kind": "What"},
        'failed: no kind "What" is registered for version "apiextensions.k8s.io/v1" in scheme '
        '"pkg/runtime/scheme.go:111"',
    ),
]


@pytest.mark.parametrize(("answer", "want"), BAD, ids=range(len(BAD)))
async def test_bad_webhooks(web: Web, server: HookServer, answer: Callable[[Review], Any], want: str) -> None:
    """What a webhook gets wrong is told in Kubernetes' words; its own version is read all the same."""
    await web.post(V1, host("v1", "a", hostPort="h:1"))
    server.answers["/c"] = answer
    failed = await web.ask("GET", f"{V2}/a")
    assert (failed.status, failed.json["message"], failed.json.get("reason")) == (500, LEAD + want, None)
    assert (await web.get(f"{V1}/a"))["spec"] == {"hostPort": "h:1"}


async def test_definitions_that_change_while_a_webhook_is_asked(web: Web, server: HookServer) -> None:
    """What was said before counts no more, so the webhook is asked anew and the list is whole."""
    await web.post(V1, host("v1", "a", hostPort="h:1"))
    await web.get(V2)
    await web.post(V1, host("v1", "b", hostPort="h:2"))
    conversions, loop = web.application.hub.conversions, asyncio.get_running_loop()

    def answer(review: Review) -> Review:
        server.answers["/c"] = converted
        asyncio.run_coroutine_threadsafe(forget(), loop).result()
        return converted(review)

    async def forget() -> None:
        conversions.forget()

    server.answers["/c"] = answer
    assert [obj["spec"]["port"] for obj in (await web.get(V2))["items"]] == ["1", "2"]


async def test_what_a_webhook_may_not_change(web: Web, server: HookServer) -> None:
    """Labels and annotations are the webhook's to change; other metadata is put back, unknown fields go."""
    made = await web.post(V1, host("v1", "a", hostPort="h:1"))

    def change(obj: Review) -> None:
        obj["metadata"].update(labels={"a": "1"}, finalizers=["x/y"], generation=99)
        obj["spec"]["bogus"] = 1

    server.answers["/c"] = _changing(change)
    shown = await web.get(f"{V2}/a")
    assert shown["metadata"] == {**made["metadata"], "labels": {"a": "1"}}
    assert shown["spec"] == {"host": "h", "port": "1"}


async def test_definitions_go_without_their_webhooks(web: Web, server: HookServer) -> None:
    """What is stored is deleted with its definition, although nobody converts it any more."""
    stored = await web.get(f"{DEFINITIONS}/hosts.{GROUP}")
    for version in stored["spec"]["versions"]:
        version["storage"] = version["name"] == "v2"
    await web.ask("PUT", f"{DEFINITIONS}/hosts.{GROUP}", stored)
    await web.post(V2, host("v2", "a", host="h", port="1"))
    server.answers["/c"] = lambda review: (500, b"oops")
    assert (await web.ask("DELETE", f"{DEFINITIONS}/hosts.{GROUP}")).status == 200
    definitions = web.application.hub.store.bucket("customresourcedefinitions.apiextensions.k8s.io")
    await until(lambda: definitions.get("", f"hosts.{GROUP}") is None)
