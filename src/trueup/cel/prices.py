"""Ranges of costs and sizes, and what calls cost by the sizes of their arguments. Used by the cost estimate.

Source: cel-go ``checker/cost.go``, ``ext/{lists,sets}.go``; ``k8s.io/apiserver/pkg/cel/library/cost.go``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from trueup.cel import addresses, amounts, named_formats
from trueup.cel.tree import Literal, Node
from trueup.cel.types import Type

LARGEST = 2**64 - 1
STRING_FACTOR, REGEX_FACTOR = 0.1, 0.25


class Range:
    """A least and a most, as cel-go counts them: nothing goes beyond the largest uint64."""

    __slots__ = ("high", "low")

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def __add__(self, other: Range) -> Range:
        return Range(min(self.low + other.low, LARGEST), min(self.high + other.high, LARGEST))

    def __mul__(self, other: Range) -> Range:
        return Range(min(self.low * other.low, LARGEST), min(self.high * other.high, LARGEST))

    def scaled(self, factor: float) -> Range:
        """Each end times a factor, rounded up."""
        return Range(_scaled(self.low, factor), _scaled(self.high, factor))

    def union(self, other: Range) -> Range:
        """What holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def __repr__(self) -> str:
        return f"{self.low}..{self.high}"


def _scaled(value: int, factor: float) -> int:
    product = math.ceil(float(value) * factor)
    return LARGEST if product >= 2**64 else product


def fixed(value: int) -> Range:
    """A range of one."""
    return Range(value, value)


FREE, ONE, UNKNOWN = fixed(0), fixed(1), Range(0, LARGEST)
Path = tuple[str, ...]
Sizes = Callable[[Path, Type], "Range | None"]


class Sized(NamedTuple):
    """An argument: its node and type, its size where known, its place in the data."""

    node: Node | None
    type: Type
    size: Range | None
    path: Path
    declared: Sizes

    @property
    def size_or_unknown(self) -> Range:
        """Its size, or anything."""
        return self.size or UNKNOWN

    def items(self) -> Sized | None:
        """A list's items as an argument."""
        if not self.type.params:
            return None
        path = (*self.path, "@items") if self.path else ()
        item = self.type.params[0]
        return Sized(None, item, self.declared(path, item), path, self.declared)


Price = tuple[Range, "Range | None"]
Target = Sized | None
Pricer = Callable[[Target, Sequence[Sized]], "Price | None"]


def _flat(cost: int) -> Pricer:
    return lambda target, args: (fixed(cost), None)


def _of_argument(factor: float, sized: bool = False) -> Pricer:
    def price(target: Target, args: Sequence[Sized]) -> Price | None:
        if not args:
            return None
        size = args[0].size_or_unknown
        return size.scaled(factor), size if sized else None

    return price


def _of_target(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    size = target.size_or_unknown
    return size.scaled(STRING_FACTOR), size


def _traversal(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    item = target.items()
    if item is None:
        return target.size_or_unknown.scaled(STRING_FACTOR), None
    each = ONE
    if item.type.kind in ("string", "bytes"):
        each = each + item.size_or_unknown.scaled(STRING_FACTOR)
    return target.size_or_unknown * each, None


def _replace(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None or len(args) < 2:
        return None
    size, old, new = target.size_or_unknown, args[0].size_or_unknown, args[1].size_or_unknown
    most_times = most_kept = least_times = least_kept = 0
    if old.low == 0:
        most_times, most_kept = min(size.high + 1, LARGEST), size.high
    elif new.high <= old.low:
        most_kept = size.high
    else:
        most_times = math.ceil(size.high / old.low)
    if old.high == 0:
        least_times, least_kept = min(size.low + 1, LARGEST), size.low
    elif old.high <= new.low:
        least_kept = size.low
    else:
        least_times = math.ceil(size.low / old.high)
    result = Range(least_times, most_times) * new + Range(least_kept, most_kept)
    return size.scaled(2 * STRING_FACTOR), result


def _split(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    size = target.size_or_unknown
    most = size.high
    if len(args) > 1 and isinstance(args[1].node, Literal) and args[1].node.value.__class__ is int:
        most = args[1].node.value % 2**64
    return size.scaled(2 * STRING_FACTOR), Range(0, most)


def _join(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    count, total = target.size_or_unknown, FREE
    item = target.items()
    if item is not None:
        total = count * item.size_or_unknown
    if args:
        total = total + args[0].size_or_unknown * Range(max(count.low - 1, 0), max(count.high - 1, 0))
    return total.scaled(STRING_FACTOR), total


def _regex(text: Range, pattern: Range) -> Range:
    return (text + ONE).scaled(STRING_FACTOR) * pattern.scaled(REGEX_FACTOR)


def _find(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None or not args:
        return None
    size = target.size_or_unknown
    return _regex(size, args[0].size_or_unknown), Range(0, size.high)


def _ip(target: Target, args: Sequence[Sized]) -> Price | None:
    return (ONE, None) if target is not None else _of_argument(STRING_FACTOR)(target, args)


def _contains_address(further: bool) -> Pricer:
    def price(target: Target, args: Sequence[Sized]) -> Price | None:
        if not args:
            return None
        bytes_ = Range(4, 16)
        cost = (bytes_ + bytes_).scaled(STRING_FACTOR)
        if further:
            cost = cost + bytes_.scaled(STRING_FACTOR) + ONE
        if args[0].type.kind == "string":
            cost = cost + args[0].size_or_unknown.scaled(STRING_FACTOR)
        return cost, None

    return price


def _validate(target: Target, args: Sequence[Sized]) -> Price | None:
    return (args[0].size_or_unknown.scaled(STRING_FACTOR).scaled(128 * REGEX_FACTOR), None) if args else None


def _selector(target: Target, args: Sequence[Sized]) -> Price | None:
    if len(args) != 1:
        return None
    length = args[0].size_or_unknown
    return fixed(10) + length.scaled(STRING_FACTOR) + length.scaled(0.5).scaled(50.0), None


_OPAQUE_EQUAL = frozenset(
    {
        addresses.IP_TYPE,
        addresses.CIDR_TYPE,
        amounts.QUANTITY_TYPE,
        amounts.SEMVER_TYPE,
    }
)


def _equals(target: Target, args: Sequence[Sized]) -> Price | None:
    left, right = args
    if left.type == right.type:
        if left.type in _OPAQUE_EQUAL or left.type.name.startswith("kubernetes.authorization."):
            return ONE, None
        if left.type == named_formats.FORMAT_TYPE:
            return Range(1, 64).scaled(STRING_FACTOR), None
        if left.type == named_formats.URL_TYPE:
            return Range(1, right.size.high if right.size else 1).scaled(STRING_FACTOR), None
    return _compared(target, args)


def _compared(target: Target, args: Sequence[Sized]) -> Price:
    most = min(args[0].size_or_unknown.high, args[1].size_or_unknown.high)
    return Range(1 if most else 0, most).scaled(STRING_FACTOR), None


def _bytes_of(target: Target, args: Sequence[Sized]) -> Price:
    size = args[0].size_or_unknown
    return size.scaled(STRING_FACTOR), Range(size.low, min(size.high * 4, LARGEST))


def _text_of(target: Target, args: Sequence[Sized]) -> Price:
    size = args[0].size_or_unknown
    return size.scaled(STRING_FACTOR), Range(size.low // 4, size.high)


def _quoted(target: Target, args: Sequence[Sized]) -> Price:
    size = args[0].size_or_unknown
    return size.scaled(STRING_FACTOR), Range(min(size.low + 2, LARGEST), min(size.high * 2 + 2, LARGEST))


def _format(target: Target, args: Sequence[Sized]) -> Price | None:
    return (target.size_or_unknown.scaled(STRING_FACTOR), None) if target is not None else None


def _in_list(target: Target, args: Sequence[Sized]) -> Price:
    return args[1].size_or_unknown.scaled(1), None


def _matches(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    return _regex(target.size_or_unknown, args[0].size_or_unknown), None


def _contains(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    return target.size_or_unknown.scaled(STRING_FACTOR) * args[0].size_or_unknown.scaled(STRING_FACTOR), None


def _allocating(factor: float, size: Range) -> Price:
    return size.scaled(factor) + fixed(11), size


def _constant(of: Sized, otherwise: int) -> int:
    value: Any = of.node.value if isinstance(of.node, Literal) else None
    return max(value, 0) if value.__class__ is int else otherwise


def _slice(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    length = _constant(args[1], target.size_or_unknown.high) - _constant(args[0], 0)
    return _allocating(1, fixed(length % 2**64))


def _flatten(target: Target, args: Sequence[Sized]) -> Price | None:
    if target is None:
        return None
    return _allocating(float(_constant(args[0], LARGEST) if args else 1), target.size_or_unknown)


def _squared(factor: float, of_argument: bool = False) -> Pricer:
    def price(target: Target, args: Sequence[Sized]) -> Price | None:
        one = args[0] if of_argument else target
        if one is None:
            return None
        return _allocating(factor, one.size_or_unknown * one.size_or_unknown)

    return price


def _sets(factor: int) -> Pricer:
    return lambda target, args: ((args[0].size_or_unknown * args[1].size_or_unknown).scaled(factor) + ONE, None)


_SORTS: dict[str, Pricer] = {}
for _kind in ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"):
    _factor = 2.0 + (STRING_FACTOR if _kind in ("string", "bytes") else 0.0)
    _SORTS[f"list_{_kind}_sort"] = _squared(_factor)
    _SORTS[f"list_{_kind}_sortByAssociatedKeys"] = _squared(_factor, of_argument=True)
_BY_OVERLOAD: Mapping[str, Pricer] = {
    **_SORTS,
    "list_slice": _slice,
    "list_flatten": _flatten,
    "list_flatten_int": _flatten,
    "lists_range": lambda target, args: _allocating(1, fixed(_constant(args[0], LARGEST))),
    "list_reverse": lambda target, args: _allocating(1, target.size_or_unknown) if target else None,
    "list_distinct": _squared(2.0),
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
}
_NOMINAL = (
    "serviceAccount path group resource subresource namespace name allowed reason error errored masked prefixLength family "
    "isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast format.named sign asInteger isInteger "
    "asApproximateFloat isGreaterThan isLessThan compareTo add sub major minor patch getScheme getHostname getHost getPort "
    "getEscapedPath getQuery"
)
_BY_FUNCTION: Mapping[str, Pricer] = {
    "check": _flat(350_000),
    **dict.fromkeys(_NOMINAL.split(), _flat(1)),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _traversal),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _of_argument(STRING_FACTOR, sized=True)),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _of_target),
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(
        ("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _of_argument(STRING_FACTOR)
    ),
    "ip": _ip,
    "ip.isCanonical": _of_argument(2 * STRING_FACTOR),
    "containsIP": _contains_address(further=False),
    "containsCIDR": _contains_address(further=True),
    "validate": _validate,
    "_==_": _equals,
    "_!=_": _compared,
}
_ORDERED = [
    f"{word}_{kind}" for word in ("less", "less_equals", "greater", "greater_equals") for kind in ("string", "bytes")
]
_STANDARD: Mapping[str, Pricer] = {
    "string_format": _format,
    "string_to_bytes": _bytes_of,
    "bytes_to_string": _text_of,
    "strings_quote": _quoted,
    **dict.fromkeys(("starts_with_string", "ends_with_string"), _of_argument(STRING_FACTOR)),
    "in_list": _in_list,
    "matches_string": _matches,
    "contains_string": _contains,
    **dict.fromkeys(_ORDERED, _compared),
}


def call_price(function: str, overload: str, target: Target, args: Sequence[Sized]) -> Price | None:
    """What a call costs without its arguments, and the size of what it answers; None for what costs one."""
    for table, key in ((_BY_OVERLOAD, overload), (_BY_FUNCTION, function), (_STANDARD, overload)):
        pricer = table.get(key)
        if pricer is not None:
            found = pricer(target, args)
            if found is not None:
                return found
    return None
