"""A rule's ``fieldPath``: ``.spec.ports['http']`` within a schema. Used where rules are defined.

Source: apiextensions-apiserver ``apiserver/schema/cel/validation.go`` (``ValidFieldPath``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.(?P<name>[^.\[\]']+)|\['(?P<key>(?:[^'\\]|\\.)*)'\]")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


def is_path(path: str, schema: Mapping[str, Any]) -> bool:
    """Whether every step names a field, or a key of a map."""
    at = 0
    here: Any = schema
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None or not isinstance(here, Mapping):
            return False
        at = step.end()
        name = step["name"] if step["name"] is not None else _plain(step["key"])
        named = here.get("properties")
        here = named.get(name) if named else here.get("additionalProperties")
        if here is None:
            return False
    return True


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)
