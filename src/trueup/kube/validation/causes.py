"""Causes in Kubernetes' words. Source: apimachinery ``util/validation/field/errors.go``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from trueup.kube.problems import Cause

Causes = Iterator[Cause]


def show(value: Any) -> str:
    """A value as it stands in a message: texts quoted as Go does, all else JSON with sorted keys."""
    if isinstance(value, str) and not value.isprintable():
        return '"' + "".join(map(_quoted, value)) + '"'
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def in_order(struct: Any) -> str:
    """A Go struct as JSON: its fields in their order."""
    return orjson.dumps(struct).decode()


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def _quoted(sign: str) -> str:
    """One sign, as Go's ``%q`` writes it."""
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    code = ord(sign)
    return _ESCAPES.get(sign) or (
        f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def show_go(value: Any) -> str:
    """A value of Kubernetes' own, whose fields stand in the order of its type."""
    return orjson.dumps(value).decode()


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", path)


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {show(value)}: {detail}", path)


def invalid_go(path: str, value: Any, detail: str) -> Cause:
    """A value of Kubernetes' own, whose fields stand in the order of its type."""
    return Cause("FieldValueInvalid", f"Invalid value: {show_go(value)}: {detail}", path)


def duplicate(path: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {show(value)}", path)


def not_found(path: str, value: Any, detail: str = "") -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {show(value)}{': ' if detail else ''}{detail}", path)


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", path)


def too_long(path: str, most: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path)


def too_many(path: str, count: int, most: int) -> Cause:
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {most} items", path)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    known = ", ".join(f'"{name}"' for name in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {known}", path)


def each_invalid(path: str, value: Any, details: Iterable[str]) -> Causes:
    """One cause for each thing that is wrong with a value."""
    for detail in details:
        yield invalid(path, value, detail)


def one_of(path: str, value: Any, supported: Iterable[str], *, needed: bool = True) -> Causes:
    """A value out of a few; missing, it is required."""
    if value in (None, ""):
        if needed:
            yield required(path)
    elif value not in supported:
        yield not_supported(path, value, supported)


def not_negative(path: str, value: Any) -> Causes:
    """A number that may not be below zero; missing is fine."""
    if isinstance(value, int) and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def unchanged(path: str, new: Any, old: Any) -> Causes:
    """A field that may not change."""
    if new != old:
        yield invalid(path, new, "field is immutable")
