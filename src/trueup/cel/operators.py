"""Closures made for one overload, where the argument types are known: the hot path. Used by the planner.

Source: the overloads of ``standard``; the words of cel-go's operators where no overload takes the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueup.cel.folding import constant
from trueup.cel.numbers import checked_int
from trueup.cel.problems import CelError
from trueup.cel.standard import pattern
from trueup.cel.tree import Node
from trueup.cel.values import INT_MAX, INT_MIN, Duration, Timestamp, Uint, equals, type_name_of

Closure = Callable[[list[Any]], Any]
Maker = Callable[[Sequence[Node], "list[Closure]"], "Closure | None"]
_PLAIN = frozenset({"int", "uint", "string", "bytes", "bool", "timestamp", "duration"})
_ADDERS = frozenset({int, Uint, float, str, bytes, list, Timestamp, Duration})
_TRAITS: Mapping[str, frozenset[type]] = {
    "_+_": _ADDERS,
    "_-_": frozenset({int, Uint, float, Timestamp, Duration}),
    "_*_": frozenset({int, Uint, float}),
    "_/_": frozenset({int, Uint, float}),
    "_%_": frozenset({int, Uint}),
    "-_": frozenset({bool, int, float}),
    **dict.fromkeys(
        ("_<_", "_<=_", "_>_", "_>=_"), frozenset({bool, int, Uint, float, str, bytes, Timestamp, Duration})
    ),
}


_RECEIVERS = frozenset({str, Timestamp, Duration})
"""Types that have functions of their own, whose values refuse an operator themselves."""
_PLAINLY = frozenset({"contains", "endsWith", "matches", "startsWith"})
"""Functions that values carry out themselves, whose errors do not name them."""


def lacks_trait(function: str, values: Sequence[Any]) -> CelError:
    """The error of a call that no overload takes; operators name themselves where their left side knows no such thing."""
    traits = _TRAITS.get(function)
    if (
        traits is not None
        and values[0].__class__ not in traits | _RECEIVERS
        and not (function == "_+_" and isinstance(values[0], list))
    ):
        return CelError(f"no such overload: {function}")
    if not function[:1].isalpha() or function in _PLAINLY:
        return CelError("no such overload")
    return CelError(f"no such overload: {function}({', '.join(map(type_name_of, values))})")


def _equals(args: Sequence[Node], closures: list[Closure]) -> Closure | None:
    left, right = closures
    if args[0].type.kind == args[1].type.kind and args[0].type.kind in _PLAIN:
        known = constant(args[1])
        if known is not None:
            value = known[0]
            return lambda f: left(f) == value
        return lambda f: left(f) == right(f)
    return lambda f: equals(left(f), right(f))


def _not_equals(args: Sequence[Node], closures: list[Closure]) -> Closure | None:
    left, right = closures
    if args[0].type.kind == args[1].type.kind and args[0].type.kind in _PLAIN:
        known = constant(args[1])
        if known is not None:
            value = known[0]
            return lambda f: left(f) != value
        return lambda f: left(f) != right(f)
    return lambda f: not equals(left(f), right(f))


def _with_constant(plain: Callable[[Closure, Closure], Closure], fixed: Callable[[Closure, Any], Closure]) -> Maker:
    def make(args: Sequence[Node], closures: list[Closure]) -> Closure:
        known = constant(args[1])
        return fixed(closures[0], known[0]) if known is not None else plain(*closures)

    return make


_LESS = _with_constant(lambda a, b: lambda f: a(f) < b(f), lambda a, v: lambda f: a(f) < v)
_LESS_EQUALS = _with_constant(lambda a, b: lambda f: a(f) <= b(f), lambda a, v: lambda f: a(f) <= v)
_GREATER = _with_constant(lambda a, b: lambda f: a(f) > b(f), lambda a, v: lambda f: a(f) > v)
_GREATER_EQUALS = _with_constant(lambda a, b: lambda f: a(f) >= b(f), lambda a, v: lambda f: a(f) >= v)


def _add_int(_: Sequence[Node], closures: list[Closure]) -> Closure:
    left, right = closures

    def add(f: list[Any]) -> int:
        total: int = left(f) + right(f)
        return total if INT_MIN <= total <= INT_MAX else checked_int(total)

    return add


def _subtract_int(_: Sequence[Node], closures: list[Closure]) -> Closure:
    left, right = closures

    def subtract(f: list[Any]) -> int:
        total: int = left(f) - right(f)
        return total if INT_MIN <= total <= INT_MAX else checked_int(total)

    return subtract


def _in_list(args: Sequence[Node], closures: list[Closure]) -> Closure | None:
    of = args[1].type.params[0]
    if args[0].type != of or of.kind not in ("string", "bytes"):
        return None
    wanted, items = closures
    return lambda f: wanted(f) in items(f)


def _in_map(args: Sequence[Node], closures: list[Closure]) -> Closure | None:
    if args[0].type.kind != "string":
        return None
    wanted, held = closures
    return lambda f: wanted(f) in held(f)


def _matches(args: Sequence[Node], closures: list[Closure]) -> Closure | None:
    known = constant(args[1])
    if known is None:
        return None
    try:
        found = pattern(known[0]).found
    except CelError:
        return None
    text = closures[0]
    return lambda f: found(text(f))


def _not(_: Sequence[Node], closures: list[Closure]) -> Closure:
    (operand,) = closures
    return lambda f: not operand(f)


def _size(_: Sequence[Node], closures: list[Closure]) -> Closure:
    (operand,) = closures
    return lambda f: len(operand(f))


def _starts_with(_: Sequence[Node], closures: list[Closure]) -> Closure:
    text, start = closures
    return lambda f: text(f).startswith(start(f))


def _ends_with(_: Sequence[Node], closures: list[Closure]) -> Closure:
    text, end = closures
    return lambda f: text(f).endswith(end(f))


FAST: Mapping[str, Maker] = {
    "equals": _equals,
    "not_equals": _not_equals,
    **{f"less_{kind}": _LESS for kind in ("int64", "uint64", "string", "bytes")},
    **{f"less_equals_{kind}": _LESS_EQUALS for kind in ("int64", "uint64", "string", "bytes")},
    **{f"greater_{kind}": _GREATER for kind in ("int64", "uint64", "string", "bytes")},
    **{f"greater_equals_{kind}": _GREATER_EQUALS for kind in ("int64", "uint64", "string", "bytes")},
    "add_int64": _add_int,
    "subtract_int64": _subtract_int,
    "in_list": _in_list,
    "in_map": _in_map,
    "matches": _matches,
    "matches_string": _matches,
    "logical_not": _not,
    **dict.fromkeys(
        ("size_bytes", "bytes_size", "size_list", "list_size", "size_map", "map_size", "size_string", "string_size"),
        _size,
    ),
    "starts_with_string": _starts_with,
    "ends_with_string": _ends_with,
}
