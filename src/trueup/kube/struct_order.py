"""An object as JSON with its keys as Go writes them. Called by `verbs.patch`, whose refusals show what a patch would make.

Go writes structs in the order of their fields and maps by key. A patch is applied to that text: what it opens becomes a map, what
it leaves alone stays as it was, and what it brings is as it came. Sources: Go ``encoding/json``, ``evanphx/json-patch`` v4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from trueup.kube.messages import Message, for_kind
from trueup.kube.names import Kind, Object

_AS_IT_CAME = object()
_RAW = ("RawExtension", "JSON")


def text(obj: Object, kind: Kind, opened: Any) -> str:
    """The object's JSON. ``opened``: a merge patch, or what ``opened_by`` says of a JSON patch."""
    return orjson.dumps(_ordered(obj, for_kind(kind), opened)).decode()


def opened_by(operations: Sequence[Object]) -> Object:
    """What a JSON patch opens: keys (a list's numbers too) down to what it writes."""
    found: Object = {}
    for operation in operations:
        for pointer in (operation.get("from"), operation.get("path")):
            if isinstance(pointer, str):
                *above, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]] or [""]
                at = found
                for part in above:
                    below = at.get(part)
                    at = at.setdefault(part, {}) if below is not _AS_IT_CAME else {}
                at.setdefault(last, _AS_IT_CAME)
    return found


def _ordered(value: Any, shape: Message | None, opened: Any) -> Any:
    if opened is _AS_IT_CAME:
        return value
    if isinstance(value, list):
        return [_ordered(each, shape, _below(opened, index)) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    fields = {} if shape is None else shape.by_name
    if isinstance(opened, dict) or shape is None:
        keys = sorted(value)
    else:  # `apiVersion` and `kind` are embedded before all
        keys = [key for key in ("apiVersion", "kind") if key in value and key not in fields]
        keys += [key for key in fields if key in value]
        keys += sorted(value.keys() - set(keys))
    return {key: _member(value[key], fields.get(key), _below(opened, key)) for key in keys}


def _member(value: Any, field: Any, opened: Any) -> Any:
    if field is None or field.scalar:
        return _ordered(value, None, opened)
    if field.kind.rsplit(".", 1)[-1] in _RAW:
        return value
    if field.many == "map" and isinstance(value, dict):
        return {key: _ordered(value[key], field.message, _below(opened, key)) for key in sorted(value)}
    return _ordered(value, field.message, opened)


def _below(opened: Any, key: str | int) -> Any:
    if isinstance(opened, Mapping):
        return opened.get(str(key))
    if isinstance(opened, list) and isinstance(key, int) and key < len(opened):
        return opened[key]
    return None
