"""How far an operation has come: a value that survives a crash in the unit's own status.

Made by ``machine`` and ``delivery``; a dialect stores it (Argo CD: ``operationState.syncResult.resources``) through
``as_json``/``from_json``, or from its own words through ``Result``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from trueup.kube.names import Kind, Ref
from trueup.plan.wanted import PHASES, Phase

ResultStatus = Literal["", "Synced", "SyncFailed", "Pruned", "PruneSkipped"]
"""Empty: not tried yet. Source: gitops-engine ``ResultCode``."""

StepPhase = Literal["", "Running", "Terminating", "Succeeded", "Failed", "Error"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one object in this operation.

    ``status``: what the API said to writing it; ``running``: what became of it afterwards (a hook's run, a resource's
    health where a later wave waits for it). ``hook`` is the hook's word (``PreSync``) or empty.
    """

    ref: Ref
    phase: Phase = "Sync"
    status: ResultStatus = ""
    running: StepPhase = ""
    message: str = ""
    hook: str = ""
    images: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it failed, in writing or in running."""
        return self.status == "SyncFailed" or self.running in ("Failed", "Error")

    def as_json(self) -> dict[str, Any]:
        """As it is stored; empty fields left out."""
        kind = self.ref.kind
        out: dict[str, Any] = {"version": kind.version, "kind": kind.kind, "name": self.ref.name, "phase": self.phase}
        for name, value in (
            ("group", kind.group),
            ("namespace", self.ref.namespace),
            ("status", self.status),
            ("running", self.running),
            ("message", self.message),
            ("hook", self.hook),
            ("images", list(self.images)),
        ):
            if value:
                out[name] = value
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """From what ``as_json`` gave."""
        ref = Ref(
            Kind(data.get("group", ""), data.get("version", ""), data.get("kind", "")),
            data.get("namespace", ""),
            data.get("name", ""),
        )
        phase = data.get("phase") or "Sync"
        if phase not in PHASES:
            raise ValueError(f"progress names the phase {phase!r}, which does not exist")
        return cls(
            ref,
            phase,
            data.get("status", ""),
            data.get("running", ""),
            data.get("message", ""),
            data.get("hook", ""),
            tuple(data.get("images", ())),
        )


TaskKey = tuple[Phase, str, str, str, str]
"""Phase, group, kind, namespace, name: one object in one phase. The version is left out, for it may change."""


def task_key(phase: Phase, ref: Ref) -> TaskKey:
    """The key under which an object's result is kept."""
    return (phase, ref.kind.group, ref.kind.kind, ref.namespace, ref.name)


@dataclass(frozen=True, slots=True)
class Progress:
    """One operation so far. Begin with ``Progress(started=..., revision=...)``.

    ``revision`` is what is being delivered: the machine starts over when the request names another one.
    ``started`` (RFC 3339) goes into generated hook names, so it must be stored before the first step.
    """

    started: str = ""
    revision: str = ""
    attempt: int = 0
    """Attempts that failed before this one."""
    results: Mapping[TaskKey, Result] = field(default_factory=dict)
    failing: str = ""
    """Why the operation failed, while its ``SyncFail`` hooks run."""
    waiting_since: float = 0.0
    """When the present wait began (seconds since the epoch); for timeouts."""
    not_before: float = 0.0
    """When the next attempt may begin (seconds since the epoch)."""

    def of(self, phase: Phase, ref: Ref) -> Result | None:
        """What is known of one object in one phase."""
        return self.results.get(task_key(phase, ref))

    def having(self, results: Iterable[Result]) -> Progress:
        """With these results put in, in place of earlier ones of the same objects."""
        merged = dict(self.results)
        for result in results:
            merged[task_key(result.phase, result.ref)] = result
        return replace(self, results=merged)

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        out: dict[str, Any] = {"started": self.started, "revision": self.revision}
        if self.attempt:
            out["attempt"] = self.attempt
        if self.failing:
            out["failing"] = self.failing
        if self.waiting_since:
            out["waitingSince"] = self.waiting_since
        if self.not_before:
            out["notBefore"] = self.not_before
        out["results"] = [result.as_json() for result in self.results.values()]
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Progress:
        """From what ``as_json`` gave."""
        start = cls(
            data.get("started", ""),
            data.get("revision", ""),
            data.get("attempt", 0),
            {},
            data.get("failing", ""),
            data.get("waitingSince", 0.0),
            data.get("notBefore", 0.0),
        )
        return start.having(Result.from_json(row) for row in data.get("results", ()))
