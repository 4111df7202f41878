"""The group policy. Source: Kubernetes ``pkg/apis/policy/validation/validation.go``."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, show

_EVICTIONS = ("AlwaysAllow", "IfHealthyBudget")


def disruption_budget(obj: Object) -> Causes:
    """PodDisruptionBudget."""
    spec = obj.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        yield Cause("FieldValueInvalid", f"Invalid value: {_shown(spec)}: {text}", "spec")
    for name in ("minAvailable", "maxUnavailable"):
        value = spec.get(name)
        if value is not None:
            problems = formats.count_or_percent(value)
            yield from each_invalid(f"spec.{name}", value, problems)
            if not problems and isinstance(value, str) and int(value[:-1]) > 100:
                yield invalid(f"spec.{name}", value, "must not be greater than 100%")
    yield from object_meta.selector(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTIONS:
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, _EVICTIONS)


def _shown(spec: Object) -> str:
    """The Go struct as JSON: its own names, in its order."""
    parts = (
        ("MinAvailable", show(spec.get("minAvailable"))),
        ("Selector", shown_selector(spec.get("selector"))),
        ("MaxUnavailable", show(spec.get("maxUnavailable"))),
        ("UnhealthyPodEvictionPolicy", show(spec.get("unhealthyPodEvictionPolicy"))),
    )
    return "{" + ",".join(f'"{name}":{text}' for name, text in parts) + "}"


def shown_selector(found: Any) -> str:
    """A label selector as Go's JSON: labels before expressions, what is empty left out."""
    if found is None:
        return "null"
    parts = []
    if found.get("matchLabels"):
        parts.append(f'"matchLabels":{show(found["matchLabels"])}')
    if found.get("matchExpressions"):
        wishes = (
            {"key": one.get("key") or "", "operator": one.get("operator") or "", "values": one.get("values")}
            for one in found["matchExpressions"]
        )
        parts.append(f'"matchExpressions":{show([{k: v for k, v in one.items() if v is not None} for one in wishes])}')
    return "{" + ",".join(parts) + "}"
