"""The two clocks: the machine's, and a virtual one for tests and previews. Both implement `ports.Clock`."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# So many turns of the event loop with nothing else to run count as "everybody waits": one turn polls sockets and
# threads once, the further ones let what they brought wake others.
_QUIET_TURNS = 3


class SystemClock:
    """Wall time of the machine."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock:
    """Time that stands still while anything runs, and leaps to the next sleeper when all wait.

    Work that the event loop does not see (a thread, a process) is held to by ``with clock.held():``.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._holds = 0
        self._quiet = 0
        self._watching = False

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        self._watch(loop)
        await future

    def advance(self, seconds: float) -> None:
        """Move on by hand; whoever sleeps until then wakes in order."""
        self._wake(self._now + seconds)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Time stands still inside."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if self._sleepers:
                self._watch(asyncio.get_running_loop())

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._watching and not self._holds:
            self._watching, self._quiet = True, 0
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Looks once per turn of the loop whether anything else is about to run."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # cancelled
        if not self._sleepers or self._holds:
            self._watching = False
            return
        # The loop's own queue of callbacks has no public face; a loop without it is given its turns all the same.
        ready: Any = getattr(loop, "_ready", ())
        self._quiet = 0 if len(ready) else self._quiet + 1
        if self._quiet >= _QUIET_TURNS:
            self._quiet = 0
            self._wake(self._sleepers[0][0])
        loop.call_soon(self._turn, loop)

    def _wake(self, until: float) -> None:
        while self._sleepers and self._sleepers[0][0] <= until:
            moment, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self._now = max(self._now, moment)
                future.set_result(None)
        self._now = max(self._now, until)
