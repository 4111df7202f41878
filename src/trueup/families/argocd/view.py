"""An Application as people see it, and what they may ask of it: object -> view, request -> merge patch. Pure.

The command line and the web UI read these through `Family.units`; the patches are those that Argo CD's own clients send.
Source: Argo CD, `argocd app sync|rollback|get --refresh` and the Application specification.
"""

from __future__ import annotations

from typing import Any

from trueup.families.argocd.types import APPLICATION, REFRESH
from trueup.family import ActionRequest, HistoryView, ResourceView, Stop, UnitView
from trueup.kube.names import Kind, Object, Ref


def view(obj: Object) -> UnitView:
    """What the status says, nothing computed."""
    meta, spec, status = obj.get("metadata") or {}, obj.get("spec") or {}, obj.get("status") or {}
    sources = spec.get("sources") or [spec.get("source") or {}]
    first = next((source for source in sources if source.get("path") or source.get("chart")), sources[0])
    sync, operation = status.get("sync") or {}, status.get("operationState") or {}
    automated = (spec.get("syncPolicy") or {}).get("automated")
    return UnitView(
        kind=APPLICATION,
        namespace=meta.get("namespace") or "",
        name=meta.get("name") or "",
        source=first.get("repoURL") or "",
        path=first.get("path") or first.get("chart") or "",
        revision=sync.get("revision") or ", ".join(sync.get("revisions") or ()),
        sync=sync.get("status") or "Unknown",
        health=(status.get("health") or {}).get("status") or "Unknown",
        phase="Running" if obj.get("operation") else operation.get("phase") or "",
        message=_message(status),
        suspended=automated is not None and automated.get("enabled") is False,
        by_hand=automated is None or automated.get("enabled") is False,
        since=operation.get("finishedAt") or operation.get("startedAt") or status.get("reconciledAt") or "",
        resources=tuple(_resource(entry) for entry in status.get("resources") or ()),
        history=tuple(_history(entry) for entry in status.get("history") or ()),
    )


def _message(status: Object) -> str:
    """Conditions first, for they stop everything; then the operation, when it did not go well."""
    errors = [c["message"] for c in status.get("conditions") or () if str(c.get("type", "")).endswith("Error")]
    if errors:
        return "; ".join(errors)
    operation = status.get("operationState") or {}
    if operation.get("phase") in ("Failed", "Error", "Running"):
        return str(operation.get("message") or "")
    return str((status.get("health") or {}).get("message") or "")


def _resource(entry: Object) -> ResourceView:
    kind = Kind(entry.get("group") or "", entry.get("version") or "", entry.get("kind") or "")
    health = entry.get("health") or {}
    return ResourceView(
        ref=Ref(kind, entry.get("namespace") or "", entry.get("name") or ""),
        sync=entry.get("status") or "",
        health=health.get("status") or "",
        message=health.get("message") or "",
    )


def _history(entry: Object) -> HistoryView:
    by = entry.get("initiatedBy") or {}
    return HistoryView(
        id=int(entry.get("id") or 0),
        revision=entry.get("revision") or ", ".join(entry.get("revisions") or ()),
        at=entry.get("deployedAt") or "",
        by="automated" if by.get("automated") else by.get("username") or "",
    )


def refresh(obj: Object, request: ActionRequest) -> Object:
    """Compare anew; ``hard`` also forgets what was rendered."""
    return {"metadata": {"annotations": {REFRESH: "hard" if request.options.get("hard") else "normal"}}}


def sync(obj: Object, request: ActionRequest) -> Object:
    """Ask for an operation; refused while another one runs, as the original does."""
    _refuse_while_busy(obj)
    options = request.options
    policy = (obj.get("spec") or {}).get("syncPolicy") or {}
    wish: dict[str, Any] = {"prune": bool(options.get("prune")), "dryRun": bool(options.get("dry_run"))}
    if options.get("revision"):
        wish["revision"] = options["revision"]
    if options.get("resources"):
        wish["resources"] = options["resources"]
    sync_options = list(policy.get("syncOptions") or ())
    if sync_options:
        wish["syncOptions"] = sync_options
    if options.get("force"):
        wish["syncStrategy"] = {"hook": {"force": True}}
    operation: Object = {"initiatedBy": {"username": request.actor}, "sync": wish}
    if policy.get("retry"):
        operation["retry"] = policy["retry"]
    return {"operation": operation}


def rollback(obj: Object, request: ActionRequest) -> Object:
    """Sync to an entry of the history, by its id (the one before the last when none is named)."""
    _refuse_while_busy(obj)
    automated = ((obj.get("spec") or {}).get("syncPolicy") or {}).get("automated")
    if automated is not None and automated.get("enabled") is not False:
        raise Stop("rollback cannot be performed when auto-sync is enabled: suspend the Application first")
    history = (obj.get("status") or {}).get("history") or []
    wanted = request.options.get("id")
    if wanted is None:
        entry = history[-2] if len(history) > 1 else None
    else:
        entry = next((entry for entry in history if entry.get("id") == int(wanted)), None)
    if entry is None:
        known = ", ".join(str(entry.get("id")) for entry in history) or "none"
        raise Stop(f"no deployment {wanted if wanted is not None else 'before the last'} in the history (ids: {known})")
    wish: dict[str, Any] = {"prune": bool(request.options.get("prune")), "dryRun": bool(request.options.get("dry_run"))}
    for same in ("revision", "revisions", "source", "sources"):
        if entry.get(same):
            wish[same] = entry[same]
    options = ((obj.get("spec") or {}).get("syncPolicy") or {}).get("syncOptions")
    if options:
        wish["syncOptions"] = options
    return {"operation": {"initiatedBy": {"username": request.actor}, "sync": wish}}


def suspend(obj: Object, request: ActionRequest) -> Object:
    """Switch automated sync off without forgetting its settings."""
    return _automation(obj, on=False)


def resume(obj: Object, request: ActionRequest) -> Object:
    """Switch automated sync on again."""
    return _automation(obj, on=True)


def terminate(obj: Object, request: ActionRequest) -> Object:
    """End the running operation at its next step."""
    if ((obj.get("status") or {}).get("operationState") or {}).get("phase") != "Running":
        raise Stop("no operation is running")
    return {"status": {"operationState": {"phase": "Terminating"}}}


def _automation(obj: Object, *, on: bool) -> Object:
    if ((obj.get("spec") or {}).get("syncPolicy") or {}).get("automated") is None:
        raise Stop("the Application has no automated sync to switch: set spec.syncPolicy.automated")
    return {"spec": {"syncPolicy": {"automated": {"enabled": on}}}}


def _refuse_while_busy(obj: Object) -> None:
    state = (obj.get("status") or {}).get("operationState") or {}
    if obj.get("operation") or state.get("phase") in ("Running", "Terminating"):
        raise Stop("another operation is already in progress")
