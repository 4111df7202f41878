"""HorizontalPodAutoscaler. Source: gitops-engine ``health_hpa.go``."""

from __future__ import annotations

import json

from trueup.health.kinds.read import conditions, part, text
from trueup.health.verdict import Health
from trueup.kube.names import Kind, Object

_DEGRADED = {
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedGetResourceMetric"),
    ("ScalingActive", "FailedGetObjectMetric"),
    ("ScalingActive", "FailedGetPodsMetric"),
    ("ScalingActive", "FailedGetExternalMetric"),
    ("ScalingActive", "FailedComputeMetricsReplicas"),
    ("ScalingActive", "InvalidSelector"),
}
_HEALTHY = ("AbleToScale", "ScalingLimited")
_CONDITIONS_V1 = "autoscaling.alpha.kubernetes.io/conditions"
"""Where ``autoscaling/v1`` keeps the conditions that its type has no field for."""


def horizontal_pod_autoscaler(obj: Object) -> Health:
    """Degraded when a metric or the target cannot be read, healthy once it is able to scale."""
    version = Kind.of(obj).version
    if version == "v1":
        raw = text(part(obj, "metadata", "annotations"), _CONDITIONS_V1) or "[]"
        try:
            parsed = json.loads(raw)
        except ValueError as error:
            return Health("Unknown", f"failed to convert conditions annotation to typed: {error}")
        found = [c for c in parsed if isinstance(c, dict)] if isinstance(parsed, list) else []
    elif version in ("v2", "v2beta1", "v2beta2"):
        found = conditions(obj)
    else:
        return Health("Unknown", f"unsupported HPA GVK: autoscaling/{version}, Kind=HorizontalPodAutoscaler")
    for condition in found:
        if (condition.get("type"), condition.get("reason")) in _DEGRADED:
            return Health("Degraded", text(condition, "message"))
    for condition in found:
        if condition.get("type") in _HEALTHY and condition.get("status") == "True":
            return Health("Healthy", text(condition, "message"))
    return Health("Progressing", "Waiting to Autoscale")
