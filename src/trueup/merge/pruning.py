"""Fields that an applier let go and nobody else owns, taken out of an object. Called by ``owners``.

Source: structured-merge-diff ``Updater.prune`` and ``typed.RemoveItems``, followed step by step: what happens to items and
maps that are half owned depends on the order of its three removals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Object
from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import FieldSet, difference, intersection, union
from trueup.merge.reading import field_set, is_leaf, key_of, named_members


@dataclass(frozen=True, slots=True)
class Versions:
    """How a kind looks in its other versions, for managed fields that were written in one of them."""

    convert: Callable[[Object, str, str], Object | None]
    """An object from one API version to another; None when that version is no longer served."""
    shape: Callable[[str], Shape]
    """The shape of a served version."""
    reset: Callable[[str], Sequence[FieldSet]] = lambda _: ()
    """What a version other than the writer's does not let its writers set."""


def prune(
    merged: Object, shape: Shape, version: str, last: tuple[str, FieldSet], managed: Mapping[str, FieldSet],
    versions: Versions | None,
) -> tuple[Object, Object]:  # fmt: skip
    """``merged`` without what the set applied ``last`` (its version, its fields) names and ``managed`` (by version) does not.

    Twice: with null for every field of which nothing is left, as ownership is settled by, and to be stored: there such a
    field is empty while somebody still owns it, and gone otherwise. (Kubernetes loses it in both cases and has it back
    with the next equal apply; here one apply is enough.)
    """
    here, fields = last
    last_shape = _shape(here, shape, version, versions)
    whole = _as(merged, version, here, versions)
    if whole is None or last_shape is None:
        return merged, merged
    released = named_members(fields, last_shape)
    pruned = remove(whole, released, last_shape) or {}
    full, at = whole, here
    for other in sorted(managed, key=lambda name: name != here):
        other_shape = _shape(other, shape, version, versions)
        seen_full, seen_pruned = _as(full, at, other, versions), _as(pruned, at, other, versions)
        if seen_full is None or seen_pruned is None or other_shape is None:
            continue
        owned = union(_named(seen_pruned, other_shape), named_members(managed[other], other_shape))
        full, at = seen_full, other
        pruned = remove(full, difference(_named(full, other_shape), owned), other_shape) or {}
    left = _as(pruned, at, here, versions)
    if left is None:
        return merged, merged
    gone = intersection(difference(_named(whole, last_shape), _named(left, last_shape)), released)
    settled = _as(remove(whole, gone, last_shape) or {}, here, version, versions)
    stored = _as(remove(whole, gone, last_shape, managed.get(here, {})) or {}, here, version, versions)
    return (merged, merged) if settled is None or stored is None else (settled, stored)


def _named(obj: Object, shape: Shape) -> FieldSet:
    return named_members(field_set(obj, shape), shape)


def _as(obj: Object, version: str, other: str, versions: Versions | None) -> Object | None:
    if versions is None or version == other:
        return obj
    return versions.convert(obj, version, other)


def _shape(wanted: str, shape: Shape, version: str, versions: Versions | None) -> Shape | None:
    return shape if versions is None or wanted == version else versions.shape(wanted)


def remove(value: Any, fields: FieldSet, shape: Shape, owned: FieldSet | None = None) -> Any:
    """``value`` without the members of ``fields`` (``RemoveItems``); itself when nothing goes, None when nothing is left.

    ``owned``: a field of which nothing is left stays empty when this set names it, and goes otherwise, instead of being null.
    """
    if type(value) is dict:
        return None if not value or is_leaf(shape, value) else _remove_map(value, fields, shape, owned)
    if type(value) is list:
        return None if not value or is_leaf(shape, value) else _remove_list(value, fields, shape, owned)
    return value


def _remove_map(value: dict[str, Any], fields: FieldSet, shape: Shape, owned: FieldSet | None) -> dict[str, Any] | None:
    out: dict[str, Any] | None = None
    known, values = shape.fields, shape.values or ANY
    for key, below in fields.items():
        name = key[2:]
        if name not in value or not key.startswith("f:"):
            continue
        if not below or "." in below:
            out = dict(value) if out is None else out
            del out[name]
            continue
        before = value[name]
        kept = None if owned is None else owned.get(key)
        left = remove(before, below, known.get(name) or values, owned if owned is None else kept or {})
        if left is before:
            continue
        out = dict(value) if out is None else out
        if left is not None or owned is None:
            out[name] = left
        elif kept is not None and type(before) in (dict, list):
            out[name] = type(before)()
        else:
            del out[name]
    return value if out is None else out or None


def _remove_list(value: list[Any], fields: FieldSet, shape: Shape, owned: FieldSet | None) -> list[Any] | None:
    out: list[Any] = []
    items = shape.items or ANY
    changed = False
    for item in value:
        key = key_of(item, shape)
        below = None if key is None else fields.get(key)
        if key is None or below is None:
            out.append(item)
        elif not below or "." in below:
            changed = True
        else:
            left = remove(item, below, items, owned if owned is None else owned.get(key) or {})
            changed = changed or left is not item
            out.append(left)
    return out or None if changed else value
