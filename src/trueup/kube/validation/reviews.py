"""Questions of access. Source: Kubernetes ``pkg/apis/authorization/validation/validation.go``."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, forbidden, invalid, required, show

_ORDER = ("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels")


def access_review(obj: Object) -> Causes:
    """SubjectAccessReview, and those of oneself and of one namespace."""
    kind, spec, meta = obj.get("kind"), obj.get("spec") or {}, obj.get("metadata") or {}
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        text = "cannot be specified in combination with resourceAttributes"
        yield _refused("spec.nonResourceAttributes", _path(other), text)
    if resource is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield _refused("spec.resourceAttributes", "null", text)
    if kind != "SelfSubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        yield invalid("spec.user", "", "at least one of user or group must be specified")
    for name in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(name)
        if selector is not None:
            yield from _selector(selector, f"spec.resourceAttributes.{name}", of_labels=name == "labelSelector")
    local = kind == "LocalSubjectAccessReview"
    named = {name: value for name, value in meta.items() if value and name != "managedFields"}
    if local:
        given = named.pop("namespace", "")
        if named:
            yield _refused("metadata", _shown({**named, "namespace": given}), "must be empty except for namespace")
        asked = str((resource or {}).get("namespace") or "")
        if resource is not None and asked != given:
            yield invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace")
        if other is not None:
            yield _refused("spec.nonResourceAttributes", _path(other), "disallowed on this kind of request")
    elif named:
        yield _refused("metadata", _shown(named), "must be empty")


def _selector(selector: Object, path: str, *, of_labels: bool) -> Causes:
    raw, wishes = selector.get("rawSelector") or "", selector.get("requirements") or []
    if raw and wishes:
        yield invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not wishes:
        text = f"when {path} is specified, requirements or rawSelector is required"
        yield required(f"{path}.requirements", text)
    for index, wish in enumerate(wishes):
        yield from _wish(wish, f"{path}.requirements[{index}]", of_labels=of_labels)


def _wish(wish: Object, path: str, *, of_labels: bool) -> Causes:
    """Operators that are not known are fine: those who ask may be newer than the server."""
    key, operator, values = wish.get("key") or "", wish.get("operator"), wish.get("values") or []
    if not of_labels and not key:
        yield required(f"{path}.key", "must be specified")
    if operator in ("In", "NotIn") and not values:
        yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in ("Exists", "DoesNotExist") and values:
        yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    if of_labels:
        yield from each_invalid(f"{path}.key", key, formats.qualified(key))
        for number, value in enumerate(values):
            yield from each_invalid(f"{path}.values[{number}]", value, formats.label_value(value))


def _refused(field: str, shown: str, text: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", field)


def _shown(meta: Object) -> str:
    """Metadata as Go's JSON: in the order of its struct."""
    names: list[Any] = sorted(meta, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return "{" + ",".join(f"{show(name)}:{show(meta[name])}" for name in names if meta[name]) + "}"


def _path(other: Object) -> str:
    return f'{{"Path":{show(other.get("path") or "")},"Verb":{show(other.get("verb") or "")}}}'
