"""What ``Delivery`` answers: rendered objects, and how an operation stands. Dialects turn it into their status words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trueup.health.verdict import Health
from trueup.kube.names import Object, Ref
from trueup.plan.progress import Progress, Result
from trueup.ports import Artifact, Origin, Rendered

OperationPhase = Literal["Running", "Succeeded", "Failed", "Error"]
"""``Failed``: an object or a hook failed. ``Error``: trueup could not do its part (the cluster cannot be reached)."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the sources say should be live. ``objects`` and ``origins`` run in parallel, sources in their order."""

    objects: list[Object]
    origins: list[Origin]
    revisions: tuple[str, ...]
    """One per source, in the order asked for."""
    artifacts: tuple[Artifact, ...]
    warnings: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    """The tool that rendered each source (``kustomize``, ``helm``, ``directory``, ``jsonnet``); empty when not rendered."""
    rendered: tuple[Rendered, ...] = ()
    """The sources that were rendered, each with what it read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation stands after one ``advance``.

    While ``phase`` is ``Running``: store ``progress`` and come back when one of ``waiting_for`` changes or after
    ``next_after`` seconds. Otherwise it is over: the ledger has its entry, ``inventory`` is what the unit owns now.
    """

    phase: OperationPhase
    message: str
    progress: Progress
    results: tuple[Result, ...] = ()
    """One per object and phase that was reached, in order."""
    inventory: tuple[Ref, ...] = ()
    """What the unit owns now: the old inventory, with what was written, without what is gone. Never lists hooks."""
    health: Mapping[Ref, Health] = field(default_factory=dict)
    """Of every non-hook object, live, now."""
    waiting_for: tuple[Ref, ...] = ()
    next_after: float | None = None
    """Seconds until a timeout or a retry is due; None: only a change of a live object matters."""
    changed: tuple[Ref, ...] = ()
    """Written or deleted by this very call."""
    attempts: int = 0
    """Failed attempts that are being retried."""

    @property
    def final(self) -> bool:
        """Whether the operation is over."""
        return self.phase != "Running"
