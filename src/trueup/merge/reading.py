"""Which fields an object names, as a field set; how items of lists are told apart. Called by ``owners`` and its kin.

Objects and shapes in, field sets out. Sources: structured-merge-diff ``typed.ToFieldSet``, ``listItemToPathElement``,
``Set.EnsureNamedFieldsAreMembers``.
"""

from __future__ import annotations

from typing import Any

import orjson

from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import MEMBER, FieldSet, element_text


class FieldProblem(Exception):
    """An applied object whose items cannot be told apart; ``path`` says where."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.path = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.why}" if self.path else self.why


def is_leaf(shape: Shape, value: dict[str, Any] | list[Any]) -> bool:
    """Whether a map or a list is owned as a whole: atomic ones, lists of unknown shape, containers where a scalar belongs."""
    if type(value) is list:
        return shape.of != "list" or shape.list_type == "atomic"
    return shape.map_type == "atomic" or shape.of == "scalar" or shape.of == "list"


def key_of(item: Any, shape: Shape) -> str | None:
    """The path element of an item of an associative list; None when it lacks what it is known by."""
    keys = shape.map_keys
    if not keys:
        return None if isinstance(item, (dict, list)) or item is None else "v:" + orjson.dumps(item).decode()
    if type(item) is not dict:
        return None
    if len(keys) == 1:
        # The common case, without a dict in between: one key that is there.
        value = item.get(keys[0])
        if type(value) is str:
            return f'k:{{"{keys[0]}":{orjson.dumps(value).decode()}}}'
    found: dict[str, Any] = {}
    for name in sorted(keys):
        value = item[name] if name in item else shape.defaults.get(name)
        if value is not None or name in item:
            # JSON knows no difference between 2 and 2.0, and Go prints both as 2.
            found[name] = int(value) if type(value) is float and value.is_integer() else value
    return "k:" + orjson.dumps(found).decode() if found else None


def field_set(value: Any, shape: Shape, *, strict: bool = False) -> FieldSet:
    """The fields that an object names. ``strict``: items without keys or with the same keys raise ``FieldProblem``."""
    out: FieldSet = {}
    if type(value) is list:
        _items(out, value, shape, strict)
        return out
    fields = shape.fields
    values = shape.values or ANY
    for name, below in value.items():
        kind = type(below)
        if kind is not dict and kind is not list:
            out["f:" + name] = MEMBER
            continue
        known = fields.get(name)
        sub = values if known is None else known
        if is_leaf(sub, below):
            out["f:" + name] = MEMBER
            continue
        try:
            inner = field_set(below, sub, strict=strict)
        except FieldProblem as problem:
            problem.path = f".{name}{problem.path}"
            raise
        if known is None or (kind is dict and not below):
            # Struct fields are never members on the way; keys of free maps are.
            if inner:
                inner["."] = MEMBER
            out["f:" + name] = inner
        elif inner:
            out["f:" + name] = inner
    return out


def _items(out: FieldSet, values: list[Any], shape: Shape, strict: bool) -> None:
    items = shape.items or ANY
    twice: set[str] = set()
    for index, item in enumerate(values):
        key = key_of(item, shape)
        if key is None:
            if strict:
                raise FieldProblem(f"element {index}: {_why(item, shape)}")
            continue
        if key in out:
            if strict:
                raise FieldProblem(f"duplicate entries for key {element_text(key)}")
            twice.add(key)
        elif type(item) is dict and not is_leaf(items, item):
            try:
                inner = field_set(item, items, strict=strict)
            except FieldProblem as problem:
                problem.path = f"{element_text(key)}{problem.path}"
                raise
            if inner:
                inner["."] = MEMBER
            out[key] = inner
        else:
            out[key] = MEMBER
    for key in twice:
        # Nobody can own a part of items that have the same key.
        out[key] = MEMBER


def _why(item: Any, shape: Shape) -> str:
    if not shape.map_keys:
        kind = "an explicit null" if item is None else "a map type" if isinstance(item, dict) else "lists as elements"
        return f"associative list without keys has an element that's {kind}"
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    keys = "[" + " ".join(f'"{key}"' for key in shape.map_keys) + "]"
    return (
        f"associative list with keys has an element that omits all key fields {keys} "
        "(and doesn't have default values for any key fields)"
    )


def as_schema_has_it(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set with what the schema made atomic since it was written as one member; itself when nothing is to do.

    The other way round, from atomic to granular, a set stays as it is. Source: structured-merge-diff
    ``ReconcileFieldSetWithSchema``.
    """
    out: FieldSet | None = None
    known, values, items = shape.fields, shape.values, shape.items
    for key, below in fields.items():
        if not below:
            continue
        sub = (known.get(key[2:]) or values) if key[0] == "f" else items
        if sub is None or sub.of == "scalar" or (sub.of == "any" and sub.map_type != "atomic"):
            # Nothing below is known; what is known to be a scalar has nothing below.
            continue
        atomic = sub.list_type == "atomic" if sub.of == "list" else sub.map_type == "atomic"
        inner = MEMBER if atomic else as_schema_has_it(below, sub)
        if inner is not below:
            if out is None:
                out = dict(fields)
            out[key] = inner
    return fields if out is None else out


def named_members(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set with the struct fields on the way to its members as members (``EnsureNamedFieldsAreMembers``)."""
    out: FieldSet = {}
    known = shape.fields
    for key, below in fields.items():
        if not below or key == ".":
            out[key] = below
        elif key.startswith("f:"):
            sub = known.get(key[2:])
            inner = named_members(below, shape.values or ANY if sub is None else sub)
            if sub is not None:
                inner["."] = MEMBER
            out[key] = inner
        else:
            out[key] = named_members(below, shape.items or ANY)
    return out
