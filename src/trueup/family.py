"""What a plug-in is, and what a reconciler may answer.

A family is a folder under ``families/`` that exports ``FAMILY``. The runtime runs its controllers; `the `app` room`
hands each part that a family offers (health rules, actions, panels) to the rooms that use it.

A reconcile request is a key and nothing else: read the present, compare, act. The same code serves create, change,
restart and lost event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.kube.names import Key, Kind, Object, Ref
from trueup.ports import Cache, Client, Clock, Events, Live


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
class Tools:
    """What every reconciler is handed: the API it serves, caches of watched kinds, events and the time."""

    client: Client
    cache: Callable[[Kind], Cache]
    """The informer of a kind that this controller reconciles or watches."""
    events: Events
    clock: Clock
    live: Live
    """All watched objects of the same cluster, and who owns whom."""
    memory: dict[Hashable, Any] = field(default_factory=dict, kw_only=True)
    """What controllers remember of the cluster between two runs, each under a key of its own; it may be lost."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of ``kind`` requeue the keys that ``keys`` names, and the keys of the controller's own objects that its
    indexes list under the values of ``by`` (index name -> values read from the changed object)."""

    kind: Kind
    keys: Callable[[Object], Iterable[Key]] | None = None
    by: Mapping[str, Callable[[Object], Iterable[str]]] = field(default_factory=dict)
    index: Mapping[str, Callable[[Object], Iterable[str]]] = field(default_factory=dict)
    """Lookups added to that kind's cache."""


@dataclass(frozen=True, slots=True)
class Controller:
    """One reconciled kind. ``reconcile`` gets the tools that the `app` room wired and a key; anything it raises besides
    ``Wait`` and ``Stop`` is retried with back-off."""

    name: str
    kind: Kind
    reconcile: Callable[[Any, Key], Awaitable[Result]]
    watches: Sequence[Watch] = ()
    index: Mapping[str, Callable[[Object], Iterable[str]]] = field(default_factory=dict)
    live: Callable[[Object], Iterable[Key]] | None = None
    """Whose live object this is (by tracking label or annotation): a change of any delivered object requeues these keys."""
    reads: Callable[[Object], Iterable[str]] | None = None
    """URLs of the sources that an object follows: news of one (a push, a change in a mapped folder) requeues it."""
    workers: int = 8


@dataclass(frozen=True, slots=True)
class ResourceView:
    """One object that a unit owns, as people see it; ``sync`` and ``health`` in the family's own words."""

    ref: Ref
    sync: str = ""
    health: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class HistoryView:
    """One deployment of a unit, newest last; ``at`` is RFC 3339."""

    id: int
    revision: str
    at: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit (an Application, a Kustomization) as CLI and web show it: what the object's status says, nothing computed."""

    kind: Kind
    namespace: str
    name: str
    source: str
    path: str
    revision: str
    sync: str
    """``Synced``, ``OutOfSync`` or ``Unknown``."""
    health: str
    """``Healthy``, ``Progressing``, ``Degraded``, ``Suspended``, ``Missing`` or ``Unknown``."""
    phase: str = ""
    """What its last operation came to, in the family's word."""
    message: str = ""
    suspended: bool = False
    by_hand: bool = False
    """Nobody but a person delivers it: what differs stays so until somebody asks for a sync."""
    since: str = ""
    resources: Sequence[ResourceView] = ()
    history: Sequence[HistoryView] = ()
    waits_for: Sequence[Ref] = ()
    """Objects that it cannot go on without: sources, dependencies."""


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """What a person asked of a unit. ``at`` is RFC 3339; ``options`` are the verb's (``prune``, ``dry_run``, ``id``...)."""

    actor: str
    at: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """The parts with which a family makes one of its kinds a unit."""

    kind: Kind
    view: Callable[[Object], UnitView]
    actions: Mapping[str, Callable[[Object, ActionRequest], Object]]
    """Named actions (``sync``, ``refresh``, ``suspend``, ``resume``, ``rollback``): the merge patch that carries one out.
    One that does not apply raises ``Stop`` saying why."""
    plan: Callable[[Any, Object], Awaitable[Any]] | None = None
    """(tools, object) -> (``delivery.Desired``, ``plan.Plan``): what its source renders to and what delivering it would do."""


@dataclass(frozen=True, slots=True)
class Family:
    """A folder of custom resources: served schemas (``crds``: files in the folder), controllers, optional parts."""

    name: str
    controllers: Sequence[Controller]
    crds: Sequence[str] = ()
    home: str = ""
    """A file in the folder: what an installation of the original brings along and repositories count on (its namespace, its
    accounts). There from the start in a cluster of our own."""
    health: Mapping[tuple[str, str], Callable[[Object], Any]] = field(default_factory=dict)
    """Health rules by (group, kind); each answers a ``health.judge.Health``."""
    units: Sequence[Unit] = ()
