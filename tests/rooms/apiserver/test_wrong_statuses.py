"""Statuses that Kubernetes refuses are refused in its words.

First objects under a name, each with a status that is right, then what is changed of the status and what Kubernetes says of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.rooms.apiserver.opened import opened
from tests.rooms.apiserver.test_crd_checks import changed
from tests.rooms.apiserver.test_wrong_updates import said
from trueup.apiserver.inprocess import InProcessClient

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("wrong_statuses.jsonl").read_text().splitlines()
]


async def test_what_a_status_may_not_say_is_said_as_by_kubernetes() -> None:
    """Every cause of every row; what is right is taken."""
    right = {row["name"]: row for row in ROWS if "right" in row}
    wrong = [row for row in ROWS if "of" in row]
    refused, found = {}, []
    for name, row in right.items():
        async with opened() as hub:
            client = InProcessClient(hub)
            made = await client.create(row["right"])
            version = made["metadata"]["resourceVersion"]
            live = {**made, "status": row["status"]}
            refused[name] = await said(client, live, version, subresource="status")
            for each in wrong:
                if each["of"] == name:
                    found.append(
                        (each, await said(client, changed(live, each["change"]), version, subresource="status"))
                    )
    assert {name: [] for name in right} == refused
    assert [(row["of"], row["change"], row["says"], says) for row, says in found if row["says"] != says] == []
    print(f"{len(found)} of {len(wrong)}")
