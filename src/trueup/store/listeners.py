"""Who is told of changes, and who is woken by them. Used by `state` and by what lists what is served; pure, but for the loop.

There may be thousands of either for one change, who come and go all the time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

SLICE = 32
"""Sleepers that are woken at a time: what each of them then does takes some forty microseconds, and others wait for it."""

T = TypeVar("T", bound=Hashable)


class Listeners(Generic[T]):
    """In the order in which they came. To leave takes as long with thousands of them as with one."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: dict[T, None] = {}

    def append(self, listener: T) -> None:
        """Tell it from now on."""
        self._all[listener] = None

    def remove(self, listener: T) -> None:
        """Tell it no more."""
        del self._all[listener]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[T]:
        """Those who are there now: any of them may leave, or bring others, while it is told."""
        return iter(tuple(self._all))


class Turns:
    """Wakes sleepers a few at a time. Between two slices the loop looks after everything else, and whoever caused the
    change has its answer before the first of them."""

    __slots__ = ("_going", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._going = False

    def wake(self, sleeper: asyncio.Future[None]) -> None:
        """In its turn."""
        self._waiting.append(sleeper)
        if not self._going:
            self._going = True
            sleeper.get_loop().call_soon(self._next)

    def _next(self) -> None:
        waiting = self._waiting
        for _ in range(min(SLICE, len(waiting))):
            sleeper = waiting.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
        self._going = bool(waiting)
        if waiting:
            waiting[0].get_loop().call_soon(self._next)
