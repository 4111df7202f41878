"""The values that expressions compute with, beyond plain Python ones. Used by the whole room.

A bool, int, float, str, bytes, None, list or dict stands for itself; the classes here stand for the rest.
A map's boolean keys are kept as ``BoolKey``: Python holds True and 1 for one key, CEL does not.
Source: CEL language definition; cel-go ``common/types``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

from trueup.cel.problems import CelError

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1


class Uint(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int(self)}u"


class BoolKey(enum.Enum):
    """A boolean as a map's key."""

    FALSE = False
    TRUE = True


_BOOL_KEYS = {False: BoolKey.FALSE, True: BoolKey.TRUE}


class Timestamp:
    """Nanoseconds since the epoch, in the years 1 to 9999."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.nanos == other.nanos

    def __hash__(self) -> int:
        return hash(("timestamp", self.nanos))

    def __lt__(self, other: Timestamp) -> bool:
        return self.nanos < other.nanos

    def __repr__(self) -> str:
        return f"Timestamp({self.nanos})"


class Duration:
    """Nanoseconds."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.nanos == other.nanos

    def __hash__(self) -> int:
        return hash(("duration", self.nanos))

    def __lt__(self, other: Duration) -> bool:
        return self.nanos < other.nanos

    def __repr__(self) -> str:
        return f"Duration({self.nanos})"


class TypeValue:
    """A type as a value."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeValue) and self.name == other.name

    def __hash__(self) -> int:
        return hash(("type", self.name))

    def __repr__(self) -> str:
        return f"TypeValue({self.name!r})"


class Optional:
    """A value that may be absent; ``NONE`` is the absent one."""

    __slots__ = ("_present", "_value")

    def __init__(self, value: Any = None, present: bool = True) -> None:
        self._value = value
        self._present = present

    @property
    def present(self) -> bool:
        """Whether there is a value."""
        return self._present

    def value(self) -> Any:
        """The value. Raises ``CelError`` where there is none."""
        if not self._present:
            raise CelError("optional.none() dereference")
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self._present != other._present:
            return False
        return not self._present or equals(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # may hold a list

    def __repr__(self) -> str:
        return f"Optional({self._value!r})" if self._present else "Optional()"


NONE = Optional(present=False)


class SetList(list[Any]):
    """A list of ``x-kubernetes-list-type: set``: order is nothing to its equality, and ``+`` is a union."""

    __slots__ = ()


class KeyedList(list[Any]):
    """A list of ``x-kubernetes-list-type: map``: its items are known by their keys."""

    __slots__ = ("keys",)

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def key_of(self, item: Any) -> Any:
        """The values of an item's keys."""
        return tuple(item.get(key) for key in self.keys) if isinstance(item, dict) else ()


class Message(dict[str, Any]):
    """An object that an expression made, ``Object{…}``: a dict that remembers its type's name."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.type_name = type_name


class Opaque:
    """The base of library values: an address, a quantity, a URL. Its class names its type."""

    __slots__ = ()
    type_name = ""


_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    SetList: "list",
    KeyedList: "list",
    dict: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    TypeValue: "type",
    Optional: "optional_type",
}
_SELF_EQUAL = frozenset({int, str, Uint, bytes, bool, float, type(None), Timestamp, Duration, TypeValue})
_NUMBERS = frozenset({int, Uint, float})


def type_name_of(value: Any) -> str:
    """The name of a value's type."""
    name = _NAMES.get(value.__class__)
    if name is not None:
        return name
    if isinstance(value, (Opaque, Message)):
        return value.type_name
    return "map" if isinstance(value, dict) else "list" if isinstance(value, list) else value.__class__.__name__


def key_of(value: Any) -> Any:
    """A value as a map's key."""
    return _BOOL_KEYS[value] if value.__class__ is bool else value


def key_value(key: Any) -> Any:
    """A map's key as a value."""
    return key.value if key.__class__ is BoolKey else key


def keys_of(held: dict[Any, Any]) -> Iterator[Any]:
    """A map's keys as values."""
    return map(key_value, held)


def equals(left: Any, right: Any) -> bool:
    """CEL's equality: numbers by value whatever their type, everything else only within its type."""
    kind, other = left.__class__, right.__class__
    if kind is other and kind in _SELF_EQUAL:
        return bool(left == right)
    if kind in _NUMBERS and other in _NUMBERS:
        return compare_numbers(left, right) == 0
    if isinstance(left, list):
        return isinstance(right, list) and _lists_equal(left, right)
    if isinstance(left, dict):
        if not isinstance(right, dict) or len(left) != len(right):
            return False
        missing = _BOOL_KEYS
        for key, value in left.items():
            found = right.get(key, missing)
            if found is missing or not equals(value, found):
                return False
        return True
    return kind is other and bool(left == right)


def _lists_equal(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, SetList):
        return all(contains(left, item) for item in right)
    if isinstance(left, KeyedList):
        held = {left.key_of(item): item for item in left}
        missing = object()
        return all(equals(held.get(left.key_of(item), missing), item) for item in right)
    return all(map(equals, left, right))


def contains(items: list[Any], wanted: Any) -> bool:
    """Whether a list holds a value."""
    return any(equals(item, wanted) for item in items)


def compare_numbers(left: Any, right: Any) -> int | None:
    """Less, equal or more: -1, 0, 1; None where one is not a number. An integer beside a double is read as one."""
    if left.__class__ is float or right.__class__ is float:
        left, right = float(left), float(right)
    if left < right:
        return -1
    if left > right:
        return 1
    return 0 if left == right else None


def is_zero(value: Any) -> bool:
    """Whether a value is its type's empty one."""
    kind = value.__class__
    if value is None or value is False:
        return True
    if kind in (Timestamp, Duration):
        return bool(value.nanos == (0 if kind is Duration else -62135596800 * 10**9))
    if kind in _NUMBERS:
        return bool(value == 0)
    if isinstance(value, (str, bytes, list, dict)):
        return not value
    return isinstance(value, Optional) and not value.present
