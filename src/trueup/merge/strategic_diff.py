"""Strategic merge patches made from documents, as kubectl's client-side apply makes them.

Documents and a shape in, a patch out. Source: apimachinery ``strategicpatch/patch.go`` (``CreateTwoWayMergePatch``,
``CreateThreeWayMergePatch``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from trueup.kube.shapes import ANY, Shape
from trueup.merge.jsonpatch import PatchProblem
from trueup.merge.strategic import (
    DELETE_PRIMITIVES,
    DIRECTIVE,
    NO_LISTS_OF_LISTS,
    ORDER,
    RETAIN,
    Map,
    go_text,
    merge_map,
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which differences a patch is to carry."""

    changes: bool = True
    deletions: bool = True
    retain: bool = False
    """Whether the map that is looked at names all its fields in ``$retainKeys``."""


def two_way(original: Map, modified: Map, shape: Shape) -> Map:
    """The patch that turns ``original`` into ``modified``."""
    return _maps(original, modified, shape, _Wanted())


def three_way(original: Map, modified: Map, current: Map, shape: Shape) -> Map:
    """The patch that brings ``current`` to ``modified``, and deletes only what ``original`` had and ``modified`` has not."""
    delta = _maps(current, modified, shape, _Wanted(deletions=False))
    deletions = _maps(original, modified, shape, _Wanted(changes=False))
    return merge_map(deletions, delta, shape, onto_live=False)


def _maps(original: Map, modified: Map, shape: Shape, wanted: _Wanted) -> Map:
    patch: Map = {}
    for name, value in modified.items():
        if name not in original:
            if wanted.changes:
                patch[name] = value
            continue
        before = original[name]
        if name == DIRECTIVE:
            if before != value:
                patch[name] = value
        elif type(before) is dict and type(value) is dict:
            _map_field(patch, name, before, value, shape.field(name), wanted)
        elif type(before) is list and type(value) is list:
            _list_field(patch, name, before, value, shape.field(name), wanted)
        elif wanted.changes and (before != value or type(before) is not type(value)):
            patch[name] = value
    if wanted.deletions:
        patch.update({name: None for name in original if name not in modified})
    named = sorted(name for name, value in modified.items() if value is not None)
    if wanted.retain and named:
        more = any(value is not None and name not in modified for name, value in original.items())
        if patch or more:
            patch[RETAIN] = named
    return patch


def _map_field(patch: Map, name: str, before: Map, value: Map, shape: Shape, wanted: _Wanted) -> None:
    if "replace" in shape.patch_strategy:
        if wanted.changes:
            patch[name] = value
        return
    inner = _maps(before, value, shape, replace(wanted, retain="retainKeys" in shape.patch_strategy))
    if inner:
        patch[name] = inner


def _list_field(patch: Map, name: str, before: list[Any], value: list[Any], shape: Shape, wanted: _Wanted) -> None:
    if "merge" not in shape.patch_strategy:
        if wanted.changes and before != value:
            patch[name] = value
        return
    if not before:
        if value and wanted.changes:
            patch[name] = value
        return
    if any(type(item) is list for item in (*before, *value)):
        raise PatchProblem(NO_LISTS_OF_LISTS)
    inner = replace(wanted, retain="retainKeys" in shape.patch_strategy)
    if type(before[0]) is dict:
        changed, order = _lists_of_maps(before, value, shape, inner)
    else:
        changed, deleted, order = _lists_of_scalars(before, value, inner)
        if deleted:
            patch[f"{DELETE_PRIMITIVES}/{name}"] = deleted
    if changed:
        patch[name] = changed
    if order:
        patch[f"{ORDER}/{name}"] = order


def _lists_of_maps(before: list[Any], value: list[Any], shape: Shape, wanted: _Wanted) -> tuple[list[Any], list[Any]]:
    """The patch's items, deletions last, and the order of the elements where that has to be said."""
    key, items = shape.patch_merge_key, shape.items or ANY
    for item in (*before, *value):
        if type(item) is not dict or key not in item:
            raise PatchProblem(f"map: {go_text(item)} does not contain declared merge key: {key}")
    had = {go_text(item[key]): item for item in before}
    has = {go_text(item[key]): item for item in value}
    patch: list[Any] = []
    for name, item in has.items():
        if name in had:
            inner = _maps(had[name], item, items, wanted)
            if inner:
                patch.append({**inner, key: item[key]})
        elif wanted.changes:
            patch.append(item)
    if wanted.deletions:
        patch += [{key: item[key], DIRECTIVE: "delete"} for name, item in sorted(had.items()) if name not in has]
    moved = [item[key] for item in before] != [item[key] for item in value]
    said = (wanted.changes and (patch or moved)) or (wanted.deletions and patch)
    return patch, [{key: item[key]} for item in value] if said else []


def _lists_of_scalars(before: list[Any], value: list[Any], wanted: _Wanted) -> tuple[list[Any], list[Any], list[Any]]:
    """What is added, what is deleted, and the order where that has to be said."""
    left = sorted(before, key=go_text)
    added: list[Any] = []
    for item in sorted(value, key=go_text):
        if item in left:
            left.remove(item)
        else:
            added.append(item)
    added.sort(key=value.index)
    deleted = list(dict.fromkeys(left)) if wanted.deletions else []
    said = deleted or (wanted.changes and before != value)
    return added if wanted.changes else [], deleted, value if said else []
