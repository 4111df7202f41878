"""What a status may say. Called for writes of the subresource ``status`` alone: an object's other writes leave it as it is.

Sources: the ``Validate…StatusUpdate`` functions of Kubernetes ``pkg/apis/*/validation``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trueup.kube.names import Kind, Object
from trueup.kube.problems import Cause
from trueup.kube.quantity import parse
from trueup.kube.validation import addresses, certificates, formats, job_status, limits, pod_status, resources
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    required,
    show_go,
    too_long,
)  # fmt: skip

Rule = Callable[[Object, Object], Causes]
_STATUSES = ("False", "True", "Unknown")
_LONGEST_REASON, _LONGEST_MESSAGE = 1024, 32 * 1024


def status_rules(kind: Kind) -> Rule | None:
    """What a kind says of its status."""
    return _RULES.get((kind.group, kind.kind))


def _counts(names: Iterable[str], most: Mapping[str, str], *, collides: bool = True) -> Rule:
    """Counts are not negative, and some are at most others; collisions are not forgotten. ``most``: in whose words."""
    names, pairs = tuple(names), tuple(tuple(pair.split()) for pair in most)
    words = tuple(most.values())

    def rule(new: Object, old: Object) -> Causes:
        now = new.get("status") or {}
        for name in names:
            yield from not_negative(f"status.{name}", now.get(name))
        for (less, more), text in zip(pairs, words, strict=True):
            count = now.get(less) or 0
            if count > (now.get(more) or 0):
                yield invalid(f"status.{less}", count, f"cannot be greater than {text}")
        was = (old.get("status") or {}).get("collisionCount")
        if collides and was is not None and (now.get("collisionCount") or 0) < was:
            yield invalid("status.collisionCount", now.get("collisionCount") or 0, "cannot be decremented")

    return rule


_OF_ALL = "status.replicas"
_SET = {
    "fullyLabeledReplicas replicas": _OF_ALL, "readyReplicas replicas": _OF_ALL, "availableReplicas replicas": _OF_ALL,
    "availableReplicas readyReplicas": "readyReplicas",
}  # fmt: skip


def conditions(found: Iterable[Object], path: str) -> Causes:
    """Conditions of the type that all share. Source: apimachinery ``ValidateConditions``."""
    seen: set[str] = set()
    for index, one in enumerate(found):
        at, kind = f"{path}[{index}]", one.get("type") or ""
        if kind in seen:
            yield duplicate(f"{at}.type", kind)
        seen.add(kind)
        yield from each_invalid(f"{at}.type", kind, formats.qualified(kind))
        if one.get("status") not in _STATUSES:
            yield not_supported(f"{at}.status", one.get("status") or "", _STATUSES)
        if (one.get("observedGeneration") or 0) < 0:
            yield invalid(
                f"{at}.observedGeneration", one["observedGeneration"], "must be greater than or equal to zero"
            )
        if not one.get("lastTransitionTime"):
            yield required(f"{at}.lastTransitionTime")
        reason = one.get("reason") or ""
        if not reason:
            yield required(f"{at}.reason")
        else:
            yield from each_invalid(f"{at}.reason", reason, formats.reason(reason))
            if len(reason) > _LONGEST_REASON:
                yield too_long(f"{at}.reason", _LONGEST_REASON)
        if len(one.get("message") or "") > _LONGEST_MESSAGE:
            yield too_long(f"{at}.message", _LONGEST_MESSAGE)


def _budget(new: Object, old: Object) -> Causes:
    now = new.get("status") or {}
    yield from conditions(now.get("conditions") or (), "status.conditions")
    for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        yield from not_negative(f"status.{name}", now.get(name))


def _policy(new: Object, old: Object) -> Causes:
    now = new.get("status") or {}
    for index, one in enumerate((now.get("typeChecking") or {}).get("expressionWarnings") or ()):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        for name in ("warning", "fieldRef"):
            if not one.get(name):
                yield required(f"{path}.{name}")
    yield from conditions(now.get("conditions") or (), "status.conditions")


def _node(new: Object, old: Object) -> Causes:
    now = new.get("status") or {}
    seen: list[Object] = []
    for index, one in enumerate(now.get("addresses") or ()):
        if one in seen:
            shown = show_go({"Type": one.get("type") or "", "Address": one.get("address") or ""})
            yield Cause("FieldValueDuplicate", f"Duplicate value: {shown}", f"status.addresses[{index}]")
        seen.append(one)
    for part in ("capacity", "allocatable"):
        for name, value in (now.get(part) or {}).items():
            yield from resources.amount(name, value, f"status.{part}.{name}")


def _quota(new: Object, old: Object) -> Causes:
    now = new.get("status") or {}
    for part in ("hard", "used"):
        for name, value in (now.get(part) or {}).items():
            yield from limits.counted(name, f"status.{part}[{name}]")
            yield from resources.amount(name, value, f"status.{part}[{name}]")


def _service(new: Object, old: Object) -> Causes:
    found = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if found and (new.get("spec") or {}).get("type") != "LoadBalancer":
        yield forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for index, one in enumerate(found):
        path, address, mode = f"status.loadBalancer.ingress[{index}]", one.get("ip"), one.get("ipMode")
        yield from _reached_at(one, path)
        if mode is None:
            if address:
                yield required(f"{path}.ipMode", "must be specified when `ip` is set")
        elif not address:
            yield forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set")
        elif mode not in ("Proxy", "VIP"):
            yield not_supported(f"{path}.ipMode", mode, ("Proxy", "VIP"))


def _ingress(new: Object, old: Object) -> Causes:
    for index, one in enumerate(((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()):
        yield from _reached_at(one, f"status.loadBalancer.ingress[{index}]")


def _reached_at(one: Object, path: str) -> Causes:
    address, name = one.get("ip"), one.get("hostname")
    if address:
        yield from addresses.address(f"{path}.ip", address, canonical=False)
    if name:
        yield from each_invalid(f"{path}.hostname", name, formats.subdomain(name))
        if not list(addresses.address("", name, canonical=False)):
            yield invalid(f"{path}.hostname", name, "must be a DNS name, not an IP address")


_RESIZING = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizePending", "NodeResizeInProgress",
    "NodeResizeInfeasible",
)  # fmt: skip


def _claim(new: Object, old: Object) -> Causes:
    now = new.get("status") or {}
    for name, value in (now.get("capacity") or {}).items():
        yield from _not_below_zero(value, f"status.capacity[{name}]")
    path = "status.allocatedResourceStatuses"
    for name, word in (now.get("allocatedResourceStatuses") or {}).items():
        yield from _stored(name, path)
        if word not in _RESIZING:
            yield not_supported(path, name, sorted(_RESIZING))
    for name, value in (now.get("allocatedResources") or {}).items():
        wrong = list(_stored(name, "status.allocatedResources"))
        yield from wrong or _not_below_zero(value, f"status.allocatedResources[{name}]")


def _stored(name: str, path: str) -> Causes:
    """A resource that a claim may have."""
    problems = formats.qualified(name)
    yield from each_invalid(path, name, problems)
    if not problems and name != "storage" and ("/" not in name or "kubernetes.io/" in name):
        yield not_supported(path, name, ("storage",))


def _not_below_zero(value: Any, path: str) -> Causes:
    if parse(value) < 0:
        yield invalid(path, value, "must be a valid resource quantity")


def _flow(new: Object, old: Object) -> Causes:
    seen: set[str] = set()
    for index, one in enumerate((new.get("status") or {}).get("conditions") or ()):
        path, kind = f"status.conditions[{index}].type", one.get("type") or ""
        if kind in seen:
            yield duplicate(path, kind)
        seen.add(kind)
        if not kind:
            yield required(path)


def _api_service(new: Object, old: Object) -> Causes:
    for index, one in enumerate((new.get("status") or {}).get("conditions") or ()):
        if one.get("status") not in _STATUSES:
            known = ("True", "False", "Unknown")
            yield not_supported(f"status.conditions[{index}].status", one.get("status") or "", known)


_RULES: Mapping[tuple[str, str], Rule] = {
    ("", "Node"): _node,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): pod_status.pod,
    ("", "ReplicationController"): _counts(
        ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"),
        _SET,
        collides=False,
    ),
    ("", "ResourceQuota"): _quota,
    ("", "Service"): _service,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _policy,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apps", "DaemonSet"): _counts(
        (
            "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
            "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
        ),
        {},
    ),
    ("apps", "Deployment"): _counts(
        (
            "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
            "unavailableReplicas", "terminatingReplicas", "collisionCount",
        ),
        {"updatedReplicas replicas": _OF_ALL, **{pair: text for pair, text in _SET.items() if "fully" not in pair}},
    ),
    ("apps", "ReplicaSet"): _counts(
        (
            "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration",
            "terminatingReplicas",
        ),
        _SET,
        collides=False,
    ),
    ("apps", "StatefulSet"): _counts(
        (
            "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration",
            "collisionCount",
        ),
        {
            "readyReplicas replicas": _OF_ALL, "currentReplicas replicas": _OF_ALL, "updatedReplicas replicas": _OF_ALL,
            "availableReplicas replicas": _OF_ALL, "availableReplicas readyReplicas": "status.readyReplicas",
        },
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): _counts(("currentReplicas", "desiredReplicas"), {}, collides=False),
    ("batch", "Job"): job_status.job,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.signing_status,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): _flow,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): _flow,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("policy", "PodDisruptionBudget"): _budget,
}  # fmt: skip
"""By group and kind."""
