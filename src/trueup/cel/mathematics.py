"""``math.…`` and ``base64.…``: extensions of cel-go that Kubernetes leaves out. A library.

Source: cel-go ``ext/{math,encoders}.go``.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from trueup.cel import numbers
from trueup.cel.functions import Implementation, Overload, overloads
from trueup.cel.macros import Expander, MacroProblem
from trueup.cel.problems import CelError
from trueup.cel.tree import Call, Ident, ListNode, Literal, MapNode, Node, Struct
from trueup.cel.values import UINT_MAX, Uint, compare_numbers

Row = tuple[str, str, Implementation | None]
_NUMBERS = ("int", "uint", "double")


def _extreme(verdict: int) -> Implementation:
    def pick(*values: Any) -> Any:
        items = values[0] if len(values) == 1 and isinstance(values[0], list) else values
        if not items:
            raise CelError(f"math.@{'max' if verdict > 0 else 'min'}(list) argument must not be empty")
        best = items[0]
        for item in items:
            if item.__class__ not in (int, Uint, float):
                raise CelError("no such overload: math.@max" if verdict > 0 else "no such overload: math.@min")
            if compare_numbers(item, best) == verdict:
                best = item
        return best

    return pick


def _extremes() -> Iterator[Row]:
    for word, verdict in (("max", 1), ("min", -1)):
        pick = _extreme(verdict)
        for one in _NUMBERS:
            yield f"math_@{word}_{one}", f"math.@{word}({one}): {one}", pick
            yield f"math_@{word}_list_{one}", f"math.@{word}(list({one})): {one}", pick
            for other in _NUMBERS:
                result = one if one == other else "dyn"
                yield f"math_@{word}_{one}_{other}", f"math.@{word}({one}, {other}): {result}", pick


def _round(value: float) -> float:
    if not math.isfinite(value):
        return value
    return math.copysign(math.floor(abs(value) + 0.5), value)


def _whole(rounding: Any) -> Implementation:
    return lambda value: float(rounding(value)) if math.isfinite(value) else value


def _sign(value: Any) -> Any:
    if value.__class__ is float:
        return value if math.isnan(value) or value == 0 else math.copysign(1.0, value)
    return value.__class__((value > 0) - (value < 0))


def _absolute(value: Any) -> Any:
    if value.__class__ is int:
        return numbers.checked_int(abs(value))
    return Uint(value) if value.__class__ is Uint else abs(value)


def _shift(left: bool) -> Implementation:
    def shift(value: Any, count: int) -> Any:
        if count < 0:
            raise CelError(f"math.bitShift{'Left' if left else 'Right'}() negative offset: {count}")
        bits = int(value) & UINT_MAX
        moved = 0 if count > 63 else (bits << count if left else bits >> count) & UINT_MAX
        return _like(value, moved)

    return shift


def _like(value: Any, bits: int) -> Any:
    bits &= UINT_MAX
    if value.__class__ is Uint:
        return Uint(bits)
    return bits - 2**64 if bits >= 2**63 else bits


def _bits() -> Iterator[Row]:
    for kind in ("int", "uint"):
        yield f"math_bitAnd_{kind}_{kind}", f"math.bitAnd({kind}, {kind}): {kind}", lambda a, b: _like(a, a & b)
        yield f"math_bitOr_{kind}_{kind}", f"math.bitOr({kind}, {kind}): {kind}", lambda a, b: _like(a, a | b)
        yield f"math_bitXor_{kind}_{kind}", f"math.bitXor({kind}, {kind}): {kind}", lambda a, b: _like(a, a ^ b)
        yield f"math_bitNot_{kind}_{kind}", f"math.bitNot({kind}): {kind}", lambda a: _like(a, ~int(a))
        yield f"math_bitShiftLeft_{kind}_int", f"math.bitShiftLeft({kind}, int): {kind}", _shift(left=True)
        yield f"math_bitShiftRight_{kind}_int", f"math.bitShiftRight({kind}, int): {kind}", _shift(left=False)


def _scalars() -> Iterator[Row]:
    yield "math_ceil_double", "math.ceil(double): double", _whole(math.ceil)
    yield "math_floor_double", "math.floor(double): double", _whole(math.floor)
    yield "math_round_double", "math.round(double): double", _round
    yield "math_trunc_double", "math.trunc(double): double", _whole(math.trunc)
    yield "math_isInf_double", "math.isInf(double): bool", math.isinf
    yield "math_isNaN_double", "math.isNaN(double): bool", math.isnan
    yield "math_isFinite_double", "math.isFinite(double): bool", math.isfinite
    for kind in _NUMBERS:
        yield f"math_abs_{kind}", f"math.abs({kind}): {kind}", _absolute
        yield f"math_sign_{kind}", f"math.sign({kind}): {kind}", _sign
        yield f"math_sqrt_{kind}", f"math.sqrt({kind}): double", lambda a: math.sqrt(a) if a >= 0 else math.nan


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CelError(f"illegal base64 data: {error}") from error


_ENCODERS: list[Row] = [
    ("base64_decode_string", "base64.decode(string): bytes", _decoded),
    ("base64_encode_bytes", "base64.encode(bytes): string", lambda value: base64.b64encode(value).decode()),
]


def _macro(word: str, function: str) -> Expander:
    def expand(at: int, target: Node | None, args: list[Node]) -> Node | None:
        if not isinstance(target, Ident) or target.name != "math":
            return None
        for arg in args:
            bad = isinstance(arg, (MapNode, Struct)) or (
                isinstance(arg, Literal) and arg.value.__class__ not in (int, Uint, float)
            )
            if bad or (len(args) > 1 and isinstance(arg, ListNode)):
                what = "single argument value" if len(args) == 1 else "simple literal arguments"
                raise MacroProblem(arg.at, f"math.{word}() invalid {what}")
        if len(args) > 2:
            return Call(at, function, [ListNode(at, args)])
        return Call(at, function, args)

    return expand


def _none(word: str) -> Expander:
    def expand(at: int, target: Node | None, _: list[Node]) -> Node | None:
        if not isinstance(target, Ident) or target.name != "math":
            return None
        raise MacroProblem(target.at, f"math.{word}() requires at least one argument")

    return expand


MATH_MACROS: dict[tuple[str, int, bool], Expander] = {
    (word, count, True): _macro(word, function)
    for word, function in (("greatest", "math.@max"), ("least", "math.@min"))
    for count in range(1, 20)
} | {(word, 0, True): _none(word) for word in ("greatest", "least")}


@cache
def mathematics() -> tuple[Overload, ...]:
    """``math.…`` and ``base64.…``."""
    return tuple(overloads([*_extremes(), *_bits(), *_scalars(), *_ENCODERS]))
