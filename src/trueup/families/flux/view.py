"""A Kustomization or GitRepository as people see it, and what they may ask of it. Pure.

The patches are those that the field's own client sends. Source: Flux, `flux reconcile|suspend|resume|get`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.families.flux.types import FORCE_AT, KUSTOMIZATION, RECONCILE_AT, source_kind
from trueup.family import ActionRequest, HistoryView, ResourceView, Stop, UnitView
from trueup.kube.names import Kind, Object, Ref


def view(obj: Object) -> UnitView:
    """What a Kustomization's status says, nothing computed."""
    meta, spec, status = obj.get("metadata") or {}, obj.get("spec") or {}, obj.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    source = spec.get("sourceRef") or {}
    namespace = meta.get("namespace") or ""
    return UnitView(
        kind=KUSTOMIZATION,
        namespace=namespace,
        name=meta.get("name") or "",
        source=f"{source.get('kind', '')}/{source.get('namespace') or namespace}/{source.get('name', '')}",
        path=spec.get("path") or "./",
        revision=status.get("lastAppliedRevision") or status.get("lastAttemptedRevision") or "",
        sync=sync_word(obj, ready),
        health=health_word(obj, conditions),
        phase=phase_word(obj, conditions),
        message=str(ready.get("message") or ""),
        suspended=bool(spec.get("suspend")),
        since=str(ready.get("lastTransitionTime") or ""),
        resources=tuple(resource(entry) for entry in (status.get("inventory") or {}).get("entries") or ()),
        history=tuple(
            HistoryView(id=len(entries) - index, revision=_revision(entry), at=str(entry.get("lastReconciled") or ""))
            for entries in (status.get("history") or (),)
            for index, entry in reversed(list(enumerate(entries)))
        ),
        waits_for=waits_for(obj),
    )


def waits_for(obj: Object) -> tuple[Ref, ...]:
    """The source, the Kustomizations that this one depends on, and what it substitutes from."""
    namespace, spec = (obj.get("metadata") or {}).get("namespace") or "", obj.get("spec") or {}
    source = spec.get("sourceRef") or {}
    first = Ref(
        source_kind(str(source.get("kind") or "")), source.get("namespace") or namespace, source.get("name") or ""
    )
    return (
        first,
        *(
            Ref(KUSTOMIZATION, entry.get("namespace") or namespace, entry.get("name") or "")
            for entry in spec.get("dependsOn") or ()
        ),
        *(
            Ref(Kind("", "v1", str(entry.get("kind") or "")), namespace, str(entry.get("name") or ""))
            for entry in (spec.get("postBuild") or {}).get("substituteFrom") or ()
            if not entry.get("optional")
        ),
    )


def sync_word(obj: Object, ready: Mapping[str, Any]) -> str:
    """Synced when the last attempt was applied; Unknown before the first."""
    status = obj.get("status") or {}
    applied, attempted = status.get("lastAppliedRevision"), status.get("lastAttemptedRevision")
    if not ready or not applied:
        return "Unknown" if not attempted else "OutOfSync"
    suspended = bool((obj.get("spec") or {}).get("suspend"))  # that alone made a new generation
    current = suspended or status.get("observedGeneration") == (obj.get("metadata") or {}).get("generation")
    return "Synced" if applied == attempted and current and ready.get("status") != "False" else "OutOfSync"


def health_word(obj: Object, conditions: Mapping[Any, Mapping[str, Any]]) -> str:
    """Ready as a word that all units share."""
    if not conditions:
        return "Unknown"
    if (conditions.get("Healthy") or {}).get("status") == "False":
        return "Degraded"
    ready = conditions.get("Ready") or {}
    words = {"True": "Healthy", "False": "Degraded", "Unknown": "Progressing"}
    if ready.get("status") == "False" and ready.get("reason") == "DependencyNotReady":
        return "Progressing"
    return words.get(str(ready.get("status")), "Unknown")


def phase_word(obj: Object, conditions: Mapping[Any, Mapping[str, Any]]) -> str:
    """``Running`` while a run is asked for or under way; one that failed and is only waiting for its next try is not."""
    meta, status = obj.get("metadata") or {}, obj.get("status") or {}
    asked = (meta.get("annotations") or {}).get(RECONCILE_AT)
    reconciling = conditions.get("Reconciling") or {}
    under_way = reconciling.get("status") == "True" and reconciling.get("reason") != "ProgressingWithRetry"
    if under_way or (asked and asked != status.get("lastHandledReconcileAt")):
        return "Running"
    return {"True": "Succeeded", "False": "Failed"}.get(str((conditions.get("Ready") or {}).get("status")), "")


def resource(entry: Mapping[str, str]) -> ResourceView:
    """An inventory entry: ``namespace_name_group_kind`` with ``:`` written as ``__``, and its version."""
    return ResourceView(ref=parse_inventory_id(str(entry.get("id") or ""), str(entry.get("v") or "")))


def parse_inventory_id(id: str, version: str) -> Ref:
    """The reference that an inventory id stands for."""
    namespace, name, group, kind = id.split("_", 1)[0], *id.split("_", 1)[1].rsplit("_", 2)
    return Ref(Kind(group, version, kind), namespace, name.replace("__", ":"))


def inventory_id(ref: Ref) -> str:
    """``namespace_name_group_kind``, as Flux's inventory has it."""
    return f"{ref.namespace}_{ref.name.replace(':', '__')}_{ref.kind.group}_{ref.kind.kind}"


def _revision(entry: Mapping[str, Any]) -> str:
    return str((entry.get("metadata") or {}).get("revision") or entry.get("digest") or "")


def refresh(obj: Object, request: ActionRequest) -> Object:
    """Run now: what ``flux reconcile kustomization`` writes."""
    if (obj.get("spec") or {}).get("suspend"):
        raise Stop("it is suspended: resume it first")
    annotations = {RECONCILE_AT: request.at}
    if request.options.get("force"):
        annotations[FORCE_AT] = request.at
    return {"metadata": {"annotations": annotations}}


def sync(obj: Object, request: ActionRequest) -> Object:
    """A Kustomization has one way to run: the same as a refresh. Options that it cannot take are refused, not ignored."""
    if request.options.get("revision"):
        raise Stop("a Kustomization follows its source: name the revision in the GitRepository's spec.ref")
    if request.options.get("dry_run"):
        raise Stop("a Kustomization has no dry run: use `trueup diff`")
    return refresh(obj, request)


def suspend(obj: Object, request: ActionRequest) -> Object:
    """Stop applying until resumed."""
    return {"spec": {"suspend": True}}


def resume(obj: Object, request: ActionRequest) -> Object:
    """Apply again, at once."""
    return {"spec": {"suspend": False}, "metadata": {"annotations": {RECONCILE_AT: request.at}}}


def rollback(obj: Object, request: ActionRequest) -> Object:
    """Flux has no rollback of its own; saying so beats a half-true imitation."""
    raise Stop("a Kustomization goes back by its source: revert the commit, or pin the GitRepository's spec.ref.commit")
