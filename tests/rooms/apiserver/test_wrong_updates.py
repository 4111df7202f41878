"""Updates of built-in objects that Kubernetes refuses are refused in its words.

The files are as those of `test_wrong_objects`: each object is made, and what is changed of it is put in its place.
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
    path.stem: path.read_text().splitlines()
    for path in sorted(Path(__file__).with_name("wrong_updates").glob("*.jsonl"))
}


async def said(client: InProcessClient, obj: Object, version: str, subresource: str = "") -> list[str]:
    """What a refusal says, each cause once."""
    obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}
    try:
        await client.update(obj, subresource=subresource, dry_run=True)
    except Invalid as refused:
        return sorted({f"{cause.field}: {cause.message}" for cause in refused.causes})
    return []


@pytest.mark.parametrize("group", GROUPS)
async def test_what_may_not_change_is_said_as_by_kubernetes(group: str) -> None:
    """Every cause of every row."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in GROUPS[group]]
    right = {row["name"]: row["right"] for row in rows if "right" in row}
    wrong = [row for row in rows if "of" in row]
    found = []
    for name, obj in right.items():
        async with opened() as hub:
            client = InProcessClient(hub)
            version = (await client.create(obj))["metadata"]["resourceVersion"]
            for row in wrong:
                if row["of"] == name:
                    found.append((row, await said(client, changed(obj, row["change"]), version)))
    assert [(row["of"], row["change"], row["says"], says) for row, says in found if row["says"] != says] == []
    assert len(found) == len(wrong)
    print(f"{len(found)} of {len(wrong)}")
