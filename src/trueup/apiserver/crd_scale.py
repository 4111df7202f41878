"""Whether a custom object has, where its definition's Scale looks for them, replicas and a selector. Called by `crds`.

Source: apiextensions-apiserver ``customresource/validator.go``; apimachinery ``unstructured/helpers.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.merge.strategic import go_text

_MOST = (1 << 31) - 1


def scale_causes(scale: Mapping[str, Any], obj: Object, status_alone: bool) -> Iterator[Cause]:
    """What is wrong of them; ``status_alone``: the wished replicas are not looked at."""
    if not status_alone:
        yield from _of_replicas(obj, str(scale.get("specReplicasPath") or ""))
    yield from _of_replicas(obj, str(scale.get("statusReplicasPath") or ""))
    if "labelSelectorPath" in scale:
        path = str(scale["labelSelectorPath"])
        wrong = _found(obj, path, str)
        if isinstance(wrong, Cause):
            yield wrong


def _of_replicas(obj: Object, path: str) -> Iterator[Cause]:
    value = _found(obj, path, int)
    if isinstance(value, Cause):
        yield value
    elif value < 0:
        yield _wrong(path, value, "should be a non-negative integer")
    elif value > _MOST:
        yield _wrong(path, value, f"should be less than or equal to {_MOST}")


def _found(obj: Object, path: str, wanted: type) -> Any:
    """The value, the zero of its type where there is none, or what is wrong."""
    at: Any = obj
    parts = path.removeprefix(".").split(".")
    for index, part in enumerate(parts):
        if at is None:
            return wanted()
        if not isinstance(at, dict):
            return _wrong(path, wanted(), _not_of(".".join(parts[: index + 1]), at, "map[string]interface{}"))
        if part not in at:
            return wanted()
        at = at[part]
    if type(at) is not wanted:
        return _wrong(path, wanted(), _not_of(".".join(parts), at, "int64" if wanted is int else "string"))
    return at


def _not_of(path: str, value: Any, wanted: str) -> str:
    types: Mapping[type, str] = {
        str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}",
        dict: "map[string]interface {}", type(None): "<nil>",
    }  # fmt: skip
    return f".{path} accessor error: {go_text(value)} is of the type {types[type(value)]}, expected {wanted}"


def _wrong(path: str, value: Any, text: str) -> Cause:
    shown = value if isinstance(value, int) else f'"{value}"'
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path)
