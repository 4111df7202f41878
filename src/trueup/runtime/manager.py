"""Runs all controllers over one cluster: shared informers, one worker pool, one heap of timers. Called by the `app` room.

In come controllers with their tools; nothing leaves but what the reconcilers do. Idle it waits on events alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from trueup.family import Controller
from trueup.kube.names import Key, Kind
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import Cache, Client, Clock, Live
from trueup.runtime.controller import Runner
from trueup.runtime.informer import Informer
from trueup.runtime.live import LiveCache
from trueup.runtime.metrics import Metrics
from trueup.runtime.queue import RETRY, Timers
from trueup.runtime.recorder import Recorder
from trueup.runtime.tasks import Tasks
from trueup.timing.backoff import Backoff

log = logging.getLogger("trueup.runtime.manager")

_GRACE = 10.0
"""Seconds that reconciles under way get to end by themselves when the program stops."""


_PATIENCE = 1.0
"""Seconds that a run may keep its place from keys that wait."""
_MOST_LENT = 256
"""Runs that take longer than that, at once; each costs memory."""


class _Place:
    """A worker's: what it works on and since when; ``lent`` when another works in its place meanwhile."""

    __slots__ = ("lent", "runner", "since")

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self.since = 0.0
        self.lent = False


class Manager:
    """Controllers, their queues and the pool of workers that serves them in turn."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        workers: int = 16,
        metrics: Metrics | None = None,
        live: LiveCache | None = None,
        component: str = "trueup",
        backoff: Backoff = RETRY,
        mine: Callable[[Controller, Key], bool] = lambda controller, key: True,
    ) -> None:
        """``mine`` tells which keys this replica works on."""
        self.client, self.clock = client, clock
        self.metrics = metrics or Metrics()
        self.live = live or LiveCache(client, clock, metrics=self.metrics)
        self.events = Recorder(client, clock, component=component, metrics=self.metrics)
        self.ready = asyncio.Event()
        self._workers, self._backoff, self._mine = workers, backoff, mine
        self._timers = Timers(clock)
        self._runners: dict[str, Runner] = {}
        self._turn: list[Runner] = []
        self._observed: list[Live] = []
        self._tasks = Tasks("manager")
        self._pool = Tasks("workers")
        self._active = 0
        self._places: set[_Place] = set()
        self._relieving = False
        self._running = False
        self._stopping = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    # --- wiring ---

    def add(self, controller: Controller, tools: Any) -> None:
        """Run a controller; its reconcile function is handed ``tools``."""
        if controller.name in self._runners:
            raise ValueError(f"two controllers are named {controller.name}")
        runner = Runner(
            controller, tools, self._timers, self._wake, self.metrics, backoff=self._backoff, mine=self._mine
        )
        self._runners[controller.name] = runner
        self._turn.append(runner)
        if self._running:
            self._connect(runner)

    def cache(self, kind: Kind) -> Cache:
        """The shared informer of a kind, watched from now on."""
        return self.live.informer(kind)

    def observe(self, live: Live) -> None:
        """Changes of live objects (of a destination cluster, say) requeue the units that delivered them."""
        if not any(known is live for known in self._observed):
            self._observed.append(live)
            for runner in self._turn if self._running else ():
                _follow(live, runner)

    def forget(self, live: Live) -> None:
        """These live objects are watched no more."""
        self._observed = [known for known in self._observed if known is not live]

    def enqueue(self, controller_name: str, key: Key, after: float = 0) -> None:
        """Make a key due, now or in ``after`` seconds."""
        self._runners[controller_name].queue.add_after(key, after)

    def enqueue_all(self) -> None:
        """Make every key due that this replica works on: its share has changed."""
        for runner in self._runners.values():
            runner.add_all()

    def strays(self) -> int:
        """How many keys are being worked on that are another replica's by now."""
        return sum(runner.strays() for runner in self._turn)

    @property
    def controllers(self) -> list[Controller]:
        """The controllers that it runs."""
        return [runner.controller for runner in self._turn]

    # --- life ---

    async def run(self) -> None:
        """Runs until ``stop``; raises when a part of the runtime itself fails."""
        self._running = True
        self._tasks.start(self._timers.run(), "timers")
        self._tasks.start(self.events.run(), "events")
        for runner in list(self._turn):
            self._connect(runner)
        self._tasks.start(self._all_settled(), "ready")
        try:
            await self._until_stopped()
        finally:
            self._running = False
            await self._shut()

    def stop(self) -> None:
        """End gracefully: no new runs, those under way may finish."""
        self._stopping.set()

    async def idle(self) -> None:
        """Waits until no key is ready and none is being worked on; keys with a delay may wait on."""
        await self.ready.wait()
        while not self._is_idle():
            self._quiet.clear()
            await self._quiet.wait()

    async def _until_stopped(self) -> None:
        stop = asyncio.create_task(self._stopping.wait(), name="manager/stop")
        failures = [
            asyncio.create_task(part.failure(), name="manager/failure") for part in (self._tasks, self._pool, self.live)
        ]
        try:
            await asyncio.wait((stop, *failures), return_when=asyncio.FIRST_COMPLETED)
            for failure in failures:
                if failure.done():
                    raise RuntimeError("a part of the runtime failed") from failure.result()
        finally:
            for task in (stop, *failures):
                task.cancel()

    async def _shut(self) -> None:
        grace = asyncio.create_task(self.clock.sleep(_GRACE), name="manager/grace")
        settled = asyncio.create_task(self._pool.settle(), name="manager/settle")
        await asyncio.wait((grace, settled), return_when=asyncio.FIRST_COMPLETED)
        grace.cancel()
        settled.cancel()
        await self._pool.close()
        await self.events.flush()
        await self._tasks.close()
        await self.live.close()

    # --- starting ---

    def _connect(self, runner: Runner) -> None:
        informers = runner.connect(self.live)
        for live in (self.live, *self._observed):
            _follow(live, runner)
        self._tasks.start(self._settle(runner, informers), f"settle {runner.controller.name}")

    async def _settle(self, runner: Runner, informers: list[Informer]) -> None:
        """A controller's first run waits until all that it reads is there."""
        for informer in informers:
            await self._listed(informer)
        runner.settled = True
        self._quiet.set()
        for _ in range(min(len(runner.queue), self._workers)):
            self._wake()

    async def _listed(self, informer: Informer) -> None:
        failures = 0
        while True:
            try:
                await informer.wait()
                break
            except NotFound:
                break  # not served (yet): nothing of that kind is live
            except ApiProblem:  # the informer has said so in the log and tries again
                failures += 1
                await self.clock.sleep(self._backoff.delay(failures))

    async def _all_settled(self) -> None:
        while not all(runner.settled for runner in self._turn):
            self._quiet.clear()
            await self._quiet.wait()
        self.ready.set()
        log.info("ready", extra={"controllers": len(self._turn), "kinds": len(self.live.kinds)})

    # --- the pool ---

    def _wake(self) -> None:
        """A key became ready: a worker starts if one is free."""
        self._quiet.set()
        if not self._running or self._stopping.is_set():
            return
        if self._active < self._workers and any(map(_free, self._turn)):
            self._active += 1
            self._pool.start(self._work(_Place()), "worker")
        else:
            self._soon_relieve()

    async def _work(self, place: _Place) -> None:
        """Serves the controllers in turn until none has a key that may run."""
        self._places.add(place)
        try:
            while not self._stopping.is_set():
                taken = self._next()
                if taken is None:
                    self._soon_relieve()
                    break
                place.runner, key = taken
                place.since = self.clock.now()
                await place.runner.work(key)
                if place.lent:
                    self._return(place)
                    if self._active > self._workers:
                        break
        finally:
            # In the same breath as the look that found nothing: a key that comes now starts a worker of its own.
            if place.lent:
                self._return(place)
            self._places.discard(place)
            self._active -= 1
            self._quiet.set()

    def _soon_relieve(self) -> None:
        if not self._relieving and any(runner.settled and len(runner.queue) for runner in self._turn):
            self._relieving = True
            self._timers.set("relieve", _PATIENCE, self._relieve)

    def _relieve(self) -> None:
        """Keys wait, all places are taken: who has been in one for long (a remote that does not answer) lends it on."""
        self._relieving = False
        until = self.clock.now() - _PATIENCE / 2
        waiting = sum(len(runner.queue) for runner in self._turn if runner.settled)
        lent = sum(place.lent for place in self._places)
        for place in list(self._places) if waiting else ():
            if not place.lent and place.runner is not None and place.since <= until and lent < _MOST_LENT:
                place.lent, lent = True, lent + 1
                place.runner.lent += 1
                self._active -= 1
        for _ in range(min(waiting, self._workers)):
            self._wake()

    def _return(self, place: _Place) -> None:
        assert place.runner is not None
        place.lent = False
        place.runner.lent -= 1
        self._active += 1

    def _next(self) -> tuple[Runner, Key] | None:
        """The next key, a different controller's each time, so that a busy one does not starve the others."""
        for position, runner in enumerate(self._turn):
            if _free(runner):
                key = runner.queue.take()
                if key is not None:
                    self._turn.append(self._turn.pop(position))
                    return runner, key
        return None

    def _is_idle(self) -> bool:
        return all(runner.queue.quiet for runner in self._turn)


def _follow(live: Live, runner: Runner) -> None:
    """Let a controller hear of every live object, if it delivers any: most do not, and changes are many."""
    if runner.controller.live is not None:
        live.subscribe(runner.observe)


def _free(runner: Runner) -> bool:
    taken = runner.queue.working - runner.lent
    return runner.settled and len(runner.queue) > 0 and taken < runner.controller.workers
