"""Names and amounts of what containers, pods and quotas count. Source: Kubernetes ``core/validation``,
validateResourceRequirements; ``core/helper/helpers.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import formats
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)  # fmt: skip

_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
        "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
QUOTAS = (
    _CONTAINERS
    | _COUNTED
    | {f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")}
    | {"requests.storage"}
)
"""What a quota can limit by a name of its own."""
_STANDARD = QUOTAS | {"storage"}
_COMPUTE = frozenset({"cpu", "memory"})
_HUGE = "hugepages-"
_WHOLE = "must be an integer"


def is_huge(name: str) -> bool:
    """Huge pages of one size."""
    return name.startswith(_HUGE)


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    return not _is_native(name) and not name.startswith("requests.") and not formats.qualified(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    """Whether less may be requested than the limit."""
    return _is_native(name) and not is_huge(name)


def resource_name(name: str, path: str) -> Causes:
    """A resource: a standard one, or one with a domain."""
    problems = formats.qualified(name)
    if problems:
        yield from each_invalid(path, name, problems)
    elif "/" not in name and name not in _STANDARD and not is_huge(name.removeprefix("requests.")):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def of_containers(name: str, path: str) -> Causes:
    """A resource that containers have."""
    if name in _CONTAINERS:
        return
    yield from resource_name(name, path)
    if "/" not in name:
        if not is_huge(name):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not _is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def of_pods(name: str, path: str) -> Causes:
    """A resource that pods have as a whole."""
    problems = [*resource_name(name, path)]
    yield from problems
    if not problems and name not in _COMPUTE and not is_huge(name):
        yield not_supported(path, name, ("cpu", "hugepages-", "memory"))


def amount(name: str, value: Any, path: str) -> Causes:
    """How much of a resource."""
    number = parse(value)
    if number < 0:
        yield invalid(path, value, "must be greater than or equal to 0")
    if number.denominator != 1 and (name in _COUNTED or _is_extended(name)):
        yield invalid(path, value, _WHOLE)


def requirements(
    found: Object, path: str, claims: Set[str] = frozenset(), names: Callable[[str, str], Causes] = of_containers
) -> Causes:
    """``resources`` of a container or a pod. ``claims``: those of the pod."""
    limits, requests = found.get("limits") or {}, found.get("requests") or {}
    for name, value in limits.items():
        at = f"{path}.limits[{name}]"
        yield from names(name, at)
        yield from amount(name, value, at)
        if is_huge(name):
            yield from _pages(name, value, at)
    for name, value in requests.items():
        at = f"{path}.requests[{name}]"
        yield from names(name, at)
        yield from amount(name, value, at)
        yield from _against(name, value, limits.get(name), path)
        if is_huge(name):
            yield from _pages(name, value, at)
    both = limits.keys() | requests.keys()
    if not both & _COMPUTE and any(is_huge(name) for name in both):
        yield forbidden(path, "HugePages require cpu or memory")
    if found.get("claims"):
        yield from _claims(found["claims"], f"{path}.claims", claims)


def _against(name: str, value: Any, limit: Any, path: str) -> Causes:
    """A request beside its limit."""
    if limit is None:
        if not may_overcommit(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    if value == limit:
        return
    asked, most = parse(value), parse(limit)
    if asked != most and not may_overcommit(name):
        yield invalid(f"{path}.requests", value, f"must be equal to {name} limit of {limit}")
    elif asked > most:
        yield invalid(f"{path}.requests", value, f"must be less than or equal to {name} limit of {limit}")


def _pages(name: str, value: Any, path: str) -> Causes:
    """Huge pages are whole ones; a size that cannot be read has none."""
    try:
        size = parse(name.removeprefix(_HUGE))
    except ValueError:
        size = parse("0")
    if size <= 0 or (parse(value) / size).denominator != 1:
        yield invalid(path, value, f"{value} is not positive integer multiple of {name}")


def _claims(found: Iterable[Object], path: str, known: Set[str]) -> Causes:
    names: set[str] = set()
    for index, claim in enumerate(found):
        at, name, request = f"{path}[{index}]", claim.get("name") or "", claim.get("request") or ""
        if not name:
            yield required(at)
            continue
        if name in names:
            yield duplicate(at, name)
        else:
            key = f"{name}/{request}" if request else name
            if request:
                yield from each_invalid(f"{at}.request", request, formats.label(request))
            if key in names:
                yield duplicate(at, key)
            elif not request:
                for _ in filter(lambda other: other.startswith(f"{name}/"), names):
                    yield duplicate(at, name)
            names.add(key)
        if name not in known:
            those = f": {', '.join(sorted(known))}" if known else " which is empty"
            yield not_found(at, name, f"must be one of the names in pod.spec.resourceClaims{those}")
