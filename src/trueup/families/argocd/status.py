"""A comparison in the words of an Application's status. Pure.

Called by `run.py` and `ask.py`. Source: Argo CD, ``ApplicationStatus``, ``CompareAppState``, ``setApplicationHealth``,
``ApplicationTree.GetSummary`` and ``populateIngressInfo``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.delivery.outcome import Desired
from trueup.families.argocd.types import APPLICATION, Application
from trueup.health.verdict import Health, HealthStatus, is_worse
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.images import images_of
from trueup.plan.plan import Change, Plan
from trueup.ports import Cluster
from trueup.timing.rfc3339 import format_time

LINK = "link.argocd.argoproj.io/"
NO_LINKS = "argocd.argoproj.io/ignore-default-links"
_TOOLS = {
    "kustomize": "Kustomize",
    "helm": "Helm",
    "plugin": "Plugin",
    "directory": "Directory",
    "jsonnet": "Directory",
}
"""A jsonnet file is part of a directory to Argo CD; a source that is only read by others has no type."""
_SHOWN = 3
"""Objects that a health message names."""


def source_type(tool: str) -> str:
    """``status.sourceType``."""
    return _TOOLS.get(tool, "")


def itself(ref: Ref, cluster: Cluster) -> Ref | None:
    """The Application as an object of its destination: one that manages itself does not judge or delete itself."""
    return ref if cluster.name == "in-cluster" else None


def compared(app: Application, plan: Plan | None, revisions: Sequence[str]) -> Object:
    """``status.sync``: Unknown while nothing could be compared."""
    to: Object = {"destination": dict((app.raw.get("spec") or {}).get("destination") or {})}
    if app.several:
        to["sources"] = [dict(source.raw) for source in app.sources]
    elif app.sources:
        to["source"] = dict(app.sources[0].raw)
    if app.ignore:
        to["ignoreDifferences"] = list(app.ignore)
    word = "Unknown" if plan is None else "Synced" if in_sync(app, plan) else "OutOfSync"
    out: Object = {"status": word, "comparedTo": to}
    if revisions and app.several:
        out["revisions"] = list(revisions)
    elif revisions:
        out["revision"] = revisions[0]
    return out


def in_sync(app: Application, plan: Plan) -> bool:
    """Whether nothing differs: no object, and not what the namespace's metadata were last set to."""
    return plan.in_sync and not namespace_changed(app)


def namespace_changed(app: Application) -> bool:
    """Whether ``managedNamespaceMetadata`` is not what the last sync set. Source: ``HasChangedManagedNamespaceMetadata``."""
    wanted = app.policy.namespace_metadata
    result = ((app.raw.get("status") or {}).get("operationState") or {}).get("syncResult")
    return wanted is not None and result is not None and result.get("managedNamespaceMetadata") != wanted


def resources(plan: Plan, hooks: Sequence[Ref] = (), itself: Ref | None = None) -> list[Object]:
    """``status.resources``: one entry for each object, in the order of kinds and names as Argo CD sorts them.

    ``hooks`` are live ones with generated names, which no line of the plan is about.
    """
    entries: dict[Ref, Object] = {ref: _entry(ref, hook=True) for ref in hooks}
    for change in plan:
        if change.wanted is not None and change.wanted.hook is not None and change.live is None:
            continue  # a hook that is not there now is no resource of the Application
        entries.setdefault(change.ref, _resource(change, itself))
    return [entries[ref] for ref in sorted(entries, key=lambda r: (r.kind.group, r.kind.kind, r.namespace, r.name))]


def _resource(change: Change, itself: Ref | None) -> Object:
    ref, hook = change.ref, change.wanted is not None and change.wanted.hook is not None
    entry = _entry(ref, hook=hook)
    if hook:
        pass  # a hook is neither in sync nor out of it
    elif change.action == "forbidden" and change.live is None:
        entry["status"] = "Unknown"
    else:
        entry["status"] = "Synced" if change.in_sync else "OutOfSync"
    health = health_of(change, itself)
    if health is not None:
        entry["health"] = {"status": health.status, **({"message": health.message} if health.message else {})}
    if change.orphan:
        entry["requiresPruning"] = True
    if change.options.prune == "confirm" or change.options.delete == "confirm":
        entry["requiresDeletionConfirmation"] = True
    if change.wave:
        entry["syncWave"] = change.wave
    return entry


def _entry(ref: Ref, *, hook: bool) -> Object:
    entry: Object = {"version": ref.kind.version, "kind": ref.kind.kind, "name": ref.name}
    for name, value in (("group", ref.kind.group), ("namespace", ref.namespace), ("hook", hook)):
        if value:
            entry[name] = value
    return entry


def health_of(change: Change, itself: Ref | None = None) -> Health | None:
    """Missing for what is wanted and absent; nothing for kinds that no rule judges, and for the Application itself."""
    if change.ref == itself:
        return None
    if change.live is None:
        return Health("Missing") if change.wanted is not None and change.wanted.hook is None else None
    return change.health if change.health is not None and change.health.rule else None


def app_health(plan: Plan, itself: Ref | None = None) -> Object:
    """``status.health``: the worst of the live resources and who is to blame; Missing when there should be some and none is.

    Hooks, objects told to be ignored, child Applications of which nothing is known yet and single missing objects do not count.
    """
    worst: HealthStatus = "Healthy"
    causes: list[Ref] = []
    counted = [c for c in plan if c.wanted is None or c.wanted.hook is None]
    for change in counted:
        health = health_of(change, itself)
        if change.live is None or health is None or change.options.ignore_health:
            continue
        if _is_application(change.ref) and health.status in ("Missing", "Unknown"):
            continue
        if is_worse(health.status, worst):
            worst, causes = health.status, [change.ref]
        elif health.status == worst != "Healthy":
            causes.append(change.ref)
    if counted and all(change.live is None for change in counted) and is_worse("Missing", worst):
        return {"status": "Missing"}
    return {"status": worst, **({"message": _blame(causes)} if causes else {})}


def _is_application(ref: Ref) -> bool:
    return (ref.kind.group, ref.kind.kind) == (APPLICATION.group, APPLICATION.kind)


def _blame(causes: Sequence[Ref]) -> str:
    named = [
        f"{f'{ref.kind.group}/' if ref.kind.group else ''}{ref.kind.kind}:"
        f"{f'{ref.namespace}/' if ref.namespace else ''}{ref.name}"
        for ref in causes[:_SHOWN]
    ]
    more = len(causes) - len(named)
    return f"Caused by {', '.join(named)}" + (f" and {more} more" if more else "")


def summary(app: Application, plan: Plan) -> Object:
    """``status.summary``: images that run, addresses, whether it is an app of apps."""
    annotations = app.raw["metadata"].get("annotations") or {}
    links = {str(url) for name, url in annotations.items() if name.startswith(LINK)}
    live = [change.live for change in plan if change.live is not None]
    found: Object = {
        "externalURLs": sorted(links.union(*(_urls(obj) for obj in live if obj.get("kind") == "Ingress"))),
        "images": sorted({image for obj in live for image in images_of(obj)}),
        "isAppOfApps": any(_is_application(change.ref) for change in plan),
    }
    return {name: value for name, value in found.items() if value}


def _urls(ingress: Object) -> Iterable[str]:
    """The addresses of an Ingress's paths; hosts that it does not name are its load balancer's."""
    if str((ingress["metadata"].get("annotations") or {}).get(NO_LINKS)).lower() in ("true", "1", "t"):
        return
    spec, status = ingress.get("spec") or {}, ingress.get("status") or {}
    points = [p.get("hostname") or p.get("ip") for p in (status.get("loadBalancer") or {}).get("ingress") or ()]
    tls = spec.get("tls") or ()
    for rule in spec.get("rules") or ():
        host = rule.get("host") or next((point for point in points if point), "")
        secure = any(entry.get("secretName") or host in (entry.get("hosts") or ()) for entry in tls)
        for path in (rule.get("http") or {}).get("paths") or () if host else ():
            yield f"{'https' if secure else 'http'}://{host}{str(path.get('path') or '').removesuffix('*')}"


def warnings(app: Application, desired: Desired, plan: Plan) -> dict[str, list[str]]:
    """Conditions that a comparison gives rise to."""
    repeated = [
        f"Resource {ref.kind.group}/{ref.kind.kind}/{ref.namespace}/{ref.name} appeared {count} times among application "
        "resources."
        for ref, count in plan.repeated
    ]
    found = {
        "ComparisonWarning": [*desired.warnings, *plan.warnings],
        "RepeatedResourceWarning": repeated,
        "SharedResourceWarning": shared(app, plan),
    }
    return {condition: messages for condition, messages in found.items() if messages}


def without_namespace(plan: Plan, namespaced: Mapping[Kind, bool]) -> list[str]:
    """Objects that name no namespace, of an Application that names none either."""
    return [
        f"Namespace for {ref.name} {ref.kind.group}/{ref.kind.version}, Kind={ref.kind.kind} is missing."
        for ref in (change.ref for change in plan)
        if not ref.namespace and namespaced.get(ref.kind)
    ]


def shared(app: Application, plan: Plan) -> list[str]:
    """Objects that another Application has its mark on."""
    return [
        f"{change.ref.kind.kind}/{change.ref.name} is part of applications {app.namespace}/{app.name} and "
        f"{change.shared_with.replace('_', '/')}"
        for change in plan
        if change.shared_with
    ]


def conditions(old: Sequence[Mapping[str, Any]], new: Mapping[str, Sequence[str]], now: float) -> list[Object]:
    """``status.conditions``: one for each message of each type, sorted; the time stays while type and message do."""
    before = {(c.get("type"), c.get("message")): c.get("lastTransitionTime") for c in old}
    stamp = format_time(now)
    return [
        {"type": type_, "message": message, "lastTransitionTime": before.get((type_, message)) or stamp}
        for type_, message in sorted((type_, message) for type_, messages in new.items() for message in messages)
    ]


def inventory(*statuses: Mapping[str, Any], hooks: bool = False) -> tuple[Ref, ...]:
    """Every object that these statuses name as the Application's own: compared or written, hooks only when asked for.

    What runs after the deletion stays.
    """
    refs: dict[Ref, None] = {}
    for known in statuses:
        for entry in known.get("resources") or ():
            if hooks or not entry.get("hook"):
                refs[_ref(entry)] = None
        written = ((known.get("operationState") or {}).get("syncResult") or {}).get("resources") or ()
        for entry in written:
            if not entry.get("hookType") or (hooks and entry["hookType"] != "PostDelete"):
                refs[_ref(entry)] = None
    return tuple(refs)


def _ref(entry: Mapping[str, Any]) -> Ref:
    kind = Kind(entry.get("group") or "", entry.get("version") or "", entry.get("kind") or "")
    return Ref(kind, entry.get("namespace") or "", entry.get("name") or "")
