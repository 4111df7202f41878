"""Who owns the replicas of an object that is changed through its Scale. Called by the API server's `scaling`.

The owners of the replicas become those of a Scale, and back. Source: apimachinery ``managedfields`` (scalehandler.go): of
the times, only those of entries that nobody else's write touched come through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.merge.fields import FieldSet, difference
from trueup.merge.managed import Entry, entries_of, with_entries

SCALE = "autoscaling/v1"
_REPLICAS: FieldSet = {"f:spec": {"f:replicas": {}}}

Paths = Mapping[str, Sequence[str]]
"""Where the replicas stand, by API version; an empty path where the version has no Scale."""


def owned_by_scale(obj: Object, paths: Paths) -> list[Object]:
    """The managed fields of an object's Scale."""
    found = {
        entry.key: Entry(entry.manager, entry.operation, SCALE, entry.subresource, _REPLICAS, entry.time)
        for entry in entries_of(obj).values()
        if paths.get(entry.api_version) and _has(entry.fields, paths[entry.api_version])
    }
    shown: list[Object] = with_entries({}, found)["metadata"].get("managedFields", [])
    return shown


def owned_by_parent(obj: Object, scale: Object, version: str, paths: Paths) -> Object:
    """The object with managed fields as the written Scale has them."""
    scaled = entries_of(scale)
    kept = {}
    for key, entry in entries_of(obj).items():
        path = paths.get(entry.api_version)
        if path is None:
            continue  # nobody knows the version any more
        if not path or not _has(entry.fields, path) or scaled.pop(key, None) is not None:
            kept[key] = entry
        elif left := difference(entry.fields, _set(path)):
            kept[key] = entry.with_fields(left)
    times = {key: entry.time for key, entry in entries_of(obj).items()}
    for key, entry in scaled.items():
        if _has(entry.fields, ("spec", "replicas")):
            kept[key] = Entry(
                entry.manager, entry.operation, version, entry.subresource, _set(paths[version]), times.get(key, "")
            )
    return with_entries(obj, kept)


def _has(fields: FieldSet, path: Sequence[str]) -> bool:
    at: Any = fields
    for part in path:
        at = at.get(f"f:{part}")
        if at is None:
            return False
    return not at or "." in at


def _set(path: Sequence[str]) -> FieldSet:
    found: FieldSet = {}
    for part in reversed(path):
        found = {f"f:{part}": found}
    return found
