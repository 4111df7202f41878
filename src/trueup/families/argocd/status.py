"""A plan and an operation's progress in the words of an Application's status, and back. Pure.

Called by `reconcile.py`. Source: Argo CD, `ApplicationStatus` and the controller's `CompareAppState`, `setApplicationHealth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.delivery.outcome import Outcome
from trueup.families.argocd.types import Application, Source
from trueup.health.verdict import Health, is_worse
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.plan import Change, Plan
from trueup.plan.progress import Progress, Result
from trueup.timing.rfc3339 import format_time, parse_time

SOURCE_TYPES = {"kustomize": "Kustomize", "helm": "Helm", "plugin": "Plugin"}
"""A jsonnet file is part of a directory to Argo CD."""


def compared(app: Application, plan: Plan | None, revisions: Sequence[str]) -> Object:
    """``status.sync``: Unknown while nothing could be compared."""
    to: Object = {"destination": dict((app.raw.get("spec") or {}).get("destination") or {})}
    if app.several:
        to["sources"] = [dict(source.raw) for source in app.sources]
    elif app.sources:
        to["source"] = dict(app.sources[0].raw)
    if app.ignore:
        to["ignoreDifferences"] = list(app.ignore)
    out: Object = {"status": "Unknown" if plan is None else "Synced" if plan.in_sync else "OutOfSync", "comparedTo": to}
    if revisions and app.several:
        out["revisions"] = list(revisions)
    elif revisions:
        out["revision"] = revisions[0]
    return out


def resources(plan: Plan) -> list[Object]:
    """``status.resources``: one entry for each object, in the order of kinds and names as Argo CD sorts them."""
    entries: dict[Ref, Object] = {}
    for change in plan:
        if change.wanted is not None and change.wanted.hook is not None and change.live is None:
            continue  # a hook that is not there now is no resource of the Application
        entries.setdefault(change.ref, _resource(change))
    return [entries[ref] for ref in sorted(entries, key=lambda r: (r.kind.group, r.kind.kind, r.namespace, r.name))]


def _resource(change: Change) -> Object:
    ref = change.ref
    entry: Object = {"version": ref.kind.version, "kind": ref.kind.kind, "name": ref.name}
    if ref.kind.group:
        entry["group"] = ref.kind.group
    if ref.namespace:
        entry["namespace"] = ref.namespace
    if change.wanted is not None and change.wanted.hook is not None:
        entry["hook"] = True
    else:
        entry["status"] = "Synced" if change.in_sync else "OutOfSync"
    health = health_of(change)
    if health is not None:
        entry["health"] = {"status": health.status, **({"message": health.message} if health.message else {})}
    if change.orphan:
        entry["requiresPruning"] = True
    if change.wave:
        entry["syncWave"] = change.wave
    return entry


def health_of(change: Change) -> Health | None:
    """Missing for what is wanted and absent; nothing for kinds that no rule judges."""
    if change.live is None:
        return Health("Missing") if change.wanted is not None and change.wanted.hook is None else None
    return change.health if change.health is not None and change.health.rule else None


def app_health(plan: Plan) -> Object:
    """``status.health``: the worst of the resources; hooks and objects told to be ignored do not count."""
    worst = Health("Healthy")
    for change in plan:
        if (change.wanted is not None and change.wanted.hook is not None) or change.options.ignore_health:
            continue
        health = health_of(change)
        if health is not None and is_worse(health.status, worst.status):
            worst = health
    return {"status": worst.status}


def images(plan: Plan) -> list[str]:
    """The container images of live objects, each once, sorted."""
    return sorted({image for change in plan if change.live is not None for image in images_of(change.live)})


def images_of(obj: Object) -> Iterable[str]:
    """The images of a pod, a pod template or a cron job's template."""
    spec = obj.get("spec") or {}
    spec = ((spec.get("jobTemplate") or {}).get("spec") or spec) if obj.get("kind") == "CronJob" else spec
    pod = spec if obj.get("kind") == "Pod" else (spec.get("template") or {}).get("spec") or {}
    for part in ("containers", "initContainers"):
        for container in pod.get(part) or ():
            if isinstance(container, dict) and container.get("image"):
                yield str(container["image"])


def urls(plan: Plan) -> list[str]:
    """Addresses that Ingresses and load balancers are reached at."""
    found: set[str] = set()
    for change in plan:
        live = change.live or {}
        balancer = (live.get("status") or {}).get("loadBalancer") or {}
        points = [p.get("hostname") or p.get("ip") for p in balancer.get("ingress") or () if isinstance(p, dict)]
        if live.get("kind") == "Ingress":
            spec = live.get("spec") or {}
            secure = {host for tls in spec.get("tls") or () for host in tls.get("hosts") or ()}
            for rule in spec.get("rules") or ():
                host = rule.get("host") or (points[0] if points else "")
                if host:
                    found.add(f"{'https' if host in secure else 'http'}://{host}/")
    return sorted(found)


def conditions(old: Sequence[Mapping[str, Any]], new: Mapping[str, Sequence[str]], now: float) -> list[Object]:
    """``status.conditions``: one for each message of each type; the time stays while type and message do."""
    before = {(c.get("type"), c.get("message")): c.get("lastTransitionTime") for c in old}
    stamp = format_time(now)
    return [
        {"type": type_, "message": message, "lastTransitionTime": before.get((type_, message)) or stamp}
        for type_, messages in new.items()
        for message in messages
    ]


# --- operations --------------------------------------------------------------------------------------------------


def operation_state(
    operation: Object, outcome: Outcome, sources: Sequence[Source], several: bool, revisions: Sequence[str], now: float
) -> Object:
    """``status.operationState`` after one step."""
    state = running_state(operation, outcome.progress, sources, several, revisions, outcome.message, outcome.results)
    state["phase"] = outcome.phase
    if outcome.final:
        state["finishedAt"] = format_time(now)
    return state


def running_state(
    operation: Object,
    progress: Progress,
    sources: Sequence[Source],
    several: bool,
    revisions: Sequence[str],
    message: str = "",
    results: Sequence[Result] = (),
) -> Object:
    """``status.operationState`` of an operation under way, with all that a restart needs to go on."""
    result: Object = {"revision": "" if several else (revisions[0] if revisions else "")}
    if several:
        result["sources"] = [dict(source.raw) for source in sources]
        result["revisions"] = list(revisions)
    elif sources:
        result["source"] = dict(sources[0].raw)
    known = results or tuple(progress.results.values())
    if known:
        result["resources"] = [_result(r) for r in known]
    state: Object = {
        "operation": operation,
        "phase": "Running",
        "startedAt": progress.started,
        "message": progress.failing or message,
        "syncResult": result,
    }
    if progress.attempt:
        state["retryCount"] = progress.attempt
    return state


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


def progress_of(state: Mapping[str, Any]) -> Progress:
    """The progress that ``running_state`` wrote down."""
    result = state.get("syncResult") or {}
    results = [
        Result(
            Ref(
                Kind(entry.get("group") or "", entry.get("version") or "", entry.get("kind") or ""),
                entry.get("namespace") or "",
                entry.get("name") or "",
            ),
            phase=entry.get("syncPhase") or "Sync",
            status=entry.get("status") or "",
            running=entry.get("hookPhase") or "",
            message=entry.get("message") or "",
            hook=entry.get("hookType") or "",
            images=tuple(entry.get("images") or ()),
        )
        for entry in result.get("resources") or ()
    ]
    failed = any(r.failed for r in results)
    return Progress(
        started=str(state.get("startedAt") or ""),
        revision=",".join(result.get("revisions") or [result.get("revision") or ""]),
        attempt=int(state.get("retryCount") or 0),
        failing=str(state.get("message") or "") if failed else "",
    ).having(results)


def history(app: Application, state: Mapping[str, Any]) -> list[Object]:
    """``status.history`` with a successful, whole, real operation added; as long as ``revisionHistoryLimit`` allows."""
    entries = list((app.raw.get("status") or {}).get("history") or ())
    operation = state.get("operation") or {}
    sync = operation.get("sync") or {}
    if state.get("phase") != "Succeeded" or sync.get("dryRun") or sync.get("resources"):
        return entries
    result = state.get("syncResult") or {}
    entry: Object = {
        "id": (entries[-1].get("id") or 0) + 1 if entries else 0,
        "deployStartedAt": state.get("startedAt"),
        "deployedAt": state.get("finishedAt"),
        "initiatedBy": operation.get("initiatedBy") or {},
    }
    for name in ("revision", "revisions", "source", "sources"):
        if result.get(name):
            entry[name] = result[name]
    limit = app.history_limit
    return [*entries, entry][-limit:] if limit > 0 else []


def seconds_since(text: str, now: float) -> float:
    """Age of a timestamp; very old when there is none."""
    return now - parse_time(text) if text else float("inf")


def inventory(*statuses: Mapping[str, Any]) -> tuple[Ref, ...]:
    """Every object that these statuses name as the Application's own: compared or written, hooks left out."""
    refs: dict[Ref, None] = {}
    for known in statuses:
        for entry in known.get("resources") or ():
            if not entry.get("hook"):
                refs[_ref(entry)] = None
        written = ((known.get("operationState") or {}).get("syncResult") or {}).get("resources") or ()
        for entry in written:
            if not entry.get("hookType"):
                refs[_ref(entry)] = None
    return tuple(refs)


def _ref(entry: Mapping[str, Any]) -> Ref:
    kind = Kind(entry.get("group") or "", entry.get("version") or "", entry.get("kind") or "")
    return Ref(kind, entry.get("namespace") or "", entry.get("name") or "")
