"""Strategic merge patch: a patch that knows the merge keys of lists. Called by the API server's patch verb.

Documents and a shape in, a new document out; what is handed in stays as it is. Source: apimachinery
``strategicpatch.StrategicMergePatch``; Kubernetes API conventions, "Strategic Merge Patch".
"""

from __future__ import annotations

from typing import Any

from trueup.kube.shapes import ANY, Shape
from trueup.merge.jsonpatch import PatchProblem

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
ORDER = "$setElementOrder/"


def strategic_merge(live: dict[str, Any], patch: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """``live`` with the patch laid over. Raises ``PatchProblem`` for directives that make no sense."""
    if not isinstance(patch, dict):
        raise PatchProblem("a strategic merge patch is an object")
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        replaced: dict[str, Any] = _clean({name: value for name, value in patch.items() if name != DIRECTIVE})
        return replaced
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchProblem(f"unknown patch type found: {directive}")
    out = dict(live)
    if RETAIN in patch:
        keep = patch[RETAIN]
        if not isinstance(keep, list):
            raise PatchProblem("$retainKeys is a list of field names")
        out = {name: value for name, value in out.items() if name in keep}
    for name, value in patch.items():
        if name in (DIRECTIVE, RETAIN) or name.startswith(ORDER):
            continue
        if name.startswith(DELETE_PRIMITIVES):
            _delete_primitives(out, name[len(DELETE_PRIMITIVES) :], value, patch, shape)
            continue
        merged = _field(out.get(name), value, shape.field(name), patch.get(ORDER + name), name)
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merged
    for name, order in patch.items():
        field = name[len(ORDER) :] if name.startswith(ORDER) else ""
        if field and field not in patch and isinstance(out.get(field), list):
            out[field] = _ordered(out[field], order, out[field], _merge_key(shape.field(field)))
    return out


def _field(live: Any, value: Any, shape: Shape, order: Any, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        if isinstance(live, dict) and "replace" not in shape.patch_strategy:
            return strategic_merge(live, value, shape)
        if value.get(DIRECTIVE) == "delete":
            return {}
        return _clean(value)
    if isinstance(value, list):
        if isinstance(live, list) and "merge" in shape.patch_strategy:
            return _list(live, value, shape, order, name)
        if "merge" in shape.patch_strategy:
            return _list([], value, shape, order, name)
        return [_clean(item) for item in value]
    return value


def _list(live: list[Any], patch: list[Any], shape: Shape, order: Any, name: str) -> list[Any]:
    key = _merge_key(shape)
    if not any(isinstance(item, (dict, list)) for item in (*live, *patch)):
        merged = list(live)
        merged += [item for item in patch if item not in merged]
    elif not key:
        raise PatchProblem(f"the list {name} has objects and no merge key")
    else:
        merged = _keyed(live, patch, shape.items or ANY, key, name)
    if order is not None:
        return _ordered(merged, order, live, key)
    return merged


def _keyed(live: list[Any], patch: list[Any], items: Shape, key: str, name: str) -> list[Any]:
    merged = list(live)
    if any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" and len(item) == 1 for item in patch):
        return [_clean(item) for item in patch if not (isinstance(item, dict) and item.get(DIRECTIVE) == "replace")]
    for item in patch:
        if not isinstance(item, dict):
            raise PatchProblem(f"the list {name} merges objects by {key}, but the patch holds {item!r}")
        if key not in item:
            if item.get(DIRECTIVE) in ("delete", "replace"):
                return [_clean(i) for i in patch if DIRECTIVE not in i]
            raise PatchProblem(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, have in enumerate(merged) if isinstance(have, dict) and have.get(key) == item[key]), None)
        if item.get(DIRECTIVE) == "delete":
            merged = [have for have in merged if not (isinstance(have, dict) and have.get(key) == item[key])]
        elif item.get(DIRECTIVE) == "replace" or at is None:
            plain = _clean({field: value for field, value in item.items() if field != DIRECTIVE})
            if at is None:
                merged.append(plain)
            else:
                merged[at] = plain
        else:
            merged[at] = strategic_merge(merged[at], item, items)
    return merged


def _delete_primitives(out: dict[str, Any], field: str, gone: Any, patch: dict[str, Any], shape: Shape) -> None:
    have = out.get(field)
    if isinstance(have, list):
        rest = [item for item in have if item not in gone]
        order = patch.get(ORDER + field)
        out[field] = _ordered(rest, order, have, "") if order is not None and field not in patch else rest


def _ordered(merged: list[Any], order: Any, live: list[Any], key: str) -> list[Any]:
    """Items that the order names by it, further ones where they stood among the live items."""
    if not isinstance(order, list):
        raise PatchProblem("$setElementOrder is a list")

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [name(item) for item in order]
    before = [name(item) for item in live]
    left = sorted((item for item in merged if name(item) in wanted), key=lambda item: wanted.index(name(item)))
    right = [item for item in merged if name(item) not in wanted]
    right.sort(key=lambda item: before.index(name(item)) if name(item) in before else len(before))
    out: list[Any] = []
    while left and right:
        a, b = name(left[0]), name(right[0])
        first = a in before and b in before and before.index(a) < before.index(b)
        out.append(left.pop(0) if first else right.pop(0))
    return out + left + right


def _merge_key(shape: Shape) -> str:
    return shape.patch_merge_key


def _clean(value: Any) -> Any:
    """A value of the patch that replaces or is new: without directives, nulls and deleted items."""
    if isinstance(value, dict):
        return {
            name: _clean(below)
            for name, below in value.items()
            if below is not None and name not in (DIRECTIVE, RETAIN) and not name.startswith((ORDER, DELETE_PRIMITIVES))
        }
    if isinstance(value, list):
        return [_clean(item) for item in value if not (isinstance(item, dict) and item.get(DIRECTIVE) == "delete")]
    return value
