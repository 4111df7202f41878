"""Pod. Source: gitops-engine ``health_pod.go``."""

from __future__ import annotations

from trueup.health.kinds.read import condition, items, number, part, text
from trueup.health.verdict import Health
from trueup.kube.names import Object

IGNORE_RESTART_POLICY = "argocd.argoproj.io/ignore-restart-policy"
"""Argo CD's annotation: judge a pod that ends some day as one that runs on. Not honoured on hooks."""
_HOOK_ANNOTATIONS = ("argocd.argoproj.io/hook", "helm.sh/hook")


def pod(obj: Object) -> Health:
    """By phase; a pod that runs on is degraded when a container cannot start, one that ends is progressing until it has."""
    spec, status = part(obj, "spec"), part(obj, "status")
    message, containers = text(status, "message"), items(status, "containerStatuses")
    forever = spec.get("restartPolicy") == "Always" or _asked_to_run_on(obj)
    if forever and (waiting := _stuck(containers)):
        return Health("Degraded", ", ".join(text(state, "message") for state in waiting))
    phase = status.get("phase")
    if phase == "Pending":
        return Health("Progressing", message)
    if phase == "Succeeded":
        return Health("Healthy", message)
    if phase == "Failed":
        return Health("Degraded", message or _failure(items(status, "initContainerStatuses") + containers))
    if phase == "Running" and forever:
        ready = condition(obj, "Ready")
        if ready is not None and ready.get("status") == "True":
            return Health("Healthy", message)
        died = any(part(c, "lastState").get("terminated") is not None for c in containers)
        return Health("Degraded" if died else "Progressing", message)
    if phase == "Running" and spec.get("restartPolicy") in ("OnFailure", "Never"):
        return Health("Progressing", message)
    return Health("Unknown", message)


def _asked_to_run_on(obj: Object) -> bool:
    annotations = part(obj, "metadata", "annotations")
    return annotations.get(IGNORE_RESTART_POLICY) == "true" and not any(a in annotations for a in _HOOK_ANNOTATIONS)


def _stuck(containers: list[Object]) -> list[Object]:
    """The waiting states that name an error."""
    found = []
    for container in containers:
        waiting = part(container, "state", "waiting")
        reason = text(waiting, "reason")
        if reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
            found.append(waiting)
    return found


def _failure(containers: list[Object]) -> str:
    """The first container's own words for its end."""
    for container in containers:
        ended = part(container, "state", "terminated")
        if not ended:
            continue
        if said := text(ended, "message"):
            return said
        if ended.get("reason") == "OOMKilled":
            return "OOMKilled"
        if code := number(ended, "exitCode"):
            return f'container "{text(container, "name")}" failed with exit code {code}'
    return ""
