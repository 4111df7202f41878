"""An operation in the words of an Application's status, and back: all that a restart needs to go on. Pure.

Called by `run.py`, `operate.py` and `delete.py`. Source: Argo CD, ``OperationState``, ``SyncOperationResult``,
``persistRevisionHistory``, ``processRequestedAppOperation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueup.delivery.outcome import Outcome
from trueup.families.argocd.types import Application, Source
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.policy import Retry
from trueup.plan.progress import Progress, Result
from trueup.timing.rfc3339 import format_time, parse_time

UNDER_WAY = ("Running", "Terminating")


@dataclass(frozen=True, slots=True)
class Subject:
    """What an operation is about: the sources and the revision of each."""

    sources: tuple[Source, ...]
    revisions: tuple[str, ...]
    several: bool

    @classmethod
    def of(cls, app: Application, asked: Mapping[str, Any]) -> Subject:
        """As it is asked for: its own sources when it names any (a rollback does), else the spec's; revisions where pinned."""
        sync = asked.get("sync") or {}
        entries = sync.get("sources") or ([sync["source"]] if sync.get("source") else [])
        sources = tuple(Source.parse(entry) for entry in entries) or tuple(app.sources)
        several = bool(sync.get("sources")) or (app.several and not sync.get("source"))
        pins = list(
            (sync.get("revisions") if several else None) or ([sync["revision"]] if sync.get("revision") else [])
        )
        return cls(sources, tuple((pins + [""] * len(sources))[: len(sources)]), several)

    @classmethod
    def under_way(cls, app: Application, state: Mapping[str, Any]) -> Subject:
        """As the status has it: what the operation began with stays what it is about."""
        asked = cls.of(app, state.get("operation") or {})
        result = state.get("syncResult") or {}
        entries = result.get("sources") or ([result["source"]] if result.get("source") else [])
        known = list(result.get("revisions") or [result.get("revision") or ""])
        if len(known) != len(entries) or not all(known):
            return asked
        return cls(tuple(Source.parse(entry) for entry in entries), tuple(known), bool(result.get("sources")))

    def at(self, revisions: Sequence[str]) -> Subject:
        """The same sources at these commits."""
        return replace(self, revisions=tuple(revisions))

    @property
    def revision(self) -> str:
        """All revisions as one word."""
        return ",".join(self.revisions)


AUTOMATED = "automated"
"""The actor of a sync that nobody asked for."""


def actor(asked: Mapping[str, Any]) -> str:
    """Who asked for an operation."""
    by = asked.get("initiatedBy") or {}
    return AUTOMATED if by.get("automated") else str(by.get("username") or "")


def is_automated(asked: Mapping[str, Any]) -> bool:
    """Whether the controller asked for it itself."""
    return bool((asked.get("initiatedBy") or {}).get("automated"))


def begun(asked: Object, subject: Subject, now: float, message: str = "") -> Object:
    """The state of an operation that begins."""
    return running(asked, Progress(started=format_time(now)), subject, message)


def running(
    asked: Object,
    progress: Progress,
    subject: Subject,
    message: str,
    results: Sequence[Result] = (),
    namespace_metadata: Object | None = None,
) -> Object:
    """The state of an operation under way."""
    result: Object = {"revision": "" if subject.several else (subject.revisions or ("",))[0]}
    if subject.several:
        result["sources"] = [dict(source.raw) for source in subject.sources]
        result["revisions"] = list(subject.revisions)
    elif subject.sources:
        result["source"] = dict(subject.sources[0].raw)
    known = results or tuple(progress.results.values())
    if known:
        result["resources"] = [_result(r) for r in known]
    if namespace_metadata is not None:
        result["managedNamespaceMetadata"] = namespace_metadata
    state: Object = {
        "operation": asked,
        "phase": "Running",
        "startedAt": progress.started,
        "message": progress.failing or message,
        "syncResult": result,
    }
    if progress.attempt:
        state["retryCount"] = progress.attempt
    return state


def after(
    asked: Object, outcome: Outcome, subject: Subject, now: float, namespace_metadata: Object | None = None
) -> Object:
    """The state after one step. One that waits for its next attempt is running, and has an end already."""
    state = running(asked, outcome.progress, subject, outcome.message, outcome.results, namespace_metadata)
    state["phase"], state["message"] = outcome.phase, outcome.message
    if outcome.final:
        state["finishedAt"] = format_time(now)
        if outcome.phase != "Succeeded" and outcome.attempts:
            state["message"] += f" (retried {outcome.attempts} times)."
    elif outcome.progress.not_before > now:
        state["finishedAt"] = format_time(now)
    return state


def troubled(state: Object, retry: Retry, message: str, now: float) -> tuple[Object, float | None]:
    """The state when trueup cannot do its part, and seconds until the next attempt; None: there is none."""
    failed = int(state.get("retryCount") or 0) + 1
    wait = retry.after(failed)
    if wait is None:
        told = f"{message} (retried {failed - 1} times)." if failed > 1 else message
        return {**state, "phase": "Error", "message": told, "finishedAt": format_time(now)}, None
    told = f"{message}. Retrying attempt #{failed} at {format_time(now + wait)}."
    return {
        **state,
        "phase": "Running",
        "message": told,
        "retryCount": failed,
        "finishedAt": format_time(now),
    }, wait


def progress_of(state: Mapping[str, Any], retry: Retry) -> Progress:
    """The progress that ``running`` wrote down."""
    result = state.get("syncResult") or {}
    subject = ",".join(result.get("revisions") or [result.get("revision") or ""])
    attempt = int(state.get("retryCount") or 0)
    base = Progress(started=str(state.get("startedAt") or ""), revision=subject, attempt=attempt)
    if state.get("finishedAt"):
        at = parse_time(str(state["finishedAt"])) + (retry.after(attempt) or 0.0)
        return replace(base, not_before=at)
    results = [_read(entry) for entry in result.get("resources") or ()]
    return base.having(results)  # why it fails, the machine finds again in the results


def _result(result: Result) -> Object:
    kind = result.ref.kind
    entry: Object = {
        "group": kind.group,
        "version": kind.version,
        "kind": kind.kind,
        "namespace": result.ref.namespace,
        "name": result.ref.name,
        "syncPhase": result.phase,
    }
    for name, value in (
        ("status", result.status),
        ("hookPhase", result.running),
        ("hookType", result.hook),
        ("message", result.message),
        ("images", list(result.images)),
    ):
        if value:
            entry[name] = value
    return entry


def _read(entry: Mapping[str, Any]) -> Result:
    kind = Kind(entry.get("group") or "", entry.get("version") or "", entry.get("kind") or "")
    return Result(
        Ref(kind, entry.get("namespace") or "", entry.get("name") or ""),
        phase=entry.get("syncPhase") or "Sync",
        status=entry.get("status") or "",
        running=entry.get("hookPhase") or "",
        message=entry.get("message") or "",
        hook=entry.get("hookType") or "",
        images=tuple(entry.get("images") or ()),
    )


def hooks(state: Mapping[str, Any]) -> list[Ref]:
    """The hooks that an operation created."""
    entries = (state.get("syncResult") or {}).get("resources") or ()
    return [_read(entry).ref for entry in entries if entry.get("hookType")]


def history(app: Application, state: Mapping[str, Any]) -> list[Object]:
    """``status.history`` with a successful, whole, real operation added; as long as ``revisionHistoryLimit`` allows."""
    entries = list((app.raw.get("status") or {}).get("history") or ())
    asked = state.get("operation") or {}
    sync = asked.get("sync") or {}
    if state.get("phase") != "Succeeded" or sync.get("dryRun") or sync.get("resources"):
        return entries
    result = state.get("syncResult") or {}
    entry: Object = {
        "id": (entries[-1].get("id") or 0) + 1 if entries else 0,
        "deployStartedAt": state.get("startedAt"),
        "deployedAt": state.get("finishedAt"),
        "initiatedBy": asked.get("initiatedBy") or {},
    }
    for name in ("revision", "revisions", "source", "sources"):
        if result.get(name):
            entry[name] = result[name]
    limit = app.history_limit
    return [*entries, entry][-limit:] if limit > 0 else []
