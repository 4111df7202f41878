"""What Kubernetes answers to bodies that it cannot read: bad JSON and YAML, wrong types, patches that do not fit.

``unreadable_bodies.jsonl`` has a request a line and the code and message of kube-apiserver 1.36.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from tests.rooms.apiserver.web import Web
from trueup.apiserver.path import unwatched
from trueup.kube.names import Object

ROWS = [json.loads(line) for line in Path(__file__).with_name("unreadable_bodies.jsonl").read_text().splitlines()]
SPEC = {
    "n": {"type": "integer"},
    "f": {"type": "number"},
    "s": {"type": "string"},
    "b": {"type": "boolean"},
    "l": {"type": "array", "items": {"type": "string"}},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": SPEC},
        "status": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
    },
}
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.words.example.com"},
    "spec": {
        "group": "words.example.com",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": SCHEMA},
            }
        ],
    },
}
PATHS = {
    "configmaps": ("/api/v1/namespaces/words/configmaps", "cm"),
    "widgets": ("/apis/words.example.com/v1/namespaces/words/widgets", "w"),
    "deployments": ("/apis/apps/v1/namespaces/words/deployments", "dep"),
}


@pytest.fixture
async def words(web: Web) -> Web:
    """With an object to patch of a built-in kind and one of a custom kind."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "words"}}
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "b"}}
    widget = {"apiVersion": "words.example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"n": 1}}
    await web.post("/api/v1/namespaces", space)
    await web.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
    await web.post(PATHS["configmaps"][0], held)
    await web.post(PATHS["widgets"][0], widget)
    return web


async def test_what_cannot_be_read_is_told_in_the_words_of_kubernetes(words: Web) -> None:
    """Code and message of every row."""
    wrong: list[object] = []
    for row in ROWS:
        path, name = PATHS[row["to"]]
        path = path if row["verb"] == "POST" else f"{path}/{name}"
        headers = {"content-type": row["media"]} if row["media"] else {}
        query = dict(parse_qsl(row["query"], keep_blank_values=True)) | {"dryRun": "All"}
        answer = await words.ask(row["verb"], path, row["body"].encode(), headers, **query)
        if (answer.status, answer.json["message"]) != (row["code"], row["message"]):
            wrong.append((row, answer.status, answer.json["message"]))

    print(f"{len(ROWS) - len(wrong)} of {len(ROWS)}")
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("/api/v1/watch/pods", b"", ("/api/v1/pods", b"watch=1")),
        ("/api/v1/watch/namespaces/a/pods", b"x=1", ("/api/v1/namespaces/a/pods", b"watch=1&x=1")),
        (
            "/apis/apps/v1/watch/namespaces/a/deployments/web",
            b"",
            ("/apis/apps/v1/namespaces/a/deployments", b"watch=1&fieldSelector=metadata.name%3Dweb"),
        ),
        ("/api/v1/watch/namespaces/a", b"", ("/api/v1/namespaces", b"watch=1&fieldSelector=metadata.name%3Da")),
        ("/api/v1/namespaces/watch/pods", b"", ("/api/v1/namespaces/watch/pods", b"")),
    ],
)
def test_old_paths_of_watches_are_those_of_today(path: str, query: bytes, wanted: tuple[str, bytes]) -> None:
    """With ``watch`` before the resource, and a name as a field selector."""
    assert unwatched(path, query) == wanted


async def test_every_answer_has_an_identity(web: Web) -> None:
    """The client's where it gives one, whether or not there is an audit log."""
    own = await web.ask("GET", "/version", b"", {"audit-id": "mine"})
    new = await web.ask("GET", "/version")

    assert (own.headers["audit-id"], len(new.headers["audit-id"])) == ("mine", 36)
