"""What a plug-in is, and what a reconciler may answer.

A family is a folder under ``families/`` that exports ``FAMILY``. The runtime runs its controllers; ``app.py``
hands each part that a family offers (health rules, actions, panels) to the rooms that use it.

A reconcile request is a key and nothing else: read the present, compare, act. The same code serves create, change,
restart and lost event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.kube.names import Key, Kind, Object


@dataclass(frozen=True, slots=True)
class Result:
    """All is done for now; ``after`` seconds from now look again even if nothing changes."""

    after: float | None = None


class Wait(Exception):
    """Something outside must change first; look again after ``after`` seconds. Not an error, no back-off."""

    def __init__(self, reason: str, after: float) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


class Stop(Exception):
    """Only a change of the object can help: no retry until then."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of ``kind`` requeue the keys that ``keys`` names. ``index`` adds lookups to that kind's cache."""

    kind: Kind
    keys: Callable[[Object], Iterable[Key]]
    index: Mapping[str, Callable[[Object], Iterable[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Controller:
    """One reconciled kind. ``reconcile`` gets the tools that ``app.py`` wired and a key; anything it raises besides
    ``Wait`` and ``Stop`` is retried with back-off."""

    name: str
    kind: Kind
    reconcile: Callable[[Any, Key], Awaitable[Result]]
    watches: Sequence[Watch] = ()
    index: Mapping[str, Callable[[Object], Iterable[str]]] = field(default_factory=dict)
    workers: int = 8


@dataclass(frozen=True, slots=True)
class Family:
    """A folder of custom resources: served schemas (``crds``: files in the folder), controllers, optional parts."""

    name: str
    controllers: Sequence[Controller]
    crds: Sequence[str] = ()
    health: Mapping[tuple[str, str], Callable[[Object], Any]] = field(default_factory=dict)
    """Health rules by (group, kind); each answers a ``health.judge.Health``."""
