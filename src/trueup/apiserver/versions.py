"""Built-in kinds whose versions differ in more than their name. Pure; called by the hub whenever it shows an object.

An object in the version it is stored in and the wanted version in, the object in that version out; what the other
version has no field for goes into annotations and comes back. Source: ``pkg/apis/autoscaling/v1/conversion.go``,
``pkg/apis/events/v1/conversion.go``. The annotations hold the fields as ``autoscaling/v2`` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from trueup.kube.names import Object

_EVENT = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
"""Fields of core events and what ``events.k8s.io`` calls them."""
_EVENT_BACK = {new: old for old, new in _EVENT.items()}
_LEAD = "autoscaling.alpha.kubernetes.io/"


def convert(obj: Object, api_version: str) -> Object:
    """The object in another version; shares what does not change."""
    converter = _CONVERTERS.get((str(obj.get("kind")), str(obj.get("apiVersion")), api_version))
    return {**(converter(obj) if converter is not None else obj), "apiVersion": api_version}


def _new_event(obj: Object) -> Object:
    return {_EVENT.get(name, name): value for name, value in obj.items()}


def _old_event(obj: Object) -> Object:
    return {_EVENT_BACK.get(name, name): value for name, value in obj.items()}


def _autoscaler_v1(obj: Object) -> Object:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    kept: dict[str, object] = {}
    others = []
    for metric in spec.pop("metrics", None) or ():
        target = _cpu_target(metric)
        if target is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = target
        else:
            others.append(metric)
    for metric in status.get("currentMetrics") or ():
        current = (metric.get("resource") or {}).get("current") or {}
        if (metric.get("resource") or {}).get("name") == "cpu" and "averageUtilization" in current:
            status["currentCPUUtilizationPercentage"] = current["averageUtilization"]
    kept["metrics"], kept["behavior"] = others, spec.pop("behavior", None)
    kept["conditions"], kept["current-metrics"] = status.pop("conditions", None), status.pop("currentMetrics", None)
    notes = {_LEAD + name: orjson.dumps(value).decode() for name, value in kept.items() if value}
    return _with(obj, spec, status, {**(obj["metadata"].get("annotations") or {}), **notes})


def _autoscaler_v2(obj: Object) -> Object:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(obj["metadata"].get("annotations") or {})
    kept = {}
    for name in ("metrics", "behavior", "conditions", "current-metrics"):
        text = annotations.pop(_LEAD + name, None)
        if text:
            try:
                kept[name] = orjson.loads(text)
            except orjson.JSONDecodeError:
                annotations[_LEAD + name] = text
    cpu = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = list(kept.get("metrics") or ())
    if cpu is not None:
        target = {"type": "Utilization", "averageUtilization": cpu}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if kept.get("behavior"):
        spec["behavior"] = kept["behavior"]
    status.pop("currentCPUUtilizationPercentage", None)
    for name, field in (("conditions", "conditions"), ("current-metrics", "currentMetrics")):
        if kept.get(name):
            status[field] = kept[name]
    return _with(obj, spec, status, annotations)


def _cpu_target(metric: Object) -> int | None:
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    if metric.get("type") == "Resource" and resource.get("name") == "cpu" and target.get("type") == "Utilization":
        found = target.get("averageUtilization")
        return int(found) if found is not None else None
    return None


def _with(obj: Object, spec: Object, status: Object, annotations: Mapping[str, str]) -> Object:
    meta = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    if annotations:
        meta["annotations"] = dict(annotations)
    out = {**obj, "metadata": meta, "spec": spec}
    if status or "status" in obj:
        out["status"] = status
    return out


_CONVERTERS: Mapping[tuple[str, str, str], Callable[[Object], Object]] = {
    ("Event", "v1", "events.k8s.io/v1"): _new_event,
    ("Event", "events.k8s.io/v1", "v1"): _old_event,
    ("HorizontalPodAutoscaler", "autoscaling/v1", "autoscaling/v2"): _autoscaler_v2,
    ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1"): _autoscaler_v1,
}
