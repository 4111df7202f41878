"""Functions of lists and sets. A library.

Source: cel-go ``ext/{lists,sets}.go``; ``k8s.io/apiserver/pkg/cel/library/lists.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from trueup.cel import numbers, times
from trueup.cel.functions import Implementation, Overload, overloads
from trueup.cel.problems import CelError
from trueup.cel.values import Duration, Timestamp, Uint, contains, equals

_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMABLE: dict[str, Any] = {"int": 0, "uint": Uint(0), "double": 0.0, "duration": Duration(0)}
_CLASSES = frozenset({int, Uint, float, bool, Duration, Timestamp, str, bytes})
Row = tuple[str, str, Implementation | None]


def _checked(items: list[Any]) -> list[Any]:
    for item in items:
        if item.__class__ not in _CLASSES:
            raise CelError("no such overload")
    return items


def _is_sorted(items: list[Any]) -> bool:
    return all(not second < first for first, second in zip(_checked(items), items[1:], strict=False))


def _summed(zero: Any) -> Implementation:
    kind = zero.__class__

    def total(items: list[Any]) -> Any:
        if any(item.__class__ is not kind for item in items):
            raise CelError("no such overload")
        if kind is Duration:
            return times.checked_duration(sum(item.nanos for item in items))
        result = sum(items, zero)
        if kind is int:
            return numbers.checked_int(result)
        return numbers.checked_uint(result) if kind is Uint else result

    return total


def _extreme(name: str, pick: Any) -> Implementation:
    def extreme(items: list[Any]) -> Any:
        if not items:
            raise CelError(f"{name} called on empty list")
        return pick(_checked(items))

    return extreme


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place, item in enumerate(items) if equals(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place in range(len(items) - 1, -1, -1) if equals(items[place], wanted)), -1)


def _kubernetes() -> Iterator[Row]:
    for kind in _COMPARABLE:
        yield f"list_{kind}_is_sorted_bool", f"list({kind})::isSorted(): bool", _is_sorted
        yield f"list_{kind}_max_{kind}", f"list({kind})::max(): {kind}", _extreme("max", max)
        yield f"list_{kind}_min_{kind}", f"list({kind})::min(): {kind}", _extreme("min", min)
    for kind, zero in _SUMMABLE.items():
        yield f"list_{kind}_sum_{kind}", f"list({kind})::sum(): {kind}", _summed(zero)
    yield "list_a_index_of_int", "list(A)::indexOf(A): int", _index_of
    yield "list_a_last_index_of_int", "list(A)::lastIndexOf(A): int", _last_index_of


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise CelError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise CelError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if len(items) < end:
        raise CelError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    flat: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth:
            flat += _flatten(item, depth - 1)
        else:
            flat.append(item)
    return flat


def _sorted_by(items: list[Any], keys: list[Any]) -> list[Any]:
    if len(items) != len(keys):
        raise CelError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, "
            f"but got {len(items)} and {len(keys)} elements respectively"
        )
    if not keys:
        return items
    if keys[0].__class__ not in _CLASSES:
        raise CelError("list elements must be comparable")
    if any(key.__class__ is not keys[0].__class__ for key in keys):
        raise CelError("list elements must have the same type")
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [items[place] for place in order]


def _sorted(items: list[Any]) -> list[Any]:
    return _sorted_by(items, items)


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not contains(found, item):
            found.append(item)
    return found


def _extension() -> Iterator[Row]:
    yield "list_slice", "list(T)::slice(int, int): list(T)", _slice
    yield "list_flatten", "list(list(T))::flatten(): list(T)", _flatten
    yield "list_flatten_int", "list(dyn)::flatten(int): list(dyn)", _flatten
    for kind in _COMPARABLE:
        yield f"list_{kind}_sort", f"list({kind})::sort(): list({kind})", _sorted
        yield (
            f"list_{kind}_sortByAssociatedKeys",
            f"list(T)::@sortByAssociatedKeys(list({kind})): list(T)",
            _sorted_by,
        )
    yield "lists_range", "lists.range(int): list(int)", lambda count: list(range(count))
    yield "list_reverse", "list(T)::reverse(): list(T)", lambda items: items[::-1]
    yield "list_distinct", "list(T)::distinct(): list(T)", _distinct


def _all_in(items: list[Any], wanted: list[Any]) -> bool:
    return all(contains(items, item) for item in wanted)


_SETS: list[Row] = [
    ("list_sets_contains_list", "sets.contains(list(T), list(T)): bool", _all_in),
    (
        "list_sets_equivalent_list",
        "sets.equivalent(list(T), list(T)): bool",
        lambda left, right: _all_in(left, right) and _all_in(right, left),
    ),
    (
        "list_sets_intersects_list",
        "sets.intersects(list(T), list(T)): bool",
        lambda left, right: any(contains(right, item) for item in left),
    ),
]


@cache
def lists() -> tuple[Overload, ...]:
    """Lists as Kubernetes has them: its own functions, cel-go's extension (version 3), sets."""
    return tuple(overloads([*_kubernetes(), *_extension(), *_SETS]))
