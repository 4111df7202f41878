"""Objects as YAML text, the way kubectl and Flux print them.

Called through `documents`. JSON values come in, text leaves.

Source of the rules: go-yaml v2's encoder and emitter as sigs.k8s.io/yaml carries them: keys in natural order, lists not
indented under their key, literal blocks for text with line breaks, double quotes for what would be read
as something else, single quotes for what cannot stand plain. Lines break at the first space past 80 columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cmp_to_key
from typing import Any

from trueup.kube.yaml_scalars import go_float, needs_quotes

_SIMPLE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./=+-]*")
"""Text that no rule of the emitter minds; most keys and values are such."""
_LONGEST_KEY = 128
_WIDTH = 80
"""The emitter looks for a space to break at once a line is longer."""
_ESCAPES = {
    "\0": "0",
    "\a": "a",
    "\b": "b",
    "\t": "t",
    "\n": "n",
    "\v": "v",
    "\f": "f",
    "\r": "r",
    "\x1b": "e",
    '"': '"',
    "\\": "\\",
    "\x85": "N",
    "\u2028": "L",
    "\u2029": "P",
}
_LONE_SPACE = re.compile("(?<! ) (?! )")
_BREAKS = "\n\r\x85\u2028\u2029"
_NOT_PRINTABLE = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")


def dump(value: Any) -> str:
    """One document, without a separator."""
    if isinstance(value, dict) and value:
        out: list[str] = []
        _mapping(value, 0, out, "")
        return "".join(out)
    if isinstance(value, list) and value:
        out = []
        _sequence(value, 0, out, "")
        return "".join(out)
    return _inline(value, 2, 0) + "\n"


def dump_all(values: Iterable[Any]) -> str:
    """Several documents, ``---`` between them."""
    return "---\n".join(dump(value) for value in values)


def _mapping(value: dict[str, Any], indent: int, out: list[str], first: str) -> None:
    """``first``: what stands before the first key, in place of the indentation (after a dash)."""
    pad = " " * indent
    lead = first if first else pad
    for key in sorted_keys(value):
        text = _key(key)
        if text is None:
            text = ""
            out.append(f"{lead}? {_scalar(key, indent + 2, indent + 2)}\n{pad}:")
        else:
            out.append(f"{lead}{text}:")
        lead = pad
        item = value[key]
        if isinstance(item, dict) and item:
            out.append("\n")
            _mapping(item, indent + 2, out, "")
        elif isinstance(item, list) and item:
            out.append("\n")
            _sequence(item, indent, out, "")
        else:
            out.append(f" {_inline(item, indent + 2, indent + len(text) + 2)}\n")


def _sequence(value: list[Any], indent: int, out: list[str], first: str) -> None:
    lead = first if first else " " * indent
    for item in value:
        if isinstance(item, dict) and item:
            _mapping(item, indent + 2, out, f"{lead}- ")
        elif isinstance(item, list) and item:
            _sequence(item, indent + 2, out, f"{lead}- ")
        else:
            out.append(f"{lead}- {_inline(item, indent + 2, indent + 2)}\n")
        lead = " " * indent


def _inline(value: Any, indent: int, column: int) -> str:
    """``column`` is where the value begins; ``indent`` where its further lines do."""
    if isinstance(value, str):
        return _scalar(value, indent, column)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    raise TypeError(f"no JSON value: {type(value).__name__}")


def _key(key: str) -> str | None:
    """A key on its line; None for one that needs ``?``."""
    if _SIMPLE.fullmatch(key) and len(key) <= _LONGEST_KEY and not needs_quotes(key):
        return key
    if len(key.encode()) > _LONGEST_KEY or any(mark in key for mark in _BREAKS):
        return None
    return "''" if not key and not needs_quotes(key) else _one_line(key)


def _scalar(text: str, indent: int, column: int) -> str:
    if text == "<<":
        return text  # only as a key it would be read as something else
    if _SIMPLE.fullmatch(text) and not needs_quotes(text):
        return text
    if "\n" in text and _block_allowed(text):
        return _literal(text, indent)
    if _needs_double(text):
        double = _double(text)
        fits = column + len(double) < _WIDTH or " " not in text
        return double if fits else _double_folded(text, indent, column + 1)
    if _plain_allowed(text):
        return text if column + len(text) < _WIDTH else _folded(text, indent, column, whole=True)
    quoted = text.replace("'", "''")
    return f"'{quoted}'" if column + len(quoted) < _WIDTH else f"'{_folded(quoted, indent, column + 1, whole=False)}'"


def _one_line(text: str) -> str:
    if _needs_double(text):
        return _double(text)
    return text if _plain_allowed(text) else "'" + text.replace("'", "''") + "'"


def _needs_double(text: str) -> bool:
    return needs_quotes(text) or bool(_NOT_PRINTABLE.search(text)) or any(mark in text for mark in _BREAKS)


def _folded(text: str, indent: int, column: int, *, whole: bool) -> str:
    """Text with breaks in place of single spaces past the width; quoted text keeps its first and last character."""
    pad = "\n" + " " * indent
    out: list[str] = []
    start = 0
    for space in _LONE_SPACE.finditer(text):
        at = space.start()
        if column + at - start > _WIDTH and (whole or 0 < at < len(text) - 1):
            out.append(text[start:at])
            start, column = at + 1, indent
    out.append(text[start:])
    return pad.join(out)


def _double_folded(text: str, indent: int, column: int) -> str:
    """Double-quoted text may break at the first of several spaces, too: a backslash keeps the next one."""
    pad = "\n" + " " * indent
    out: list[str] = []
    after_space = False
    for at, char in enumerate(text):
        if char == " " and not after_space and column > _WIDTH and 0 < at < len(text) - 1:
            out.append(pad)
            column = indent
            if text[at + 1] == " ":
                out.append("\\")
                column += 1
        else:
            written = _escaped(char)
            out.append(written)
            column += len(written)
        after_space = char == " "
    return '"' + "".join(out) + '"'


def _plain_allowed(text: str) -> bool:
    """Whether block context takes the text without quotes."""
    if text[0] in " #,[]{}&*!|>'\"%@`" or text[-1] == " " or text.startswith(("---", "...")):
        return False
    if text[0] in "?:-" and (len(text) == 1 or text[1] in " \t"):
        return False
    return not (": " in text or " #" in text or text[-1] == ":")


def _block_allowed(text: str) -> bool:
    if _NOT_PRINTABLE.search(text) or text[-1] == " ":
        return False
    return not any(f" {mark}" in text for mark in _BREAKS)


def _literal(text: str, indent: int) -> str:
    hint = "2" if text[0] == " " or text[0] in _BREAKS else ""
    pad = " " * max(indent, 2)
    lines = text[:-1].split("\n") if text[-1] == "\n" else text.split("\n")
    return f"|{hint}{_chomp(text)}\n" + "\n".join(f"{pad}{line}" if line else "" for line in lines)


def _chomp(text: str) -> str:
    """How many line breaks at the end are to be kept."""
    if text[-1] not in _BREAKS:
        return "-"
    return "+" if len(text) == 1 or text[-2] in _BREAKS else ""


def _double(text: str) -> str:
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return "\\" + _ESCAPES[char]
    if not _NOT_PRINTABLE.match(char):
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


# --- the order of keys -------------------------------------------------------------------------------------------


def sorted_keys(value: dict[str, Any]) -> list[str]:
    """Keys in go-yaml's natural order: numbers by their value, letters after everything else."""
    keys = sorted(value)
    if all(map(str.isalpha, keys)):
        return keys
    return sorted(keys, key=cmp_to_key(_compare))


def _compare(one: str, other: str) -> int:
    if one == other:
        return 0
    return -1 if _less(one, other) else 1


def _less(one: str, other: str) -> bool:
    for at in range(min(len(one), len(other))):
        a, b = one[at], other[at]
        if a == b:
            continue
        if a.isalpha() or b.isalpha():
            return a < b if a.isalpha() and b.isalpha() else b.isalpha()
        return _less_by_number(one, other, at)
    return len(one) < len(other)


def _less_by_number(one: str, other: str, at: int) -> bool:
    start = 0
    if one[at] == "0" or other[at] == "0":
        back = at - 1
        while back >= 0 and one[back].isdigit():
            if one[back] != "0":
                start = 1
                break
            back -= 1
    first, first_end = _number(one, at, start)
    second, second_end = _number(other, at, start)
    if first != second:
        return first < second
    if first_end != second_end:
        return first_end < second_end
    return one[at] < other[at]


def _number(text: str, at: int, value: int) -> tuple[int, int]:
    while at < len(text) and text[at].isdigit():
        value = value * 10 + ord(text[at]) - 48
        at += 1
    return value, at
