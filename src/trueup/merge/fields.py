"""Sets of field paths, in the very form that ``managedFields`` stores them (FieldsV1).

A set is a nested dict: keys are path elements (``f:name``, ``k:{"name":"web"}``, ``v:"x"``, ``i:0``); a node that is
empty, or that holds ``"."``, is a member itself; other keys are its children. The root is never a member.
Source: structured-merge-diff ``fieldpath.Set``; KEP-555.
"""

from __future__ import annotations

from typing import Any

import orjson

from trueup.kube.shapes import ANY, Shape

FieldSet = dict[str, Any]

_MEMBER: FieldSet = {}


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """All members of either set. Answers one of them when the other adds nothing; never changes them."""
    if a is b or not b:
        return a
    if not a:
        return b
    out = dict(a)
    for key, below in b.items():
        if key in out:
            mine = out[key]
            if mine is not below and mine != below:
                out[key] = _union_node(mine, below)
        else:
            out[key] = below
    return out


def _union_node(a: FieldSet, b: FieldSet) -> FieldSet:
    out = union(a, b)
    if out and "." not in out and (not a or not b):
        return {".": {}, **out}
    return out


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """Members of ``a`` that are not members of ``b``."""
    if not b:
        return a
    out: FieldSet = {}
    for key, below in a.items():
        other = b.get(key)
        if other is None:
            out[key] = below
            continue
        if key == ".":
            continue
        member = (not below or "." in below) and not (not other or "." in other)
        children = difference(
            {k: v for k, v in below.items() if k != "."}, {k: v for k, v in other.items() if k != "."}
        )
        if children:
            out[key] = {".": {}, **children} if member else children
        elif member:
            out[key] = _MEMBER
    return out


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """Members of both sets."""
    out: FieldSet = {}
    for key, below in a.items():
        other = b.get(key)
        if other is None or key == ".":
            continue
        member = (not below or "." in below) and (not other or "." in other)
        children = intersection(below, other) if below and other else {}
        if children:
            out[key] = {".": {}, **children} if member else children
        elif member:
            out[key] = _MEMBER
    return out


def paths(fields: FieldSet, lead: str = "") -> list[str]:
    """The members as people read them: ``.spec.containers[name="web"].image``."""
    out: list[str] = []
    for key, below in sorted(fields.items()):
        if key == ".":
            continue
        path = lead + element_text(key)
        if not below or "." in below:
            out.append(path)
        out += paths(below, path)
    return out


def element_text(key: str) -> str:
    """One path element as structured-merge-diff prints it."""
    what, rest = key[:2], key[2:]
    if what == "f:":
        return f".{rest}"
    if what == "k:":
        return "[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in orjson.loads(rest).items()) + "]"
    return f"[={rest}]" if what == "v:" else f"[{rest}]"


def key_of(item: Any, shape: Shape) -> str | None:
    """The path element of an item of an associative list; None when it lacks what it is known by."""
    if shape.list_type == "set":
        return "v:" + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
    if not isinstance(item, dict):
        return None
    found: dict[str, Any] = {}
    for name in sorted(shape.map_keys):
        value = item.get(name)
        if value is None:
            value = shape.defaults.get(name)
        if value is not None:
            found[name] = value
    if not found:
        return None
    return "k:" + orjson.dumps(found).decode()


def is_atomic(shape: Shape, value: Any) -> bool:
    """Whether a value is one leaf: scalars, atomic lists and maps, lists of unknown shape."""
    if isinstance(value, dict):
        return shape.of in ("map", "any") and shape.map_type == "atomic"
    if isinstance(value, list):
        return shape.of != "list" or shape.list_type == "atomic"
    return True


def field_set(value: Any, shape: Shape) -> FieldSet:
    """The fields that an applied object names (structured-merge-diff ``ToFieldSet``)."""
    out: FieldSet = {}
    if isinstance(value, dict):
        fields = shape.fields
        values = shape.values or ANY
        for name, below in value.items():
            known = fields.get(name)
            sub = known if known is not None else values
            if below is None or not isinstance(below, (dict, list)) or is_atomic(sub, below):
                out[f"f:{name}"] = _MEMBER
                continue
            inner = field_set(below, sub)
            if isinstance(below, dict) and (not below or known is None):
                out[f"f:{name}"] = {".": {}, **inner} if inner else _MEMBER
            elif inner:
                out[f"f:{name}"] = inner
            elif known is None:
                out[f"f:{name}"] = _MEMBER
    elif isinstance(value, list):
        items = shape.items or ANY
        for item in value:
            key = key_of(item, shape)
            if key is None:
                continue
            inner = field_set(item, items) if isinstance(item, dict) and not is_atomic(items, item) else {}
            out[key] = {".": {}, **inner} if inner else _MEMBER
    return out


def named_members(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set with the struct fields on the way to its members as members (``EnsureNamedFieldsAreMembers``)."""
    out: FieldSet = {}
    known = shape.fields
    for key, below in fields.items():
        if not below or key == ".":
            out[key] = below
            continue
        if key.startswith("f:"):
            name = key[2:]
            sub = known.get(name)
            inner = named_members(below, sub if sub is not None else shape.values or ANY)
            out[key] = {".": {}, **inner} if sub is not None and "." not in inner else inner
        else:
            out[key] = named_members(below, shape.items or ANY)
    return out
