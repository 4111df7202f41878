"""``--set`` expressions laid over values. Pure.

Called by `helm_values`. ``a.b[0].c=x,d={1,2}`` changes the values in place; commas, dots and the like are quoted with a
backslash, but in literal ones. Source: Helm's strvals package (``ParseInto``, ``ParseIntoString``, ``ParseJSON``,
``ParseIntoFile``, ``ParseLiteralInto``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

Way = Literal["value", "string", "json", "file", "literal"]
"""How what stands behind an equals sign is read: the flag's name without ``--set-``."""
_DEEPEST = 30
_LONGEST_LIST = 65_536


class SetProblem(ValueError):
    """An expression that cannot be read, or that does not fit the values."""


def set_into(
    values: dict[str, Any], expression: str, way: Way = "value", read: Callable[[str], str] | None = None
) -> None:
    """Lay an expression over values. ``read`` is what files are read by. Raises `SetProblem`."""
    parser = _File(expression, read) if read is not None and way == "file" else _PARSERS[way](expression)
    try:
        parser.parse(values)
    except (AttributeError, TypeError) as problem:
        raise SetProblem(f"{expression!r} does not fit the values it is laid over: {problem}") from None


class _End(Exception):
    """The expression is read to its end."""


class _Parser:
    """Values are typed: numbers, truths and null are what they look like."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def parse(self, values: dict[str, Any]) -> None:
        try:
            while True:
                self._key(values, 0)
        except _End:
            return

    def _key(self, data: dict[str, Any], depth: int, stops: str = "=[,.") -> None:
        name, last = self._until(stops)
        if last is None:
            if not name:
                raise _End
            raise SetProblem(f"key {name!r} has no value")
        if last == "[":
            self._indexed(data, name, depth)
        elif last == "=":
            self._assign(lambda value: _put(data, name, value))
        elif last == ",":
            _put(data, name, "")
            raise SetProblem(f"key {name!r} has no value (cannot end with ,)")
        else:
            self._inside(data, name, depth + 1)

    def _indexed(self, data: dict[str, Any], name: str, depth: int) -> None:
        at = self._index()
        found = data.get(name)
        if found is not None and not isinstance(found, list):
            raise SetProblem(f"{name!r} is no list")
        items = found or []
        _put(data, name, items)
        self._item(items, at, depth)

    def _inside(self, data: dict[str, Any], name: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise SetProblem(f"value name nested level is greater than maximum supported nested level of {_DEEPEST}")
        inner = data.get(name)
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise SetProblem(f"{name!r} is no map")
        try:
            self._key(inner, depth)
            if not inner:
                raise SetProblem(f"key map {name!r} has no value")
        finally:
            if inner:
                _put(data, name, inner)

    def _item(self, items: list[Any], at: int, depth: int) -> None:
        """What follows an index. Containers are put in place first: the expression may end inside them."""
        name, last = self._until("[.=")
        if name:
            raise SetProblem(f"unexpected data at end of array index: {name!r}")
        if last is None:
            raise _End
        found = items[at] if at < len(items) else None
        if last == "=":
            self._assign(lambda value: _place(items, at, value))
        elif last == "[":
            inside = self._index()
            inner_items = found if isinstance(found, list) else []
            _place(items, at, inner_items)
            self._item(inner_items, inside, depth)
        else:
            inner = found if isinstance(found, dict) else {}
            _place(items, at, inner)
            self._key(inner, depth)

    def _index(self) -> int:
        digits, last = self._until("]")
        if last is None or not digits.lstrip("-").isdigit():
            raise SetProblem(f"error parsing index: {digits!r}")
        at = int(digits)
        if not 0 <= at <= _LONGEST_LIST:
            raise SetProblem(f"index {at} is not in 0..{_LONGEST_LIST}")
        return at

    def _assign(self, put: Callable[[Any], None]) -> None:
        if self._at >= len(self._text):
            put("")
            raise _End
        if self._text[self._at] == "{":
            self._at += 1
            put(self._list())
            return
        value, last = self._until(",")
        put(self._typed(value))
        if last is None:
            raise _End

    def _list(self) -> list[Any]:
        out: list[Any] = []
        while True:
            value, last = self._until(",}")
            if last is None:
                raise SetProblem("list must terminate with '}'")
            out.append(self._typed(value))
            if last == "}":
                return self._after_list(out)

    def _after_list(self, out: list[Any]) -> list[Any]:
        if self._at < len(self._text) and self._text[self._at] == ",":
            self._at += 1
        return out

    def _typed(self, text: str) -> Any:
        word = text.lower()
        if word in ("true", "false"):
            return word == "true"
        if word == "null":
            return None
        if text == "0":
            return 0
        if text and text[0] != "0":
            digits = text[1:] if text[0] in "+-" else text
            if digits.isascii() and digits.isdigit() and -(2**63) <= int(text) < 2**63:
                return int(text)
        return text

    def _until(self, stops: str) -> tuple[str, str | None]:
        """The text up to one of the signs, and the sign; None at the end."""
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char in stops:
                return "".join(out), char
            if char == "\\":
                if self._at >= len(self._text):
                    break
                char = self._text[self._at]
                self._at += 1
            out.append(char)
        return "".join(out), None


class _Text(_Parser):
    """Values are texts."""

    def _typed(self, text: str) -> Any:
        return text


class _File(_Parser):
    """Values are the names of files, and stand for what is in them."""

    def __init__(self, text: str, read: Callable[[str], str]) -> None:
        super().__init__(text)
        self._read = read

    def _typed(self, text: str) -> Any:
        return self._read(text)


class _Json(_Parser):
    """Values are JSON; none at all is null."""

    def _assign(self, put: Callable[[Any], None]) -> None:
        if self._is_over():
            put(None)
            return
        try:
            value, self._at = json.JSONDecoder(parse_constant=_refuse).raw_decode(self._text, self._at)
        except (json.JSONDecodeError, RecursionError) as problem:
            raise SetProblem(f"{self._text!r} has no JSON behind an equals sign: {problem}") from None
        put(value)
        self._is_over()

    def _is_over(self) -> bool:
        """Whether a value ends here: at a comma, which is taken, or where everything does."""
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        if self._at < len(self._text) and self._text[self._at] != ",":
            return False
        self._at += 1
        return True


class _Literal(_Parser):
    """One value, as it stands: all of the rest. Nothing is quoted, not in names either."""

    def _key(self, data: dict[str, Any], depth: int, stops: str = "=[.") -> None:
        super()._key(data, depth, stops)

    def _assign(self, put: Callable[[Any], None]) -> None:
        put(self._text[self._at :])
        self._at = len(self._text)

    def _until(self, stops: str) -> tuple[str, str | None]:
        for at in range(self._at, len(self._text)):
            if self._text[at] in stops:
                found, self._at = self._text[self._at : at], at + 1
                return found, self._text[at]
        found, self._at = self._text[self._at :], len(self._text)
        return found, None


_PARSERS: dict[Way, type[_Parser]] = {"value": _Parser, "string": _Text, "json": _Json, "literal": _Literal}


def _refuse(word: str) -> Any:
    raise SetProblem(f"{word} is no JSON")


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    if name:
        data[name] = value


def _place(items: list[Any], at: int, value: Any) -> None:
    items.extend([None] * (at + 1 - len(items)))
    items[at] = value
