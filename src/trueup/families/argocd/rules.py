"""What an Application asks for, as decisions: sync policy, self-healing, preemption, ignore rules. Pure.

Called by `reconcile.py`; answers requests and verdicts, never acts. Sources: Argo CD user guide, "Automated Sync Policy",
"Sync Options", "Diffing Customization"; the controller's `autoSync`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.families.argocd.types import Application, Policy, Source, parse_options
from trueup.kube.names import Object, Ref
from trueup.plan.order import ARGOCD
from trueup.plan.plan import Plan
from trueup.plan.policy import Policy as PlanPolicy
from trueup.plan.policy import Propagation, Retry
from trueup.plan.wanted import Ignore
from trueup.timing.durations import parse_duration
from trueup.timing.rfc3339 import parse_time

REFRESH_EVERY = 180.0
"""Seconds between two looks at a source that announces nothing (``timeout.reconciliation``)."""
HEAL_BACKOFF = (2.0, 3.0, 300.0)
"""First, factor and longest wait between repeated repairs of the same revision; the first repair does not wait."""
HEAL_CALM = 600.0
"""Seconds after which an earlier repair is forgotten."""
AUTOMATED_RETRY: Mapping[str, Any] = {"limit": 5}
APPROVED = "argocd.argoproj.io/deletion-approved"

_PROPAGATION: Mapping[str, Propagation] = {"foreground": "Foreground", "background": "Background", "orphan": "Orphan"}


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


def plan_policy(app: Application, operation: Object, plan: Plan | None = None, *, started: str = "") -> PlanPolicy:
    """The policy of one operation. ``plan`` is needed to tell which objects a selective sync means."""
    sync = operation.get("sync") or {}
    options = parse_options(sync.get("syncOptions") or ())
    strategy = sync.get("syncStrategy") or {}
    how = strategy.get("apply") or strategy.get("hook") or {}
    selected = sync.get("resources")
    automated = app.policy.automated
    return PlanPolicy(
        order=ARGOCD,
        prune=bool(sync.get("prune")),
        prune_last=options.get("PruneLast") == "true",
        propagation=_PROPAGATION.get(options.get("PrunePropagationPolicy", "foreground").lower(), "Foreground"),
        prune_approved=approved(app, started),
        allow_empty=automated is None or automated.allow_empty or not _is_automated(operation),
        replace=options.get("Replace") == "true",
        force=bool(how.get("force")) or options.get("Force") == "true",
        validate=options.get("Validate") != "false",
        dry_run=bool(sync.get("dryRun")),
        skip_hooks="apply" in strategy or bool(selected),
        hook_finalizer="argocd.argoproj.io/hook-finalizer",
        fail_on_shared=options.get("FailOnSharedResource") == "true",
        only=None if not selected else chosen(selected, plan),
        out_of_sync_only=options.get("ApplyOutOfSyncOnly") == "true",
        respect_ignored=options.get("RespectIgnoreDifferences") == "true",
        create_namespace=options.get("CreateNamespace") == "true",
        namespace_labels=tuple(sorted(app.policy.namespace_labels.items())),
        namespace_annotations=tuple(sorted(app.policy.namespace_annotations.items())),
        retry=retry_of(operation.get("retry")),
    )


def retry_of(raw: Mapping[str, Any] | None) -> Retry:
    """``retry`` with Argo CD's defaults; none means one attempt."""
    if not raw:
        return Retry()
    backoff = raw.get("backoff") or {}
    return Retry(
        limit=int(raw.get("limit") or 0),
        first=parse_duration(str(backoff.get("duration") or "5s")),
        factor=float(backoff.get("factor") or 2),
        longest=parse_duration(str(backoff.get("maxDuration") or "3m")),
    )


def approved(app: Application, started: str) -> bool:
    """Whether a person approved deletions after the operation began."""
    at = str((app.raw["metadata"].get("annotations") or {}).get(APPROVED) or "")
    return bool(at and started) and at >= started


def chosen(selected: Sequence[Mapping[str, Any]], plan: Plan | None) -> frozenset[Ref]:
    """The objects of the plan that a selective sync names; ``exclude`` turns a line into its opposite."""
    refs = [change.ref for change in plan or ()]
    included = [entry for entry in selected if not entry.get("exclude")]
    excluded = [entry for entry in selected if entry.get("exclude")]
    return frozenset(
        ref
        for ref in refs
        if (not included or any(_means(entry, ref) for entry in included))
        and not any(_means(entry, ref) for entry in excluded)
    )


def _means(entry: Mapping[str, Any], ref: Ref) -> bool:
    return (
        (entry.get("group") or "") in (ref.kind.group, "*")
        and entry.get("kind") in (ref.kind.kind, "*")
        and entry.get("name") in (ref.name, "*")
        and (not entry.get("namespace") or entry["namespace"] == ref.namespace)
    )


def ignore_rules(app: Application) -> tuple[Ignore, ...]:
    """``ignoreDifferences``."""
    return tuple(
        Ignore(
            group=str(entry.get("group") or ""),
            kind=str(entry.get("kind") or ""),
            namespace=str(entry.get("namespace") or ""),
            name=str(entry.get("name") or ""),
            pointers=tuple(entry.get("jsonPointers") or ()),
            jq=tuple(entry.get("jqPathExpressions") or ()),
            managers=tuple(entry.get("managedFieldsManagers") or ()),
        )
        for entry in app.ignore
    )


def sources_of(app: Application, operation: Object | None) -> tuple[Source, ...]:
    """The sources to deliver: the operation's own when it names any (a rollback does), else the spec's."""
    sync = (operation or {}).get("sync") or {}
    entries = sync.get("sources") or ([sync["source"]] if sync.get("source") else [])
    return tuple(Source.parse(entry) for entry in entries) or tuple(app.sources)


def pinned(operation: Object | None, count: int) -> tuple[str, ...]:
    """The revision of each source that an operation names; empty where it leaves it open."""
    sync = (operation or {}).get("sync") or {}
    revisions = list(sync.get("revisions") or ([sync["revision"]] if sync.get("revision") else []))
    return tuple((revisions + [""] * count)[:count])


def automatic(app: Application, plan: Plan, revisions: Sequence[str], now: float) -> Begin | Hold:
    """Whether to sync without being asked: only what differs, once per revision, repairs only with ``selfHeal``."""
    automated = app.policy.automated
    if automated is None or plan.in_sync:
        return Hold()
    differing = [change for change in plan if not change.in_sync]
    if not automated.prune and all(change.orphan for change in differing):
        return Hold("only pruning is left, and automated prune is off")
    kept = [change for change in plan if change.wanted is not None and change.wanted.hook is None]
    if automated.prune and not automated.allow_empty and not kept and differing:
        return Hold(
            f"auto-sync would delete all {len(differing)} resources: set allowEmpty if that is meant", error=True
        )
    if all(change.action in ("leave", "refused") for change in differing):
        return Hold("; ".join(f"{change.ref}: {change.why}" for change in differing if change.why))
    sync: Object = {"prune": automated.prune, **_revisions(app, revisions)}
    if app.policy.options:
        sync["syncOptions"] = [f"{name}={value}" for name, value in app.policy.options.items()]
    last = (app.raw.get("status") or {}).get("operationState") or {}
    if attempted(app, last, revisions):
        repair = _repair(app.policy, last, now)
        if isinstance(repair, Hold):
            return repair
        sync["autoHealAttemptsCount"] = repair
        sync["resources"] = [
            {"group": c.ref.kind.group, "kind": c.ref.kind.kind, "name": c.ref.name, "namespace": c.ref.namespace}
            for c in differing
        ]
    return Begin({"initiatedBy": {"automated": True}, "retry": dict(app.policy.retry or AUTOMATED_RETRY), "sync": sync})


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


def _repair(policy: Policy, last: Mapping[str, Any], now: float) -> int | Hold:
    """The number of this repair, or why there is none (yet)."""
    if last.get("phase") != "Succeeded":
        return Hold(
            f"the last sync of this revision failed and is not repeated: {last.get('message') or ''}", error=True
        )
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


def preempts(app: Application, operation: Object, revisions: Sequence[str]) -> bool:
    """Whether a running automated operation is about a revision that is no longer the newest."""
    if app.policy.automated is None or not _is_automated(operation):
        return False
    sync = operation.get("sync") or {}
    running = list(sync.get("revisions") or [sync.get("revision")])
    return bool(revisions) and all(revisions) and running != list(revisions)


def _is_automated(operation: Object) -> bool:
    return bool((operation.get("initiatedBy") or {}).get("automated"))


def _revisions(app: Application, revisions: Sequence[str]) -> Object:
    return {"revisions": list(revisions)} if app.several else {"revision": revisions[0] if revisions else ""}
