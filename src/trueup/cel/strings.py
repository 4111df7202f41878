"""Functions of strings beyond the standard ones, and of patterns. A library.

Source: cel-go ``ext/strings.go``; ``k8s.io/apiserver/pkg/cel/library/{regex,jsonpatch}.go``.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any

from trueup.cel.formatting import formatted, formatted_later
from trueup.cel.functions import Implementation, Overload, overloads
from trueup.cel.problems import CelError
from trueup.kube.patterns import BadPattern, pattern

_SPACE = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_LOWER = {code: code + 32 for code in range(65, 91)}
_UPPER = {code: code - 32 for code in range(97, 123)}
_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _char_at(text: str, place: int) -> str:
    if not 0 <= place <= len(text):
        raise CelError(f"index out of range: {place}")
    return text[place : place + 1]


def _index_of(text: str, wanted: str, start: int = 0) -> int:
    if not wanted:
        return start
    if start < 0:
        raise CelError(f"index out of range: {start}")
    return text.find(wanted, start) if start < len(text) else -1


def _last_index_of(text: str, wanted: str, start: int | None = None) -> int:
    if start is None:
        return len(text) if not wanted else text.rfind(wanted)
    if not wanted:
        return start
    if start < 0:
        raise CelError(f"index out of range: {start}")
    return text.rfind(wanted, 0, start + len(wanted)) if start < len(text) else -1


def _index_of_checked(text: str, wanted: str, start: int) -> int:
    if not 0 <= start <= len(text):
        raise CelError(f"index out of range: {start}")
    return _index_of(text, wanted, start)


def _last_index_of_checked(text: str, wanted: str, start: int) -> int:
    if not 0 <= start <= len(text):
        raise CelError(f"index out of range: {start}")
    return _last_index_of(text, wanted, start)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        chars = list(text)
        return chars if count < 0 or count >= len(chars) else [*chars[: count - 1], "".join(chars[count - 1 :])]
    return text.split(separator) if count < 0 else text.split(separator, count - 1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise CelError(f"index out of range: {start}")
        return text[start:]
    if start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= len(text):
        raise CelError(f"index out of range: {start}")
    if not 0 <= end <= len(text):
        raise CelError(f"index out of range: {end}")
    return text[start:end]


def _join(items: list[Any], separator: str = "") -> str:
    for item in items:
        if item.__class__ is not str:
            raise CelError(f"join: invalid input: {item}")
    return separator.join(items)


def _quote(text: str) -> str:
    inner = "".join(_ESCAPES.get(char, char) for char in text.encode("utf-8", "replace").decode("utf-8", "replace"))
    return f'"{inner}"'


def _find_all(text: str, wanted: str, count: int = -1) -> list[str]:
    try:
        every = pattern(wanted).every(text)
    except BadPattern as problem:
        raise CelError(f"Illegal regex: {problem}") from None
    return list(islice(every, count) if count >= 0 else every)


def _find(text: str, wanted: str) -> str:
    found = _find_all(text, wanted, 1)
    return found[0] if found else ""


def _escape_key(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


_ROWS: list[tuple[str, str, Implementation | None]] = [
    ("string_char_at_int", "string::charAt(int): string", _char_at),
    ("string_index_of_string", "string::indexOf(string): int", _index_of),
    ("string_index_of_string_int", "string::indexOf(string, int): int", _index_of),
    ("string_last_index_of_string", "string::lastIndexOf(string): int", _last_index_of),
    ("string_last_index_of_string_int", "string::lastIndexOf(string, int): int", _last_index_of),
    ("string_lower_ascii", "string::lowerAscii(): string", lambda text: text.translate(_LOWER)),
    ("string_replace_string_string", "string::replace(string, string): string", _replace),
    ("string_replace_string_string_int", "string::replace(string, string, int): string", _replace),
    ("string_split_string", "string::split(string): list(string)", _split),
    ("string_split_string_int", "string::split(string, int): list(string)", _split),
    ("string_substring_int", "string::substring(int): string", _substring),
    ("string_substring_int_int", "string::substring(int, int): string", _substring),
    ("string_trim", "string::trim(): string", lambda text: text.strip(_SPACE)),
    ("string_upper_ascii", "string::upperAscii(): string", lambda text: text.translate(_UPPER)),
    ("string_format", "string::format(list(dyn)): string", formatted),
    ("strings_quote", "strings.quote(string): string", _quote),
    ("list_join", "list(string)::join(): string", _join),
    ("list_join_string", "list(string)::join(string): string", _join),
]
_PATTERNS: list[tuple[str, str, Implementation | None]] = [
    ("string_find_string", "string::find(string): string", _find),
    ("string_find_all_string", "string::findAll(string): list(string)", _find_all),
    ("string_find_all_string_int", "string::findAll(string, int): list(string)", _find_all),
]


@cache
def strings() -> tuple[Overload, ...]:
    """cel-go's strings extension as Kubernetes has it (version 2)."""
    return tuple(overloads(_ROWS))


@cache
def patterns() -> tuple[Overload, ...]:
    """Kubernetes' own functions of strings."""
    return tuple(overloads(_PATTERNS))


@cache
def patching() -> tuple[Overload, ...]:
    """What mutating policies have besides."""
    return tuple(overloads([("string_jsonpatch_escapeKey_string", "jsonpatch.escapeKey(string): string", _escape_key)]))


@cache
def later_strings() -> tuple[Overload, ...]:
    """What the strings extension has gained since."""
    return tuple(
        overloads(
            [
                ("string_reverse", "string::reverse(): string", lambda text: text[::-1]),
                ("string_format", "string::format(list(dyn)): string", formatted_later),
                ("string_index_of_string_int", "string::indexOf(string, int): int", _index_of_checked),
                ("string_last_index_of_string_int", "string::lastIndexOf(string, int): int", _last_index_of_checked),
            ]
        )
    )
