"""Which fields differ between two objects, as field sets. Called by ``owners`` to see what a write changed.

Source: structured-merge-diff ``typed.Compare``.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import FieldSet, is_atomic, key_of

_ABSENT: Any = object()
_MEMBER: FieldSet = {}


def compare(old: Any, new: Any, shape: Shape) -> tuple[FieldSet, FieldSet]:
    """(added or modified, removed)."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    _maps(old, new, shape, changed, removed)
    return changed, removed


def _node(old: Any, new: Any, shape: Shape, key: str, changed: FieldSet, removed: FieldSet) -> None:
    """Compare two values under one path element and record it in its parent's sets."""
    if old is new:
        return
    value = new if new is not _ABSENT and new is not None else old
    empty = (old is _ABSENT or old is None or not old) and (new is _ABSENT or new is None or not new)
    if not isinstance(value, (dict, list)) or empty or is_atomic(shape, value) or _mixed(old, new):
        if old is _ABSENT:
            changed[key] = _MEMBER
        elif new is _ABSENT:
            removed[key] = _MEMBER
        elif (old != new or type(old) is not type(new)) and not (_is_number(old) and _is_number(new) and old == new):
            changed[key] = _MEMBER
        return
    inner_changed: FieldSet = {}
    inner_removed: FieldSet = {}
    if isinstance(value, dict):
        _maps(_or(old, {}), _or(new, {}), shape, inner_changed, inner_removed)
    else:
        _lists(_or(old, []), _or(new, []), shape, inner_changed, inner_removed)
    if old is _ABSENT:
        changed[key] = {".": {}, **inner_changed} if inner_changed else _MEMBER
    elif inner_changed:
        changed[key] = inner_changed
    if new is _ABSENT:
        removed[key] = {".": {}, **inner_removed} if inner_removed else _MEMBER
    elif inner_removed:
        removed[key] = inner_removed


def _maps(old: Any, new: Any, shape: Shape, changed: FieldSet, removed: FieldSet) -> None:
    fields, values = shape.fields, shape.values or ANY
    for name, value in new.items():
        before = old.get(name, _ABSENT)
        if before is not value:
            _node(before, value, fields.get(name) or values, f"f:{name}", changed, removed)
    if len(old) > len(new) or any(name not in new for name in old):
        for name, value in old.items():
            if name not in new:
                _node(value, _ABSENT, fields.get(name) or values, f"f:{name}", changed, removed)


def _lists(old: list[Any], new: list[Any], shape: Shape, changed: FieldSet, removed: FieldSet) -> None:
    items = shape.items or ANY
    before, after = _indexed(old, shape), _indexed(new, shape)
    for key, values in after.items():
        had = before.get(key, ())
        if len(values) == 1 and len(had) <= 1:
            _node(had[0] if had else _ABSENT, values[0], items, key, changed, removed)
        elif list(had) != values:
            changed[key] = _MEMBER
    for key, values in before.items():
        if key not in after:
            if len(values) == 1:
                _node(values[0], _ABSENT, items, key, changed, removed)
            else:
                removed[key] = _MEMBER


def _indexed(values: list[Any], shape: Shape) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for value in values:
        key = key_of(value, shape)
        if key is not None:
            out.setdefault(key, []).append(value)
    return out


def _or(value: Any, empty: Any) -> Any:
    return empty if value is _ABSENT or value is None else value


def _mixed(old: Any, new: Any) -> bool:
    """Whether two present values are of different kinds, so that nothing inside can be compared."""
    if old is _ABSENT or new is _ABSENT or old is None or new is None:
        return False
    return isinstance(old, dict) != isinstance(new, dict) or isinstance(old, list) != isinstance(new, list)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
