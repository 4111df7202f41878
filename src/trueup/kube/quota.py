"""What an object uses of a ResourceQuota: names, scopes, sums, messages. Pure.

Called by admission, before a write, and by the quota controller, which counts what is there. Source: ``pkg/quota/v1``
(evaluators of pods, services and claims; object counts for all other kinds); Kubernetes documentation "Resource Quotas".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from trueup.kube import pod_resources
from trueup.kube.names import Object
from trueup.kube.quantity import canonical, format_quantity, parse
from trueup.kube.times import parse_time

Usage = dict[str, Fraction]

_LEGACY = frozenset({"configmaps", "replicationcontrollers", "resourcequotas", "secrets"})
"""Kinds whose plain name counts them as well."""
_POD = frozenset(
    {
        "cpu", "memory", "ephemeral-storage", "pods", "count/pods", "requests.cpu", "requests.memory",
        "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
    }
)  # fmt: skip
_BY_CONTAINER = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
"""Where one of these is limited, every container has to say it."""
_CLAIM = ("persistentvolumeclaims", "requests.storage")
_OF_CLASS = ".storageclass.storage.k8s.io/"
_DEVICES = ".deviceclass.resource.k8s.io/devices"
_ALL_DEVICES = 32
"""As many devices may be allocated to one request at most: what asks for all counts for so many."""


def covered(group_resource: str, names: Iterable[str]) -> list[str]:
    """Which of a quota's names an object of a resource (``pods``, ``deployments.apps``) counts in."""
    own = f"count/{group_resource}"
    if group_resource == "pods":
        return [name for name in names if name in _POD or _of_pod(name)]
    if group_resource == "services":
        known = {own, "services", "services.nodeports", "services.loadbalancers"}
        return [name for name in names if name in known]
    if group_resource == "persistentvolumeclaims":
        return [name for name in names if name == own or name in _CLAIM or _claims_of_class(name)]
    if group_resource == "resourceclaims.resource.k8s.io":
        return [name for name in names if name == own or name.endswith(_DEVICES)]
    return [name for name in names if name == own or (name == group_resource and name in _LEGACY)]


def _of_pod(name: str) -> bool:
    """Huge pages, and extended resources, which are limited by requests alone."""
    if name.startswith(("hugepages-", "requests.hugepages-")):
        return True
    return name.startswith("requests.") and "/" in name and _OF_CLASS not in name


def _claims_of_class(name: str) -> bool:
    return any(name.endswith(_OF_CLASS + one) for one in _CLAIM)


def usage(group_resource: str, obj: Object, now: float) -> Usage:
    """What one object counts for."""
    out: Usage = {f"count/{group_resource}": Fraction(1)}
    if group_resource == "pods":
        if _counts(obj, now):
            out.update(_pod(obj.get("spec") or {}))
    elif group_resource == "services":
        out.update(_service(obj.get("spec") or {}))
    elif group_resource == "persistentvolumeclaims":
        out.update(_claim(obj))
    elif group_resource == "resourceclaims.resource.k8s.io":
        out.update(_devices(obj))
    elif group_resource in _LEGACY:
        out[group_resource] = Fraction(1)
    return out


def _counts(pod: Object, now: float) -> bool:
    """Pods that have ended use nothing, nor do those that should be gone by now."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    going = pod["metadata"].get("deletionTimestamp")
    if not going:
        return True
    return now <= parse_time(going)[0] + int(pod["metadata"].get("deletionGracePeriodSeconds") or 0)


def _pod(spec: Mapping[str, Any]) -> Usage:
    return {"pods": Fraction(1), **_compute(pod_resources.requests(spec), pod_resources.limits(spec))}


def _compute(requests: Usage, limits: Usage) -> Usage:
    out: Usage = {}
    for name, value in requests.items():
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-"):
            out[name] = value
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-") or "/" in name:
            out[f"requests.{name}"] = value
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name in limits:
            out[f"limits.{name}"] = limits[name]
    return out


def _service(spec: Mapping[str, Any]) -> Usage:
    ports, kind = spec.get("ports") or (), spec.get("type")
    out = {"services": Fraction(1), "services.loadbalancers": Fraction(0), "services.nodeports": Fraction(0)}
    if kind == "NodePort":
        out["services.nodeports"] = Fraction(len(ports))
    elif kind == "LoadBalancer":
        out["services.loadbalancers"] = Fraction(1)
        given = [port for port in ports if port.get("nodePort")]
        every = spec.get("allocateLoadBalancerNodePorts") is not False
        out["services.nodeports"] = Fraction(len(ports if every else given))
    return out


def _claim(obj: Object) -> Usage:
    spec = obj.get("spec") or {}
    annotated = (obj["metadata"].get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    storage_class = annotated if annotated is not None else spec.get("storageClassName") or ""
    wanted = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    allocated = ((obj.get("status") or {}).get("allocatedResources") or {}).get("storage")
    out: Usage = {"persistentvolumeclaims": Fraction(1)}
    if wanted is not None:
        size = max(parse(wanted), parse(allocated) if allocated is not None else Fraction(0))
        out["requests.storage"] = Fraction(-(-size.numerator // size.denominator))
    if storage_class:
        out.update({f"{storage_class}{_OF_CLASS}{name}": value for name, value in list(out.items())})
    return out


def _devices(obj: Object) -> Usage:
    """Devices by class; of several that would do, the most of each class. Source: ``core/resource_claims.go``."""
    out: Usage = {}
    for request in ((obj.get("spec") or {}).get("devices") or {}).get("requests") or ():
        most: Usage = {}
        for one in request.get("firstAvailable") or (request.get("exactly") or request,):
            name = f"{one.get('deviceClassName') or ''}{_DEVICES}"
            every = one.get("allocationMode") == "All"
            most[name] = max(most.get(name, Fraction(0)), Fraction(_ALL_DEVICES if every else one.get("count") or 1))
        for name, many in most.items():
            out[name] = out.get(name, Fraction(0)) + many
    return out


def missing(group_resource: str, obj: Object, names: Iterable[str]) -> str:
    """What a pod fails to say although a quota limits it; empty when nothing."""
    if group_resource != "pods" or (obj["spec"].get("resources") or {}):
        return ""
    wanted, lacking = _BY_CONTAINER.intersection(names), dict[str, set[str]]()
    if not wanted:
        return ""
    for one in (*(obj["spec"].get("containers") or ()), *(obj["spec"].get("initContainers") or ())):
        said = _compute(pod_resources.amounts(one, "requests"), pod_resources.amounts(one, "limits"))
        for name in wanted - said.keys():
            lacking.setdefault(name, set()).add(one["name"])
    texts = (f"{name} for: {','.join(sorted(lacking[name]))}" for name in sorted(lacking))
    return f"must specify {'; '.join(texts)}" if lacking else ""


def in_scope(quota: Object, group_resource: str, obj: Object) -> bool:
    """Whether a quota's scopes select an object; only pods (and claims by class) have scopes."""
    spec = quota.get("spec") or {}
    wanted = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if not wanted:
        return True
    if group_resource == "persistentvolumeclaims":
        return all(_claim_matches(one, obj) for one in wanted)
    return group_resource == "pods" and all(_pod_matches(one, obj["spec"]) for one in wanted)


def _pod_matches(selector: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    match selector.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return best_effort(spec)
        case "NotBestEffort":
            return not best_effort(spec)
        case "PriorityClass":
            return _named(selector, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return _reaches_out(spec)
    return False


def _claim_matches(selector: Mapping[str, Any], obj: Object) -> bool:
    if selector.get("scopeName") != "VolumeAttributesClass":
        return False
    status = obj.get("status") or {}
    named = {  # the class that is wanted, the one that it has, and the one that it is being given
        (obj.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    }
    return any(_named(selector, name) for name in {name for name in named if name} or {""})


def _named(selector: Mapping[str, Any], name: str) -> bool:
    values = selector.get("values") or ()
    match selector.get("operator"):
        case "Exists":
            return bool(name)
        case "DoesNotExist":
            return not name
        case "In":
            return name in values
        case "NotIn":
            return name not in values
    return False


def best_effort(spec: Mapping[str, Any]) -> bool:
    """Whether no container asks for or limits processor time or memory."""
    many = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()), spec)
    sides = (pod_resources.amounts(one, side) for one in many for side in ("requests", "limits"))
    return not any(side.get(name) for side in sides for name in ("cpu", "memory"))


def _reaches_out(spec: Mapping[str, Any]) -> bool:
    affinity = spec.get("affinity") or {}
    for part in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(part) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(weighted.get("podAffinityTerm") or {})
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def spelled(amount: Fraction, hard: object) -> str:
    """What is used, in the form (decimal, binary) of what is allowed."""
    return format_quantity(amount, str(hard))


def shown(amounts: Mapping[str, str]) -> str:
    """``cpu=1,pods=2``."""
    return ",".join(f"{name}={canonical(str(amounts[name]))}" for name in sorted(amounts))
