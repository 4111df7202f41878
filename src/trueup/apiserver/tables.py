"""Lists as tables, the way `kubectl get` prints them. Called by `resources`; columns are in `columns`.

Source: Kubernetes API concepts, "Receiving resources as Tables"; ``pkg/printers/internalversion``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from trueup.apiserver.answers import bare_metadata
from trueup.apiserver.cells import Column, human_duration
from trueup.apiserver.columns import BUILT_IN, PLAIN
from trueup.apiserver.jsonpath import find
from trueup.apiserver.registry import Served
from trueup.kube.names import Object
from trueup.timing.rfc3339 import parse_time


def table(
    served: Served,
    objects: Sequence[Object],
    now: float,
    include: str = "Metadata",
    revision: str = "",
    token: str = "",
    remaining: int = 0,
    *,
    headed: bool = True,
    columns: Sequence[Column] | None = None,
) -> Object:
    """A ``meta.k8s.io/v1`` Table. ``columns``: other ones than the kind's, for what is a part of it."""
    columns = columns_of(served) if columns is None else columns
    rows = []
    if (
        served.storage == "flowschemas.flowcontrol.apiserver.k8s.io"
    ):  # the one kind that is printed in an order of its own
        objects = sorted(objects, key=lambda obj: (obj["spec"].get("matchingPrecedence") or 0, obj["metadata"]["name"]))
    for obj in objects:
        row: Object = {"cells": [column.cell(obj, now) for column in columns]}
        if include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": bare_metadata(obj),
            }
        elif include == "Object":
            row["object"] = obj
        rows.append(row)
    meta: Object = {}
    if revision:
        meta["resourceVersion"] = revision
    if token:
        meta["continue"] = token
        if remaining:
            meta["remainingItemCount"] = remaining
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
        "rows": rows or ([] if served.custom or _printed_by_kind(served) else None),
    }


_NAME = PLAIN[0]
_CUSTOM_AGE = replace(PLAIN[1], type="date")


def _printed_by_kind(served: Served) -> bool:
    """Whether Kubernetes has a printer of the kind's own; its common one leaves out empty rows."""
    columns = BUILT_IN.get((served.kind.group, served.kind.kind))
    return columns is not None and all(column.name != "Created At" for column in columns)


def columns_of(served: Served) -> Sequence[Column]:
    """The columns of a kind: built in, of its definition, or name and age."""
    if served.custom:
        return (_NAME, *map(_custom, served.columns)) if served.columns else (_NAME, _CUSTOM_AGE)
    return BUILT_IN.get((served.kind.group, served.kind.kind), PLAIN)


def _custom(raw: Mapping[str, Any]) -> Column:
    """A column of a definition. Source: apiextensions-apiserver ``registry/customresource/tableconvertor``."""
    path, kind = str(raw["jsonPath"]), str(raw["type"])

    def cell(obj: Object, now: float) -> Any:
        found = find(obj, path)
        return _printed(found[0], kind, now) if found else None

    name, description = str(raw["name"]), str(raw.get("description") or "")
    return Column(name, kind, description, cell, str(raw.get("format") or ""), int(raw.get("priority") or 0))


def _printed(found: Any, kind: str, now: float) -> Any:
    """A value as its column's type shows it; None where it is of another type."""
    if kind == "string":
        return found if isinstance(found, str) else orjson.dumps(found).decode()
    if kind == "date":
        try:
            return human_duration(now - parse_time(found))
        except (TypeError, ValueError):
            return "<invalid>"
    if kind == "boolean":
        return found if isinstance(found, bool) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return int(found) if kind == "integer" else found
