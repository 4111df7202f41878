"""Numbers and their texts. Used by the standard library.

Source: cel-go ``common/types/{int,uint,double,string,overflow}.go``; Go ``strconv``.
"""

from __future__ import annotations

import math
import re

from trueup.cel.problems import CelError
from trueup.cel.values import INT_MAX, INT_MIN, UINT_MAX, Uint

_FLOAT = re.compile(
    r"[+-]?(?:inf(?:inity)?|nan|(?:\d+(?:_\d+)*)?\.?\d*(?:e[+-]?\d+)?|0x[0-9a-f]*\.?[0-9a-f]*p[+-]?\d+)", re.IGNORECASE
)
_TRUE, _FALSE = (
    frozenset(["1", "t", "T", "TRUE", "true", "True"]),
    frozenset(["0", "f", "F", "FALSE", "false", "False"]),
)


def checked_int(value: int) -> int:
    """An int that a computation made. Raises ``CelError``."""
    if not INT_MIN <= value <= INT_MAX:
        raise CelError("integer overflow")
    return value


def checked_uint(value: int) -> Uint:
    """A uint that a computation made. Raises ``CelError``."""
    if not 0 <= value <= UINT_MAX:
        raise CelError("unsigned integer overflow")
    return Uint(value)


def divided(left: int, right: int) -> int:
    """Division as Go does it, towards zero. Raises ``CelError``."""
    if right == 0:
        raise CelError("division by zero")
    return checked_int(abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1))


def remainder(left: int, right: int) -> int:
    """What division leaves, with the sign of the left. Raises ``CelError``."""
    if right == 0:
        raise CelError("modulus by zero")
    if right == -1 and left == INT_MIN:
        raise CelError("integer overflow")
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def divided_double(left: float, right: float) -> float:
    """IEEE 754 division."""
    try:
        return left / right
    except ZeroDivisionError:
        if left == 0 or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)


def int_of_double(value: float) -> int:
    """Towards zero. Raises ``CelError``."""
    if not math.isfinite(value) or not -9223372036854775808.0 < value < 9223372036854775807.0:
        raise CelError("integer overflow")
    return int(value)


def uint_of_double(value: float) -> Uint:
    """Towards zero. Raises ``CelError``."""
    if not math.isfinite(value) or not 0 <= value < 18446744073709551615.0:
        raise CelError("unsigned integer overflow")
    return Uint(int(value))


def parse_int(text: str) -> int:
    """Decimal digits with a sign. Raises ``CelError``."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits.isascii() and digits.isdecimal():
        value = int(text)
        if INT_MIN <= value <= INT_MAX:
            return value
    raise CelError("type conversion error from 'string' to 'int'")


def parse_uint(text: str) -> Uint:
    """Decimal digits. Raises ``CelError``."""
    if text.isascii() and text.isdecimal() and int(text) <= UINT_MAX:
        return Uint(int(text))
    raise CelError("type conversion error from 'string' to 'uint'")


def parse_double(text: str) -> float:
    """As Go's ``ParseFloat`` reads it. Raises ``CelError``."""
    if _FLOAT.fullmatch(text) and text.isascii():
        try:
            value = float.fromhex(text) if "x" in text.lower() else float(text)
        except (ValueError, OverflowError):
            value = math.inf
        if math.isfinite(value) or "inf" in text.lower() or "nan" in text.lower():
            return value
    raise CelError("type conversion error from 'string' to 'double'")


def parse_bool(text: str) -> bool:
    """As Go's ``ParseBool`` reads it. Raises ``CelError``."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise CelError("type conversion error from 'string' to 'bool'")


def show_double(value: float) -> str:
    """As Go's ``%g`` writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) if whole.strip("0") else -(len(part) - len(part.lstrip("0")))
    power = point + int(exponent or 0) - 1
    digits = digits.rstrip("0") or "0"
    if power < -4 or power >= 6:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    if len(digits) <= power + 1:
        return sign + digits.ljust(power + 1, "0")
    return f"{sign}{digits[: power + 1]}.{digits[power + 1 :]}"
