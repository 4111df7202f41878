"""Which fields differ between two objects, as field sets. Called by ``owners`` to see what a write changed.

Source: structured-merge-diff ``typed.Compare``.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.objects import same
from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import MEMBER, FieldSet
from trueup.merge.reading import is_leaf, key_of

_ABSENT: Any = object()


def compare(old: dict[str, Any], new: dict[str, Any], shape: Shape) -> tuple[FieldSet, FieldSet]:
    """(added or modified, removed)."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    if old is not new:
        _maps(old, new, shape, changed, removed)
    return changed, removed


class Unfit(ValueError):
    """A map or a list where the schema has a scalar: whoever writes that, nobody's fields are known any more."""


def whole(value: Any, shape: Shape) -> FieldSet:
    """The node of something that came or went with all that is in it: itself and everything below."""
    if shape.of == "scalar" and (type(value) is dict or type(value) is list) and "type" in shape.schema:
        raise Unfit
    if type(value) is dict:
        if not value or is_leaf(shape, value):
            return MEMBER
        fields, values = shape.fields, shape.values or ANY
        out: FieldSet = {".": MEMBER}
        for name, below in value.items():
            simple = type(below) is not dict and type(below) is not list
            out["f:" + name] = MEMBER if simple else whole(below, fields.get(name) or values)
        return out
    if type(value) is list and value and not is_leaf(shape, value):
        items = shape.items or ANY
        out = {".": MEMBER}
        for key, same in _indexed(value, shape).items():
            out[key] = whole(same[0], items) if len(same) == 1 else MEMBER
        return out
    return MEMBER


def _maps(old: dict[str, Any], new: dict[str, Any], shape: Shape, changed: FieldSet, removed: FieldSet) -> None:
    fields, values = shape.fields, shape.values or ANY
    shared = 0
    for name, value in new.items():
        before = old.get(name, _ABSENT)
        if before is _ABSENT:
            changed["f:" + name] = whole(value, fields.get(name) or values)
        else:
            shared += 1
            if before is not value:
                _both(before, value, fields.get(name) or values, "f:" + name, changed, removed)
    if shared != len(old):
        for name, value in old.items():
            if name not in new:
                removed["f:" + name] = whole(value, fields.get(name) or values)


def _lists(old: list[Any], new: list[Any], shape: Shape, changed: FieldSet, removed: FieldSet) -> None:
    items = shape.items or ANY
    before, after = _indexed(old, shape), _indexed(new, shape)
    for key, now in after.items():
        had = before.get(key)
        if had is None:
            changed[key] = whole(now[0], items) if len(now) == 1 else MEMBER
        elif len(had) == 1 and len(now) == 1:
            _both(had[0], now[0], items, key, changed, removed)
        elif len(had) > 1 and len(now) > 1:
            # Items with the same key are owned together, as one leaf.
            if had != now:
                changed[key] = MEMBER
        elif len(had) > 1:
            changed[key] = whole(now[0], items)
            removed[key] = MEMBER
        else:
            removed[key] = whole(had[0], items)
            changed[key] = MEMBER
    for key, had in before.items():
        if key not in after:
            removed[key] = whole(had[0], items) if len(had) == 1 else MEMBER


def _both(old: Any, new: Any, shape: Shape, key: str, changed: FieldSet, removed: FieldSet) -> None:
    """Two values under one path element, recorded in their parent's sets."""
    if old is new:
        return
    was, now = type(old), type(new)
    if was is not dict and was is not list and now is not dict and now is not list:
        # Numbers are equal by value (1 and 1.0), but a boolean is no number.
        if old != new or (was is bool) is not (now is bool):
            changed[key] = MEMBER
        return
    if same(old, new):
        return
    if shape.of == "scalar" and (now is dict or now is list) and "type" in shape.schema:
        raise Unfit
    deep_old = (was is dict or was is list) and bool(old) and not is_leaf(shape, old)
    deep_new = (now is dict or now is list) and bool(new) and not is_leaf(shape, new)
    inner_changed: FieldSet = {}
    inner_removed: FieldSet = {}
    leaf = not deep_old and not deep_new
    if not leaf:
        # Null and an empty container are containers of the other's kind with nothing in them.
        alike = was is now or old is None or new is None
        leaf = not alike and not (deep_old and deep_new)
        if (was if deep_old else now) is list:
            _lists(old if deep_old else [], new if deep_new else [], shape, inner_changed, inner_removed)
        elif alike or not (deep_old and deep_new):
            _maps(old if deep_old else {}, new if deep_new else {}, shape, inner_changed, inner_removed)
    if leaf:
        inner_changed = {".": MEMBER, **inner_changed} if inner_changed else MEMBER
        changed[key] = inner_changed
    elif inner_changed:
        changed[key] = inner_changed
    if inner_removed:
        removed[key] = inner_removed


def _indexed(values: list[Any], shape: Shape) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for value in values:
        key = key_of(value, shape)
        if key is not None:
            out.setdefault(key, []).append(value)
    return out
