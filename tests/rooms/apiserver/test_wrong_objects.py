"""Objects of built-in kinds with one mistake each are refused in the words in which Kubernetes refuses them.

A file per group of kinds: first objects that are right, under a name, then what is changed of one (a path and a value; without
one the field is gone) and what Kubernetes says of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.apiserver.opened import opened
from tests.rooms.apiserver.test_crd_checks import changed
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object
from trueup.kube.problems import Invalid

GROUPS = {
    path.stem: path.read_text().splitlines() for path in sorted(Path(__file__).with_name("wrong").glob("*.jsonl"))
}


async def said(client: InProcessClient, obj: Object) -> list[str]:
    """What a refusal says of each cause."""
    try:
        await client.create(obj, dry_run=True)
    except Invalid as refused:
        return sorted(f"{cause.field}: {cause.message}" for cause in refused.causes)
    return []


@pytest.mark.parametrize("group", GROUPS)
async def test_what_is_wrong_is_said_as_by_kubernetes(group: str) -> None:
    """Every cause of every row; what is right is taken."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in GROUPS[group]]
    right = {row["name"]: row["right"] for row in rows if "right" in row}
    wrong = [row for row in rows if "of" in row]
    async with opened() as hub:
        client = InProcessClient(hub)
        refused = {name: await said(client, obj) for name, obj in right.items()}
        found = [(row, await said(client, changed(right[row["of"]], row["change"]))) for row in wrong]
    assert {name: [] for name in right} == refused
    assert [(row["of"], row["change"], row["says"], says) for row, says in found if row["says"] != says] == []
    print(f"{len(found)} of {len(wrong)}")
