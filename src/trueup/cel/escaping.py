"""Field names of the data as names that expressions may use, and back. Used by schemas and the planner's reading.

Source: ``k8s.io/apiserver/pkg/cel/escaping.go``.
"""

from __future__ import annotations

import re

from trueup.cel.parser import RESERVED

_SIGNS = {"__": "underscores", ".": "dot", "-": "dash", "/": "slash"}
_BACK = {word: sign for sign, word in _SIGNS.items()}
_ESCAPED = re.compile(r"__|[-./]")
_ESCAPE = re.compile(r"__([^_]+)__")
_NAME = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*", re.ASCII)


def escaped(name: str) -> str | None:
    """The name that expressions use; None for a name that has none."""
    if name in RESERVED:
        return f"__{name}__"
    if not _NAME.fullmatch(name):
        return None
    return _ESCAPED.sub(lambda match: f"__{_SIGNS[match.group()]}__", name)


def unescaped(name: str) -> str:
    """The field's name in the data."""
    return _ESCAPE.sub(lambda match: _BACK.get(match[1], match[1]), name)
