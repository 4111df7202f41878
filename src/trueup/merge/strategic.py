"""Strategic merge patch: a patch that knows the merge keys of lists. Called by the API server's patch verb.

Documents and a shape in, a new document out; what is handed in stays as it is, and parts that do not change are shared.
Patches are made in ``strategic_diff``. Source: apimachinery ``strategicpatch/patch.go``; Kubernetes API conventions,
"Strategic Merge Patch".
"""

from __future__ import annotations

from typing import Any

from trueup.kube.shapes import ANY, Shape
from trueup.merge.jsonpatch import PatchProblem

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList"
ORDER = "$setElementOrder"

BAD_DOCUMENT = "invalid JSON document"
BAD_PRIMITIVES = "invalid patch format of primitive list"
BAD_RETAIN = "invalid patch format of retainKeys"
BAD_ORDER = "invalid patch format of setElementOrder list"
NO_LISTS_OF_LISTS = "lists of lists are not supported"

Map = dict[str, Any]


def strategic_merge(live: Map, patch: Any, shape: Shape) -> Map:
    """``live`` with the patch laid over. Raises ``PatchProblem`` for directives that make no sense."""
    if not isinstance(patch, dict):
        raise PatchProblem(BAD_DOCUMENT)
    return merge_map(live, patch, shape, onto_live=True)


def merge_map(original: Map, patch: Map, shape: Shape, *, onto_live: bool) -> Map:
    """The patch laid over an object, or (``onto_live`` off) over another patch, whose directives and nulls stay."""
    if DIRECTIVE in patch:
        return _directed(patch)
    out, rest = dict(original), dict(patch)
    _retain(out, rest, onto_live)
    for key in [name for name in rest if name.startswith(ORDER + "/")]:
        _ordered_field(out, rest, key, shape, onto_live)
    for name, value in rest.items():
        if name.startswith(DELETE_PRIMITIVES):
            if onto_live:
                _delete_primitives(out, name, value)
            else:
                out[name] = value
        elif value is None:
            out.pop(name, None)
            if not onto_live:
                out[name] = None
        else:
            _field(out, name, value, shape.field(name), onto_live)
    return out


def _directed(patch: Map) -> Map:
    """A map with ``$patch``: it replaces what was there as it stands, nulls and all, or empties it."""
    if patch[DIRECTIVE] == "replace":
        return {name: value for name, value in patch.items() if name != DIRECTIVE}
    if patch[DIRECTIVE] == "delete":
        return {}
    raise PatchProblem(f"unknown patch type: {patch[DIRECTIVE]} in map: {go_text(patch)}")


def _retain(out: Map, patch: Map, onto_live: bool) -> None:
    """Only the fields that ``$retainKeys`` names stay; in place."""
    if RETAIN not in patch:
        return
    keep = patch.pop(RETAIN)
    if not onto_live:
        if out.setdefault(RETAIN, keep) != keep:
            raise PatchProblem(f"{go_text(out[RETAIN])} and {go_text(keep)} are not deep equal")
        return
    if not isinstance(keep, list):
        raise PatchProblem(BAD_RETAIN)
    for name, value in patch.items():
        if value is not None and name not in keep and not name.startswith((DELETE_PRIMITIVES, ORDER)):
            raise PatchProblem(BAD_RETAIN)
    for name in [name for name in out if name not in keep]:
        del out[name]


def _field(out: Map, name: str, value: Any, shape: Shape, onto_live: bool) -> None:
    """One field of a patch, laid over the same field of what is patched; in place."""
    before: Any = out.get(name)
    if type(before) is not type(value) or type(value) not in (dict, list):
        kept = _taken(value, onto_live)
        if kept is _GONE:
            out.pop(name, None)
        else:
            out[name] = kept
    elif type(value) is dict:
        replace = "replace" in shape.patch_strategy
        out[name] = value if replace else merge_map(before, value, shape, onto_live=onto_live)
    elif "merge" in shape.patch_strategy:
        out[name] = _merged_list(before, value, shape, onto_live)
    else:
        out[name] = value


def _delete_primitives(out: Map, directive: str, gone: Any) -> None:
    prefix, slash, name = directive.partition("/")
    if prefix != DELETE_PRIMITIVES or not slash:
        raise PatchProblem(BAD_PRIMITIVES)
    if isinstance(out.get(name), list):
        if not isinstance(gone, list):
            raise PatchProblem(BAD_PRIMITIVES)
        out[name] = [item for item in out[name] if item not in gone]


def _ordered_field(out: Map, patch: Map, directive: str, shape: Shape, onto_live: bool) -> None:
    """A list with ``$setElementOrder``: merged, then ordered by it. Takes both out of the patch; in place."""
    order = patch.pop(directive)
    if not isinstance(order, list):
        raise PatchProblem(BAD_ORDER)
    if not onto_live and out.setdefault(directive, order) != order:
        raise PatchProblem(BAD_ORDER)
    name = directive.partition("/")[2]
    field = shape.field(name)
    before, value = out.get(name), patch.get(name)
    for given in (before, value):
        if given is not None and not isinstance(given, list):
            raise PatchProblem(f"expected a []interface {{}}, but received a {_go_type(given)}")
    if value is None and (before is None or name in patch):
        # No list at all, or one that the patch removes: the loop over the patch sees to it.
        return
    patch.pop(name, None)
    key = field.patch_merge_key
    _same_order(value or [], order, key)
    if value is None:
        merged = before or []
    elif before is None:
        merged = [kept for item in value if (kept := _taken(item, onto_live)) is not _GONE]
    else:
        merge = "merge" in field.patch_strategy
        merged = _merged_list(before, value, field, onto_live) if merge else value
    if not merged:
        out[name] = []
        return
    _check_keys((*merged, *order), key)
    wanted = [_name(item, key) for item in order]
    named = [item for item in merged if _name(item, key) in wanted]
    others = [item for item in merged if _name(item, key) not in wanted]
    out[name] = _arranged(named, others, wanted, _stood(before or [], value or [], key), key)


def _stood(before: list[Any], patch: list[Any], key: str) -> list[Any]:
    """The names in the order that items of the live list count as standing in.

    Where the patch deletes items, its new ones count as standing at the end of the live list, as many as were deleted:
    apimachinery appends to the slice that it shortened, and so writes into the very list that it orders by.
    """
    names = [_name(item, key) for item in before]
    gone = [item.get(key) for item in patch if key and isinstance(item, dict) and item.get(DIRECTIVE) == "delete"]
    left = [name for name in names if name not in gone]
    fresh = [name for item in patch if (name := _name(item, key)) not in names and name not in gone]
    return (left + fresh)[: len(names)] if len(left) < len(names) else names


def _same_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The patch's items must stand in the order that the patch itself asks for."""
    if not order:
        return
    wanted = iter(order)
    for item in patch:
        if isinstance(item, dict) and DIRECTIVE in item:
            continue
        _check_keys((item,), key)
        if not any(_name(other, key) == _name(item, key) for other in wanted):
            text = f"The order in patch list:\n{go_text(patch)}\n doesn't match {ORDER} list:\n{go_text(order)}\n"
            raise PatchProblem(text)


def _merged_list(live: list[Any], patch: list[Any], shape: Shape, onto_live: bool) -> list[Any]:
    """Two lists with the merge strategy as one: the patch's items in its order, others where they stood among the live."""
    if not live and not patch:
        return live
    kinds = {type(item) for item in (*live, *patch)}
    if list in kinds:
        raise PatchProblem(NO_LISTS_OF_LISTS)
    if len(kinds) > 1:
        raise PatchProblem(f"list element types are not identical: {go_text([live, patch])}")
    key = ""
    if dict in kinds:
        key = shape.patch_merge_key
        if not key:
            raise PatchProblem("cannot merge lists without merge key")
        live, patch = _special(live, patch, key)
        merged = _keyed(live, patch, shape.items or ANY, key, onto_live)
    else:
        merged = list(dict.fromkeys((*live, *patch)))
    asked, stood = [_name(item, key) for item in patch], [_name(item, key) for item in live]
    named = [item for item in merged if _name(item, key) in asked]
    others = [item for item in merged if _name(item, key) not in asked]
    return _arranged(named, others, asked, stood, key)


def _special(live: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Items with ``$patch`` carried out: the live list without the deleted ones, the patch without such items."""
    plain: list[Any] = []
    replace = False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            plain.append(item)
        elif directive == "delete":
            _check_keys((item,), key)
            live = [have for have in live if have.get(key) != item[key]]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise PatchProblem("merging lists cannot yet be specified in the patch")
        else:
            raise PatchProblem(f"unknown patch type: {directive} in map: {go_text(item)}")
    return (plain, []) if replace else (live, plain)


def _keyed(live: list[Any], patch: list[Any], items: Shape, key: str, onto_live: bool) -> list[Any]:
    _check_keys((*live, *patch), key)
    merged = list(live)
    for item in patch:
        at = next((index for index, have in enumerate(merged) if have[key] == item[key]), None)
        if at is None:
            merged.append(item)
        else:
            merged[at] = merge_map(merged[at], item, items, onto_live=onto_live)
    return merged


def _arranged(named: list[Any], others: list[Any], order: list[Any], before: list[Any], key: str) -> list[Any]:
    """Two sorted lists as one; one of the others goes first where it stood before the named one in the live list."""

    def place(names: list[Any], item: Any) -> int:
        name = _name(item, key)
        return names.index(name) if name in names else len(names)

    left = sorted(others, key=lambda item: place(before, item))
    right = sorted(named, key=lambda item: place(order, item))
    out: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = place(before, left[i]), place(before, right[j])
        if a < b < len(before):
            out.append(left[i])
            i += 1
        else:
            out.append(right[j])
            j += 1
    return out + left[i:] + right[j:]


def _name(item: Any, key: str) -> Any:
    return item.get(key) if key and type(item) is dict else item


def _check_keys(items: tuple[Any, ...], key: str) -> None:
    for item in items if key else ():
        if not isinstance(item, dict):
            raise PatchProblem(f"expected a map[string]interface {{}}, but received a {_go_type(item)}")
        if key not in item:
            raise PatchProblem(f"map: {go_text(item)} does not contain declared merge key: {key}")


_GONE: Any = object()


def _taken(value: Any, onto_live: bool) -> Any:
    """A value of the patch that nothing was there for; ``_GONE`` for one that is itself a directive."""
    if type(value) is dict:
        return _GONE if DIRECTIVE in value else _taken_map(value, onto_live)
    if type(value) is list:
        return [kept for item in value if (kept := _taken(item, onto_live)) is not _GONE]
    return value


def _taken_map(value: Map, onto_live: bool) -> Map:
    """Without maps that are directives, and without nulls, where nothing is left to remove."""
    out: Map = {}
    for name, below in value.items():
        if onto_live and below is None:
            continue
        kept = _taken(below, onto_live)
        if kept is not _GONE:
            out[name] = kept
    return out


def go_text(value: Any) -> str:
    """A value as Go prints it with %v, for messages and for sorting as Go does."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{go_text(below)}" for name, below in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_text, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _go_type(value: Any) -> str:
    names = {dict: "map[string]interface {}", list: "[]interface {}", bool: "bool", int: "int64", float: "float64"}
    return "<nil>" if value is None else names.get(type(value), "string")
