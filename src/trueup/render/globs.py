"""Patterns of Argo CD's ``include`` and ``exclude``. Pure.

Called by `plain`. Source: gobwas/glob without separators, as Argo CD compiles it: ``*`` and ``?`` cross slashes, braces
hold alternatives that may be patterns themselves, ``[a-z]`` and ``[!a]`` are classes, a backslash quotes. They are looked
for by RE2, for a pattern of many stars would take others for ever.
"""

from __future__ import annotations

import re
from functools import lru_cache

from trueup.kube.patterns import BadPattern, Pattern
from trueup.kube.patterns import pattern as regular


class GlobProblem(ValueError):
    """A pattern that cannot be read."""


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Pattern:
    """The pattern as a regular expression over the whole path."""
    out: list[str] = []
    depth = at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[":
            at = _class(pattern, at, out)
        elif char == "{":
            depth += 1
            out.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            out.append(")")
        elif char == "," and depth:
            out.append("|")
        elif char == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    if depth:
        raise GlobProblem(f"a brace is not closed in {pattern!r}")
    try:
        return regular("(?s)" + "".join(out))
    except BadPattern as problem:
        raise GlobProblem(f"{pattern!r} is no pattern: {problem}") from None


def _class(pattern: str, at: int, out: list[str]) -> int:
    end = pattern.find("]", at + 1)
    if end < 0:
        raise GlobProblem(f"a bracket is not closed in {pattern!r}")
    inside = pattern[at:end]
    negated = inside.startswith("!")
    inside = inside[1:] if negated else inside
    quoted = "".join(
        char if char == "-" and 0 < i < len(inside) - 1 else re.escape(char) for i, char in enumerate(inside)
    )
    out.append(f"[{'^' if negated else ''}{quoted}]")
    return end + 1


def matches(pattern: str, path: str) -> bool:
    """Whether a path is taken by a pattern."""
    return compiled(pattern).whole(path)
