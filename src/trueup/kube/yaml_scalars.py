"""What a YAML scalar means to Kubernetes, and whether a string would be read back as something else.

Called by `documents` (reading) and `yaml_printing` (writing). Scalars in, JSON values out.

Source of the rules: `resolve.go` of go-yaml v2, which sigs.k8s.io/yaml carries: YAML 1.1 booleans, Go's integer
prefixes, no base 60, timestamps kept as strings, a number too large for a double kept as a string.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from decimal import Decimal

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_MAYBE_NOT_TEXT = frozenset("yYnNtTfFoO~.+-0123456789")
"""First characters of everything that is not text; the empty string is the exception."""
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOT_FLOAT = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
"""Read by Go's own parser, which lets underscores stand between digits; elsewhere they are taken out before."""
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*)"
    r"|(?<![-+])0b(?P<signed>[-+][01]+))"
)
"""The last is what comes of taking ``0b`` off and reading the rest anew."""
_BASES = (("hex", 16), ("bin", 2), ("oct", 8), ("dec", 10), ("signed", 2))
_TIMESTAMP = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?)?"
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_LARGEST = 2**64
_LONGEST = 20
"""Digits of the largest integer; to make a number of millions of digits takes long, and Python refuses it."""
_EXACT = 2.0**53
"""Beyond, a double stands for several integers, and Go writes the one with the fewest digits, then zeros."""
_EXPONENT_FROM = 6
"""Go's shortest form turns to an exponent from here on."""

STR, BINARY = "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"
_TYPED = {
    "tag:yaml.org,2002:bool": "!!bool",
    "tag:yaml.org,2002:int": "!!int",
    "tag:yaml.org,2002:float": "!!float",
    "tag:yaml.org,2002:null": "!!null",
    "tag:yaml.org,2002:timestamp": "!!timestamp",
}


class ScalarProblem(ValueError):
    """A tagged scalar that is not of its tag."""


def plain(text: str) -> Scalar:
    """The value of an unquoted, untagged scalar. Floats are as read: `number` makes them JSON's."""
    if text and text[0] not in _MAYBE_NOT_TEXT:
        return text
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == ".":
        return _finite(text) if _DOT_FLOAT.fullmatch(text) else text
    return _numeric(text) if first in "+-0123456789" else text


def _numeric(text: str) -> Scalar:
    digits = text.replace("_", "") if "_" in text else text
    found = _INTEGER.fullmatch(digits)
    if found and (found["dec"] is None or len(found["dec"]) <= _LONGEST):
        value = next(int(found[name], base) for name, base in _BASES if found[name] is not None)
        if found["sign"] == "-":
            value = -value
        if -(2**63) <= value < (2**63 if found["sign"] else _LARGEST):
            return value
    if _FLOAT.fullmatch(digits):
        read = _finite(digits)
        return text if isinstance(read, str) else read
    return text


def _finite(text: str) -> float | str:
    """Go's parser refuses what overflows a double, and the scalar stays text."""
    value = float(text)
    return text if math.isinf(value) else value


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag; a tag of one's own leaves text."""
    if tag == BINARY:
        try:
            return base64.b64decode(text, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise ScalarProblem("!!binary value contains invalid base64 data") from None
    if tag not in _TYPED:
        return text
    value = plain(text)
    found, wanted = _tag_of(text, value), _TYPED[tag]
    if found == wanted or (wanted == "!!float" and found == "!!int"):
        return value
    raise ScalarProblem(f"cannot decode {found} `{text}` as a {wanted}")


def _tag_of(text: str, value: Scalar) -> str:
    if value is None:
        return "!!null"
    if isinstance(value, bool):
        return "!!bool"
    if isinstance(value, int):
        return "!!int"
    if isinstance(value, float):
        return "!!float"
    return "!!timestamp" if _TIMESTAMP.fullmatch(text) else "!!str"


def number(value: float) -> float | int:
    """A float as it comes out of JSON again: Go writes a whole number without its point, and reads an integer."""
    if not math.isfinite(value):
        raise ScalarProblem(f"unsupported value: {'NaN' if math.isnan(value) else '+Inf' if value > 0 else '-Inf'}")
    if not value.is_integer() or not -(2.0**63) < value < 2.0**63:
        return value
    return int(value) if -_EXACT <= value <= _EXACT else int(Decimal(repr(value)))


def key(value: Scalar) -> str:
    """A mapping's key as JSON has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value < 2**63:
            return str(value)
        raise ScalarProblem(f"unsupported map key of type: uint64, key: {value}")
    if value is None:
        raise ScalarProblem("unsupported map key: null")
    return go_float(value)


def needs_quotes(text: str) -> bool:
    """Whether a string written plain would be read as something else, by this or by an older YAML reader."""
    if not text:
        return True
    if text[0] not in _MAYBE_NOT_TEXT:
        return text == "<<"
    if not isinstance(plain(text), str):
        return True
    return bool(_TIMESTAMP.fullmatch(text) or (":" in text and _BASE_60.fullmatch(text)))


def go_float(value: float) -> str:
    """A double as Go's ``FormatFloat(f, 'g', -1, 64)`` writes it."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return f"{sign}0"
    digits, point = _shortest(abs(value))
    exponent = point - 1
    if exponent < -4 or exponent >= _EXPONENT_FROM:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _shortest(value: float) -> tuple[str, int]:
    """The shortest digits that read back as the value, and where the point stands in them."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(exponent or 0)
    return digits.rstrip("0") or "0", point
