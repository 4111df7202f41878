"""What Flux's controllers say of an apply, a prune and a health check, in their own words. Pure.

Called by `kustomization.py` and `finalize.py`. Sources: fluxcd/pkg ``ssa`` (change sets, dry-run errors, ``WaitForSet``);
kustomize-controller (stage messages). What trueup knows besides
(file and line, what is waited for) is added at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trueup.delivery.outcome import Outcome
from trueup.kube.names import Ref
from trueup.plan.plan import Change, Plan
from trueup.timing.durations import format_duration

IN_PROGRESS = "Reconciliation in progress"
_CHANGED = {"create": "created", "update": "configured", "replace": "created", "prune": "deleted"}
_REASONS = (
    (re.compile(r'^\S+ "[^"]*" is invalid'), "Invalid"),
    (re.compile(r'^\S+ "[^"]*" is forbidden|^\S+ is forbidden'), "Forbidden"),
    (re.compile(r"^Apply failed with \d+ conflict"), "FieldManagerConflict"),
    (re.compile(r"^admission webhook "), "BadRequest"),
)
_TOOK = re.compile(r"\b(?:\d+(?:\.\d+)?(?:h|ms|µs|m|s))+\b")
_NAMED = 5


def subject(ref: Ref) -> str:
    """``Kind/namespace/name``, as change sets and errors name objects."""
    return "/".join(part for part in (ref.kind.kind, ref.namespace, ref.name) if part)


def stage(name: str, revision: str, timeout: float) -> str:
    """``Building manifests for revision main@sha1:… with a timeout of 9m30s``."""
    return f"{name} for revision {revision} with a timeout of {format_duration(timeout)}"


def changed(plan: Plan, outcome: Outcome) -> tuple[list[str], list[str]]:
    """What was written and what was pruned by this very run: a line each."""
    written: list[str] = []
    pruned: list[str] = []
    for ref in outcome.changed:
        change = plan.of(ref)
        word = _CHANGED.get(change.action) if change is not None else None
        if change is not None and word:
            (pruned if change.orphan else written).append(f"{subject(ref)} {word}")
    return written, pruned


def failure(plan: Plan, outcome: Outcome) -> str:
    """Each object that the API refused with what it said and where the object is written."""
    lines = []
    for result in outcome.results:
        if result.status == "SyncFailed" and result.message:
            lines.append(refused(result.ref, result.message, plan.of(result.ref)))
    return "\n".join(lines) or outcome.message


def refused(ref: Ref, message: str, change: Change | None) -> str:
    """``Deployment/web/a dry-run failed (Invalid): … (apps/a.yaml:3)``."""
    origin = change.wanted.origin if change is not None and change.wanted is not None else ""
    said = message.removeprefix(f"{origin}: ") if origin else message
    where = f" ({origin})" if origin else ""
    if "could not find" in said and change is not None and change.action == "forbidden":
        kind = f'no matches for kind "{ref.kind.kind}" in version "{ref.kind.api_version}"'
        return f"{subject(ref)} dry-run failed: {kind}{where}"
    if change is not None and change.action == "forbidden":
        return f"{said if said.startswith(subject(ref)) else f'{subject(ref)}: {said}'}{where}"
    if change is not None and change.orphan:
        return f"{subject(ref)} delete failed: {said}"
    reason = next((f" ({word})" for pattern, word in _REASONS if pattern.search(said)), "")
    return f"{subject(ref)} dry-run failed{reason}: {said}{where}"


def unhealthy(statuses: Mapping[Ref, str], *, timed_out: bool) -> str:
    """Which objects a health check failed for: ``timeout waiting for: [Deployment/web/a status: 'InProgress']``."""
    bad = ("InProgress", "Unknown", "NotFound", "Terminating", "Failed") if timed_out else ("Failed",)
    named = ", ".join(f"{subject(ref)} status: '{status}'" for ref, status in statuses.items() if status in bad)
    return f"{'timeout waiting for' if timed_out else 'failed early due to stalled resources'}: [{named}]"


def waiting(refs: Sequence[Ref]) -> str:
    """``: waiting for Deployment/web/a``; empty when for nothing."""
    if not refs:
        return ""
    more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
    return f": waiting for {', '.join(map(subject, refs[:_NAMED]))}{more}"


def same_but_for_time(one: str, other: str) -> bool:
    """Whether two messages differ in nothing but how long something took: then the status stays as it is."""
    return one == other or _TOOK.sub("", one) == _TOOK.sub("", other)
