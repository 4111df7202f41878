"""Differences that do not count: fields taken out of both sides before they are compared. Called by ``compare``.

Source: Argo CD user guide, "Diff Customization" (JSON pointers, jq path expressions, managed fields managers) and the sync
option ``RespectIgnoreDifferences``; Flux ``ignore`` rules.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trueup.kube.names import Object, Ref
from trueup.plan.wanted import Ignore

Without = Callable[[str, Object], Object]
"""``without(expression, obj)``: a copy without what the jq path expression names. Handed in, for jq is no pure Python."""


def rules_for(rules: Iterable[Ignore], ref: Ref) -> tuple[Ignore, ...]:
    """The rules that speak of this object."""
    return tuple(rule for rule in rules if rule.matches(ref))


def stripped(obj: Object, rules: Iterable[Ignore], without: Without, fields: Mapping[str, Object]) -> Object:
    """A copy without the ignored fields. ``fields``: each field manager's ``fieldsV1`` on the live object."""
    out = copy.deepcopy(obj)
    for rule in rules:
        for pointer in rule.pointers:
            remove_pointer(out, pointer)
        for expression in rule.jq:
            out = without(expression, out)
        for manager in rule.managers:
            if manager in fields:
                remove_owned(out, fields[manager])
    return out


def remove_pointer(obj: Object, pointer: str) -> None:
    """Take out what a JSON pointer (RFC 6901) names, in place; nothing when it is not there."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]] or [""]
    here: Any = obj
    for part in way:
        here = _child(here, part)
    if isinstance(here, dict):
        here.pop(last, None)
    elif isinstance(here, list) and last.isdigit() and int(last) < len(here):
        del here[int(last)]


def remove_owned(obj: Any, fields: Mapping[str, Any]) -> None:
    """Take out, in place, the fields that a ``fieldsV1`` set names. Source: KEP-555, "FieldsV1"."""
    for name, below in fields.items():
        kind, _, key = name.partition(":")
        if kind == "f" and isinstance(obj, dict):
            _descend(obj, key, below)
        elif kind in ("k", "v", "i") and isinstance(obj, list):
            index = position(obj, kind, key)
            if index is not None:
                _descend(obj, index, below)


def _descend(holder: Any, key: Any, below: Mapping[str, Any]) -> None:
    if isinstance(holder, dict) and key not in holder:
        return
    if not below or set(below) == {"."}:
        del holder[key]
        return
    remove_owned(holder[key], below)


def position(items: list[Any], kind: str, key: str) -> int | None:
    """Where the list element stands that ``k:`` (by keys), ``v:`` (by value) or ``i:`` (by place) names."""
    wanted = json.loads(key)
    for index, item in enumerate(items):
        if kind == "i" and index == wanted:
            return index
        if kind == "v" and item == wanted:
            return index
        if kind == "k" and isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items()):
            return index
    return None


def respected(wanted: Object, bare: Object, live: Object) -> Object:
    """What to write so that ignored fields keep their live value; ``bare`` is ``wanted`` without them."""
    kept: Object = _keep(wanted, bare, live)
    return kept


def _keep(wanted: Any, bare: Any, live: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(bare, dict):
        if not isinstance(live, dict):
            return bare
        out = {}
        for name, value in wanted.items():
            if name in bare:
                out[name] = _keep(value, bare[name], live.get(name))
            elif name in live:
                out[name] = live[name]
        return out
    if isinstance(wanted, list) and isinstance(bare, list) and wanted != bare and isinstance(live, list):
        if len(wanted) != len(bare):
            return live
        return [_keep(w, b, _counterpart(w, i, live)) for i, (w, b) in enumerate(zip(wanted, bare, strict=True))]
    return bare


def _counterpart(item: Any, index: int, live: list[Any]) -> Any:
    """The live element for a wanted one: of the same name, else at the same place."""
    if isinstance(item, dict) and "name" in item:
        return next((e for e in live if isinstance(e, dict) and e.get("name") == item["name"]), None)
    return live[index] if index < len(live) else None


def _child(holder: Any, part: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(part)
    if isinstance(holder, list) and part.isdigit() and int(part) < len(holder):
        return holder[int(part)]
    return None
