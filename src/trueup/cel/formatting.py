"""``string.format``: the text while it runs, and what is wrong with constant formats before. A library.

Source: cel-go ``ext/formatting.go``, the version that Kubernetes has (strings library 2).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from trueup.cel import numbers, times
from trueup.cel.problems import CelError, Issue
from trueup.cel.tree import ListNode
from trueup.cel.types import type_name
from trueup.cel.values import Duration, Timestamp, TypeValue, Uint, key_value, type_name_of

_CLAUSE = re.compile(r"%(?:%|(?:\.(\d+))?(.))", re.DOTALL)
_WORDS = {
    "s": "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps",
    "d": "decimal clause can only be used on integers",
    "f": "fixed-point clause can only be used on doubles",
    "e": "scientific clause can only be used on doubles",
    "b": "only integers and bools can be formatted as binary",
    "x": "only integers, byte buffers, and strings can be formatted as hex",
    "X": "only integers, byte buffers, and strings can be formatted as hex",
    "o": "octal clause can only be used on integers",
}
_SHOWN = frozenset(
    {"string", "bool", "bytes", "int", "uint", "double", "map", "list", "type", "timestamp", "duration", "null_type"}
)
_KINDS = {
    "s": _SHOWN,
    "d": frozenset({"int", "uint"}),
    "f": frozenset({"double"}),
    "e": frozenset({"double"}),
    "b": frozenset({"int", "uint", "bool"}),
    "x": frozenset({"int", "uint", "bytes", "string"}),
    "X": frozenset({"int", "uint", "bytes", "string"}),
    "o": frozenset({"int", "uint"}),
}


def formatted(text: str, args: list[Any]) -> str:
    """A format with its arguments filled in, as Kubernetes has it. Raises ``CelError``."""
    return _filled(text, args, _clause)


def formatted_later(text: str, args: list[Any]) -> str:
    """The same as the CEL specification has it since: nested values plain, numbers of every kind. Raises ``CelError``."""
    return _filled(text, args, _later_clause)


def _filled(text: str, args: list[Any], clause: Callable[[str, str | None, Any], str]) -> str:
    out: list[str] = []
    at, used = 0, 0
    for match in _clauses(text):
        out.append(text[at : match.start()])
        at = match.end()
        if match.group() == "%%":
            out.append("%")
            continue
        if used >= len(args):
            raise CelError(f"index {used} out of range")
        try:
            out.append(clause(match[2], match[1], args[used]))
        except CelError as error:
            raise CelError(f"error during formatting: {error}") from error
        used += 1
    if used < len(args):
        raise CelError(f"too many arguments supplied to string.format (expected {used}, got {len(args)})")
    return "".join([*out, text[at:]])


def _clauses(text: str) -> Iterator[re.Match[str]]:
    at = text.find("%")
    while at >= 0:
        match = _CLAUSE.match(text, at)
        if match is None:
            if re.match(r"%\.\d*$", text[at:]):
                raise CelError("error while parsing precision: could not find end of precision specifier")
            raise CelError("unexpected end of string")
        if match.group() != "%%" and match[2] not in _WORDS:
            if match[2] == ".":
                raise CelError("error while parsing precision: unable to convert precision to integer")
            raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{match[2]}"')
        yield match
        at = text.find("%", match.end())


def _clause(sign: str, precision: str | None, value: Any) -> str:
    kind = value.__class__
    if sign == "s":
        return shown(value)
    if sign == "d" and kind in (int, Uint):
        return str(int(value))
    if sign in "fe" and (kind is float or value in ("NaN", "Infinity", "-Infinity")):
        return _double(sign, 6 if precision is None else int(precision), float(value))
    if sign == "b" and kind in (int, Uint, bool):
        return format(int(value), "b")
    if sign == "o" and kind in (int, Uint):
        return format(int(value), "o")
    if sign in "xX" and kind in (int, Uint, str, bytes):
        raw = value.encode() if kind is str else value
        text = raw.hex() if isinstance(raw, bytes) else format(int(raw), "x")
        return text.upper() if sign == "X" else text
    raise CelError(f"{_WORDS[sign]}, was given {type_name_of(value)}")


def _later_clause(sign: str, precision: str | None, value: Any) -> str:
    kind = value.__class__
    if sign == "s":
        return _later_shown(value)
    if sign in "dfe" and kind in (int, Uint, float):
        if kind is float and not math.isfinite(value):
            return _later_shown(value)
        if sign == "d" and kind is not float:
            return str(int(value))
        if sign in "fe":
            return f"{float(value):.{6 if precision is None else int(precision)}{sign}}"
    return _clause(sign, precision, value)


def _later_shown(value: Any) -> str:
    kind = value.__class__
    if kind is float and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return f"[{', '.join(map(_later_shown, value))}]"
    if isinstance(value, dict):
        rows = sorted((_later_shown(key_value(key)), _later_shown(item)) for key, item in value.items())
        return f"{{{', '.join(f'{key}: {item}' for key, item in rows)}}}"
    return shown(value)


def _double(sign: str, precision: int, value: float) -> str:
    if not math.isfinite(value):
        text = "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
        return text.rjust(6) if sign == "e" else text
    if sign == "f":
        return f"{value:,.{precision}f}"
    mantissa, _, power = f"{value:.{precision}e}".partition("e")
    raised = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in f"{abs(int(power)):02d}")
    return f"{mantissa}×10{'⁻' if power[0] == '-' else ''}{raised}"


def shown(value: Any) -> str:
    """A value as ``%s`` writes it. Raises ``CelError``."""
    kind = value.__class__
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind in (int, Uint):
        return str(int(value))
    if kind is float:
        return numbers.show_double(value)
    if kind is bytes:
        try:
            return str(value.decode())
        except UnicodeDecodeError:
            raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None
    if kind is Timestamp:
        return times.show_timestamp(value)
    if kind is Duration:
        return times.show_duration(value)
    if kind is TypeValue:
        return str(value.name)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        rows = [(_key_literal(key_value(key)), _literal(item)) for key, item in value.items()]
        return f"{{{', '.join(f'{key}:{item}' for key, item in sorted(rows, key=lambda row: row[0]))}}}"
    raise CelError(f"{_WORDS['s']}, was given {type_name_of(value)}")


def _literal(value: Any) -> str:
    """A value inside a list or map."""
    kind = value.__class__
    if kind is str:
        return quoted(value)
    if kind is bytes:
        return f"b{quoted(shown(value))}"
    if kind is Timestamp:
        return f'timestamp("{times.show_timestamp(value)}")'
    if kind is Duration:
        return f'duration("{times.show_duration(value)}")'
    if kind is float:
        if math.isnan(value) or math.isinf(value):
            return f'"{numbers.show_double(value)}"'
        return f"{value:.6f}"
    if type_name_of(value) not in _KINDS["s"] and kind is not TypeValue and not isinstance(value, (list, dict)):
        raise CelError(f"no formatting function for {type_name_of(value)}")
    return shown(value)


def _key_literal(value: Any) -> str:
    if value.__class__ not in (str, bool, int, Uint):
        raise CelError(f"no formatting function for map key of type {type_name_of(value)}")
    return _literal(value)


def quoted(text: str) -> str:
    """A string as Go's ``%q`` writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\\b", "\\b").replace("\\f", "\\f")


def check_format(at: int, text: str, args: ListNode) -> Iterator[Issue]:
    """What is wrong with a constant format and the list that fills it."""
    used = 0
    try:
        for match in _clauses(text):
            if match.group() == "%%":
                continue
            if used >= len(args.items):
                yield Issue(at, f"index {used} out of range")
                return
            arg = args.items[used]
            kind = arg.type.kind
            late = kind == "string" and match[2] in "fe"  # what says NaN is not told before it is formatted
            if not late and kind not in ("dyn", "any", "param", "error") and kind not in _KINDS[match[2]]:
                message = f"{_WORDS[match[2]]}, was given {type_name(arg.type)}"
                yield Issue(arg.at, f"error during formatting: {message}")
                return
            used += 1
    except CelError as error:
        yield Issue(at, str(error))
        return
    if len(args.items) > used:
        yield Issue(at, f"too many arguments supplied to string.format (expected {used}, got {len(args.items)})")
