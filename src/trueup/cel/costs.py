"""What a call costs while it runs. Used by metered plans.

Source: cel-go ``interpreter/runtimecost.go``, ``ext/{lists,sets}.go``; ``k8s.io/apiserver/pkg/cel/library/cost.go``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueup.cel.problems import BudgetExceeded
from trueup.cel.values import Opaque, Optional

LIST, MAP, STRUCT = 10, 30, 40
STRING_FACTOR, REGEX_FACTOR = 0.1, 0.25
PER_CALL = 1_000_000
"""What one evaluation may cost in Kubernetes."""
CHECK = 350_000
Price = Callable[[Sequence[Any], Any], int]


def over_budget() -> BudgetExceeded:
    """The error of an evaluation that cost too much."""
    return BudgetExceeded("operation cancelled: actual cost limit exceeded")


def size(value: Any) -> int:
    """How large a value is to the meter."""
    if isinstance(value, (str, bytes, list, dict)):
        return len(value)
    if isinstance(value, Optional):
        return size(value.value()) if value.present else 1
    measured = getattr(value, "size", None) if isinstance(value, Opaque) else None
    return int(measured()) if measured is not None else 1


def _text(position: int, factor: float = STRING_FACTOR) -> Price:
    return lambda args, _: math.ceil(size(args[position]) * factor)


def _result(factor: float) -> Price:
    return lambda _, result: math.ceil(size(result) * factor)


def _smaller(args: Sequence[Any], _: Any) -> int:
    return math.ceil(min(size(args[0]), size(args[1])) * STRING_FACTOR)


def _equality(args: Sequence[Any], _: Any) -> int:
    return 1 if isinstance(args[0], Opaque) else _smaller(args, _)


def _sum(args: Sequence[Any], _: Any) -> int:
    return math.ceil((size(args[0]) + size(args[1])) * STRING_FACTOR)


def _pattern(args: Sequence[Any], _: Any) -> int:
    return math.ceil((1.0 + size(args[0])) * STRING_FACTOR) * math.ceil(size(args[1]) * REGEX_FACTOR)


def _within(args: Sequence[Any], _: Any) -> int:
    return math.ceil(size(args[0]) * STRING_FACTOR) * math.ceil(size(args[1]) * STRING_FACTOR)


def _traversal(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return int(len(value if isinstance(value, bytes) else value.encode()) * STRING_FACTOR)
    if isinstance(value, list):
        return sum(map(_traversal, value))
    if isinstance(value, dict):
        return sum(_traversal(key) + _traversal(item) for key, item in value.items())
    return 1


def _allocating(factor: float, items: int) -> int:
    return int(items * factor) + 1 + LIST


def _self_compared(position: int) -> Price:
    def price(args: Sequence[Any], _: Any) -> int:
        items = args[position]
        factor = 2.0 + (STRING_FACTOR if items and isinstance(items[0], (str, bytes)) else 0)
        return _allocating(factor, len(items) ** 2)

    return price


def _flatten(args: Sequence[Any], _: Any) -> int:
    return _allocating(float(args[1]) if len(args) == 2 else 1.0, size(args[0]))


def _sets(factor: int) -> Price:
    return lambda args, _: 1 + size(args[0]) * size(args[1]) * factor


def _contains_ip(args: Sequence[Any], _: Any) -> int:
    parse = math.ceil(size(args[1]) * STRING_FACTOR) if isinstance(args[1], str) else 0
    return math.ceil(2 * size(args[0]) * STRING_FACTOR) + parse


def _contains_cidr(args: Sequence[Any], _: Any) -> int:
    return _contains_ip(args, _) + math.ceil(size(args[0]) * STRING_FACTOR) + 1


def _selector(args: Sequence[Any], _: Any) -> int:
    length = size(args[1])
    return LIST + math.ceil(length * STRING_FACTOR) + math.ceil(math.ceil(length * 0.5) * (LIST + STRUCT))


def _validate(args: Sequence[Any], _: Any) -> int:
    longest = getattr(args[0], "longest", 128)
    return math.ceil((1.0 + size(args[1])) * STRING_FACTOR) * math.ceil(longest * REGEX_FACTOR)


_BY_OVERLOAD: Mapping[str, int | Price] = {
    **dict.fromkeys(("list_slice", "lists_range", "list_reverse"), lambda _, result: _allocating(1, size(result))),
    "list_flatten": _flatten,
    "list_flatten_int": _flatten,
    "list_distinct": _self_compared(0),
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
}
_BY_FUNCTION: Mapping[str, int | Price] = {
    "check": CHECK,
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), lambda args, _: _traversal(args[0])),
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim", "jsonpatch.escapeKey"), _text(0)),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _text(0)),
    **dict.fromkeys(("replace", "split", "ip.isCanonical"), _text(0, 2 * STRING_FACTOR)),
    "join": _result(2 * STRING_FACTOR),
    **dict.fromkeys(("find", "findAll"), _pattern),
    "ip": lambda args, _: 1 if isinstance(args[0], Opaque) else math.ceil(size(args[0]) * STRING_FACTOR),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "validate": _validate,
    "_==_": _equality,
}
_DEFAULT: Mapping[str, int | Price] = {
    **dict.fromkeys(("starts_with_string", "ends_with_string", "string_to_bytes", "bytes_to_string"), _text(0)),
    **dict.fromkeys(("strings_quote", "string_format"), _text(0)),
    "in_list": lambda args, _: size(args[1]),
    **dict.fromkeys(
        (
            f"{word}_{kind}"
            for word in ("less", "less_equals", "greater", "greater_equals")
            for kind in ("string", "bytes")
        ),
        _smaller,
    ),
    "not_equals": _smaller,
    **dict.fromkeys(("add_string", "add_bytes"), _sum),
    "matches_string": _pattern,
    "contains_string": _within,
}


def of_call(function: str, overload: str) -> int | Price:
    """What a call costs: a number, or what says it from arguments and result. ``overload`` is empty where it is open."""
    if overload.startswith("list_") and overload.endswith(("_sort", "_sortByAssociatedKeys")):
        return _self_compared(0 if overload.endswith("_sort") else 1)
    found = _BY_OVERLOAD.get(overload)
    if found is None:
        found = _BY_FUNCTION.get(function)
    if found is None:
        found = _DEFAULT.get(overload, 1)
    return found
