"""What random sequences have once found to differ from kube-apiserver 1.36 is answered as it answers.

``wide/recorded.jsonl`` has a sequence of calls a line, and what kube-apiserver answered.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

from tests.conformance.wide.recorded import TABLE, told
from tests.conformance.wide.runner import connect, define, lines
from trueup.app.embedded import embedded
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings


async def test_recorded_sequences_are_answered_alike() -> None:
    """Codes, words, objects, owners of fields, warnings and headers of every answer."""
    rows = [json.loads(line) for line in TABLE.read_text().splitlines()]
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(embedded(Settings(state=None, port=0, simulate=False), SystemClock()))
        side = await connect(stack, own.kubeconfig)
        await define((side, side))
        answers = await asyncio.gather(*(told(side, number, row["calls"]) for number, row in enumerate(rows)))

    pairs = [
        (row, *pair) for row, found in zip(rows, answers, strict=True) for pair in zip(row["told"], found, strict=True)
    ]
    different = [(row["case"], expected, actual) for row, expected, actual in pairs if expected != actual]
    print(f"{len(pairs) - len(different)} of {len(pairs)}")
    assert [(case, *lines(expected, actual)) for case, expected, actual in different] == []
