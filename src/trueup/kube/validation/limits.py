"""Limits of what namespaces and their pods may use. Source: Kubernetes ``core/validation``, ValidateLimitRange,
ValidateResourceQuota.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import formats, resources
from trueup.kube.validation.causes import Causes, duplicate, each_invalid, forbidden, invalid, invalid_go, required

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_PARTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_NO_TYPE = "must be a standard limit type or fully qualified"
_NEITHER = "either minimum or maximum storage value is required, but neither was provided"


def limit_range(obj: Object) -> Causes:
    """v1 LimitRange."""
    kinds: set[str] = set()
    for index, limit in enumerate((obj.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit.get("type") or ""
        problems = formats.qualified(kind)
        yield from each_invalid(f"{path}.type", kind, problems)
        if not problems and "/" not in kind and kind not in _TYPES:
            yield invalid(f"{path}.type", kind, _NO_TYPE)
        if kind in kinds:
            yield duplicate(f"{path}.type", kind)
        kinds.add(kind)
        yield from _limit(limit, path, kind)


def _limit(limit: Object, path: str, kind: str) -> Causes:
    rule = resources.of_containers if kind in ("Pod", "Container") else resources.resource_name
    for part in _PARTS:
        amounts = limit.get(part) or {}
        if kind == "Pod" and part.startswith("default"):
            if amounts:
                yield forbidden(f"{path}.{part}", "may not be specified when `type` is 'Pod'")
            continue
        for name in amounts:
            yield from rule(name, f"{path}.{part}[{name}]")
    if kind == "PersistentVolumeClaim" and not any("storage" in (limit.get(part) or ()) for part in ("min", "max")):
        yield required(f"{path}.limits", _NEITHER)
    yield from _in_order(limit, path)
    yield from _ratios(limit, path)


_ORDERED = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest",
     "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)  # fmt: skip
"""What may not be greater than what; whose field is named, whose value is shown."""


def _in_order(limit: Object, path: str) -> Causes:
    skipped = ("default", "defaultRequest") if limit.get("type") == "Pod" else ()
    for low, high, named, shown, text in _ORDERED:
        if low in skipped or high in skipped:
            continue
        lower, upper = limit.get(low) or {}, limit.get(high) or {}
        for name in sorted(lower.keys() & upper.keys()):
            if parse(lower[name]) > parse(upper[name]):
                value = (limit.get(shown) or {})[name]
                yield invalid(f"{path}.{named}[{name}]", value, text.format(lower[name], upper[name]))


def _ratios(limit: Object, path: str) -> Causes:
    least, most = limit.get("min") or {}, limit.get("max") or {}
    for name, ratio in (limit.get("maxLimitRequestRatio") or {}).items():
        at, number = f"{path}.maxLimitRequestRatio[{name}]", parse(ratio)
        if number < 1:
            yield invalid(at, ratio, f"ratio {ratio} is less than 1")
        if name in least and name in most and parse(least[name]):
            bound = parse(most[name]) / parse(least[name])
            if number > bound:
                yield invalid(at, ratio, f"ratio {ratio} is greater than max/min = {float(bound):f}")
    if limit.get("type") == "Pod":
        return
    defaults, requests = limit.get("default") or {}, limit.get("defaultRequest") or {}
    for name in defaults.keys() & requests.keys():
        if not resources.may_overcommit(name) and parse(defaults[name]) != parse(requests[name]):
            text = f"default value {defaults[name]} must equal to defaultRequest value {requests[name]} in {name}"
            yield invalid(f"{path}.defaultRequest[{name}]", requests[name], text)


_COMPUTED = frozenset({"cpu", "limits.cpu", "limits.memory", "memory", "pods", "requests.cpu", "requests.memory"})
_OF_PODS = {
    "BestEffort": frozenset({"pods"}),
    "NotBestEffort": _COMPUTED,
    "Terminating": _COMPUTED,
    "NotTerminating": _COMPUTED,
    "PriorityClass": _COMPUTED,
    "CrossNamespacePodAffinity": _COMPUTED,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
"""What each scope can limit."""
_EXISTING = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def quota(obj: Object) -> Causes:
    """v1 ResourceQuota."""
    spec = obj.get("spec") or {}
    for name, value in (spec.get("hard") or {}).items():
        path = f"spec.hard[{name}]"
        yield from counted(name, path)
        yield from resources.amount(name, value, path)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _OF_PODS:
            yield invalid("spec.scopes", scopes, "unsupported scope")
        for _ in _beyond(scope, spec):
            yield invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    yield from _conflicts(scopes, scopes)
    selector = spec.get("scopeSelector")
    if selector is not None:
        yield from _selected(selector, spec, scopes)


def counted(name: str, path: str) -> Causes:
    """What a quota counts."""
    yield from resources.resource_name(name, path)
    if "/" not in name and name not in resources.QUOTAS and not _is_quota(name):
        yield invalid(path, name, "must be a standard resource for quota")


def _is_quota(name: str) -> bool:
    return name.startswith(("hugepages-", "requests.hugepages-", "limits.hugepages-"))


def _beyond(scope: str, spec: Object) -> Iterable[str]:
    """What a scope cannot limit."""
    known = _OF_PODS.get(scope)
    for name in sorted(spec.get("hard") or ()):
        if known is not None and name in resources.QUOTAS and name not in known:
            yield name


def _conflicts(scopes: Iterable[str], shown: object) -> Causes:
    for pair in ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"}):
        if pair <= set(scopes):
            yield invalid("spec.scopes", shown, "conflicting scopes")


def _selected(selector: Object, spec: Object, scopes: object) -> Causes:
    path, wishes = "spec.scopeSelector.matchExpressions", selector.get("matchExpressions") or ()
    for wish in wishes:
        scope, operator, values = wish.get("scopeName") or "", wish.get("operator") or "", wish.get("values") or ()
        if scope not in _OF_PODS:
            yield invalid(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _beyond(scope, spec):
            yield invalid_go(path, _shown(selector), "unsupported scope applied to resource")
        if scope in _OF_PODS and scope not in ("PriorityClass", "VolumeAttributesClass") and operator != "Exists":
            yield invalid(f"{path}.operator", operator, _EXISTING)
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield required(f"{path}.values", text)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                yield invalid(f"{path}.values", values, text)
        else:
            yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    yield from _conflicts((wish.get("scopeName") or "" for wish in wishes), scopes)


def _shown(selector: Object) -> Object:
    return {
        "MatchExpressions": [
            {
                "ScopeName": wish.get("scopeName") or "",
                "Operator": wish.get("operator") or "",
                "Values": wish.get("values"),
            }
            for wish in selector.get("matchExpressions") or ()
        ]
    }
