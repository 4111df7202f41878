"""How defaults are filled in: the few words that the rules of each group are written with."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object


def fill(obj: Object, **values: Any) -> None:
    """Set what is missing or null."""
    for name, value in values.items():
        if obj.get(name) is None:
            obj[name] = value


def section(obj: Object, name: str) -> Object:
    """A map below ``obj``, made when it is missing; a stray empty one when something else stands there."""
    found = obj.get(name)
    if found is None:
        found = obj[name] = {}
    return found if isinstance(found, dict) else {}


def part(obj: Object, *path: str) -> Object | None:
    """A map somewhere below ``obj``; None when it is not there."""
    for name in path:
        found = obj.get(name)
        if not isinstance(found, dict):
            return None
        obj = found
    return obj


def each(obj: Any, name: str) -> list[Object]:
    """The maps in a list below ``obj``."""
    found = obj.get(name) if isinstance(obj, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
