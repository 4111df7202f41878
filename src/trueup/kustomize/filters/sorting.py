"""The order of the output. Called by `build`. Source: kustomize's sort order transformer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cmp_to_key
from typing import Any

from trueup.kustomize.ids import DEFAULT_FIRST, DEFAULT_LAST, Id
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resources import Resources

LEGACY: Mapping[str, Any] = {"order": "legacy"}


def sort(resources: Resources, options: Mapping[str, Any]) -> None:
    """Orders by kind as kustomize always did (``legacy``), or leaves the order of the files (``fifo``)."""
    order, legacy = options.get("order") or "", options.get("legacySortOptions")
    if order not in ("fifo", "legacy"):
        raise KustomizeProblem("the field 'sortOptions.order' must be one of [fifo, legacy]", field="sortOptions")
    if order == "fifo":
        if legacy is not None:
            raise KustomizeProblem(
                "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
                field="sortOptions",
            )
        return
    if legacy is None:
        legacy = {"orderFirst": DEFAULT_FIRST, "orderLast": DEFAULT_LAST}
    first, last = list(legacy.get("orderFirst") or ()), list(legacy.get("orderLast") or ())
    ranks = {kind: at - len(first) for at, kind in enumerate(first)}
    ranks.update({kind: 1 + at for at, kind in enumerate(last)})
    ids = {id(resource): resource.id for resource in resources}

    def compare(one: Id, other: Id) -> int:
        if one.gvk == other.gvk:
            return _order(_id_text(one), _id_text(other))
        mine, theirs = ranks.get(one.kind, 0), ranks.get(other.kind, 0)
        if mine != theirs:
            return -1 if mine < theirs else 1
        result = _order(_gvk_text(one), _gvk_text(other))
        both = one.kind == other.kind == "Namespace" and (not one.group or not other.group)
        return -result if both else result

    key = cmp_to_key(compare)
    resources.items.sort(key=lambda resource: key(ids[id(resource)]))


def _order(one: str, other: str) -> int:
    return (one > other) - (one < other)


def _gvk_text(id: Id) -> str:
    return f"{id.group or '~G'}_{id.version or '~V'}_{id.kind or '~K'}"


def _id_text(id: Id) -> str:
    return f"{id.gvk}|{id.namespace or '~X'}|{id.name or '~N'}"
