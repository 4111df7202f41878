"""A strategic merge patch on an object, as kyaml's ``merge2`` does it: not quite Kubernetes' own.

Called by `filters.patches`. An object, a patch and the schema of its kind go in, the merged object leaves, None when the
patch deletes it. The object and the patch are taken over: hand in copies. Elements of a patch come first in a merged list,
every list of the object that merges by key is walked (so doubles in it fall away), and empty values go.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.documents import dump
from trueup.kustomize.merge_keys import Node
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.scalars import NULL, copy, is_null, is_plain_text, is_scalar, plain, settle, text_of

_DIRECTIVE = "$patch"
_KNOWN = ("delete", "replace", "merge")


class _Absent:
    """No node at all, where null is a node."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


def merge(obj: dict[str, Any], patch: dict[str, Any], schema: Node | None) -> dict[str, Any] | None:
    """The object with the patch laid over; None when nothing is left of it.

    A patch that says ``$patch: replace`` of the whole object changes nothing: upstream makes the new object and then keeps
    the one that it has.
    """
    if text_of(patch.get(_DIRECTIVE)) == "replace":
        return obj
    merged = _walk(obj, patch, schema)
    return merged if isinstance(merged, dict) else None


def _nothing(value: Any) -> bool:
    return value is ABSENT or is_null(value)


def _walk(dest: Any, src: Any, schema: Node | None) -> Any:
    first = src if _nothing(dest) else dest
    kind = "MappingNode" if _nothing(first) else node_kind(first)
    for value in (dest, src):
        if not _nothing(value) and node_kind(value) != kind:
            raise wrong_kind(value, kind)
    if kind == "MappingNode":
        return _map(dest, src, schema)
    if kind == "SequenceNode" and schema is not None and schema.keys is not None:
        return _associative(dest, src, schema)
    return dest if src is ABSENT else ABSENT if is_null(src) else src


def node_kind(value: Any) -> str:
    """What YAML calls a value."""
    return "MappingNode" if isinstance(value, dict) else "SequenceNode" if isinstance(value, list) else "ScalarNode"


def wrong_kind(value: Any, expected: str) -> KustomizeProblem:
    """A value of one kind where another one is needed, as kyaml words it."""
    contents = dump(settle(copy(value)))
    return KustomizeProblem(
        f"wrong node kind: expected {expected} but got {node_kind(value)}: node contents:\n{contents}"
    )


# --- maps --------------------------------------------------------------------------------------------------------


def _map(dest: Any, src: Any, schema: Node | None) -> Any:
    into = _visit_map(dest, src)
    if not isinstance(into, dict):
        return into
    if src is ABSENT and schema is None:
        return _untouched(into)
    names = list(into)
    if isinstance(src, dict) and src is not into:
        names += [name for name in src if name not in into]
    for name in names:
        mine = into.get(name, ABSENT)
        theirs = src.get(name, ABSENT) if isinstance(src, dict) else ABSENT
        value = _walk(mine, theirs, schema.field(name) if schema is not None else None)
        if value is ABSENT or value is None:
            into.pop(name, None)
        else:
            into[name] = _as_quoted(mine, value)
    return into


def _as_quoted(before: Any, value: Any) -> Any:
    """What takes the place of a text in quotes gets its quotes, and is text then."""
    if type(before) is not str or type(value) is str or not is_scalar(value):
        return value
    return text_of(value) if "\n" in before or not is_plain_text(before) else value


def _visit_map(dest: Any, src: Any) -> Any:
    if _nothing(dest):
        if src is ABSENT:
            return NULL if dest is NULL else ABSENT
        if is_null(src):
            return ABSENT
        directive = src.get(_DIRECTIVE)
        if directive is not None and text_of(directive) in _KNOWN:
            del src[_DIRECTIVE]
            if text_of(directive) == "delete":
                return ABSENT
        return src
    if src is ABSENT:
        return dest
    if is_null(src):
        return ABSENT
    if _DIRECTIVE not in src:
        return dest
    directive = text_of(src[_DIRECTIVE])
    _known(directive)
    del src[_DIRECTIVE]
    return ABSENT if directive == "delete" else src if directive == "replace" else dest


def _known(directive: str) -> None:
    if directive not in _KNOWN:
        raise KustomizeProblem(f"unknown patch strategy '{directive}'")


def _untouched(value: dict[str, Any]) -> dict[str, Any]:
    """What walking does to a map that no patch reaches and no schema covers: empty values go."""
    gone = []
    for name, item in value.items():
        if item is None:
            gone.append(name)
        elif type(item) is dict:
            _untouched(item)
    for name in gone:
        del value[name]
    return value


# --- lists that merge ----------------------------------------------------------------------------------------------


def _associative(dest: Any, src: Any, schema: Node) -> Any:
    into: list[Any]
    if _nothing(dest):
        into = dest = src
    elif src is not ABSENT and is_null(src):
        return ABSENT
    else:
        directive = _list_directive(src) if isinstance(src, list) else "merge"
        if directive == "delete":
            return ABSENT
        into = dest = src if directive == "replace" else dest
    keys = schema.keys or ("",)
    sources = [source for source in (src, dest) if isinstance(source, list)]
    values = _values(sources, keys)
    if len(keys) > 1:
        _unite(values)
    return _set_elements(into, dest, src, schema, keys, values)


def _list_directive(patch: list[Any]) -> str:
    marker = next((item for item in patch if isinstance(item, dict) and _DIRECTIVE in item), None)
    if marker is None or len(marker) > 1:
        return "merge"
    directive = text_of(marker[_DIRECTIVE])
    _known(directive)
    _set_element(patch, None, (_DIRECTIVE,), (directive,))
    return directive


def _values(sources: list[list[Any]], keys: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The key values of all elements, those of the patch first."""
    found: dict[tuple[str, ...], None] = {}
    for source in sources:
        for item in source:
            if keys == ("",):
                value: tuple[str, ...] = ("" if isinstance(item, (dict, list)) else text_of(item),)
            else:
                value = tuple(_key_text(item, key) for key in keys)
            found.setdefault(value)
    return list(found)


def _key_text(item: Any, key: str) -> str:
    return "" if not isinstance(item, dict) else text_of(item.get(key))


def _unite(values: list[tuple[str, ...]]) -> None:
    """Elements that differ only in a key that one of them leaves out are the same element."""
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            united = _match(one, other)
            if united is not None:
                values[i] = values[j] = united


def _match(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    common = False
    for a, b in zip(one, other, strict=True):
        if a == b:
            common = True
        elif a and b:
            return None
    return tuple(a or b for a, b in zip(one, other, strict=True)) if common else None


def _valid(
    all_values: list[tuple[str, ...]], values: tuple[str, ...], keys: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Keys that some element has, and the values for them; all when none has any."""
    used = [any(row[at] for row in all_values) for at in range(len(keys))]
    if not any(used):
        return keys, values
    return (
        tuple(key for key, is_used in zip(keys, used, strict=True) if is_used),
        tuple(value for value, is_used in zip(values, used, strict=True) if value or is_used),
    )


def _set_elements(
    into: list[Any], dest: Any, src: Any, schema: Node, keys: tuple[str, ...], values: list[tuple[str, ...]]
) -> Any:
    added: list[Any] = []
    valid_keys = keys
    for row in values:
        valid_keys, valid_values = _valid(values, row, keys)
        mine = _element(dest, valid_keys, valid_values)
        theirs = _element(src, valid_keys, valid_values)
        value = _walk(mine, theirs, schema.items)
        if _nothing(value) or value == {}:
            into = _set_element(into, None, valid_keys, valid_values)
            continue
        if isinstance(value, dict):
            for key, text in zip(valid_keys, valid_values, strict=True):
                if key not in value and text:
                    value[key] = plain(text)
        _set_element(added, value, valid_keys, valid_values)
    if not values:
        return into
    return _append(added, into, valid_keys)


def _element(items: Any, keys: tuple[str, ...], values: tuple[str, ...]) -> Any:
    """The first element with just these values."""
    if not isinstance(items, list):
        return ABSENT
    keys, values = _valid([values], values, keys)
    if not keys[0]:
        return next((i for i in items if not isinstance(i, (dict, list)) and text_of(i) == values[0]), ABSENT)
    for item in items:
        if isinstance(item, dict) and all(
            key in item and text_of(item[key]) == value for key, value in zip(keys, values, strict=True)
        ):
            return item
    return ABSENT


def _has(item: dict[str, Any], key: str, value: str) -> bool:
    """Whether a field has a value; an empty one asks for the field alone."""
    if key not in item:
        return False
    return not value or text_of(item[key]) == value


def _set_element(items: list[Any], element: Any, keys: tuple[str, ...], values: tuple[str, ...]) -> list[Any]:
    """Puts an element in the place of those that match, else at the end; None removes them. Changes ``items``."""
    by_map = bool(keys[0] and values and values[0])
    kept: list[Any] = []
    found = False
    for item in items:
        if is_null(item) or item == {}:
            continue
        if not isinstance(item, dict) and by_map:
            kept.append(item)
        elif _matches(item, keys, values):
            found = True
            if element is not None:
                kept.append(element)
        elif values:
            kept.append(item)
    if element is not None and not found:
        kept.append(element)
    items[:] = kept
    return items


def _matches(item: Any, keys: tuple[str, ...], values: tuple[str, ...]) -> bool:
    if not values:
        return False
    for key, value in zip(keys, values, strict=False):
        if not key:
            if isinstance(item, (dict, list)) or text_of(item) != value:
                return False
        elif not isinstance(item, dict) or not _has(item, key, value):
            return False
    return True


def _append(added: list[Any], rest: list[Any], keys: tuple[str, ...]) -> list[Any]:
    """The merged elements, then those of the object that were not among them."""
    for item in rest:
        if not keys[0]:
            _set_element(added, item, ("",), (text_of(item),))
            continue
        values: list[str] = []
        for key in keys:
            if not isinstance(item, dict) and not is_null(item):
                raise wrong_kind(item, "MappingNode")
            if not isinstance(item, dict) or key not in item:
                added.append(item)
                continue
            values.append(text_of(item[key]))
        if len(keys) > 1:
            _set_element(added, None, keys, tuple(values))
        _set_element(added, item, keys, tuple(values))
    return added
