"""What the machine may answer, and what it looks at. Carried out by ``apply`` and ``delivery``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from trueup.health.verdict import Health
from trueup.kube.names import Object, Ref
from trueup.plan.plan import Change
from trueup.plan.progress import Result

Act = Literal["apply", "replace", "recreate", "prune", "start-hook", "remove-hook", "release-hook"]
"""``recreate``: delete and create again what cannot be changed. ``release-hook``: take the finalizer off."""

Observed = Mapping[Ref, Object | None]
"""The live objects that the plan's references (and ``Policy.wait_for``) name, now."""
Judge = Callable[[Object], Health]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to one object."""

    act: Act
    change: Change


@dataclass(frozen=True, slots=True)
class Do:
    """Carry these out: batches one after the other, the steps of a batch in parallel."""

    batches: tuple[tuple[Step, ...], ...]
    intents: tuple[Result, ...] = ()
    """To be stored before the first step: hooks that are about to be created, which must not happen twice."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done until one of ``refs`` changes or ``until`` (seconds since the epoch) has come."""

    why: str
    refs: tuple[Ref, ...] = ()
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """All is carried out."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; ``refs`` are the objects at fault."""

    message: str
    refs: tuple[Ref, ...] = ()


Verdict = Do | Wait | Done | Failed
