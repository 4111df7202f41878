"""What the text of a constant stands for. Called by `parser`: a token's text in, its value out, or ``ValueError``.

Source: cel-go ``parser/gen/CEL.g4``; CEL language definition, "Values".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.cel.lexer import unquoted, unquoted_bytes
from trueup.cel.values import INT_MAX, INT_MIN, UINT_MAX, Uint


def _int(text: str) -> int:
    value = int(text, 16 if "0x" in text else 10)
    if not INT_MIN <= value <= INT_MAX:
        raise ValueError
    return value


def _uint(text: str) -> Uint:
    value = int(text[:-1], 16 if "0x" in text else 10)
    if value > UINT_MAX:
        raise ValueError
    return Uint(value)


def _double(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value


CONSTANTS: Mapping[str, Callable[[str], Any]] = {
    "NUM_INT": _int,
    "NUM_UINT": _uint,
    "NUM_FLOAT": _double,
    "STRING": unquoted,
    "BYTES": unquoted_bytes,
    "true": lambda _: True,
    "false": lambda _: False,
    "null": lambda _: None,
}
"""By the kind of token; a number with its sign."""
