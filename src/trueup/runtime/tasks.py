"""Tasks that nobody may lose: each has a name and an owner; one that fails is heard. Called by manager and live cache."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("trueup.runtime")

_PATIENCE = 0.2
"""Seconds that a cancelled task gets before it is cancelled again."""


class Tasks:
    """A group of tasks that may start at any time and end together with their owner.

    Unlike ``asyncio.TaskGroup`` it needs no ``async with`` around it: informers start from wherever they are first asked for.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._failure: BaseException | None = None
        self._failed: asyncio.Event = asyncio.Event()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` under this owner. Raises ``RuntimeError`` after the end."""
        if self._closed:
            work.close()
            raise RuntimeError(f"{self._owner} has ended: {name} cannot start")
        task = asyncio.create_task(work, name=f"{self._owner}/{name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def failure(self) -> BaseException:
        """Waits until a task fails, and answers why."""
        await self._failed.wait()
        assert self._failure is not None
        return self._failure

    async def settle(self) -> None:
        """Waits until every task that runs now has ended."""
        if self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Cancels what runs, and waits for it to end.

        Again and again, for a library below may take one cancellation for the end of its own call and go on.
        """
        self._closed = True
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=_PATIENCE)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        problem = task.exception()
        if problem is not None:
            log.error("%s failed", task.get_name(), exc_info=problem)
            self._failure = self._failure or problem
            self._failed.set()
