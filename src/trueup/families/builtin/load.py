"""The load that a HorizontalPodAutoscaler sees in a simulated cluster: at its target, whatever the metric. Pure.

Called by `autoscaling.py`. So nothing scales by itself, and whatever a real autoscaler would stumble over (a container without a
request) is stumbled over here. Source: ``pkg/controller/podautoscaler`` for the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import format_quantity, parse


class Unmeasured(Exception):
    """A metric that a real cluster could not compute either; ``reason`` is the condition's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def measured(metrics: Sequence[Mapping[str, Any]], target: Object) -> tuple[list[Object], str]:
    """``status.currentMetrics`` and what was measured first. Raises the first ``Unmeasured`` when none can be."""
    found: list[Object] = []
    first, wrong = "", Unmeasured("InvalidMetricSourceType", "the HPA has no metric")
    for metric in metrics:
        try:
            current, what = _one(metric, target)
        except Unmeasured as problem:
            wrong = wrong if found or wrong.reason != "InvalidMetricSourceType" else problem
            continue
        found.append(current)
        first = first or what
    if not found:
        raise wrong
    return found, first


def _one(metric: Mapping[str, Any], target: Object) -> tuple[Object, str]:
    type_ = str(metric.get("type") or "")
    field = type_[:1].lower() + type_[1:]
    source: Mapping[str, Any] = metric.get(field) or {}
    wanted: Mapping[str, Any] = source.get("target") or {}
    kept = {name: value for name, value in source.items() if name != "target"}
    if type_ in ("Resource", "ContainerResource"):
        name = str(source.get("name"))
        current, what = _resource(name, wanted, _containers(target, source.get("container")), target)
        container = f" of container {source['container']}" if source.get("container") else ""
        return {"type": type_, field: {**kept, "current": current}}, f"{name} {what}{container}"
    if type_ in ("Pods", "Object", "External"):
        current = {name: wanted[name] for name in ("value", "averageValue") if name in wanted}
        what = f"{type_.lower()} metric {(source.get('metric') or {}).get('name')}"
        return {"type": type_, field: {**kept, "current": current}}, what
    raise Unmeasured("InvalidMetricSourceType", f'unknown metric source type "{type_}"')


def _resource(
    name: str, wanted: Mapping[str, Any], containers: Sequence[Mapping[str, Any]], target: Object
) -> tuple[Object, str]:
    if wanted.get("averageUtilization") is None:
        return {"averageValue": wanted.get("averageValue")}, "resource"
    total, like = Fraction(0), ""
    for container in containers:
        request = ((container.get("resources") or {}).get("requests") or {}).get(name)
        if request is None:
            text = f"missing request for {name} in container {container.get('name')} of {target['metadata']['name']}"
            raise Unmeasured("FailedGetResourceMetric", f"failed to get {name} utilization: {text}")
        total, like = total + parse(request), like or str(request)
    share = int(wanted["averageUtilization"])
    used = -(-total * share * 10 // 1) / Fraction(1000) if name == "cpu" else Fraction(-(-total * share // 100))
    current = {"averageUtilization": share, "averageValue": format_quantity(used, like)}
    return current, "resource utilization (percentage of request)"


def _containers(target: Object, name: str | None) -> list[Mapping[str, Any]]:
    spec = (target["spec"].get("template") or {}).get("spec") or {}
    return [one for one in spec.get("containers") or () if name is None or one.get("name") == name]
