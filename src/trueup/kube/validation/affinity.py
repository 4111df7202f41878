"""Where pods want to be, and where not: affinity and spread. Source: Kubernetes ``core/validation``,
validateAffinity, ValidateNodeSelector, validateTopologySpreadConstraints.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    required,
)  # fmt: skip

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_POLICIES = ("Honor", "Ignore")
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")


def affinity(found: Object, path: str) -> Causes:
    """``affinity``."""
    nodes = found.get("nodeAffinity") or {}
    if nodes.get(_REQUIRED) is not None:
        yield from node_selector(nodes[_REQUIRED], f"{path}.nodeAffinity.{_REQUIRED}")
    for index, term in enumerate(nodes.get(_PREFERRED) or ()):
        at = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _weight(term, at)
        yield from _term(term.get("preference") or {}, f"{at}.preference", values=False)
    for part in ("podAffinity", "podAntiAffinity"):
        pods = found.get(part) or {}
        for index, term in enumerate(pods.get(_REQUIRED) or ()):
            yield from _pods(term, f"{path}.{part}.{_REQUIRED}[{index}]")
        for index, term in enumerate(pods.get(_PREFERRED) or ()):
            at = f"{path}.{part}.{_PREFERRED}[{index}]"
            yield from _weight(term, at)
            yield from _pods(term.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")


def _weight(term: Object, path: str) -> Causes:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def node_selector(found: Object, path: str) -> Causes:
    """Terms of which a node meets one."""
    terms = found.get("nodeSelectorTerms") or ()
    if not terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _term(term, f"{path}.nodeSelectorTerms[{index}]", values=True)


def _term(found: Object, path: str, *, values: bool) -> Causes:
    """``values``: whether they are looked at; of what is only preferred, they are not."""
    for index, wish in enumerate(found.get("matchExpressions") or ()):
        yield from _expression(wish, f"{path}.matchExpressions[{index}]", values=values)
    for index, wish in enumerate(found.get("matchFields") or ()):
        yield from _field(wish, f"{path}.matchFields[{index}]")


def _expression(found: Object, path: str, *, values: bool) -> Causes:
    operator, given, key = found.get("operator") or "", found.get("values") or (), found.get("key") or ""
    if operator in ("In", "NotIn"):
        if not given:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator in ("Gt", "Lt"):
        if len(given) != 1:
            yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    yield from each_invalid(f"{path}.key", key, formats.qualified(key))
    if values:
        for index, value in enumerate(given):
            yield from each_invalid(f"{path}.values[{index}]", value, formats.label_value(value))


def _field(found: Object, path: str) -> Causes:
    operator, given, key = found.get("operator") or "", found.get("values") or (), found.get("key") or ""
    if operator not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif len(given) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", text)
    if key != "metadata.name":
        yield invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(given):
        yield from each_invalid(f"{path}.values[{index}]", value, formats.subdomain(value))


def _pods(term: Object, path: str) -> Causes:
    yield from object_meta.selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from object_meta.selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        yield from each_invalid(f"{path}.namespace", name, formats.label(name))
    yield from _label_keys(term, path)
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from each_invalid(f"{path}.topologyKey", key, formats.qualified(key))


def _label_keys(found: Object, path: str) -> Causes:
    """Labels whose values the pod itself gives to its selector."""
    like, unlike = found.get("matchLabelKeys") or (), found.get("mismatchLabelKeys") or ()
    if not like and not unlike:
        return
    selector = found.get("labelSelector")
    for name, keys in (("matchLabelKeys", like), ("mismatchLabelKeys", unlike)):
        if keys and selector is None:
            yield forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            yield from each_invalid(f"{path}.{name}[{index}]", key, formats.qualified(key))
    if selector is not None:
        yield from _said_twice(like, selector, path)
    for index, key in enumerate(like):
        if key in unlike:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield invalid(f"{path}.matchLabelKeys[{index}]", key, text)


def _said_twice(keys: Sequence[str], selector: Object, path: str) -> Causes:
    places = {key: index for index, key in enumerate(keys)}
    seen = {*(selector.get("matchLabels") or ())}
    for wish in selector.get("matchExpressions") or ():
        key = wish.get("key") or ""
        if key in places and key in seen:
            yield invalid(f"{path}[{places[key]}]", key, "exists in both matchLabelKeys and labelSelector")
        seen.add(key)


def spread(found: Sequence[Object], path: str) -> Causes:
    """``topologySpreadConstraints``."""
    pairs = [(wish.get("topologyKey") or "", wish.get("whenUnsatisfiable") or "") for wish in found]
    for index, wish in enumerate(found):
        at, (key, action), skew = f"{path}[{index}]", pairs[index], wish.get("maxSkew") or 0
        if skew <= 0:
            yield invalid(f"{at}.maxSkew", skew, "must be greater than zero")
        if not key:
            yield required(f"{at}.topologyKey", "can not be empty")
        if action not in _ACTIONS:
            yield not_supported(f"{at}.whenUnsatisfiable", action, _ACTIONS)
        if pairs[index] in pairs[index + 1 :]:
            yield duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        yield from _domains(wish.get("minDomains"), action, f"{at}.minDomains")
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = wish.get(name)
            if policy is not None and policy not in _POLICIES:
                yield not_supported(f"{at}.{name}", policy, _POLICIES)
        yield from _label_keys(wish, at)
        yield from object_meta.selector(wish.get("labelSelector"), f"{at}.labelSelector")


def _domains(least: Any, action: str, path: str) -> Causes:
    if least is None:
        return
    if least <= 0:
        yield invalid(path, least, "must be greater than zero")
    if action != "DoNotSchedule":
        yield invalid(path, least, f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}")
