"""What differs between two documents, field by field. Called by ``plan``; shown by CLI and web.

Two documents in, an ordered list of changes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from trueup.kube.paths import as_dotted
from trueup.kube.shapes import ANY, Shape
from trueup.merge.jsonpatch import equal
from trueup.merge.reading import key_of

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs. ``path`` as in ``spec.containers[name=web].image``, ``metadata.annotations['a.b/c']``."""

    path: str
    old: Any
    new: Any
    op: Literal["add", "remove", "change"]


def changes(old: Any, new: Any, shape: Shape = ANY) -> tuple[FieldChange, ...]:
    """Every leaf that differs, in the order of the fields; items of associative lists are told apart by their keys."""
    return tuple(_walk(old, new, shape, ""))


def _walk(old: Any, new: Any, shape: Shape, path: str) -> Iterator[FieldChange]:
    if old is new:
        return
    if type(old) is dict and type(new) is dict:
        for name in sorted(old.keys() | new.keys()):
            below = _below(path, name)
            yield from _walk(old.get(name, _ABSENT), new.get(name, _ABSENT), shape.field(name), below)
    elif type(old) is list and type(new) is list:
        if old != new or not equal(old, new):
            yield from _lists(old, new, shape, path)
    elif old is _ABSENT:
        yield FieldChange(path, None, new, "add")
    elif new is _ABSENT:
        yield FieldChange(path, old, None, "remove")
    elif not equal(old, new):
        yield FieldChange(path, old, new, "change")


def _lists(old: list[Any], new: list[Any], shape: Shape, path: str) -> Iterator[FieldChange]:
    items = shape.items or ANY
    names = _names((old, new), shape)
    if names is None:
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _ABSENT
            after = new[index] if index < len(new) else _ABSENT
            yield from _walk(before, after, items, f"{path}[{index}]")
        return
    before, after = dict(zip(names[0], old, strict=True)), dict(zip(names[1], new, strict=True))
    for name in dict.fromkeys((*before, *after)):
        yield from _walk(before.get(name, _ABSENT), after.get(name, _ABSENT), items, f"{path}[{name}]")
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        # The same items in another order: say so, for nothing else shows it.
        yield FieldChange(path, names[0], names[1], "change")


def _names(lists: tuple[list[Any], list[Any]], shape: Shape) -> tuple[list[str], list[str]] | None:
    """What tells the items of both lists apart: merge keys, values of a set, or their names; None when nothing does."""
    if shape.of == "list" and shape.list_type in ("map", "set"):
        keyed = [[_text(key_of(item, shape)) for item in items] for items in lists]
    else:
        named = [[item.get("name") if type(item) is dict else None for item in items] for items in lists]
        if not all(type(name) is str for names in named for name in names):
            return None
        keyed = [[f"name={name}" for name in names] for names in named]
    if any(len(set(names)) != len(names) or "" in names for names in keyed):
        return None
    return keyed[0], keyed[1]


def _text(key: str | None) -> str:
    """``name=web``, ``containerPort=80,protocol=TCP``; the value itself for an item of a set."""
    if key is None:
        return ""
    found = orjson.loads(key[2:])
    if key.startswith("k:"):
        return ",".join(f"{name}={value}" for name, value in found.items())
    return str(found)


def _below(path: str, name: str) -> str:
    """The path of a field; its name is quoted when it has signs of its own, as annotations have."""
    step = as_dotted((name,))
    return path + step if step.startswith("[") or not path else f"{path}.{step}"
