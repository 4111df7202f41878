"""The group coordination.k8s.io. Source: Kubernetes ``pkg/apis/coordination/validation/validation.go``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.validation.causes import Causes, invalid


def lease(obj: Object) -> Causes:
    """Lease."""
    spec = obj.get("spec") or {}
    seconds, moves = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if moves is not None and moves < 0:
        yield invalid("spec.leaseTransitions", moves, "must be greater than or equal to 0")
