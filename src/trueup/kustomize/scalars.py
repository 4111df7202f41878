"""Scalars as kustomize reads them: YAML 1.2 with a few relics, every value remembering how it was written.

Called by `reading` and by the filters that compare or rewrite the text of a value. Kustomize works on YAML nodes, so the
text counts (``1.0`` put into an annotation stays ``1.0``) and a written ``null`` is not the same as nothing. Most values
are plain JSON here; the odd ones are `Odd` or `NULL` until `settle` turns an object into JSON for good.

Source: ``resolve.go`` of go-yaml v3 as kyaml carries it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from trueup.kube import yaml_scalars
from trueup.kube.documents import Dialect
from trueup.kustomize.problem import KustomizeProblem

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOT_TEXT = frozenset("~nNtTfF.+-0123456789")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?(Z|[-+]\d\d:\d\d))"
    r"|(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?))?"
)


class _Null:
    """A null that was written out: kept where nothing removes it, while an empty value goes when a patch passes."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "null"


NULL = _Null()


class Odd:
    """A scalar whose canonical form differs from what stands in the file: ``1.0``, ``0x1f``, ``True``, a date."""

    __slots__ = ("text", "value")

    def __init__(self, value: Any, text: str) -> None:
        self.value, self.text = value, text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Mistyped(Odd):
    """A text in the place of a value of another type: no trouble until somebody wants to know the value."""

    __slots__ = ("before",)

    def __init__(self, text: str, before: Any) -> None:
        self.text, self.before = text, before


def plain(text: str) -> Any:
    """The value of an unquoted scalar. Raises `KustomizeProblem` for a number that JSON has no room for."""
    try:
        return _read(text)
    except yaml_scalars.ScalarProblem as problem:
        raise KustomizeProblem(f"json: {problem}") from None


def is_plain_text(text: str) -> bool:
    """Whether a text can stand without quotes, as far as its type goes."""
    try:
        return bool(_read(text) == text)
    except yaml_scalars.ScalarProblem:
        return False


def _read(text: str) -> Any:
    if not text:
        return None
    if text[0] not in _NOT_TEXT:
        return text
    if text in _BOOLEANS:
        value: Any = _BOOLEANS[text]
        return value if text in ("true", "false") else Odd(value, text)
    read = yaml_scalars.plain(text)
    if read is None:
        return NULL
    if isinstance(read, bool):
        return text  # "yes", "on" and their like are text in YAML 1.2
    if isinstance(read, str):
        return _timestamp(text)
    if isinstance(read, float):
        read = yaml_scalars.number(read)
    canonical = str(read) if isinstance(read, int) else yaml_scalars.go_float(read)
    return read if canonical == text else Odd(read, text)


def _timestamp(text: str) -> Any:
    if not text[0].isdigit():
        return text
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return text
    year, month, day = found[1], int(found[2]), int(found[3])
    hour, minute, second = (int(found[at] or found[at + 5] or 0) for at in (4, 5, 6))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return text
    fraction = (found[7] or found[12] or "").rstrip("0").rstrip(".")
    zone = found[8] or "Z"
    zone = "Z" if zone[1:] == "00:00" else zone
    return Odd(f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}", text)


_BREAKS = re.compile(r"\n+")
_SPECIAL = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def folded(text: str) -> str:
    """A text in folded style as it comes out of kustomize's printing and reading it once more.

    Its emitter doubles the line break at the end of a line that does not begin with a blank, which folding takes back only
    when the next line does not begin with one either: an indented line is set off by an empty one, and several breaks at
    the end become one more. A text that no block can hold is printed in quotes instead, and stays as it is.
    """
    if (
        not ("\n " in text or "\n\t" in text or text.endswith("\n\n"))
        or " \n" in text
        or text.endswith(" ")
        or _SPECIAL.search(text)
    ):
        return text

    def doubled(found: re.Match[str]) -> str:
        line = text.rfind("\n", 0, found.start()) + 1
        following = text[found.end() : found.end() + 1]
        kept = following in (" ", "\t") if following else len(found[0]) > 1
        return found[0] + ("\n" if kept and text[line : line + 1] not in (" ", "\t") else "")

    return _BREAKS.sub(doubled, text)


DIALECT = Dialect(_read, str, folded)
"""How kustomize reads YAML."""


def text_of(value: Any) -> str:
    """A scalar as it is written; collections have no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Odd):
        return value.text
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return yaml_scalars.go_float(value)
    return "null" if value is NULL else ""


def is_null(value: Any) -> bool:
    """Nothing, or a null that was written."""
    return value is None or value is NULL


def is_scalar(value: Any) -> bool:
    """Neither null nor a collection."""
    return not isinstance(value, (dict, list)) and not is_null(value)


def is_empty(value: Any) -> bool:
    """Null, or a collection with nothing in it, or empty text."""
    return is_null(value) or value == {} or value == [] or value == ""


def copy(value: Any) -> Any:
    """A copy of its own, down to the scalars."""
    if isinstance(value, dict):
        return {key: item if type(item) is str else copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) is str else copy(item) for item in value]
    return value


def settle(value: Any) -> Any:
    """A value as JSON has it; collections are changed in place."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(item) is not str:
                value[key] = settle(item)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            if type(item) is not str:
                value[at] = settle(item)
    elif isinstance(value, Mistyped):
        found, wanted = _tag(plain(value.text)), _tag(value.before)
        raise KustomizeProblem(f"yaml: cannot decode {found} `{value.text}` as a {wanted}")
    elif isinstance(value, Odd):
        return value.value
    elif value is NULL:
        return None
    return value


def unsettle(value: Any) -> Any:
    """A value that went through JSON: its nulls are written ones from now on, its numbers are those of JavaScript."""
    if isinstance(value, dict):
        return {key: unsettle(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unsettle(item) for item in value]
    if type(value) is int and not -_EXACT <= value <= _EXACT:
        return _as_float(value)
    return NULL if value is None else value


_EXACT = 2**53


def _as_float(value: int) -> int | float:
    """An integer that passed through a float: the digits that a float keeps, an integer again where Go has such."""
    near = float(value)
    digits = int(Decimal(repr(near)))
    return digits if -(2**63) <= digits < 2**64 else near


def retyped(text: str, before: Any) -> Any:
    """``text`` in the place of a scalar that keeps its type, as when only the text of a YAML node is changed."""
    if isinstance(before, str):
        return text
    value = plain(text)
    have, want = type(_bare(value)), type(_bare(before))
    if have is want or (want is float and have is int):
        return value
    return Mistyped(text, before)


def _bare(value: Any) -> Any:
    if isinstance(value, Mistyped):
        return _bare(value.before)
    return value.value if isinstance(value, Odd) else None if value is NULL else value


def _tag(value: Any) -> str:
    bare = _bare(value)
    names = {bool: "!!bool", int: "!!int", float: "!!float", str: "!!str"}
    return names.get(type(bare), "!!null")
