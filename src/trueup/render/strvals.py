"""``--set`` expressions laid over values. Pure.

Called by `helm_values`. ``a.b[0].c=x,d={1,2}`` changes the values in place; commas, dots and the like are quoted with a
backslash. Source: Helm's strvals package (``ParseInto``, ``ParseIntoString``).
"""

from __future__ import annotations

from typing import Any

_DEEPEST = 30
_LONGEST_LIST = 65_536


class SetProblem(ValueError):
    """An expression that cannot be read, or that does not fit the values."""


def set_into(values: dict[str, Any], expression: str, *, text: bool = False) -> None:
    """Lay an expression over values; ``text`` keeps every value a string (``--set-string``)."""
    try:
        _Parser(expression, text).parse(values)
    except (AttributeError, TypeError) as problem:
        raise SetProblem(f"{expression!r} does not fit the values it is laid over: {problem}") from None


class _End(Exception):
    """The expression is read to its end."""


class _Parser:
    def __init__(self, text: str, as_text: bool) -> None:
        self._text, self._at, self._as_text = text, 0, as_text

    def parse(self, values: dict[str, Any]) -> None:
        try:
            while True:
                self._key(values, 0)
        except _End:
            return

    def _key(self, data: dict[str, Any], depth: int) -> None:
        name, last = self._until("=[,.")
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

    def _assign(self, put: Any) -> None:
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
            if last == "}" and not value and not out:
                return self._after_list(out)
            out.append(self._typed(value))
            if last == "}":
                return self._after_list(out)

    def _after_list(self, out: list[Any]) -> list[Any]:
        if self._at < len(self._text) and self._text[self._at] == ",":
            self._at += 1
        return out

    def _typed(self, text: str) -> Any:
        if self._as_text:
            return text
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


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    if name:
        data[name] = value


def _place(items: list[Any], at: int, value: Any) -> None:
    items.extend([None] * (at + 1 - len(items)))
    items[at] = value
