"""Optional values, and the map that a two-variable loop builds up. Part of the standard library.

Source: cel-go ``cel/library.go`` (optional types), ``ext/comprehensions.go``.
"""

from __future__ import annotations

from typing import Any

from trueup.cel.functions import Implementation
from trueup.cel.indexing import optional_at, shown_key
from trueup.cel.problems import CelError
from trueup.cel.values import NONE, Optional, is_zero, key_of

Row = tuple[str, str, Implementation | None]


def _non_zero(value: Any) -> Optional:
    return NONE if is_zero(value) else Optional(value)


def _unwrap(items: list[Optional]) -> list[Any]:
    for item in items:
        if not isinstance(item, Optional):
            raise CelError(f"value {item} is not optional")
    return [item.value() for item in items if item.present]


def _map_insert(held: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    if key_of(key) in held:
        raise CelError(f"insert failed: key {shown_key(key)} already exists")
    return {**held, key_of(key): value}


def _map_insert_all(held: dict[Any, Any], further: dict[Any, Any]) -> dict[Any, Any]:
    for key in further:
        if key in held:
            raise CelError(f"insert failed: key {shown_key(key)} already exists")
    return {**held, **further}


ROWS: list[Row] = [
    ("optional_of", "optional.of(V): optional(V)", Optional),
    ("optional_ofNonZeroValue", "optional.ofNonZeroValue(V): optional(V)", _non_zero),
    ("optional_none", "optional.none(): optional(V)", lambda: Optional(present=False)),
    ("optional_value", "optional(V)::value(): V", Optional.value),
    ("optional_hasValue", "optional(V)::hasValue(): bool", lambda held: held.present),
    ("optional_or_optional", "optional(V)::or(optional(V)): optional(V)", None),
    ("optional_orValue_value", "optional(V)::orValue(V): V", None),
    ("list_optindex_optional_int", "_[?_](list(V), int): optional(V)", optional_at),
    ("optional_list_optindex_optional_int", "_[?_](optional(list(V)), int): optional(V)", optional_at),
    ("map_optindex_optional_value", "_[?_](map(K, V), K): optional(V)", optional_at),
    ("optional_map_optindex_optional_value", "_[?_](optional(map(K, V)), K): optional(V)", optional_at),
    ("optional_list_index_int", "_[_](optional(list(V)), int): optional(V)", optional_at),
    ("optional_map_index_value", "_[_](optional(map(K, V)), K): optional(V)", optional_at),
    ("list_last", "list(V)::last(): optional(V)", lambda items: Optional(items[-1]) if items else Optional(present=False)),
    ("list_first", "list(V)::first(): optional(V)", lambda items: Optional(items[0]) if items else Optional(present=False)),
    ("optional_unwrap", "optional.unwrap(list(optional(V))): list(V)", lambda items: _unwrap(items)),
    ("optional_unwrapOpt", "list(optional(V))::unwrapOpt(): list(V)", lambda items: _unwrap(items)),

    ("@mapInsert_map_key_value", "cel.@mapInsert(map(K, V), K, V): map(K, V)", _map_insert),
    ("@mapInsert_map_map", "cel.@mapInsert(map(K, V), map(K, V)): map(K, V)", _map_insert_all),
]  # fmt: skip
