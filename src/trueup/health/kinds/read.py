"""Reading numbers, texts and conditions out of objects whose fields may be absent. Used by the rules of this folder."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object


def part(obj: Object, *path: str) -> Object:
    """The map at a path; empty when anything on the way is absent or no map."""
    here: Any = obj
    for name in path:
        here = here.get(name)
        if not isinstance(here, dict):
            return {}
    return here if isinstance(here, dict) else {}


def number(holder: Object, name: str, default: int = 0) -> int:
    """An integer field; ``default`` when absent."""
    value = holder.get(name)
    return value if isinstance(value, int) else default


def text(holder: Object, name: str) -> str:
    """A string field; empty when absent."""
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def items(holder: Object, name: str) -> list[Object]:
    """The maps in a list field."""
    value = holder.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def conditions(obj: Object) -> list[Object]:
    """``status.conditions``."""
    return items(part(obj, "status"), "conditions")


def condition(obj: Object, type: str) -> Object | None:
    """The first condition of a type."""
    return next((c for c in conditions(obj) if c.get("type") == type), None)


def name_of(obj: Object) -> str:
    """``metadata.name``."""
    return text(part(obj, "metadata"), "name")


def unobserved(obj: Object) -> bool:
    """Whether the controller has not yet seen the newest spec."""
    return number(part(obj, "metadata"), "generation") > number(part(obj, "status"), "observedGeneration")
