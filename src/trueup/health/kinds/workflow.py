"""Argo Workflow: it is often a hook, so Argo CD judges it as a built-in kind. Source: gitops-engine ``health_argo.go``."""

from __future__ import annotations

from trueup.health.kinds.read import part, text
from trueup.health.verdict import Health, HealthStatus
from trueup.kube.names import Object

_PHASES: dict[str, HealthStatus] = {
    "": "Progressing",
    "Pending": "Progressing",
    "Running": "Progressing",
    "Succeeded": "Healthy",
    "Failed": "Degraded",
    "Error": "Degraded",
}


def workflow(obj: Object) -> Health:
    """By its phase."""
    status = part(obj, "status")
    return Health(_PHASES.get(text(status, "phase"), "Unknown"), text(status, "message"))
