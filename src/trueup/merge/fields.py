"""Sets of field paths, in the very form that ``managedFields`` stores them (FieldsV1). Called by ``owners`` and its kin.

A set is a nested dict: keys are path elements (``f:name``, ``k:{"name":"web"}``, ``v:"x"``, ``i:0``); a node that is
empty, or that holds ``"."``, is a member itself; other keys are its children. The root is never a member. Sets are values:
no function here changes one that it was handed, and what an operation does not touch is shared.
Source: structured-merge-diff ``fieldpath.Set``; KEP-555.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

FieldSet = dict[str, Any]

MEMBER: FieldSet = {}
"""A member without children; shared, never changed."""


def ordered(fields: FieldSet) -> FieldSet:
    """The same members in the order in which the API server writes them: clients compare the bytes.

    Equal sets come out as one, for there are many: objects of a kind that are made alike, and what is written over and over.
    Source: structured-merge-diff ``fieldpath/serialize.go``, ``PathElement.Compare``.
    """
    text = orjson.dumps(fields)
    return _known(text) if len(text) <= _LONGEST_KNOWN else _sorted(fields)


_LONGEST_KNOWN = 8192
"""Bytes of a set that is remembered as JSON."""


@lru_cache(maxsize=1024)
def _known(text: bytes) -> FieldSet:
    return _sorted(orjson.loads(text))


def _sorted(fields: FieldSet) -> FieldSet:
    names: list[str] = sorted(fields) if len(fields) > 1 else [*fields]
    if len(names) > 1 and names[-1][0] in "kvi" and (len(names) > 2 or names[0] != "."):
        names.sort(key=_place)
    return {name: _sorted(below) if (below := fields[name]) else MEMBER for name in names}


def _place(name: str) -> tuple[Any, ...]:
    """``.`` first, then fields, keys, values, indexes; numbers by their size, and before words."""
    kind = name[:1]
    if kind == "i":
        return (4, int(name[2:]))
    if kind not in "kv":
        return (0, name)
    value = orjson.loads(name[2:])
    if kind == "v":
        return (3, _weight(value))
    return (2, [(key, _weight(value[key])) for key in sorted(value)])


def _weight(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else (3, str(value))


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """All members of either set; one of them itself when the other adds nothing."""
    if a is b or not b:
        return a
    if not a:
        return b
    out: FieldSet | None = None
    for key, theirs in b.items():
        mine = a.get(key)
        joined = theirs if mine is None else _union_node(mine, theirs)
        if joined is not mine:
            if out is None:
                out = dict(a)
            out[key] = joined
    return a if out is None else out


def _union_node(a: FieldSet, b: FieldSet) -> FieldSet:
    if a is b or (not b and (not a or "." in a)):
        return a
    if not a:
        return b if not b or "." in b else {".": MEMBER, **b}
    if not b:
        return {".": MEMBER, **a}
    return union(a, b)


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """Members of ``a`` that are not members of ``b``: a parent does not take its children along."""
    if a is b:
        return {}
    out: FieldSet | None = None
    for key, theirs in b.items():
        mine = a.get(key)
        if mine is None or key == ".":
            continue
        left = _difference_node(mine, theirs)
        if left is not mine:
            if out is None:
                out = dict(a)
            if left is None:
                del out[key]
            else:
                out[key] = left
    return a if out is None else out


def _difference_node(a: FieldSet, b: FieldSet) -> FieldSet | None:
    """None when nothing is left."""
    taken = not b or "." in b
    if not a:
        return None if taken else a
    left = difference(a, b)
    if taken and "." in left:
        left = {key: below for key, below in left.items() if key != "."}
    if not left:
        return None
    return MEMBER if len(left) == 1 and "." in left else left


def without(a: FieldSet, b: FieldSet) -> FieldSet:
    """``a`` without the members of ``b`` and all that is below them (``RecursiveDifference``)."""
    out: FieldSet | None = None
    for key, theirs in b.items():
        mine = a.get(key)
        if mine is None or key == ".":
            continue
        left: FieldSet = {} if not theirs or "." in theirs else without(mine, theirs)
        if left is mine:
            continue
        if out is None:
            out = dict(a)
        if not left:
            del out[key]
        else:
            out[key] = MEMBER if len(left) == 1 and "." in left else left
    return a if out is None else out


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """Members of both sets."""
    if len(b) < len(a):
        a, b = b, a
    out: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None or key == ".":
            continue
        member = (not mine or "." in mine) and (not theirs or "." in theirs)
        children = intersection(mine, theirs) if mine and theirs else MEMBER
        if children:
            out[key] = {".": MEMBER, **children} if member else children
        elif member:
            out[key] = MEMBER
    return out


def members(fields: FieldSet, lead: str = "") -> list[str]:
    """The members as people read them (``.spec.containers[name="web"].image``), in structured-merge-diff's order:
    the members of a level, then what is below each."""
    ordered = sorted((key for key in fields if key != "."), key=_rank)
    out = [lead + element_text(key) for key in ordered if not fields[key] or "." in fields[key]]
    for key in ordered:
        if fields[key]:
            out += members(fields[key], lead + element_text(key))
    return out


def _rank(key: str) -> tuple[int, Any]:
    """Fields by name, then items by their keys, then by their values, then by position."""
    kind, rest = key[:2], key[2:]
    if kind == "f:":
        return 0, rest
    if kind == "k:":
        return 1, [(name, _value_rank(value)) for name, value in sorted(orjson.loads(rest).items())]
    if kind == "v:":
        return 2, _value_rank(orjson.loads(rest))
    return 3, int(rest) if rest.isdigit() else 0


def _value_rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return 2, value
    return (0, value) if isinstance(value, (int, float)) else (1, str(value))


def element_text(key: str) -> str:
    """One path element as structured-merge-diff prints it."""
    what, rest = key[:2], key[2:]
    if what == "f:":
        return f".{rest}"
    if what == "k:":
        keys = sorted(orjson.loads(rest).items())
        return "[" + ",".join(f"{name}={_value_text(value)}" for name, value in keys) + "]"
    return f"[={rest}]" if what == "v:" else f"[{rest}]"


def _value_text(value: Any) -> str:
    """Source: structured-merge-diff ``value.ToString``, which sets nothing around maps."""
    if isinstance(value, dict):
        return "".join(f"{name}={_value_text(below)}" for name, below in value.items())
    if isinstance(value, list):
        return f"[{','.join(map(_value_text, value))}]"
    return orjson.dumps(value).decode()
