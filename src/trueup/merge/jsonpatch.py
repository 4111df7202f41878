"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386). Called by the API server's patch verb, clients and dialects.

Documents in, a new document out; what is handed in stays as it is (unchanged parts are shared).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PatchProblem(Exception):
    """A patch that cannot be read or does not fit the document."""


def merge_patch(doc: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(doc) if isinstance(doc, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge_patch(out.get(name), value)
    return out


def diff_merge(old: Any, new: Any) -> Any:
    """The merge patch that turns one object into another; ``{}`` when they are equal.

    A null inside a list is kept; a null value in ``new`` cannot be told from an absent one, as RFC 7386 has it.
    """
    patch: dict[str, Any] = {}
    for name, value in new.items():
        if name not in old:
            if value is not None:
                patch[name] = value
            continue
        before = old[name]
        if before is value or (before == value and type(before) is type(value)):
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            inner = diff_merge(before, value)
            if inner:
                patch[name] = inner
        else:
            patch[name] = value
    for name in old:
        if name not in new:
            patch[name] = None
    return patch


def json_patch(doc: Any, operations: Any) -> Any:
    """RFC 6902: the document with every operation carried out in order. Raises ``PatchProblem`` naming the operation."""
    if not isinstance(operations, list):
        raise PatchProblem("a JSON patch is a list of operations")
    box = {"": doc}
    for index, operation in enumerate(operations):
        try:
            _one(box, operation)
        except PatchProblem as problem:
            raise PatchProblem(f"operation {index}: {problem}") from None
    return box[""]


def _one(box: dict[str, Any], operation: Any) -> None:
    if not isinstance(operation, dict) or "op" not in operation:
        raise PatchProblem("is no object with an op")
    op, path = operation["op"], _pointer(operation, "path")
    match op:
        case "add" | "replace" | "test":
            if "value" not in operation:
                raise PatchProblem(f"{op} operation lacks a value")
            value = operation["value"]
            if op == "test":
                if not equal(_get(box, path), value):
                    raise PatchProblem(f"testing value {operation['path']} failed")
            else:
                _put(box, path, value, insert=op == "add")
        case "remove":
            _take(box, path)
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and path != source:
                raise PatchProblem("a value cannot be moved into itself")
            _put(box, path, _take(box, source), insert=True)
        case "copy":
            _put(box, path, _get(box, _pointer(operation, "from")), insert=True)
        case _:
            raise PatchProblem(f"unexpected kind: {op}")


def _pointer(operation: dict[str, Any], name: str) -> list[str]:
    text = operation.get(name)
    if not isinstance(text, str):
        raise PatchProblem(f"{operation['op']} operation lacks a {name}")
    if text and not text.startswith("/"):
        raise PatchProblem(f"{name} {text!r} does not begin with /")
    return ["", *(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])]


def _index(items: Sequence[Any], step: str, *, end: int) -> int:
    """A list position; ``-`` is the end. Leading zeros and signs are refused."""
    if step == "-":
        return len(items)
    if not step.isdigit() or (len(step) > 1 and step[0] == "0"):
        raise PatchProblem(f"{step!r} is no list position")
    position = int(step)
    if position > end:
        raise PatchProblem(f"position {position} is outside of the list")
    return position


def _get(box: Any, path: list[str]) -> Any:
    value = box
    for step in path:
        if isinstance(value, dict):
            if step not in value:
                raise PatchProblem(f"missing path: {'/'.join(path)}")
            value = value[step]
        elif isinstance(value, list):
            value = value[_index(value, "x" if step == "-" else step, end=len(value) - 1)]
        else:
            raise PatchProblem(f"missing path: {'/'.join(path)}")
    return value


def _parent(box: dict[str, Any], path: list[str]) -> Any:
    """The container that holds the last step; every container on the way is copied, for documents are shared."""
    value: Any = box
    for step in path[:-1]:
        if isinstance(value, dict):
            if step not in value:
                raise PatchProblem(f"missing path: {'/'.join(path)}")
            key: Any = step
        elif isinstance(value, list):
            key = _index(value, "x" if step == "-" else step, end=len(value) - 1)
        else:
            raise PatchProblem(f"missing path: {'/'.join(path)}")
        below = value[key]
        if isinstance(below, dict):
            below = dict(below)
        elif isinstance(below, list):
            below = list(below)
        value[key] = below
        value = below
    return value


def _put(box: dict[str, Any], path: list[str], value: Any, *, insert: bool) -> None:
    parent, step = _parent(box, path), path[-1]
    if isinstance(parent, dict):
        if not insert and step not in parent:
            raise PatchProblem(f"missing path: {'/'.join(path)}")
        parent[step] = value
    elif isinstance(parent, list):
        if insert:
            parent.insert(_index(parent, step, end=len(parent)), value)
        else:
            parent[_index(parent, "x" if step == "-" else step, end=len(parent) - 1)] = value
    else:
        raise PatchProblem(f"missing path: {'/'.join(path)}")


def _take(box: dict[str, Any], path: list[str]) -> Any:
    parent, step = _parent(box, path), path[-1]
    if isinstance(parent, dict):
        if step not in parent:
            raise PatchProblem(f"missing path: {'/'.join(path)}")
        return parent.pop(step)
    if isinstance(parent, list):
        return parent.pop(_index(parent, "x" if step == "-" else step, end=len(parent) - 1))
    raise PatchProblem(f"missing path: {'/'.join(path)}")


def equal(a: Any, b: Any) -> bool:
    """JSON equality: numbers by value, but never a boolean with a number."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)
