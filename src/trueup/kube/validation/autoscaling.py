"""The group autoscaling. Source: Kubernetes ``pkg/apis/autoscaling/validation/validation.go``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, forbidden, invalid, not_supported, required
from trueup.kube.validation.resources import of_containers

_LONGEST_PERIOD, _LONGEST_WINDOW = 1800, 3600
_POLICIES = ("Percent", "Pods")
_SELECTED = ("Disabled", "Max", "Min")
_TARGETS = ("Utilization", "Value", "AverageValue")
_METRICS = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


def autoscaler(obj: Object) -> Causes:
    """HorizontalPodAutoscaler of both versions."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 1:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to 1")
    if least is not None and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    yield from _reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    metrics = spec.get("metrics") or ()
    for index, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{index}]")
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", text)
    percent = spec.get("targetCPUUtilizationPercentage")
    if percent is not None and percent < 1:
        # What version 1 says of processors is a metric of version 2, which is what gets checked.
        yield invalid("spec.metrics[0].resource.target.averageUtilization", percent, "must be greater than 0")
    behavior = spec.get("behavior") or {}
    for direction in ("scaleUp", "scaleDown"):
        if behavior.get(direction) is not None:
            yield from _rules(behavior[direction], f"spec.behavior.{direction}")


def versions(new: Object, old: Object | None) -> Causes:
    """API versions of what is scaled and measured, which stay as they are where they were wrong before they were asked for."""
    spec, was = new.get("spec") or {}, (old or {}).get("spec") or {}
    target, before = spec.get("scaleTargetRef") or {}, was.get("scaleTargetRef") or {}
    kept = old is not None and all(target.get(name) == before.get(name) for name in ("apiVersion", "kind"))
    if not kept:
        plain = target.get("kind") == "ReplicationController"
        yield from _version(target, "spec.scaleTargetRef.apiVersion", plain=plain)
    objects = [
        (index, metric["object"].get("describedObject") or {})
        for index, metric in enumerate(spec.get("metrics") or ())
        if metric.get("object") is not None
    ]
    if objects and not any(_wrong_version(metric) for metric in was.get("metrics") or ()):
        for index, described in objects:
            yield from _version(described, f"spec.metrics[{index}].object.describedObject.apiVersion", plain=True)


def _wrong_version(metric: Object) -> bool:
    described = (metric.get("object") or {}).get("describedObject") or {}
    return metric.get("type") == "Object" and str(described.get("apiVersion") or "").count("/") > 1


def _version(reference: Object, path: str, *, plain: bool) -> Causes:
    version = str(reference.get("apiVersion") or "")
    if version.count("/") > 1:
        yield invalid(path, version, f"unexpected GroupVersion string: {version}")
    elif not plain and not version.rpartition("/")[0]:
        yield invalid(path, version, "apiVersion must specify API group")


def _reference(found: Object, path: str) -> Causes:
    for name in ("kind", "name"):
        value = found.get(name) or ""
        if value:
            yield from each_invalid(f"{path}.{name}", value, formats.path_segment(value))
        else:
            yield required(f"{path}.{name}")


def _rules(rules: Object, path: str) -> Causes:
    window, selected, tolerance = (
        rules.get(name) for name in ("stabilizationWindowSeconds", "selectPolicy", "tolerance")
    )
    if window is not None and window < 0:
        yield invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        yield invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if selected is not None and selected not in _SELECTED:
        yield not_supported(f"{path}.selectPolicy", selected, _SELECTED)
    if not rules.get("policies"):
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        yield from _policy(policy, f"{path}.policies[{index}]")
    if tolerance is not None and parse(tolerance) < 0:
        yield invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0")


def _policy(policy: Object, path: str) -> Causes:
    value, period = policy.get("value") or 0, policy.get("periodSeconds") or 0
    if policy.get("type") not in _POLICIES:
        yield not_supported(f"{path}.type", policy.get("type") or "", _POLICIES)
    if value <= 0:
        yield invalid(f"{path}.value", value, "must be greater than zero")
    if period <= 0:
        yield invalid(f"{path}.periodSeconds", period, "must be greater than zero")
    if period > _LONGEST_PERIOD:
        yield invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {_LONGEST_PERIOD}")


def _metric(found: Object, path: str) -> Causes:
    kind = found.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    if kind not in _METRICS:
        yield not_supported(f"{path}.type", kind, _METRICS)
    given = [name for name in _SOURCES if found.get(name) is not None]
    if given:  # further ones are refused, whatever they say
        yield from _SOURCES[given[0]](found[given[0]], f"{path}.{given[0]}")
    expected = _METRICS.get(kind)
    if not expected:
        yield not_supported(f"{path}.type", kind, _METRICS)  # told again, as Kubernetes does
    elif expected not in given:
        yield required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(given) > 1:
        for name in given:
            if name != expected:
                yield forbidden(f"{path}.{name}", "must populate the given metric source only")


def _object(source: Object, path: str) -> Causes:
    yield from _reference(source.get("describedObject") or {}, f"{path}.describedObject")
    target = source.get("target") or {}
    yield from _measured(source, target, path)
    if target.get("value") is None and target.get("averageValue") is None:
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _external(source: Object, path: str) -> Causes:
    target = source.get("target") or {}
    yield from _measured(source, target, path)
    value, average = target.get("value"), target.get("averageValue")
    if value is None and average is None:
        text = "must set either a target value for metric or a per-pod target"
        yield required(f"{path}.target.averageValue", text)
    if value is not None and average is not None:
        text = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{path}.target.value", text)


def _pods(source: Object, path: str) -> Causes:
    target = source.get("target") or {}
    yield from _measured(source, target, path)
    if target.get("averageValue") is None:
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _measured(source: Object, target: Object, path: str) -> Causes:
    name = (source.get("metric") or {}).get("name") or ""
    if name:
        yield from each_invalid(f"{path}.metric.name", name, formats.path_segment(name))
    else:
        yield required(f"{path}.metric.name", "must specify a metric name")
    yield from _target(target, f"{path}.target")


def _container(source: Object, path: str) -> Causes:
    container = source.get("container") or ""
    yield from _resource_named(source, path, checked=True)
    if container:
        yield from each_invalid(f"{path}.container", container, formats.label(container))
    else:
        yield required(f"{path}.container", "must specify a container")
    yield from _used(source.get("target") or {}, f"{path}.target")


def _resource(source: Object, path: str) -> Causes:
    yield from _resource_named(source, path, checked=False)
    yield from _used(source.get("target") or {}, f"{path}.target")


def _resource_named(source: Object, path: str, *, checked: bool) -> Causes:
    name = source.get("name") or ""
    if not name:
        yield required(f"{path}.name", "must specify a resource name")
    elif checked:
        yield from of_containers(name, f"{path}.name")


def _used(target: Object, path: str) -> Causes:
    yield from _target(target, path)
    share, amount = target.get("averageUtilization"), target.get("averageValue")
    if share is None and amount is None:
        yield required(f"{path}.averageUtilization", "must set either a target raw value or a target utilization")
    if share is not None and amount is not None:
        yield forbidden(f"{path}.averageValue", "may not set both a target raw value and a target utilization")


def _target(target: Object, path: str) -> Causes:
    kind, share = target.get("type") or "", target.get("averageUtilization")
    if not kind:
        yield required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        amount = target.get(name)
        if amount is not None and parse(amount) <= 0:
            yield invalid(f"{path}.{name}", amount, "must be positive")
    if share is not None and share < 1:
        yield invalid(f"{path}.averageUtilization", share, "must be greater than 0")


_SOURCES: dict[str, Callable[[Any, str], Causes]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container,
}
"""In the order in which they are looked at."""
