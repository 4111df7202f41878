"""Patterns as Go reads them: regular expressions (RE2) and the globs of file names. Pure.

Called wherever somebody else's file holds a pattern: schemas, CEL, kustomize, SOPS, ignore rules, projects. RE2 reads them in
time that grows with the text alone, so that no pattern can hold up the process. Source: Go's packages ``regexp/syntax`` and
``path/filepath``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_GO_SAYS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


class BadPattern(ValueError):
    """What is no regular expression, in Go's words: ``error parsing regexp: missing closing ]: `[a```."""


@lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any]:
    """RE2 and its options; loaded with the first pattern, for most commands have none."""
    import re2  # type: ignore[import-untyped]  # it has no types

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return re2, options


class Pattern:
    """A regular expression; `pattern` makes it."""

    __slots__ = ("_compiled", "_search", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        re2, options = _engine()
        try:
            self._compiled = re2.compile(text.encode("utf-8", "replace"), options)
        except re2.error as problem:
            raise BadPattern(f"error parsing regexp: {_in_go_s_words(problem)}") from None
        self._search = self._compiled.search

    def found(self, text: str) -> bool:
        """Whether it is anywhere in a text."""
        return self._search(text.encode("utf-8", "replace")) is not None

    def whole(self, text: str) -> bool:
        """Whether it is all of a text."""
        return self._compiled.fullmatch(text.encode("utf-8", "replace")) is not None

    def every(self, text: str) -> Iterator[str]:
        """Each place where it is found, from left to right."""
        for match in self._compiled.finditer(text.encode("utf-8", "replace")):
            yield match.group().decode("utf-8", "replace")


def _in_go_s_words(problem: Exception) -> str:
    (said,) = problem.args
    words, _, part = (said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)).partition(": ")
    if words.startswith("trailing"):
        words, part = "trailing backslash at end of expression", ""
    return f"{_GO_SAYS.get(words, words)}: `{part}`"


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern:
    """A regular expression. Raises `BadPattern`."""
    return Pattern(text)


def is_pattern(text: str) -> bool:
    """Whether it is a regular expression."""
    try:
        pattern(text)
    except BadPattern:
        return False
    return True


@lru_cache(maxsize=4096)
def name_glob(text: str) -> Pattern | None:
    """Go's ``filepath.Match``: ``*`` and ``?`` stop at a slash, ``[^a-c]`` is a class. None when it is malformed."""
    out, at = "(?s)", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\":
            if at == len(text):
                return None
            out += re.escape(text[at])
            at += 1
        elif char == "[":
            end = text.find("]", at + (2 if text[at : at + 1] == "^" else 1))
            if end < 0:
                return None
            out += f"[{text[at:end].replace('[', chr(92) + '[')}]"
            at = end + 1
        else:
            out += re.escape(char)
    return pattern(out) if is_pattern(out) else None
