"""Lists as tables, the way `kubectl get` prints them. Called by `resources`; columns are in `columns`.

Source: Kubernetes API concepts, "Receiving resources as Tables"; ``pkg/printers/internalversion``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trueup.apiserver.columns import BUILT_IN, NAMELESS, Column, age
from trueup.apiserver.registry import Served
from trueup.kube.names import Object

_NAME = Column(
    "Name", "string", "Name must be unique within a namespace.", lambda obj, now: obj["metadata"]["name"], "name"
)
_AGE = Column("Age", "string", "Time since the object was created.", lambda obj, now: age(obj, now))


def table(
    served: Served,
    objects: Sequence[Object],
    now: float,
    include: str = "Metadata",
    *,
    revision: str = "",
    token: str = "",
    headed: bool = True,
) -> Object:
    """A ``meta.k8s.io/v1`` Table."""
    columns = columns_of(served)
    rows = []
    for obj in objects:
        row: Object = {"cells": [column.cell(obj, now) for column in columns]}
        if include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": obj["metadata"],
            }
        elif include == "Object":
            row["object"] = obj
        rows.append(row)
    meta: Object = {}
    if revision:
        meta["resourceVersion"] = revision
    if token:
        meta["continue"] = token
    heads = [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": heads if headed else [],
        "rows": rows,
    }


def columns_of(served: Served) -> Sequence[Column]:
    """The columns of a kind: built in, of its definition, or name and age."""
    if served.custom:
        if not served.columns:
            return (_NAME, _AGE)
        return (_NAME, *(_custom(column) for column in served.columns))
    own = BUILT_IN.get((served.kind.group, served.kind.kind))
    if own is None:
        return (_NAME, _AGE)
    return own if served.kind.kind in NAMELESS else (_NAME, *own)


def _custom(raw: Any) -> Column:
    path, kind = str(raw["jsonPath"]), str(raw["type"])

    def cell(obj: Object, now: float) -> Any:
        found = first(obj, path)
        if found is None:
            return None if kind != "date" else "<unknown>"
        if kind == "date":
            return age({"metadata": {"creationTimestamp": found}}, now)
        if kind == "string" and not isinstance(found, str):
            import json

            return json.dumps(found, separators=(",", ":")) if isinstance(found, (dict, list)) else _word(found)
        return found

    return Column(
        str(raw["name"]),
        "string" if kind == "date" else kind,
        str(raw.get("description") or ""),
        cell,
        str(raw.get("format") or ""),
        int(raw.get("priority") or 0),
    )


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_STEP = re.compile(
    r"\.([A-Za-z0-9_\-/]+)|\['([^']+)'\]|\[(\d+)\]|\[\?\(@\.([\w.]+)\s*==\s*[\"']([^\"']*)[\"']\)\]|(\[\*\])"
)


def first(obj: Any, path: str) -> Any:
    """The first value that a printer column's JSONPath finds."""
    values = [obj]
    position = 0
    text = path.replace("\\.", "\0") if path.startswith(".") else f".{path}"
    while position < len(text):
        step = _STEP.match(text.replace("\0", "\0"), position)
        if step is None:
            return _escaped(obj, path)
        position = step.end()
        values = [found for value in values for found in _take(value, step)]
        if not values:
            return None
    return values[0]


def _escaped(obj: Any, path: str) -> Any:
    """A path with escaped dots, as in ``.metadata.annotations.example\\.com/name``."""
    value = obj
    for part in re.split(r"(?<!\\)\.", path.lstrip(".")):
        if not isinstance(value, dict):
            return None
        value = value.get(part.replace("\\.", "."))
    return value


def _take(value: Any, step: re.Match[str]) -> list[Any]:
    name = step[1] or step[2]
    if name is not None:
        return [value[name]] if isinstance(value, dict) and value.get(name) is not None else []
    if not isinstance(value, list):
        return []
    if step[3] is not None:
        index = int(step[3])
        return [value[index]] if index < len(value) else []
    if step[4] is not None:
        return [item for item in value if isinstance(item, dict) and str(item.get(step[4])) == step[5]]
    return list(value)
