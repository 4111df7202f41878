"""The functions that every CEL environment has. Handed to the environment.

Source: CEL language definition, "Standard Definitions"; cel-go ``common/stdlib/standard.go``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

from trueup.cel import numbers, optionals, times
from trueup.cel.functions import Implementation, Overload, overloads
from trueup.cel.indexing import at_index, at_key
from trueup.cel.problems import CelError
from trueup.cel.values import (
    Duration,
    KeyedList,
    SetList,
    Timestamp,
    TypeValue,
    Uint,
    compare_numbers,
    contains,
    equals,
    key_of,
    type_name_of,
)
from trueup.kube.patterns import BadPattern, Pattern
from trueup.kube.patterns import pattern as go_pattern

Row = tuple[str, str, Implementation | None]

# --- arithmetic --------------------------------------------------------------------------------------------------


def joined(left: list[Any], right: list[Any]) -> list[Any]:
    """``+`` of lists; sets unite and keyed lists merge."""
    if isinstance(left, SetList):
        return SetList([*left, *(item for item in right if not contains(left, item))])
    if isinstance(left, KeyedList):
        merged = list(left)
        places = {left.key_of(item): place for place, item in enumerate(left)}
        for item in right:
            place = places.get(left.key_of(item))
            if place is None:
                merged.append(item)
            else:
                merged[place] = item
        return KeyedList(merged, left.keys)
    return left + right


def _timestamp_difference(left: Timestamp, right: Timestamp) -> Duration:
    return Duration(numbers.checked_int(left.nanos - right.nanos))


def _earlier(left: Timestamp, right: Duration) -> Timestamp:
    return times.checked_timestamp(left.nanos - right.nanos)


def _negated(value: int) -> int:
    return numbers.checked_int(-value)


_ARITHMETIC: list[Row] = [
    ("add_bytes", "_+_(bytes, bytes): bytes", operator.add),
    ("add_double", "_+_(double, double): double", operator.add),
    ("add_duration_duration", "_+_(duration, duration): duration", lambda a, b: times.checked_duration(a.nanos + b.nanos)),
    ("add_duration_timestamp", "_+_(duration, timestamp): timestamp", lambda a, b: times.checked_timestamp(a.nanos + b.nanos)),
    ("add_timestamp_duration", "_+_(timestamp, duration): timestamp", lambda a, b: times.checked_timestamp(a.nanos + b.nanos)),
    ("add_int64", "_+_(int, int): int", lambda a, b: numbers.checked_int(a + b)),
    ("add_list", "_+_(list(A), list(A)): list(A)", joined),
    ("add_string", "_+_(string, string): string", operator.add),
    ("add_uint64", "_+_(uint, uint): uint", lambda a, b: numbers.checked_uint(a + b)),
    ("divide_double", "_/_(double, double): double", numbers.divided_double),
    ("divide_int64", "_/_(int, int): int", numbers.divided),
    ("divide_uint64", "_/_(uint, uint): uint", lambda a, b: Uint(numbers.divided(int(a), int(b))) if b else _by_zero("division")),
    ("modulo_int64", "_%_(int, int): int", numbers.remainder),
    ("modulo_uint64", "_%_(uint, uint): uint", lambda a, b: Uint(a % b) if b else _by_zero("modulus")),
    ("multiply_double", "_*_(double, double): double", operator.mul),
    ("multiply_int64", "_*_(int, int): int", lambda a, b: numbers.checked_int(a * b)),
    ("multiply_uint64", "_*_(uint, uint): uint", lambda a, b: numbers.checked_uint(a * b)),
    ("negate_double", "-_(double): double", operator.neg),
    ("negate_int64", "-_(int): int", _negated),
    ("subtract_double", "_-_(double, double): double", operator.sub),
    ("subtract_duration_duration", "_-_(duration, duration): duration", lambda a, b: times.checked_duration(a.nanos - b.nanos)),
    ("subtract_int64", "_-_(int, int): int", lambda a, b: numbers.checked_int(a - b)),
    ("subtract_timestamp_duration", "_-_(timestamp, duration): timestamp", _earlier),
    ("subtract_timestamp_timestamp", "_-_(timestamp, timestamp): duration", _timestamp_difference),
    ("subtract_uint64", "_-_(uint, uint): uint", lambda a, b: numbers.checked_uint(a - b)),
]  # fmt: skip


def _by_zero(what: str) -> Any:
    raise CelError(f"{what} by zero")


# --- comparison --------------------------------------------------------------------------------------------------

_ORDERS: dict[str, tuple[str, Callable[[Any, Any], bool], Callable[[int], bool]]] = {
    "_<_": ("less", operator.lt, lambda order: order < 0),
    "_<=_": ("less_equals", lambda a, b: not b < a, lambda order: order <= 0),
    "_>_": ("greater", lambda a, b: b < a, lambda order: order > 0),
    "_>=_": ("greater_equals", lambda a, b: not a < b, lambda order: order >= 0),
}
_SAME = {
    "bool": "bool", "int": "int64", "uint": "uint64", "double": "double", "string": "string", "bytes": "bytes",
    "timestamp": "timestamp", "duration": "duration",
}  # fmt: skip
_MIXED = (
    ("int", "double"),
    ("int", "uint"),
    ("uint", "double"),
    ("uint", "int"),
    ("double", "int"),
    ("double", "uint"),
)


def _between(verdict: Callable[[int], bool]) -> Implementation:
    def compare(left: Any, right: Any) -> bool:
        order = compare_numbers(left, right)
        return order is not None and verdict(order)

    return compare


def _comparisons() -> Iterator[Row]:
    for sign, (word, plain, verdict) in _ORDERS.items():
        for kind, suffix in _SAME.items():
            call = _between(verdict) if kind == "double" else plain
            yield f"{word}_{suffix}", f"{sign}({kind}, {kind}): bool", call
        for left, right in _MIXED:
            yield f"{word}_{_SAME[left]}_{_SAME[right]}", f"{sign}({left}, {right}): bool", _between(verdict)


def _in_map(key: Any, held: dict[Any, Any]) -> bool:
    try:
        return key_of(key) in held
    except TypeError:
        return False


_RELATIONS: list[Row] = [
    ("equals", "_==_(A, A): bool", equals),
    ("not_equals", "_!=_(A, A): bool", lambda a, b: not equals(a, b)),
    *_comparisons(),
    ("in_list", "@in(A, list(A)): bool", lambda item, items: contains(items, item)),
    ("in_map", "@in(A, map(A, B)): bool", _in_map),
    ("index_list", "_[_](list(A), int): A", at_index),
    ("index_map", "_[_](map(A, B), A): B", at_key),
    ("conditional", "_?_:_(bool, A, A): A", None),
    ("logical_and", "_&&_(bool, bool): bool", None),
    ("logical_or", "_||_(bool, bool): bool", None),
    ("logical_not", "!_(bool): bool", operator.not_),
    ("not_strictly_false", "@not_strictly_false(bool): bool", None),
    ("size_bytes", "size(bytes): int", len),
    ("bytes_size", "bytes::size(): int", len),
    ("size_list", "size(list(A)): int", len),
    ("list_size", "list(A)::size(): int", len),
    ("size_map", "size(map(A, B)): int", len),
    ("map_size", "map(A, B)::size(): int", len),
    ("size_string", "size(string): int", len),
    ("string_size", "string::size(): int", len),
]

# --- conversion --------------------------------------------------------------------------------------------------


def _text_of(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


def _timestamp(text: str) -> Timestamp:
    found = times.parse_timestamp(text)
    if found is None:
        raise CelError("type conversion error from 'string' to 'google.protobuf.Timestamp'")
    if not times.in_range(found):
        raise CelError("timestamp overflow")
    return found


def _no_duration(_: int) -> Duration:
    raise CelError("type conversion error from 'int' to 'google.protobuf.Duration'")  # it is declared all the same


def _duration(text: str) -> Duration:
    found = times.parse_duration(text)
    if found is None:
        raise CelError("type conversion error from 'string' to 'google.protobuf.Duration'")
    return found


def _identity(value: Any) -> Any:
    return value


def _shown_bool(value: bool) -> str:
    return "true" if value else "false"


_CONVERSIONS: list[Row] = [
    ("type", "type(A): type(A)", lambda value: TypeValue(type_name_of(value))),
    ("to_dyn", "dyn(A): dyn", _identity),
    ("bool_to_bool", "bool(bool): bool", _identity),
    ("string_to_bool", "bool(string): bool", numbers.parse_bool),
    ("bytes_to_bytes", "bytes(bytes): bytes", _identity),
    ("string_to_bytes", "bytes(string): bytes", str.encode),
    ("double_to_double", "double(double): double", _identity),
    ("int64_to_double", "double(int): double", float),
    ("string_to_double", "double(string): double", numbers.parse_double),
    ("uint64_to_double", "double(uint): double", float),
    ("duration_to_duration", "duration(duration): duration", _identity),
    ("int64_to_duration", "duration(int): duration", _no_duration),
    ("string_to_duration", "duration(string): duration", _duration),
    ("int64_to_int64", "int(int): int", _identity),
    ("double_to_int64", "int(double): int", numbers.int_of_double),
    ("duration_to_int64", "int(duration): int", lambda value: value.nanos),
    ("string_to_int64", "int(string): int", numbers.parse_int),
    ("timestamp_to_int64", "int(timestamp): int", lambda value: value.nanos // times.SECOND),
    ("uint64_to_int64", "int(uint): int", lambda value: numbers.checked_int(int(value))),
    ("string_to_string", "string(string): string", _identity),
    ("bool_to_string", "string(bool): string", _shown_bool),
    ("bytes_to_string", "string(bytes): string", _text_of),
    ("double_to_string", "string(double): string", numbers.show_double),
    ("duration_to_string", "string(duration): string", times.show_duration),
    ("int64_to_string", "string(int): string", lambda value: str(value)),
    ("timestamp_to_string", "string(timestamp): string", times.show_timestamp),
    ("uint64_to_string", "string(uint): string", lambda value: str(int(value))),
    ("timestamp_to_timestamp", "timestamp(timestamp): timestamp", _identity),
    ("int64_to_timestamp", "timestamp(int): timestamp", lambda value: times.checked_timestamp(value * times.SECOND)),
    ("string_to_timestamp", "timestamp(string): timestamp", _timestamp),
    ("uint64_to_uint64", "uint(uint): uint", _identity),
    ("double_to_uint64", "uint(double): uint", numbers.uint_of_double),
    ("int64_to_uint64", "uint(int): uint", numbers.checked_uint),
    ("string_to_uint64", "uint(string): uint", numbers.parse_uint),
]

# --- strings and times -------------------------------------------------------------------------------------------


def pattern(text: str) -> Pattern:
    """A compiled pattern. Raises ``CelError``."""
    try:
        return go_pattern(text)
    except BadPattern as problem:
        raise CelError(str(problem)) from None


def _matches(text: str, wanted: str) -> bool:
    return pattern(wanted).found(text)


_STRINGS: list[Row] = [
    ("contains_string", "string::contains(string): bool", operator.contains),
    ("ends_with_string", "string::endsWith(string): bool", str.endswith),
    ("starts_with_string", "string::startsWith(string): bool", str.startswith),
    ("matches", "matches(string, string): bool", _matches),
    ("matches_string", "string::matches(string): bool", _matches),
]
_PARTS: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "getFullYear": ("year", lambda when: when.year),
    "getMonth": ("month", lambda when: when.month - 1),
    "getDayOfYear": ("day_of_year", lambda when: when.timetuple().tm_yday - 1),
    "getDate": ("day_of_month_1_based", lambda when: when.day),
    "getDayOfMonth": ("day_of_month", lambda when: when.day - 1),
    "getDayOfWeek": ("day_of_week", lambda when: when.isoweekday() % 7),
    "getHours": ("hours", lambda when: when.hour),
    "getMinutes": ("minutes", lambda when: when.minute),
    "getSeconds": ("seconds", lambda when: when.second),
}
_SPANS: dict[str, tuple[str, int]] = {
    "getHours": ("hours", 3600 * times.SECOND),
    "getMinutes": ("minutes", 60 * times.SECOND),
    "getSeconds": ("seconds", times.SECOND),
    "getMilliseconds": ("milliseconds", 10**6),
}


def _towards_zero(value: int, unit: int) -> int:
    return value // unit if value >= 0 else -(-value // unit)


def _calendar() -> Iterator[Row]:
    for name, (word, part) in _PARTS.items():
        yield f"timestamp_to_{word}", f"timestamp::{name}(): int", lambda at, part=part: part(times.local(at))
        yield (
            f"timestamp_to_{word}_with_tz",
            f"timestamp::{name}(string): int",
            lambda at, where, part=part: part(times.local(at, times.zone(where))),
        )
    yield (
        "timestamp_to_milliseconds",
        "timestamp::getMilliseconds(): int",
        lambda at: at.nanos % times.SECOND // 10**6,
    )
    yield (
        "timestamp_to_milliseconds_with_tz",
        "timestamp::getMilliseconds(string): int",
        lambda at, _: at.nanos % times.SECOND // 10**6,
    )
    for name, (word, unit) in _SPANS.items():
        if name == "getMilliseconds":  # of the part beyond the second, as cel-go has it
            yield f"duration_to_{word}", f"duration::{name}(): int", _milliseconds
        else:
            yield f"duration_to_{word}", f"duration::{name}(): int", lambda span, u=unit: _towards_zero(span.nanos, u)


def _milliseconds(span: Duration) -> int:
    return _towards_zero(span.nanos, 10**6)


@cache
def standard() -> tuple[Overload, ...]:
    """The standard definitions, optional values and two-variable comprehensions."""
    rows = [*_ARITHMETIC, *_RELATIONS, *_CONVERSIONS, *_STRINGS, *_calendar(), *optionals.ROWS]
    return tuple(overloads(rows))


@cache
def by_the_letter() -> tuple[Overload, ...]:
    """Where cel-go, and so Kubernetes, leaves the language's definition: a duration's milliseconds beyond its seconds."""
    row: Row = (
        "duration_to_milliseconds",
        "duration::getMilliseconds(): int",
        lambda span: _milliseconds(Duration(span.nanos % times.SECOND)),
    )
    return tuple(overloads([row]))
