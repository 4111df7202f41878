"""How writes get to the log: those that come together in one commit. Called by `state`, which is told what became of them.

While the disk is quick, the loop commits by itself: that costs less than to hand a batch to a thread and to hear of it, and
takes a fraction of a millisecond. From a slow disk a thread keeps the loop free, so that reads go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

from trueup.store.log import Log, Row, StoreProblem

QUICK = 0.002
"""Seconds that commits may take, on average, for the loop to wait for them."""
_SMOOTH = 8
"""How many commits the average is of, about."""

T = TypeVar("T")
R = TypeVar("R")
_log = logging.getLogger("trueup.store")


class Commits(Generic[T]):
    """Writes on their way. ``row``: what of one is stored. ``settle``: is told which are stored, or are lost and why."""

    def __init__(
        self, log: Log, row: Callable[[T], Row], settle: Callable[[Sequence[T], StoreProblem | None], None]
    ) -> None:
        self._log, self._row, self._settle = log, row, settle
        self._waiting: list[T] = []
        self._going = False
        """Whether a commit is under way or about to be, or the log is being compacted."""
        self._idle: asyncio.Future[None] | None = None
        """Who closes waits for this."""
        self._took = 0.0
        """Seconds of a commit, on average."""
        self._thread = ThreadPoolExecutor(1, "trueup-store")

    def add(self, writes: Iterable[T]) -> None:
        """Commit these, in this order and all or none, with others that come until then."""
        self._waiting += writes
        if not self._going:
            self._going = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._go)  # once the loop has looked who else asks: they share the commit

    async def close(self) -> None:
        """Wait for what is on its way."""
        if self._going:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._thread.shutdown()

    def _go(self) -> None:
        batch, self._waiting = self._waiting, []
        rows = [self._row(write) for write in batch]
        if self._took <= QUICK:
            self._told(batch, self._append(rows))
        else:
            self._aside(partial(self._append, rows), partial(self._told, batch))

    def _append(self, rows: Sequence[Row]) -> StoreProblem | None:
        began = perf_counter()
        try:
            self._log.append(rows)
        except StoreProblem as problem:
            return problem
        except Exception as bug:  # it is logged; nobody may wait for ever for a commit that does not come
            _log.exception("a commit failed")
            return StoreProblem(f"the store failed: {bug!r}")
        finally:
            self._took += (perf_counter() - began - self._took) / _SMOOTH
        return None

    def _told(self, batch: list[T], problem: StoreProblem | None) -> None:
        if problem is not None:  # those that wait build on it
            batch, self._waiting = [*batch, *self._waiting], []
        try:
            self._settle(batch, problem)
        finally:
            if self._log.due:
                self._aside(self._compact, self._next)
            else:
                self._next()

    def _next(self, _: None = None) -> None:
        if self._waiting:
            self._go()
            return
        self._going = False
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _compact(self) -> None:
        """Let replaced rows go from the log; the recent past is in memory, and a restart needs the present alone."""
        try:
            self._log.compact()
        except StoreProblem as problem:
            _log.warning("old rows stay for now: %s", problem)

    def _aside(self, work: Callable[[], R], then: Callable[[R], None]) -> None:
        """In the thread, and back on the loop."""
        loop = asyncio.get_running_loop()
        self._thread.submit(lambda: loop.call_soon_threadsafe(then, work()))
