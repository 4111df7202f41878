"""Patterns as Argo CD matches them: globs with braces and classes, expressions between slashes, repository URLs. Pure.

Called by `projects.py` and `windows.py`. Sources: gobwas/glob (what ``util/glob`` of Argo CD wraps), Go's ``filepath.Match``
(for kinds), ``git.NormalizeGitURL``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from trueup.kube import patterns as go

_SSH = re.compile(r"(ssh://)?([^/:]*?)@[^@]+")


def matches(pattern: str, text: str, separators: str = "") -> bool:
    """``*`` stops at a separator, ``**`` does not; a pattern that is none matches nothing."""
    if pattern == "*":
        return True
    compiled = _glob(pattern, separators)
    return compiled is not None and compiled.whole(text)


def says(pattern: str, text: str, separators: str = "") -> bool:
    """As ``matches``; ``!`` before a pattern makes it match all that it would not."""
    if pattern.startswith("!"):
        return not matches_exactly(pattern[1:], text, separators)
    return matches(pattern, text, separators)


def matches_exactly(pattern: str, text: str, separators: str = "") -> bool:
    """As ``matches``, and ``*`` is held to the separators even when it stands alone."""
    compiled = _glob(pattern, separators)
    return compiled is not None and compiled.whole(text)


def denies(pattern: str) -> bool:
    """Whether a pattern is a refusal."""
    return pattern.startswith("!")


def any_matches(patterns: Iterable[str], text: str) -> bool:
    """Whether a list of globs, or regular expressions between slashes, has one that matches."""
    return any(
        _expression(pattern, text) if len(pattern) > 2 and pattern[0] == pattern[-1] == "/" else matches(pattern, text)
        for pattern in patterns
    )


def is_kind(pattern: str, text: str) -> bool:
    """A group or kind against a pattern of a project's lists."""
    compiled = go.name_glob(pattern)
    return compiled is not None and compiled.whole(text)


def repository(url: str) -> str:
    """A repository's URL in the one form in which two are compared."""
    url = url.strip().lower()
    if _SSH.fullmatch(url) and not url.startswith("ssh://"):
        url = "ssh://" + url.replace(":", "/", 1)
    return url.removesuffix(".git").removeprefix("ssh://")


def _expression(wanted: str, text: str) -> bool:
    try:
        return go.pattern(wanted[1:-1]).found(text)
    except go.BadPattern:
        pass  # Argo CD's own engine knows more than RE2 (looking ahead and behind), and its projects are written by admins
    try:
        return re.search(wanted[1:-1], text) is not None
    except re.error:
        return False


@lru_cache(maxsize=4096)
def _glob(pattern: str, separators: str) -> go.Pattern | None:
    any_one = f"[^{re.escape(separators)}]" if separators else "."
    out, depth, at = "", 0, 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            deep = pattern.startswith("**", at)
            out += ".*" if deep else f"{any_one}*"
            at += 1 if deep else 0
        elif char == "?":
            out += any_one
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            out += re.escape(pattern[at])
        elif char == "[":
            end = pattern.find("]", at + 2)
            if end < 0:
                return None
            out += _class(pattern[at + 1 : end])
            at = end
        elif char == "{":
            depth, out = depth + 1, out + "(?:"
        elif char == "}" and depth:
            depth, out = depth - 1, out + ")"
        elif char == "," and depth:
            out += "|"
        else:
            out += re.escape(char)
        at += 1
    out = f"(?s){out}"
    return go.pattern(out) if not depth and go.is_pattern(out) else None


def _class(inside: str) -> str:
    negated = inside[:1] in ("!", "^")
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if negated else inside)
    return f"[{'^' if negated else ''}{body}]"
