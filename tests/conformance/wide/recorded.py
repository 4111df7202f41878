"""Sequences of calls with what kube-apiserver 1.36 answered: what random sequences have found.

    python -m tests.conformance.wide.recorded KUBECONFIG CASES

adds to ``recorded.jsonl`` what that server answers to each case of a file, a line each: ``{"case": …, "calls": [[method, path,
body, content, query], …]}``, where ``{ns}`` is a namespace of its own and all after the path may be left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conformance.wide.calls import APPLY, JSON, MERGE, STRATEGIC, Call, Json, Side
from tests.conformance.wide.runner import connect, define, prepare

TABLE = Path(__file__).with_name("recorded.jsonl")
SHORT = {"apply": APPLY, "json": JSON, "merge": MERGE, "strategic": STRATEGIC, "": "application/json"}


async def told(side: Side, number: int, calls: Iterable[Any]) -> list[Json]:
    """What a server answers to each call of one case."""
    space = f"case-{number}"
    side = side.fresh()
    for made in prepare(space):
        await side.send(made)
    answers = []
    for parts in json.loads(json.dumps(list(calls)).replace("{ns}", space)):
        method, path, *rest = parts
        body, content, query, accept = [*rest, *(None, "", {}, "application/json")[len(rest) :]]
        if isinstance(body, str):
            body = body.encode()
        about = path.partition("?")[0]
        if method == "POST" and isinstance(body, dict):
            about = f"{path}/{(body.get('metadata') or {}).get('name', '')}"
        for part in ("/status", "/scale", "/ephemeralcontainers", "/resize"):
            about = about.removesuffix(part)
        query = {"fieldManager": "m1", **query} if method in ("POST", "PUT", "PATCH") else query
        call = Call("", method, path, query, body, about, None, SHORT.get(content, content), accept)
        answers.append(await side.send(call))
    found: list[Json] = json.loads(json.dumps(answers).replace(space, "{ns}"))
    return found


async def _record(kubeconfig: Path, rows: list[Json]) -> list[Json]:
    async with contextlib.AsyncExitStack() as stack:
        side = await connect(stack, kubeconfig)
        await define((side, side))
        first = int(time.time()) % 10**6
        return [{**row, "told": await told(side, first + number, row["calls"])} for number, row in enumerate(rows)]


def main(kubeconfig: Path, cases: Path) -> None:
    """From the command line."""
    known = {json.loads(line)["case"] for line in TABLE.read_text().splitlines()} if TABLE.exists() else set()
    rows = [json.loads(line) for line in cases.read_text().splitlines()]
    made = asyncio.run(_record(kubeconfig, [row for row in rows if row["case"] not in known]))
    with TABLE.open("a") as table:
        table.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
