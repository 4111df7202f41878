"""Whether an object fits its shape, in the words of server-side apply. Called by the API server when it does not.

An object and a shape in, the first problem out. Source: structured-merge-diff ``typed/validate.go``; an apply refuses what
its schema does not declare, where all other writes drop it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from trueup.kube.names import Object
from trueup.kube.shapes import Shape
from trueup.merge.fields import element_text
from trueup.merge.reading import FieldProblem, field_set, key_of

_NUMBERS = ("integer", "number")


def title(obj: Object) -> str:
    """``default/web; apps/v1, Kind=Deployment``, as the API server names an object in such messages."""
    meta = obj.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    space, name = (text if isinstance(text := meta.get(key), str) else "" for key in ("namespace", "name"))
    group, _, version = str(obj.get("apiVersion") or "").rpartition("/")
    return f"{space}/{name}; {group}/{version}, Kind={obj.get('kind') or ''}"


def problems_text(value: Any, shape: Shape) -> str:
    """Everything that does not fit: ``.spec.bogus: field not declared in schema``; empty when all does."""
    found = list(problems(value, shape))
    return found[0] if len(found) == 1 else "".join(("errors:", *(f"\n  {one}" for one in found))) if found else ""


def problems(value: Any, shape: Shape, at: str = "") -> Iterator[str]:
    """What does not fit, one by one."""
    if value is None:
        return
    if shape.of == "map":
        yield from _map(value, shape, at)
    elif shape.of == "list":
        yield from _list(value, shape, at)
    elif shape.of == "scalar":
        found = _scalar(value, shape, at)
        if found:
            yield found


def _map(value: Any, shape: Shape, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: expected map, got &{{{_go(value)}}}"
        return
    fields, values = shape.fields, shape.values
    for name in sorted(value):
        below = fields.get(name) or values
        if below is not None:
            yield from problems(value[name], below, f"{at}.{name}")
        elif not shape.preserve_unknown:
            yield f"{at}.{name}: field not declared in schema"
            return  # the rest of the map is not looked at


def _list(value: Any, shape: Shape, at: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{at}: expected list, got &{{{_go(value)}}}"
        return
    if shape.items is None:
        return
    for index, item in enumerate(value):
        where = f"[{index}]"
        if shape.list_type != "atomic":
            try:
                field_set([item], shape, strict=True)
            except FieldProblem as problem:
                if not problem.path:
                    yield f"{at}: {problem.why.replace('element 0:', f'element {index}:', 1)}"
                    return
            key = key_of(item, shape)
            where = element_text(key) if key is not None else where
        yield from problems(item, shape.items, at + where)


def _scalar(value: Any, shape: Shape, at: str) -> str:
    kind, form = shape.schema.get("type"), shape.schema.get("format")
    if form == "int-or-string" or kind is None:
        return ""  # untyped to an apply; what it must be is said when the object is read
    if kind == "string" and form not in (None, "", "byte"):
        return f"{at}: expected any scalar, got &{{{_go(value)}}}" if isinstance(value, (dict, list)) else ""
    if kind in _NUMBERS:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if number else f"{at}: expected numeric (int or float), got {_go_type(value)}"
    if kind == "boolean":
        return "" if isinstance(value, bool) else f"{at}: expected boolean, got &{{{_go(value)}}}"
    if kind == "string" and not isinstance(value, str):
        return f"{at}: expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    return ""


def _go(value: Any) -> str:
    """As Go's ``%v`` prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_go(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _go_syntax(value: Any) -> str:
    """As Go's ``%#v`` prints it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{orjson.dumps(name).decode()}:{_go_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if value is None:
        return "interface {}(nil)"
    return orjson.dumps(value).decode()


def _go_type(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return "bool" if isinstance(value, bool) else "string"
