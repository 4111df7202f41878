"""Work that follows what is stored: for each thing that changed, one after another, until the hub is closed.

Used by whatever runs beside the verbs. What failed is done again, later each time; one thing's failure keeps no other
from being done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from trueup.kube.problems import ApiProblem
from trueup.store.state import Stale, StoreProblem
from trueup.timing.backoff import Backoff

_log = logging.getLogger("trueup.apiserver")
_AGAIN = Backoff(base=1.0, cap=300.0)

Thing = TypeVar("Thing", bound=Hashable)


class Following(Generic[Thing]):
    """``what`` names the work in the log; ``do`` does it for one thing, and may find that there is nothing to do."""

    def __init__(self, what: str, do: Callable[[Thing], Awaitable[None]]) -> None:
        self._what, self._do = what, do
        self._wake = asyncio.Event()
        self._due: dict[Thing, None] = {}
        self._failures: dict[Thing, int] = {}

    def take(self, thing: Thing) -> None:
        """Let it be done soon; once, however often it is taken until then."""
        self._due[thing] = None
        self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, {}
            for thing in due:
                try:
                    await self._do(thing)
                except (ApiProblem, StoreProblem, Stale) as problem:
                    _log.warning("%s: %s failed, trying again: %s", self._what, thing, problem)
                    self._again(thing)
                except Exception:  # a bug that one thing meets is no reason to leave all others alone
                    _log.exception("%s: %s failed, trying again", self._what, thing)
                    self._again(thing)
                else:
                    self._failures.pop(thing, None)

    def _again(self, thing: Thing) -> None:
        failures = self._failures[thing] = self._failures.get(thing, 0) + 1
        asyncio.get_running_loop().call_later(_AGAIN.delay(failures), self.take, thing)
