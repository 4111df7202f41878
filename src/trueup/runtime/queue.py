"""Keys that wait for a worker: each once, with delays and per-key back-off. Called by controller and manager.

Source: client-go ``workqueue`` (a key that is being worked on and comes again is worked on again afterwards, never twice at
once; delays; exponential per-item failures).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from trueup.ports import Clock
from trueup.timing.backoff import Backoff

K = TypeVar("K", bound=Hashable)

RETRY = Backoff(base=0.1, cap=300.0, jitter=0.1)
"""A stale read is retried at once in effect; what stays broken is looked at every five minutes and at each change."""


class Timers:
    """One heap of moments for all queues, and one task that sleeps until the first: idle costs nothing."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Hashable, Callable[[], None]]] = []
        self._due: dict[Hashable, int] = {}
        self._order = itertools.count()
        self._sleeping: asyncio.Task[None] | None = None
        self._until = 0.0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def set(self, name: Hashable, after: float, call: Callable[[], None]) -> None:
        """Call ``call`` in ``after`` seconds; an earlier timer of that name is replaced."""
        number = next(self._order)
        self._due[name] = number
        moment = self.clock.now() + after
        heapq.heappush(self._heap, (moment, number, name, call))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)
        self._changed.set()
        if self._sleeping is not None and moment < self._until:
            self._sleeping.cancel()

    def drop(self, name: Hashable) -> None:
        """Forget the timer of that name."""
        self._due.pop(name, None)

    async def run(self) -> None:
        """Fires timers until cancelled."""
        while True:
            self._fire()
            if not self._heap:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._until = self._heap[0][0]
            self._sleeping = asyncio.create_task(
                self.clock.sleep(max(0.0, self._until - self.clock.now())), name="runtime/timer"
            )
            try:
                await asyncio.wait((self._sleeping,))
            finally:
                self._sleeping.cancel()
                self._sleeping = None

    def _fire(self) -> None:
        now = self.clock.now()
        while self._heap and (self._heap[0][0] <= now or self._due.get(self._heap[0][2]) != self._heap[0][1]):
            _, number, name, call = heapq.heappop(self._heap)
            if self._due.get(name) == number:
                del self._due[name]
                call()


class Queue(Generic[K]):
    """The keys of one controller. ``wake`` is called when a key becomes ready."""

    def __init__(
        self,
        name: str,
        timers: Timers,
        wake: Callable[[], None],
        *,
        backoff: Backoff = RETRY,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._timers, self._wake, self._backoff, self._chance = timers, wake, backoff, chance
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._delayed: set[K] = set()

    def __len__(self) -> int:
        """How many keys are ready."""
        return len(self._ready)

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)

    @property
    def under_way(self) -> frozenset[K]:
        """The keys that are being worked on."""
        return frozenset(self._working)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._delayed)

    @property
    def quiet(self) -> bool:
        """Nothing is ready and nothing is being worked on."""
        return not self._ready and not self._working

    def add(self, key: K) -> None:
        """Make a key ready; once however often it is added; after the present run when it is being worked on."""
        if key in self._waiting:
            return
        if key in self._working:
            self._again.add(key)
            return
        self._waiting.add(key)
        self._ready.append(key)
        self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Make a key ready in so many seconds. A run that starts before then voids it: that run says when to look again."""
        if seconds <= 0:
            self.add(key)
            return
        self._delayed.add(key)
        self._timers.set((self.name, key), seconds, lambda: self._due(key))

    def fail(self, key: K) -> float:
        """Count a failure; the key comes back after its back-off, which is answered."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(failures, self._chance())
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key did well: its failures count no more."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    def take(self) -> K | None:
        """The next ready key, now being worked on; None when there is none."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        if key in self._delayed:
            self._delayed.discard(key)
            self._timers.drop((self.name, key))
        return key

    def done(self, key: K) -> None:
        """The run is over; what came for the key meanwhile makes it ready again, at the end of the line."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _due(self, key: K) -> None:
        self._delayed.discard(key)
        self.add(key)
