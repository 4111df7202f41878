"""APIService and CustomResourceDefinition. Sources: gitops-engine ``health_apiservice.go``; Argo CD's bundled rule for CRDs."""

from __future__ import annotations

from trueup.health.kinds.read import condition, conditions, text
from trueup.health.verdict import Health
from trueup.kube.names import Object


def api_service(obj: Object) -> Health:
    """Healthy once it is available."""
    available = condition(obj, "Available")
    if available is None:
        return Health("Progressing", "Waiting to be processed")
    message = f"{text(available, 'reason')}: {text(available, 'message')}"
    return Health("Healthy" if available.get("status") == "True" else "Progressing", message)


def custom_resource_definition(obj: Object) -> Health:
    """Healthy once established; degraded when its names or its schema are not accepted."""
    found = conditions(obj)
    if not found:
        return Health("Progressing", "Status conditions not found")
    established = False
    for c in found:
        kind, status, message = c.get("type"), c.get("status"), text(c, "message")
        if kind == "Terminating" and status == "True":
            return Health("Progressing", f"CRD is terminating: {message}")
        if kind == "NamesAccepted" and status == "False":
            return Health("Degraded", f"CRD names have not been accepted: {message}")
        if kind == "NonStructuralSchema" and status == "True":
            return Health("Degraded", f"Schema violations found: {message}")
        if kind == "Established":
            established = status == "True"
            if not established and c.get("reason") == "Installing":
                return Health("Progressing", "CRD is being installed")
    return Health("Healthy", "CRD is healthy") if established else Health("Degraded", "CRD is not established")
