"""Required fields by the published definitions, for what no written rule looks at. Compiled once per definition.

Only texts and what they stand in are asked for: Go reads an absent number as zero and an absent list as empty, and the kinds
that mind have a rule of their own. Source: ``required`` in the OpenAPI definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation.causes import Causes, required

_MAY_BE_EMPTY = frozenset({"value", "message", "reason", "effect"})
"""Published as required, and fine as empty texts: a header's or sysctl's value, a condition's message."""


class Needs:
    """What one definition needs, and where to look further."""

    __slots__ = ("below", "below_lists", "names")

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.below: dict[str, Needs] = {}
        self.below_lists: dict[str, Needs] = {}

    def __bool__(self) -> bool:
        return bool(self.names or self.below or self.below_lists)


def needs_of(name: str, definitions: Mapping[str, Any], known: dict[str, Needs] | None = None) -> Needs:
    """What a definition needs. ``known`` remembers definitions, which hold each other in circles."""
    known = {} if known is None else known
    found = known.get(name)
    if found is not None:
        return found
    found = known[name] = Needs()
    definition = definitions.get(name) or {}
    properties = definition.get("properties") or {}
    found.names = tuple(
        field
        for field in definition.get("required") or ()
        if field not in _MAY_BE_EMPTY and _is_asked_for(properties.get(field) or {}, definitions)
    )
    for field, schema in properties.items():
        if field in ("status", "metadata"):
            continue
        items = schema.get("items") or {}
        for ref, place in ((schema.get("$ref"), found.below), (items.get("$ref"), found.below_lists)):
            if ref:
                further = needs_of(str(ref).rpartition("/")[2], definitions, known)
                if further:
                    place[field] = further
    return found


def _is_asked_for(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    ref = schema.get("$ref")
    if ref:
        schema = definitions.get(str(ref).rpartition("/")[2]) or {}
    return schema.get("type") in ("string", "object", None) and "additionalProperties" not in schema


def missing(obj: Object, needs: Needs, path: str = "") -> Causes:
    """Required fields that are missing or empty."""
    for name in needs.names:
        if obj.get(name) in (None, ""):
            yield required(f"{path}.{name}" if path else name)
    for name, below in needs.below.items():
        value = obj.get(name)
        if isinstance(value, dict):
            yield from missing(value, below, f"{path}.{name}" if path else name)
    for name, below in needs.below_lists.items():
        value = obj.get(name)
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from missing(item, below, f"{path}.{name}[{index}]" if path else f"{name}[{index}]")
