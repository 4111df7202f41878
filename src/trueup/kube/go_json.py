"""JSON as Go's ``encoding/json`` reads it, and its words for what it cannot read. Called for bodies over the wire.

Go reads what stricter parsers refuse (half a surrogate pair, bytes that are no UTF-8: both become U+FFFD) and says of the rest
which sign it did not expect. Sources: Go ``encoding/json`` (scanner.go), sigs.k8s.io/json.
"""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any

import orjson

from trueup.kube.validation.causes import show

_END = "unexpected end of JSON input"
_CLOSED = ("in ", "after decimal point")
"""Where a space cannot stand."""
_SPACE = " \t\r\n"
_DEEP = 10_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")


class GoJsonError(ValueError):
    """A text is no JSON; says so as Go does."""


def loads(body: bytes) -> Any:
    """The value. Raises ``GoJsonError``."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    text = body.decode("utf-8", "replace")
    _Scanner(text).run()
    try:
        return _mended(json.loads(text))
    except (ValueError, RecursionError):  # more than Python can hold: digits of a number, levels of nesting
        raise GoJsonError("exceeded max depth") from None


def word(value: Any) -> str:
    """What Go calls a value's type."""
    if isinstance(value, bool):
        return "bool"
    words: dict[type, str] = {str: "string", dict: "object", list: "array"}
    return words.get(type(value), "number")


def check_finite(body: bytes, written: bytes) -> None:
    """Raises ``GoJsonError`` for a number that no float64 holds. ``written``: the body, read and written again."""
    if written.count(b"null") > body.count(b"null"):  # as which the writer writes what is infinite
        json.loads(body.decode("utf-8", "replace"), parse_float=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise GoJsonError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", name): _mended(item) for name, item in value.items()}
    return value


class _Scanner:
    """Walks a text once, with its own stack: no text is too deep for it."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def run(self) -> None:
        """Raises ``GoJsonError`` at the first sign that does not belong."""
        stack: list[str] = []
        while True:
            opened = self._value(stack)
            if opened:
                continue
            while stack:
                sign = self._next("after object key:value pair" if stack[-1] == "{" else "after array element", ",}]")
                if sign == ",":
                    if stack[-1] == "{":
                        self._key("looking for beginning of object key string")
                    break
                if (sign == "}") != (stack[-1] == "{"):
                    self.at -= 1
                    self._refuse("after object key:value pair" if stack[-1] == "{" else "after array element")
                stack.pop()
            else:
                self._spaces()
                if self.at < len(self.text):
                    self._refuse("after top-level value")
                return

    def _value(self, stack: list[str]) -> bool:
        """One scalar, or the opening of a map or list with something in it."""
        self._spaces()
        sign = self._look()
        if sign == "{" or sign == "[":
            self.at += 1
            if len(stack) >= _DEEP:
                raise GoJsonError("exceeded max depth")
            self._spaces()
            if self._look() == ("}" if sign == "{" else "]"):
                self.at += 1
                return False
            stack.append(sign)
            if sign == "{":
                self._key("looking for beginning of object key string")
            return True
        if sign == '"':
            self._string()
        elif sign == "-" or sign.isdigit():
            self._number()
        elif sign in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[sign])
        else:
            self._refuse("looking for beginning of value")
        return False

    def _key(self, where: str) -> None:
        self._spaces()
        if self._look() != '"':
            self._refuse(where)
        self._string()
        self._next("after object key", ":")

    def _string(self) -> None:
        self.at += 1
        while True:
            sign = self._look()
            if self.at >= len(self.text):
                raise GoJsonError(_END)
            self.at += 1
            if sign == '"':
                return
            if sign < " ":
                self.at -= 1
                self._refuse("in string literal")
            if sign == "\\":
                kind = self._look()
                if kind not in '"\\/bfnrtu':
                    self._refuse("in string escape code")
                self.at += 1
                if kind == "u":
                    for _ in range(4):
                        if self._look() not in "0123456789abcdefABCDEF":
                            self._refuse("in \\u hexadecimal character escape")
                        self.at += 1

    def _number(self) -> None:
        if self._look() == "-":
            self.at += 1
            if not self._look().isdigit():
                self._refuse("in numeric literal")
        found = _NUMBER.match(self.text, self.at)
        assert found is not None  # a digit is there
        self.at = found.end()
        rest = self.text[self.at : self.at + 1]
        if rest == ".":
            self.at += 1
            self._look()
            self._refuse("after decimal point in numeric literal")
        if rest and rest in "eE":
            self.at += 1
            if self._look() in "+-":
                self.at += 1
                self._look()
            self._refuse("in exponent of numeric literal")

    def _literal(self, name: str) -> None:
        for place, sign in enumerate(name):
            if self._look() != sign:
                self._refuse(f"in literal {name} (expecting {show(name[place])[1:-1].join(chr(39) * 2)})")
            self.at += 1

    def _next(self, where: str, signs: str) -> str:
        self._spaces()
        sign = self._look()
        if sign not in signs:
            self._refuse(where)
        self.at += 1
        return sign

    def _spaces(self) -> None:
        text, end = self.text, len(self.text)
        while self.at < end and text[self.at] in _SPACE:
            self.at += 1

    def _look(self) -> str:
        """The sign to come; at the end a space, as Go puts one there to see what is still open."""
        return self.text[self.at] if self.at < len(self.text) else " "

    def _refuse(self, where: str) -> None:
        if self.at >= len(self.text) and not where.startswith(_CLOSED):
            raise GoJsonError(_END)
        sign = self._look().encode()[:1].decode("latin-1")  # Go looks at bytes
        shown = "'\\''" if sign == "'" else "'\"'" if sign == '"' else f"'{show(sign)[1:-1]}'"
        raise GoJsonError(f"invalid character {shown} {where}")
