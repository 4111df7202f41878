"""Two documents in, the ordered list of what differs out. Called by ``plan`` and shown by CLI and web."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from trueup.kube.shapes import ANY, Shape
from trueup.merge.reading import key_of

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs. ``path`` as in ``spec.containers[name=web].image``."""

    path: str
    old: Any
    new: Any
    op: Literal["add", "remove", "change"]


def changes(old: Any, new: Any, shape: Shape = ANY) -> tuple[FieldChange, ...]:
    """Every leaf that differs, in the order of the fields; items of associative lists are told apart by their keys."""
    return tuple(_walk(old, new, shape, ""))


def _walk(old: Any, new: Any, shape: Shape, path: str) -> Iterator[FieldChange]:
    if old is new or (old == new and type(old) is type(new)):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _walk(
                old.get(name, _ABSENT), new.get(name, _ABSENT), shape.field(name), f"{path}.{name}" if path else name
            )
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, shape, path)
    elif old is _ABSENT:
        yield FieldChange(path, None, new, "add")
    elif new is _ABSENT:
        yield FieldChange(path, old, None, "remove")
    elif not (_is_number(old) and _is_number(new) and old == new):
        yield FieldChange(path, old, new, "change")


def _lists(old: list[Any], new: list[Any], shape: Shape, path: str) -> Iterator[FieldChange]:
    items = shape.items or ANY
    before, after = _named(old, shape), _named(new, shape)
    for name in dict.fromkeys((*before, *after)):
        yield from _walk(before.get(name, _ABSENT), after.get(name, _ABSENT), items, f"{path}[{name}]")
    if set(before) == set(after) and list(before) != list(after):
        yield FieldChange(path, list(before), list(after), "change")


def _named(values: list[Any], shape: Shape) -> dict[str, Any]:
    """Items by what tells them apart: merge keys, a ``name`` when all have one, else their position."""
    if shape.of == "list" and shape.list_type in ("map", "set"):
        found = {_text(key_of(value, shape)): value for value in values}
        if len(found) == len(values):
            return found
    names = [value.get("name") if isinstance(value, dict) else None for value in values]
    if values and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        return {f"name={name}": value for name, value in zip(names, values, strict=True)}
    return {str(index): value for index, value in enumerate(values)}


def _text(key: str | None) -> str:
    if key is None:
        return ""
    return key[2:].strip("{}").replace('":', "=").replace('"', "")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
