"""The text of a label selector, read as Kubernetes reads it and refused in its words. Called by `selectors`.

Source: apimachinery ``labels/selector.go`` (Lexer, Parser, NewRequirement).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup.kube.problems import BadRequest

Term = tuple[str, str, tuple[str, ...]]
"""Key, operator, values."""
_SPECIAL = "=!(),><"
_TOKEN = re.compile(r"[=!(),><]+|[^\s=!(),><]+")
_SIGNS = ("==", "!=", "=", "!", "(", ")", ",", ">", "<")
_BINARY = "in, notin, =, ==, !=, gt, lt"
_MARKS = frozenset(_SIGNS)


def terms(text: str) -> Iterator[Term]:
    """The terms of a selector. Raises ``BadRequest``."""
    return _Parser(list(_tokens(text))).parse()


def _tokens(text: str) -> Iterator[str]:
    for found in _TOKEN.findall(text):
        if found[0] not in _SPECIAL:
            yield found
            continue
        rest = found
        while rest:
            sign = next(sign for sign in _SIGNS if rest.startswith(sign))
            yield sign
            rest = rest[len(sign) :]


class _Parser:
    """Reads tokens from left to right; the empty one is the end."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def look(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        found = self.look()
        self.at += 1
        return found

    def parse(self) -> Iterator[Term]:
        while True:
            found = self.look()
            if not found:
                return
            if found in _MARKS and found != "!":
                raise BadRequest(f"found '{found}', expected: !, identifier, or 'end of string'")
            try:
                yield self.requirement()
            except ValueError as problem:
                raise BadRequest(f"unable to parse requirement: {problem}") from None
            after = self.take()
            if not after:
                return
            if after != ",":
                raise BadRequest(f"found '{after}', expected: ',' or 'end of string'")
            following = self.look()
            if not following or (following in _MARKS and following != "!"):
                raise BadRequest(f"found '{following}', expected: identifier after ','")

    def requirement(self) -> Term:
        absent = self.look() == "!"
        if absent:
            self.take()
        key = self.take()
        if not key or key in _MARKS:
            raise ValueError(f"found '{key}', expected: identifier")
        from trueup.kube.validation import formats  # the rules of all kinds: only for who has a selector to read
        from trueup.kube.validation.causes import show

        wrong = formats.qualified(key)
        if wrong:
            raise ValueError(f"<nil>: Invalid value: {show(key)}: {'; '.join(wrong)}")
        if absent:
            return key, "!", ()
        if self.look() in ("", ","):
            return key, "exists", ()
        sign = self.take()
        if sign in ("in", "notin"):
            values = tuple(sorted(self.values()))
        elif sign in ("=", "==", "!=", ">", "<"):
            values = (self.exact(),)
        else:
            raise ValueError(f"found '{sign}', expected: {_BINARY}")
        _check(key, sign, values)
        return key, "=" if sign == "==" else sign, values

    def exact(self) -> str:
        found = self.look()
        if found in ("", ","):
            return ""
        self.take()
        if found in _MARKS:
            raise ValueError(f"found '{found}', expected: identifier")
        return found

    def values(self) -> set[str]:
        found = self.take()
        if found != "(":
            raise ValueError(f"found '{found}' expected: '('")
        found = self.look()
        if found == ")":
            self.take()
            return {""}
        if not found or (found in _MARKS and found != ","):
            raise ValueError(f"found '{found}', expected: ',', ')' or identifier")
        listed = self.identifiers()
        if self.take() != ")":
            raise ValueError(f"found '{found}', expected: ')'")
        return listed

    def identifiers(self) -> set[str]:
        out: set[str] = set()
        while True:
            found = self.take()
            if found == ",":
                if not out:
                    out.add("")
                following = self.look()
                if following == ")":
                    return out | {""}
                if following == ",":
                    self.take()
                    out.add("")
            elif found and found not in _MARKS:
                out.add(found)
                following = self.look()
                if following == ")":
                    return out
                if following != ",":
                    raise ValueError(f"found '{following}', expected: ',' or ')'")
            else:
                raise ValueError(f"found '{found}', expected: ',', or identifier")


def _check(key: str, sign: str, values: tuple[str, ...]) -> None:
    """Values that no label can have are a mistake of who asks."""
    from trueup.kube.validation import formats  # as above
    from trueup.kube.validation.causes import show

    for index, value in enumerate(values):
        if sign in (">", "<") and not re.fullmatch(r"[-+]?\d+", value):
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise ValueError(f"values[{index}]: Invalid value: {show(value)}: {why}")
        wrong = formats.label_value(value)
        if wrong:
            raise ValueError(f"values[{index}][{key}]: Invalid value: {show(value)}: {'; '.join(wrong)}")
