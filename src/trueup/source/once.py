"""One errand for all who ask for the same at one time. Used by `charts` and `fetcher`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """What is running already is waited for; one waiter's leaving does not end it for the others."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def __call__(self, key: tuple[str, ...], make: Callable[[], Awaitable[T]]) -> T:
        """The answer of the errand of that key."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(make())
            task.add_done_callback(lambda done: self._done(key, done))
        result: T = await asyncio.shield(task)
        return result

    async def close(self) -> None:
        """End what runs."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, key: tuple[str, ...], task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # told to those who waited; if all have left, to nobody
