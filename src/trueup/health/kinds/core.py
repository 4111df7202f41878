"""Service, Ingress, PersistentVolumeClaim. Source: gitops-engine ``health_service.go`` and its neighbours."""

from __future__ import annotations

from trueup.health.kinds.read import part, text
from trueup.health.verdict import Health, HealthStatus
from trueup.kube.names import Object

_CLAIM: dict[str, HealthStatus] = {"Lost": "Degraded", "Pending": "Progressing", "Bound": "Healthy"}


def _addressed(obj: Object) -> bool:
    return bool(part(obj, "status", "loadBalancer").get("ingress"))


def service(obj: Object) -> Health:
    """A load balancer is progressing until it has an address; every other service is healthy."""
    balancer = text(part(obj, "spec"), "type") == "LoadBalancer"
    return Health("Progressing" if balancer and not _addressed(obj) else "Healthy")


def ingress(obj: Object) -> Health:
    """Progressing until it has an address."""
    return Health("Healthy" if _addressed(obj) else "Progressing")


def persistent_volume_claim(obj: Object) -> Health:
    """By its phase."""
    return Health(_CLAIM.get(text(part(obj, "status"), "phase"), "Unknown"))
