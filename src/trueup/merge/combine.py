"""An applied configuration laid over a live object, and fields taken out of one. Called by ``owners``.

Sources: structured-merge-diff ``typed.Merge`` (list order as since v4.3) and ``RemoveItems``.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import FieldSet, is_atomic, key_of

_ABSENT: Any = object()


def combine(live: Any, config: Any, shape: Shape) -> Any:
    """Live with the configuration's fields; neither is changed, unchanged parts are shared."""
    if live is _ABSENT or live is None:
        return config
    if isinstance(config, dict) and isinstance(live, dict):
        if is_atomic(shape, config) or (not config and not live):
            return config
        return _maps(live, config, shape)
    if isinstance(config, list) and isinstance(live, list):
        if is_atomic(shape, config) or (not config and not live):
            return config
        return _lists(live, config, shape)
    return config


def _maps(live: dict[str, Any], config: dict[str, Any], shape: Shape) -> dict[str, Any]:
    out = dict(live)
    fields, values = shape.fields, shape.values or ANY
    for name, value in config.items():
        before = live.get(name, _ABSENT)
        if before is _ABSENT or not isinstance(value, (dict, list)):
            out[name] = value
        else:
            out[name] = combine(before, value, fields.get(name) or values)
    return out


def _lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Items of both, in an order that keeps the configuration's and, where it says nothing, the live one."""
    items = shape.items or ANY
    left = [key_of(item, shape) for item in live]
    right = [key_of(item, shape) for item in config]
    at_left: dict[str | None, Any] = {}
    for key, item in zip(left, live, strict=True):
        at_left.setdefault(key, item)
    at_right = dict(zip(right, config, strict=True))
    if left == right and len(at_left) == len(left):
        return [combine(a, b, items) for a, b in zip(live, config, strict=True)]
    shared = [key for key in right if key in at_left]
    shared.reverse()
    out: list[Any] = []
    taken: set[str | None] = set()
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                taken.add(left[i])
                out.append(combine(at_left[left[i]], at_right[left[i]], items))
                i, j = i + 1, j + 1
                if shared:
                    shared.pop()
                continue
            if left[i] in at_right and shared and shared[-1] != left[i]:
                i += 1
                continue
        if i < len(left):
            if left[i] not in at_right:
                out.append(live[i])
                i += 1
                continue
            if left[i] in taken:
                i += 1
                continue
        if j < len(right):
            key = right[j]
            taken.add(key)
            out.append(combine(at_left.get(key, _ABSENT), at_right[key], items))
            j += 1
            if shared and shared[-1] == key:
                shared.pop()
    return out


def prune(value: Any, last: FieldSet, kept: FieldSet, shape: Shape) -> Any:
    """``value`` without what ``last`` names and ``kept`` does not: the fields that an applier let go and nobody else owns.

    Both sets have struct fields as members. Answers the value itself when nothing goes.
    """
    if isinstance(value, dict):
        return _prune_map(value, last, kept, shape)
    return _prune_list(value, last, kept, shape)


def _prune_map(value: dict[str, Any], last: FieldSet, kept: FieldSet, shape: Shape) -> dict[str, Any]:
    out: dict[str, Any] | None = None
    fields, values = shape.fields, shape.values or ANY
    for key, below in last.items():
        name = key[2:]
        if not key.startswith("f:") or name not in value:
            continue
        keep = kept.get(key)
        if (not below or "." in below) and not _has(keep):
            out = dict(value) if out is None else out
            del out[name]
        elif below and isinstance(value[name], (dict, list)):
            sub = fields.get(name) or values
            if is_atomic(sub, value[name]):
                continue
            inner = prune(value[name], below, keep or {}, sub)
            if inner is not value[name]:
                out = dict(value) if out is None else out
                if not inner and inner != value[name] and keep is None:
                    del out[name]
                else:
                    out[name] = inner
    return value if out is None else out


def _prune_list(value: list[Any], last: FieldSet, kept: FieldSet, shape: Shape) -> list[Any]:
    out: list[Any] = []
    changed = False
    items = shape.items or ANY
    for item in value:
        key = key_of(item, shape)
        below = last.get(key) if key is not None else None
        if below is None or key is None:
            out.append(item)
            continue
        keep = kept.get(key)
        if (not below or "." in below) and not _has(keep):
            changed = True
            continue
        if below and isinstance(item, dict):
            inner = prune(item, below, keep or {}, items)
            changed = changed or inner is not item
            out.append(inner)
        else:
            out.append(item)
    return out if changed else value


def _has(node: FieldSet | None) -> bool:
    """Whether a path is a member, or on the way to one."""
    return node is not None


def take_out(value: Any, fields: FieldSet, shape: Shape) -> Any:
    """``value`` without every member of ``fields`` (``RemoveItems``)."""
    return prune(value, fields, {}, shape)
