"""Rules of pods and pod templates. Source: Kubernetes ``pkg/apis/core/validation/validation.go``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
    too_long,
)  # fmt: skip
from trueup.kube.validation.containers import container, volume_names, volumes

_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART = ("Always", "OnFailure", "Never")
_OPERATORS = ("Equal", "Exists")
_LONGEST_HOSTNAME = 64
_SEGMENT = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = re.compile(rf"({_SEGMENT}[\./])*{_SEGMENT}")
_LONGEST_SYSCTL = 253
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def pod(obj: Object) -> Causes:
    """v1 Pod."""
    yield from pod_spec(obj.get("spec") or {}, "spec")


def template(found: Any, path: str, claims: frozenset[str] = frozenset()) -> Causes:
    """A pod template. ``claims``: volumes that a stateful set adds."""
    meta = (found or {}).get("metadata") or {}
    yield from object_meta.labels(meta.get("labels"), f"{path}.labels")
    yield from object_meta.annotation_keys(meta.get("annotations"), f"{path}.annotations")
    yield from pod_spec((found or {}).get("spec") or {}, f"{path}.spec", claims)


def pod_spec(spec: Object, path: str, claims: frozenset[str] = frozenset()) -> Causes:
    """What a pod is made of."""
    yield from volumes(spec.get("volumes") or (), f"{path}.volumes")
    known = volume_names(spec) | claims
    containers = spec.get("containers") or ()
    if not containers:
        yield required(f"{path}.containers")
    names: set[str] = set()
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for index, one in enumerate(spec.get(part) or ()):
            yield from container(one, f"{path}.{part}[{index}]", known, names, part)
    policy = spec.get("restartPolicy")
    yield from one_of(f"{path}.restartPolicy", policy, _RESTART)
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS)
    yield from object_meta.labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from _names(spec, path)
    yield from _numbers(spec, path)
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(toleration, f"{path}.tolerations[{index}]")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        for number, name in enumerate(alias.get("hostnames") or ()):
            where = f"{path}.hostAliases[{index}].hostnames[{number}]"
            yield from each_invalid(where, name, formats.subdomain(name))
    yield from _spread(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints")
    yield from _sysctls((spec.get("securityContext") or {}).get("sysctls") or (), f"{path}.securityContext.sysctls")


def _sysctls(found: Iterable[Object], path: str) -> Causes:
    names: set[str] = set()
    for index, one in enumerate(found):
        name, where = str(one.get("name") or ""), f"{path}[{index}].name"
        if not name:
            yield required(where)
        elif len(name) > _LONGEST_SYSCTL or _SYSCTL.fullmatch(name) is None:
            yield invalid(
                where, name, f"must have at most {_LONGEST_SYSCTL} characters and match regex ^{_SYSCTL.pattern}$"
            )
        elif name in names:
            yield duplicate(where, name)
        names.add(name)


def _names(spec: Object, path: str) -> Causes:
    for name, problems in (
        ("serviceAccountName", formats.subdomain),
        ("nodeName", formats.subdomain),
        ("hostname", formats.label),
        ("subdomain", formats.label),
        ("priorityClassName", formats.subdomain),
    ):
        value = spec.get(name)
        if value:
            yield from each_invalid(f"{path}.{name}", value, problems(str(value)))
    override = spec.get("hostnameOverride")
    if override is not None:
        yield from _override(spec, str(override), f"{path}.hostnameOverride")


def _override(spec: Object, name: str, path: str) -> Causes:
    if spec.get("setHostnameAsFQDN"):
        yield forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork"):
        yield forbidden(path, "may not be specified when hostNetwork is true")
    if len(name) > _LONGEST_HOSTNAME:
        yield too_long(path, _LONGEST_HOSTNAME)
    yield from each_invalid(path, name, formats.subdomain(name))


def _numbers(spec: Object, path: str) -> Causes:
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= (1 << 31) - 1:
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")


def _toleration(found: Object, path: str) -> Causes:
    key, operator, value = found.get("key"), found.get("operator"), found.get("value")
    effect = found.get("effect")
    if key:
        yield from each_invalid(f"{path}.key", key, formats.qualified(key))
    if not key and operator != "Exists":
        text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", operator or "", text)
    if found.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield invalid(f"{path}.effect", effect or "", "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator == "Exists" and value:
        yield invalid(f"{path}.operator", found, "value must be empty when `operator` is 'Exists'")
    elif operator not in (None, "", "Lt", "Gt", *_OPERATORS):
        yield not_supported(f"{path}.operator", operator, _OPERATORS)
    if effect and effect not in _EFFECTS:
        yield not_supported(f"{path}.effect", effect, _EFFECTS)


def _spread(found: Any, path: str) -> Causes:
    seen: set[tuple[Any, Any]] = set()
    for index, wish in enumerate(found):
        at = f"{path}[{index}]"
        if (wish.get("maxSkew") or 0) <= 0:
            yield invalid(f"{at}.maxSkew", wish.get("maxSkew") or 0, "must be greater than zero")
        if not wish.get("topologyKey"):
            yield required(f"{at}.topologyKey", "can not be empty")
        yield from one_of(f"{at}.whenUnsatisfiable", wish.get("whenUnsatisfiable"), ("DoNotSchedule", "ScheduleAnyway"))
        pair = (wish.get("topologyKey"), wish.get("whenUnsatisfiable"))
        if pair in seen:
            yield duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}")
        seen.add(pair)
        yield from object_meta.selector(wish.get("labelSelector"), f"{at}.labelSelector")


_POD_CHANGES = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def pod_update(new: Object, old: Object) -> Causes:
    """What may change in a pod: images, a deadline that shortens, more tolerations. Its node is a binding's."""
    now, was = new.get("spec") or {}, old.get("spec") or {}
    if now == was:
        return
    if _fixed(now, was) != _fixed(was, was):
        yield forbidden("spec", _POD_CHANGES)
    kept = now.get("tolerations") or []
    if any(toleration not in kept for toleration in was.get("tolerations") or ()):
        text = "existing toleration can not be modified except its tolerationSeconds"
        if not _only_seconds(kept, was["tolerations"]):
            yield forbidden("spec.tolerations", text)
    before, after = was.get("activeDeadlineSeconds"), now.get("activeDeadlineSeconds")
    if before is not None and (after is None or after > before):
        text = (
            "must be less than or equal to previous value"
            if after is not None
            else "must not update from a positive integer to nil value"
        )
        yield invalid("spec.activeDeadlineSeconds", after, text)


def _fixed(spec: Object, was: Object) -> Object:
    """The part of a pod that stays as it was made."""
    free = {"activeDeadlineSeconds", "tolerations", "ephemeralContainers", "schedulingGates", "resources"}
    if (was.get("terminationGracePeriodSeconds") or 0) < 0:
        free.add("terminationGracePeriodSeconds")
    if was.get("schedulingGates"):
        free |= {"nodeSelector", "affinity"}
    kept = {name: value for name, value in spec.items() if name not in free}
    for part in ("containers", "initContainers"):
        if part in kept:
            # Resources change through the subresource ``resize``, which checks for itself.
            kept[part] = [{k: v for k, v in one.items() if k not in ("image", "resources")} for one in kept[part]]
    return kept


def _only_seconds(kept: list[Any], were: list[Any]) -> bool:
    bare = [{k: v for k, v in one.items() if k != "tolerationSeconds"} for one in kept]
    return all({k: v for k, v in one.items() if k != "tolerationSeconds"} in bare for one in were)
