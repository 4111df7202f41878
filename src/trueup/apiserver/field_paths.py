"""Paths of fields in definitions, ``.spec.ports['http']``: of a rule's ``fieldPath`` and of selectable fields. Pure.

Source: apiextensions-apiserver ``pkg/apiserver/schema/cel/validation.go`` (``ValidFieldPath``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}
Schema = Mapping[str, Any]


class BadPath(ValueError):
    """A path that leads nowhere, in Kubernetes' words."""


def is_path(path: str, schema: Schema) -> bool:
    """Whether every step names a field, or a key of a map."""
    try:
        walk(path, schema)
    except BadPath:
        return False
    return True


def walk(path: str, schema: Schema, *, brackets: bool = True) -> tuple[tuple[str, ...], Schema]:
    """The names that a path goes along, and the schema of what it leads to. Raises `BadPath`."""
    tokens = (found.group() for found in _TOKEN.finditer(path))
    names: list[str] = []
    for step in tokens:
        if step not in ("[", "."):
            raise BadPath(f"expected [ or . but got: {step}")
        if step == "[" and not brackets:
            raise BadPath("array notation is not allowed")
        name = _next(tokens)
        if step == "[":
            if len(name) < 2 or name[0] != "'" or name[-1] != "'":
                raise BadPath(f"expected single quoted string but got {name}")
            name = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), name[1:-1])
        schema = _below(schema, name)
        names.append(name)
        if step == "[" and (last := _next(tokens)) != "]":
            raise BadPath(f"expected ] but got {last}")
    return tuple(names), schema


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise BadPath("unexpected end of JSON path")
    return token


def _below(schema: Schema, name: str) -> Schema:
    further = schema.get("additionalProperties")
    known = schema.get("properties")
    found = known.get(name) if known else further if isinstance(further, Mapping) else None
    if found is None:
        raise BadPath("does not refer to a valid field")
    answer: Schema = found
    return answer
