"""YAML as SOPS writes it: blocks indented by a multiple of four, lists within their key, comments where they were. Pure.

Called by `formats.py`. Source: SOPS, ``stores/yaml``; go.yaml.in/yaml/v3 (``encode.go``, ``emitterc.go``), whose lines have no
greatest width.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from trueup.sops.cipher import Comment, Moment
from trueup.sops.problems import SopsProblem
from trueup.sops.yaml_reading import kind_of

INDENT = 4
_SIMPLE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./=+\[\],:;-]*", re.ASCII)
"""Text that needs a look only for what it would be read as, and for how it ends."""
_OLD = frozenset(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"])
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_BREAKS = "\n\r\x85\u2028\u2029"
_NOT_PRINTABLE = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_NOT_IN_BLOCK = re.compile(f"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]| [{_BREAKS}]| \\Z")
_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e", '"': '"',
    "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip


def written(documents: list[Any], indent: int = INDENT) -> str:
    """All documents, ``---`` between them."""
    return "---\n".join(_Writer(indent).document(document) for document in documents)


def value(found: Any, indent: int = INDENT) -> str:
    """One value, as ``--extract`` prints it."""
    if isinstance(found, (dict, list)):
        return _Writer(indent).document(found)
    return f"{_Writer(indent).scalar(found, 0)}\n"


class _Writer:
    """One document."""

    __slots__ = ("_by", "_out")

    def __init__(self, indent: int) -> None:
        self._by, self._out = indent, list[str]()

    def document(self, found: Any) -> str:
        if not any(True for _ in _said(found)):
            comments = _remarks(found)
            self._out.append(
                "".join(f"#{text}\n" for text in comments) + ("[]" if isinstance(found, list) else "{}") + "\n"
            )
        elif isinstance(found, dict):
            self._mapping(found, 0, "")
        else:
            self._list(found, 0, "")
        return "".join(self._out)

    def _mapping(self, mapping: dict[Any, Any], column: int, lead: str) -> None:
        """``lead``: what stands before the first line in place of its spaces."""
        pad = " " * column
        head: list[str] = []
        inline: list[str] = []
        last = False
        for key, found in mapping.items():
            if isinstance(key, Comment):
                (inline if key.inline else head).append(key.text)
                continue
            if head:
                self._heads(head, pad, lead)
                lead = pad if lead else lead
                head = []
            self._out.append(f"{lead or pad}{self._key(key, column)}:")
            lead, last = "", True
            self._below(found, column, inline)
            inline = []
        self._feet(head + inline, pad, last)

    def _list(self, listed: list[Any], column: int, lead: str) -> None:
        pad = " " * column
        head: list[str] = []
        inline: list[str] = []
        last = False
        for found in listed:
            if isinstance(found, Comment):
                (inline if found.inline else head).append(found.text)
                continue
            if head:
                self._heads(head, pad, lead)
                lead = pad if lead else lead
                head = []
            dash = f"{lead or pad}- "
            lead, last = "", True
            if isinstance(found, dict) and any(True for _ in _said(found)):
                self._mapping(found, column + 2, dash)
            elif isinstance(found, list) and any(True for _ in _said(found)):
                self._list(found, column + 2, dash)
            else:
                self._out.append(f"{dash}{self._inline(found, column + 2)}{_beside(inline)}\n")
            inline = []
        self._feet(head + inline, pad, last)

    def _heads(self, comments: list[str], pad: str, lead: str) -> None:
        for number, text in enumerate(comments):
            self._out.append(f"{lead if lead and not number else pad}#{text}\n")

    def _feet(self, comments: list[str], pad: str, after: bool) -> None:
        if comments:
            self._out.append("".join(f"{pad}#{text}\n" for text in comments))

    def _below(self, found: Any, column: int, inline: list[str]) -> None:
        further = self._by * ((column + self._by) // self._by)
        if isinstance(found, dict) and any(True for _ in _said(found)):
            self._out.append(f"{_beside(inline)}\n")
            self._mapping(found, further, "")
        elif isinstance(found, list) and any(True for _ in _said(found)):
            self._out.append(f"{_beside(inline)}\n")
            self._list(found, further, "")
        else:
            self._out.append(f" {self._inline(found, further)}{_beside(inline)}\n")

    def _inline(self, found: Any, column: int) -> str:
        if isinstance(found, (dict, list)):
            first, last = "{}" if isinstance(found, dict) else "[]"
            within = "".join(f"\n{' ' * column}#{text}" for text in _remarks(found))
            return f"{first}{within}\n{' ' * max(column - self._by, 0)}{last}" if within else first + last
        return self.scalar(found, column)

    def _key(self, key: Any, column: int) -> str:
        text = self.scalar(key, column) if not isinstance(key, str) or "\n" not in key else _double(key)
        return f"? {text}\n{' ' * column}" if len(text) > 128 else text

    def scalar(self, found: Any, column: int) -> str:
        """``column``: where the lines of a block begin."""
        if isinstance(found, Moment):
            return str(found)
        if isinstance(found, str):
            return self._text(found, column)
        if found is None:
            return "null"
        if isinstance(found, bool):
            return "true" if found else "false"
        if isinstance(found, int):
            return str(found)
        if isinstance(found, float):
            return _float(found)
        raise SopsProblem(f"YAML has no place for a value of type {type(found).__name__}")

    def _text(self, text: str, column: int) -> str:
        if _SIMPLE.fullmatch(text) and text[-1] != ":" and kind_of(text) == "str" and text not in _OLD:
            return text
        if any("\udc80" <= char <= "\udcff" for char in text):
            raise SopsProblem("a value is not UTF-8: YAML has no place for it, choose the output type binary")
        if "\n" in text and not _NOT_IN_BLOCK.search(text):
            return self._block(text, column)
        if not text or kind_of(text) != "str" or text in _OLD or _SIXTIES.fullmatch(text):
            return _double(text)
        if _NOT_PRINTABLE.search(text) or any(mark in text for mark in _BREAKS):
            return _double(text)
        return text if _plain(text) else "'" + text.replace("'", "''") + "'"

    def _block(self, text: str, column: int) -> str:
        pad = " " * column
        outer = column - 2 if column % self._by else column - self._by
        hint = str(column - max(outer, 0) or self._by) if text[0] in " \n" else ""
        chomp = "-" if text[-1] != "\n" else "+" if len(text) == 1 or text[-2] == "\n" else ""
        lines = text[:-1].split("\n") if text[-1] == "\n" else text.split("\n")
        return f"|{hint}{chomp}\n" + "\n".join(f"{pad}{line}" if line else "" for line in lines)


def _said(found: Any) -> Any:
    return (one for one in found if not isinstance(one, Comment))


def _remarks(found: Any) -> list[str]:
    return [one.text for one in found if isinstance(one, Comment)]


def _beside(comments: list[str]) -> str:
    return f" #{' #'.join(comments)}" if comments else ""


def _plain(text: str) -> bool:
    if text[0] in " #,[]{}&*!|>'\"%@`" or text[-1] == " " or text.startswith(("---", "...")):
        return False
    if text[0] in "?:-" and (len(text) == 1 or text[1] in " \t"):
        return False
    return not (": " in text or " #" in text or text[-1] == ":")


def _double(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return "\\" + _ESCAPES[char]
    if not _NOT_PRINTABLE.match(char):
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _float(number: float) -> str:
    """As Go's ``%g`` does: the shortest text, with an exponent below 1e-4 and from 1e21 on."""
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    if math.isnan(number):
        return ".nan"
    _, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) + exponent - 1
    if -5 < power < 21:
        return format(Decimal(repr(number)).normalize(), "f")
    mantissa = f"{digits[0]}{'.' if len(digits) > 1 else ''}{''.join(map(str, digits[1:]))}"
    return f"{'-' if number < 0 else ''}{mantissa}e{power:+03d}"
