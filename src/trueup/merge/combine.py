"""An applied configuration laid over a live object. Called by ``owners``.

Neither is changed, unchanged parts are shared, and the live object itself comes back when the configuration says nothing
new: that is how ``owners`` sees that there is nothing to do. Source: structured-merge-diff ``typed.Merge``.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.objects import same
from trueup.kube.shapes import ANY, Shape
from trueup.merge.reading import is_leaf, key_of

_ABSENT: Any = object()


def combine(live: Any, config: Any, shape: Shape) -> Any:
    """Live with the configuration's fields."""
    kind = type(config)
    if kind is dict:
        if type(live) is not dict:
            return config
        if not config or not live or is_leaf(shape, config):
            return _leaf(live, config, shape)
        return _maps(live, config, shape)
    if kind is list:
        if type(live) is not list:
            return config
        if not config or not live or is_leaf(shape, config):
            return _leaf(live, config, shape)
        return _lists(live, config, shape)
    if config is None and live and type(live) in (dict, list) and not is_leaf(shape, live):
        # Null says nothing about what is inside; it is owned, but it removes nothing.
        return live
    return live if live == config and type(live) is kind else config


def _leaf(live: Any, config: Any, shape: Shape) -> Any:
    """Both leaves, or one of two containers is empty: an empty one says nothing about the items of a granular one."""
    if same(live, config):
        return live
    if live and not config and not is_leaf(shape, live):
        return live
    return config


def _maps(live: dict[str, Any], config: dict[str, Any], shape: Shape) -> dict[str, Any]:
    out: dict[str, Any] | None = None
    fields, values = shape.fields, shape.values or ANY
    for name, value in config.items():
        before = live.get(name, _ABSENT)
        if before is value:
            continue
        kind = type(value)
        if before is _ABSENT:
            merged = value
        elif kind is dict or kind is list or value is None:
            merged = combine(before, value, fields.get(name) or values)
            if merged is before:
                continue
        elif before == value and type(before) is kind:
            continue
        else:
            merged = value
        if out is None:
            out = dict(live)
        out[name] = merged
    return live if out is None else out


def _lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Items of both, in an order that keeps the configuration's and, where it says nothing, the live one."""
    items = shape.items or ANY
    if _alike(live, config, shape):
        out = [combine(a, b, items) for a, b in zip(live, config, strict=True)]
        return live if all(a is b for a, b in zip(out, live, strict=True)) else out
    left = [key_of(item, shape) for item in live]
    right = [key_of(item, shape) for item in config]
    if left == right and len(set(left)) == len(left):
        out = [combine(a, b, items) for a, b in zip(live, config, strict=True)]
    else:
        out = _interleave(live, config, left, right, items)
    return live if len(out) == len(live) and all(a is b for a, b in zip(out, live, strict=True)) else out


def _alike(live: list[Any], config: list[Any], shape: Shape) -> bool:
    """Whether both have the same items in the same order, as far as a single key of texts says so at a glance."""
    keys = shape.map_keys
    if len(keys) != 1 or len(live) != len(config):
        return False
    key = keys[0]
    seen: set[str] = set()
    for a, b in zip(live, config, strict=True):
        name = a.get(key) if type(a) is dict else None
        if type(name) is not str or type(b) is not dict or b.get(key) != name:
            return False
        seen.add(name)
    return len(seen) == len(live)


def _interleave(
    live: list[Any], config: list[Any], left: list[str | None], right: list[str | None], items: Shape
) -> list[Any]:
    """As structured-merge-diff does since its version 4.3, step by step: any shortcut would order some lists differently."""
    at_left: dict[str | None, Any] = {}
    for key, item in zip(left, live, strict=True):
        # Live items with the same key cannot be merged with anything: the configuration's item takes their place.
        at_left[key] = None if key in at_left else item
    at_right = dict(zip(right, config, strict=True))
    shared = [key for key in reversed(right) if key in at_left]
    following = shared.pop() if shared else None
    out: list[Any] = []
    taken: set[str | None] = set()
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                taken.add(left[i])
                out.append(combine(at_left[left[i]], at_right[left[i]], items))
                i, j = i + 1, j + 1
                following = shared.pop() if shared else None
                continue
            if left[i] in at_right and following is not None and following != left[i]:
                # Shared, but not the next one in the configuration's order: it has its turn there.
                i += 1
                continue
        if i < len(left):
            if left[i] not in at_right:
                out.append(live[i])
                i += 1
                continue
            if left[i] in taken:
                i += 1
        if j < len(right):
            key = right[j]
            taken.add(key)
            out.append(combine(at_left.get(key), at_right[key], items))
            j += 1
            if following is not None and following == key:
                following = shared.pop() if shared else None
    return out
