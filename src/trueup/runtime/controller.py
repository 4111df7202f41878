"""Runs one controller: which keys a change requeues, one run of a key, what its answer means. Called by `manager.py`.

Source: controller-runtime (a request is a key; answers; a failing key never stops others), with trueup's three answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from trueup.family import Controller, Result, Stop, Wait, Watch
from trueup.kube.names import Key, Object
from trueup.kube.problems import AlreadyExists, ApiProblem, Conflict
from trueup.ports import WatchEvent
from trueup.runtime.informer import Change, Informer
from trueup.runtime.live import LiveCache
from trueup.runtime.metrics import Metrics
from trueup.runtime.queue import Queue, Timers
from trueup.timing.backoff import Backoff

log = logging.getLogger("trueup.runtime.controller")


class Runner:
    """One controller with its queue."""

    def __init__(
        self,
        controller: Controller,
        tools: Any,
        timers: Timers,
        wake: Callable[[], None],
        metrics: Metrics,
        *,
        backoff: Backoff,
        mine: Callable[[Controller, Key], bool],
    ) -> None:
        self.controller = controller
        self._tools, self._clock, self._metrics, self._mine = tools, timers.clock, metrics, mine
        self.queue: Queue[Key] = Queue(controller.name, timers, wake, backoff=backoff)
        self.lent = 0
        """Keys being worked on that have taken so long that they count no more against ``workers``."""
        self.settled = False
        """Its informers have listed (or their kinds are not served): runs may start."""
        self._own: Informer | None = None
        metrics.queue(controller.name, lambda: len(self.queue), lambda: self.queue.delayed, lambda: self.queue.working)

    # --- what wakes it ---

    def connect(self, live: LiveCache) -> list[Informer]:
        """Listen to its kind and its watches; answers the informers that it needs before it runs."""
        self._own = own = live.informer(self.controller.kind)
        informers = [own]
        for name, values in self.controller.index.items():
            own.add_index(name, values)
        for watch in self.controller.watches:
            informer = live.informer(watch.kind)
            for name, values in watch.index.items():
                informer.add_index(name, values)
            informer.listen(self._watcher(watch))
            informers.append(informer)
        own.listen(self._own_changed)
        return informers

    def observe(self, event: WatchEvent) -> None:
        """A change of any live object: the units that delivered it look at it."""
        if self.controller.live is not None:
            self.add(self.controller.live(event.object))

    def add(self, keys: Iterable[Key]) -> None:
        """Requeue keys that this replica works on."""
        for key in keys:
            if self._mine(self.controller, key):
                self.queue.add(key)

    def strays(self) -> int:
        """Keys being worked on that are another replica's by now."""
        return sum(not self._mine(self.controller, key) for key in self.queue.under_way)

    def add_all(self) -> None:
        """Requeue every object of its kind: what this replica works on has changed."""
        if self._own is not None:
            self.add(map(Key.of, self._own.list()))

    def _own_changed(self, type: Change, obj: Object, old: Object | None) -> None:
        self.add((Key.of(obj),))

    def _watcher(self, watch: Watch) -> Callable[[Change, Object, Object | None], None]:
        def changed(type: Change, obj: Object, old: Object | None) -> None:
            # Both ends of a move: what the object no longer points at must look again too.
            for one in (obj,) if old is None or old is obj else (old, obj):
                if watch.keys is not None:
                    self.add(watch.keys(one))
                for index, values in watch.by.items():
                    for value in values(one):
                        assert self._own is not None
                        self.add(map(Key.of, self._own.by_index(index, value)))

        return changed

    # --- one run ---

    async def work(self, key: Key) -> None:
        """Reconcile one key; whatever it raises concerns this key alone."""
        if not self._mine(self.controller, key):  # another replica's since it was queued
            self.queue.forget(key)
            self.queue.done(key)
            return
        started = self._clock.now()
        result, level = "error", logging.WARNING
        problem: Exception | None = None
        try:
            answer = await self.controller.reconcile(self._tools, key)
            result, level = "done", logging.DEBUG
            self._again(key, answer)
        except Wait as wait:
            result, level, problem = "wait", logging.DEBUG, wait
            self.queue.forget(key)
            self.queue.add_after(key, wait.after)
        except Stop as stop:
            result, level, problem = "stop", logging.INFO, stop
            self.queue.forget(key)
        except asyncio.CancelledError:
            result = "cancelled"
            raise
        except Exception as error:  # whatever one key raises is told and tried again; the others go on
            problem = error
            self._failed(key, error)
        finally:
            seconds = self._clock.now() - started
            self._metrics.reconciled(self.controller.name, result, seconds)
            self.queue.done(key)
            if log.isEnabledFor(level) and result != "error":
                log.log(level, "%s%s", result, f": {problem}" if problem else "", extra=self._fields(key, seconds))

    def _again(self, key: Key, answer: Result) -> None:
        self.queue.forget(key)
        if answer.after is not None:
            self.queue.add_after(key, answer.after)

    def _failed(self, key: Key, error: Exception) -> None:
        delay = self.queue.fail(key)
        fields = self._fields(key, None) | {"retry": round(delay, 3), "failures": self.queue.failures(key)}
        if isinstance(error, (Conflict, AlreadyExists)) and self.queue.failures(key) < 4:
            log.debug("read again: %s", error, extra=fields)  # somebody else wrote; the next read shows it
        elif isinstance(error, ApiProblem):
            log.warning("%s: %s", error.reason, error, extra=fields)
        else:
            log.error("unexpected: %s", error, extra=fields, exc_info=error)

    def _fields(self, key: Key, seconds: float | None) -> dict[str, Any]:
        fields: dict[str, Any] = {"controller": self.controller.name, "unit": f"{self.controller.kind.kind}/{key}"}
        if seconds is not None:
            fields["duration"] = round(seconds, 6)
        return fields
