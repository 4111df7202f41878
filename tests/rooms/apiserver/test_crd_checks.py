"""Definitions with one mistake each are refused in the words in which Kubernetes refuses them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.apiserver.opened import opened
from trueup.apiserver.crd_checks import wrong
from trueup.apiserver.crd_words import as_go_says
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object
from trueup.kube.problems import Invalid

ROWS = [json.loads(line) for line in (Path(__file__).with_name("wrong_definitions.jsonl")).read_text().splitlines()]
"""What is changed of a definition that is right (a path and a value; without one the field is gone), and what Kubernetes says."""
RIGHT: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.p.example.com"},
    "spec": {
        "group": "p.example.com",
        "scope": "Namespaced",
        "names": {
            "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList",
            "shortNames": ["tg"], "categories": ["all"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "a": {"type": "string"},
                                    "n": {"type": "integer"},
                                    "l": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {"k": {"type": "string"}, "v": {"type": "string"}},
                                        },
                                    },
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}  # fmt: skip


def changed(definition: Object, changes: list[list[Any]]) -> Object:
    """A definition after changes."""
    made = copy.deepcopy(definition)
    for path, *value in changes:
        *above, last = [int(step) if step.isdigit() else step for step in path[1:].split("/")]
        place: Any = made
        for step in above:
            place = place[step] if isinstance(place, list) else place.setdefault(step, {})
        if not value:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value[0])
        else:
            place[last] = value[0]
    return made


async def said(client: InProcessClient, definition: Object) -> list[str]:
    """What a refusal says of each cause."""
    try:
        await client.create(definition)
    except Invalid as refused:
        return sorted(f"{cause.field}: {cause.message}" for cause in refused.causes)
    return []


async def test_what_is_wrong_is_said_as_by_kubernetes() -> None:
    """Every cause of every row."""
    async with opened() as hub:
        client = InProcessClient(hub)
        found = [(row, await said(client, changed(RIGHT, row["change"]))) for row in ROWS]
    assert [(row["change"], row["says"], says) for row, says in found if sorted(row["says"]) != says] == []


def test_parts_are_shown_as_go_shows_them() -> None:
    """What may not stand at the root is shown with all around it."""
    schema = {"type": "object", "oneOf": [{"required": ["a"]}]}
    definition = changed(RIGHT, [["/spec/versions/0/schema/openAPIV3Schema", schema]])
    (cause,) = wrong(definition)
    assert cause.message.startswith(f"Invalid value: {as_go_says(schema)}: only [Description Type ")
    assert '"OneOf":[{"ID":"",' in cause.message


UPDATES: list[tuple[list[list[Any]], str]] = [
    ([["/spec/scope", "Cluster"]], 'spec.scope: Invalid value: "Cluster": field is immutable'),
    ([["/spec/names/kind", "Other"]], 'spec.names.kind: Invalid value: "Other": field is immutable'),
    (
        [["/spec/versions/0/name", "v2"]],
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and '
        "must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from "
        "status.storedVersions",
    ),
]


@pytest.mark.parametrize(("change", "says"), UPDATES)
def test_what_may_not_change(change: list[list[Any]], says: str) -> None:
    """Of a definition whose objects may be stored."""
    old = changed(
        RIGHT, [["/status", {"storedVersions": ["v1"], "conditions": [{"type": "Established", "status": "True"}]}]]
    )
    assert [says] == [f"{cause.field}: {cause.message}" for cause in wrong(changed(old, change), old)]
