"""Closures that read fields, keys and items. Used by the planner.

Source: cel-go ``interpreter/attributes.go``: what reading what is not there says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trueup.cel.problems import CelError
from trueup.cel.standard import at_index, at_key
from trueup.cel.values import NONE, Optional, type_name_of

Closure = Callable[[list[Any]], Any]
_ESCAPE = re.compile(r"__([^_]+)__")
_SIGNS = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}


class Absent:
    """What stands in a frame for a variable that was not given, or whose value is an error."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


class Step(NamedTuple):
    """One step into a value: a field by name, or what a closure answers."""

    key: str
    at: Closure | None


def path(place: int | None, base: Closure | None, steps: Sequence[Step]) -> Closure:
    """Read a variable or an expression's value, and within it."""
    if base is None:
        assert place is not None
        base = _variable(place)
    keys = tuple(step.key for step in steps)
    if any(step.at is not None for step in steps):
        return _indexed(base, steps)
    if not keys:
        return base
    if place is None:
        return _fields(base, keys)
    return _variable_fields(place, base, keys)


def _variable(place: int) -> Closure:
    def variable(f: list[Any]) -> Any:
        value = f[place]
        if value.__class__ is Absent:
            raise CelError(value.message)
        return value

    return variable


def _variable_fields(place: int, base: Closure, keys: tuple[str, ...]) -> Closure:
    """The hot path: fields of a variable, one, two, three or more down."""
    if len(keys) == 1:
        (one,) = keys

        def first(f: list[Any]) -> Any:
            try:
                return f[place][one]
            except (KeyError, TypeError):
                return _walk(base(f), keys)

        return first
    if len(keys) == 2:
        one, two = keys

        def second(f: list[Any]) -> Any:
            try:
                return f[place][one][two]
            except (KeyError, TypeError):
                return _walk(base(f), keys)

        return second
    return _fields(base, keys)


def _fields(base: Closure, keys: tuple[str, ...]) -> Closure:
    def fields(f: list[Any]) -> Any:
        value = start = base(f)
        try:
            for key in keys:
                value = value[key]
        except (KeyError, TypeError):
            return _walk(start, keys)
        return value

    return fields


def _walk(value: Any, keys: Sequence[str]) -> Any:
    """The same step by step, for what is missing and for optional values. Raises ``CelError``."""
    for key in keys:
        value = field(value, key)
    return value


def field(value: Any, key: str) -> Any:
    """A value's field. Raises ``CelError``."""
    if isinstance(value, dict):
        try:
            return value[key]
        except KeyError:
            plain = unescaped(key) if "__" in key else key
            if plain != key and plain in value:
                return value[plain]
    elif isinstance(value, Optional):
        if not value.present:
            return value
        inner = value.value()
        if isinstance(inner, dict):
            return Optional(inner[key]) if key in inner else NONE
    raise CelError(f"no such key: {key}")


def unescaped(name: str) -> str:
    """A field's name in the data, from the name that expressions use. Source: apiserver ``cel/escaping.go``."""
    return _ESCAPE.sub(lambda match: _SIGNS.get(match[1], match[1]), name)


def _indexed(base: Closure, steps: Sequence[Step]) -> Closure:
    def indexed(f: list[Any]) -> Any:
        value = base(f)
        for key, index in steps:
            value = field(value, key) if index is None else item(value, index(f))
        return value

    return indexed


def item(value: Any, index: Any) -> Any:
    """``value[index]``. Raises ``CelError``."""
    if isinstance(value, dict):
        return at_key(value, index)
    if isinstance(value, list):
        if index.__class__ is bool or not isinstance(index, (int, float)):
            raise CelError(f"unsupported index type '{type_name_of(index)}' in list")
        return at_index(value, index)
    if isinstance(value, Optional):
        return Optional(item(value.value(), index)) if value.present else value
    raise CelError("no such overload")


def has_field(operand: Closure, key: str, name: str) -> Closure:
    """``has(operand.field)``."""

    def has(f: list[Any]) -> bool:
        value = operand(f)
        if isinstance(value, Optional):
            value = value.value() if value.present else None
        return isinstance(value, dict) and (key in value or ("__" in name and unescaped(name) in value))

    return has


def optional_field(operand: Closure, key: str) -> Closure:
    """``operand.?field``."""

    def chosen(f: list[Any]) -> Optional:
        value = operand(f)
        if isinstance(value, Optional):
            if not value.present:
                return value
            value = value.value()
        if not isinstance(value, dict):
            raise CelError(f"no such key: {key}")
        return Optional(value[key]) if key in value else NONE

    return chosen
