"""Closures that read fields, keys and items. Used by the planner.

Source: cel-go ``interpreter/attributes.go``: what reading what is not there says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trueup.cel.escaping import unescaped
from trueup.cel.indexing import at_index, at_key, may_be_key, may_index, optional_at, shown_key
from trueup.cel.problems import CelError
from trueup.cel.values import NONE, Optional, Uint

Closure = Callable[[list[Any]], Any]


class Absent:
    """What stands in a frame for a variable that was not given, or whose value is an error."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


class Step(NamedTuple):
    """One step into a value: a field by name, or what a closure answers."""

    key: str
    at: Closure | None
    optional: bool


def path(place: int | None, base: Closure | None, steps: Sequence[Step], metered: bool) -> Closure:
    """Read a variable or an expression's value, and within it. Metered, a variable costs one, and so does each step."""
    if base is None:
        assert place is not None
        base = _variable(place)
    if metered:
        return _metered(base, steps, 0 if place is None else 1)
    keys = tuple(step.key for step in steps)
    if any(step.at is not None or step.optional for step in steps):
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
        return optional_at(value, key) if value.present and isinstance(value.value(), dict) else NONE
    if isinstance(value, list):
        raise CelError("unsupported index type 'string' in list")
    raise CelError(f"no such key: {key}")


def _indexed(base: Closure, steps: Sequence[Step]) -> Closure:
    def indexed(f: list[Any]) -> Any:
        value = base(f)
        for key, at, optional in steps:
            if value.__class__ is Optional and not value.present:
                return value
            if optional:
                value = optional_at(value, key if at is None else at(f))
            else:
                value = field(value, key) if at is None else item(value, at(f))
        return value

    return indexed


def _metered(base: Closure, steps: Sequence[Step], own: int) -> Closure:
    """The same with its cost; what is found to be absent costs nothing, nor does what would be in it."""

    def metered(f: list[Any]) -> Any:
        f[0] += own
        value = base(f)
        for key, at, optional in steps:
            if value.__class__ is Optional and not value.present:
                return value
            f[0] += 1
            if optional:
                value = optional_at(value, key if at is None else at(f))
            else:
                value = field(value, key) if at is None else item(value, at(f))
            if value.__class__ is Optional and not value.present:
                f[0] -= 1
        return value

    return metered


_PLACES = frozenset({bool, int, Uint, float, str})


def item(value: Any, index: Any) -> Any:
    """``value[index]``. Raises ``CelError``."""
    if isinstance(value, dict):
        return at_key(value, index)
    if isinstance(value, list):
        may_index(index)
        return at_index(value, index)
    if isinstance(value, Optional):
        return optional_at(value, index)
    may_be_key(index)
    if index.__class__ in _PLACES:
        raise CelError(f"no such key: {shown_key(index)}")
    raise CelError("no such overload")


def has_field(operand: Closure, key: str, name: str) -> Closure:
    """``has(operand.field)``."""

    def has(f: list[Any]) -> bool:
        value = operand(f)
        optional = isinstance(value, Optional)
        if optional:
            value = value.value() if value.present else None
        if isinstance(value, list):
            raise CelError("unsupported index type 'string' in list")
        found = isinstance(value, dict) and (key in value or ("__" in name and unescaped(name) in value))
        if optional and not found:
            f[0] -= 1  # what is found to be absent costs nothing
        return found

    return has
