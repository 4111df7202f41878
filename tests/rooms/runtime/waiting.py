"""Waiting for a condition: the event loop turns until it holds."""

import asyncio
from collections.abc import Callable

_BUSY_TURNS = 20  # virtual time stands still in these
_PATIENCE = 20.0  # seconds of real time until a condition that never comes fails its test


async def until(holds: Callable[[], object]) -> None:
    """Lets everything else run until ``holds()``; fails when it never does."""
    for _ in range(_BUSY_TURNS):
        if holds():
            return
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(_PATIENCE):
            while not holds():  # noqa: ASYNC110 - a look at many kinds of state, which offer no event
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError("the condition never came to hold") from None
