"""When an Application syncs by itself: new revisions, repairs, and what a newer revision does to a sync under way. Pure.

Called by `operate.py`. Source: Argo CD user guide, "Automated Sync Policy"; the controller's ``autoSync``,
``alreadyAttemptedSync``, ``selfHealRemainingBackoff``. That a newer revision takes the place of a running sync is trueup's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.families.argocd.operation import Subject, is_automated
from trueup.families.argocd.status import in_sync
from trueup.families.argocd.types import Application, Policy
from trueup.kube.names import Object
from trueup.plan.plan import Change, Plan
from trueup.timing.rfc3339 import parse_time

HEAL_BACKOFF = (2.0, 3.0, 300.0)
"""First, factor and longest wait between repeated repairs of the same revision; the first repairs do not wait."""
HEAL_CALM = 600.0
"""Seconds after which an earlier repair is forgotten."""
AUTOMATED_RETRY: Mapping[str, Any] = {"limit": 5}


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin this operation now."""

    operation: Object


@dataclass(frozen=True, slots=True)
class Hold:
    """Begin nothing: why (a condition's message when it is an error), and when to look again."""

    why: str = ""
    error: bool = False
    after: float | None = None


def automatic(app: Application, plan: Plan, revisions: Sequence[str], now: float) -> Begin | Hold:
    """Whether to sync without being asked: only what differs, once per revision, repairs only with ``selfHeal``."""
    automated = app.policy.automated
    if automated is None or in_sync(app, plan):
        return Hold()
    differing = [change for change in plan if not change.in_sync]
    if differing and not automated.prune and all(change.orphan for change in differing):
        return Hold("only pruning is left, and automated prune is off")
    if differing and all(change.orphan and change.action == "leave" for change in differing):
        return Hold("; ".join(f"{change.ref}: {change.why}" for change in differing))
    operation = automated_sync(app, revisions)
    sync = operation["sync"]
    last = (app.raw.get("status") or {}).get("operationState") or {}
    if attempted(app, last, revisions):
        repair = _repair(app.policy, last, revisions, now)
        if isinstance(repair, Hold):
            return repair
        sync["autoHealAttemptsCount"] = repair
        if differing:
            sync["resources"] = [_named(change) for change in differing]
    kept = [change for change in plan if change.wanted is not None and change.wanted.hook is None]
    if automated.prune and not automated.allow_empty and not kept and differing:
        return Hold(f"Skipping sync attempt to {_words(revisions)}: auto-sync will wipe out all resources", error=True)
    return Begin(operation)


def automated_sync(app: Application, revisions: Sequence[str]) -> Object:
    """The operation that nobody asked for."""
    prune = app.policy.automated is not None and app.policy.automated.prune
    sync: Object = {"prune": prune, **_subject(app, revisions)}
    if app.policy.options:
        sync["syncOptions"] = [f"{name}={value}" for name, value in app.policy.options.items()]
    return {"initiatedBy": {"automated": True}, "retry": dict(app.policy.retry or AUTOMATED_RETRY), "sync": sync}


def attempted(app: Application, last: Mapping[str, Any], revisions: Sequence[str]) -> bool:
    """Whether the last operation was about these revisions of these very sources."""
    result = last.get("syncResult") or {}
    if not last.get("finishedAt"):
        return False
    if app.several:
        same = list(result.get("sources") or ()) == [source.raw for source in app.sources]
        return same and list(result.get("revisions") or ()) == list(revisions)
    spec = app.sources[0].raw if app.sources else {}
    return result.get("source") == spec and [result.get("revision")] == list(revisions)


def _repair(policy: Policy, last: Mapping[str, Any], revisions: Sequence[str], now: float) -> int | Hold:
    """The number of this repair, or why there is none (yet)."""
    if last.get("phase") != "Succeeded":
        return Hold(f"Failed last sync attempt to {_words(revisions)}: {last.get('message') or ''}", error=True)
    if policy.automated is None or not policy.automated.self_heal:
        return Hold("live objects differ, and selfHeal is off")
    before = int(((last.get("operation") or {}).get("sync") or {}).get("autoHealAttemptsCount") or 0)
    since = now - parse_time(last["finishedAt"])
    if since > HEAL_CALM:
        before = 0
    first, factor, longest = HEAL_BACKOFF
    wait = 0.0 if before < 3 else min(longest, first * factor ** (before - 3))
    if since < wait:
        return Hold(f"repaired {before} times already: next repair later", after=wait - since)
    return before + 1


def preempts(app: Application, asked: Mapping[str, Any], subject: Subject, revisions: Sequence[str]) -> bool:
    """Whether a running operation is about sources or revisions that are not the newest, and that nobody asked for by name."""
    if app.policy.automated is None or not revisions or not all((*revisions, *subject.revisions)):
        return False
    if not is_automated(asked) and any(Subject.of(app, asked).revisions):
        return False
    same = [source.raw for source in subject.sources] == [source.raw for source in app.sources]
    return not same or list(subject.revisions) != list(revisions)


def _named(change: Change) -> Object:
    ref = change.ref
    return {"group": ref.kind.group, "kind": ref.kind.kind, "name": ref.name, "namespace": ref.namespace}


def _words(revisions: Sequence[str]) -> str:
    """As Go prints a list."""
    return f"[{' '.join(revisions)}]"


def _subject(app: Application, revisions: Sequence[str]) -> Object:
    if app.several:
        return {"sources": [dict(source.raw) for source in app.sources], "revisions": list(revisions)}
    return {"source": dict(app.sources[0].raw), "revision": revisions[0]} if app.sources and revisions else {}
