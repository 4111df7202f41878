"""The entries of ``metadata.managedFields``: read, join, write. Called by ``owners``.

Source: apimachinery ``util/managedfields/internal`` (``managedfields.go``, ``capmanagers.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trueup.kube.names import Object
from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import FieldSet, ordered, union
from trueup.merge.reading import as_schema_has_it

ManagerKey = tuple[str, str, str, str]
"""Manager, operation, API version of an update (empty for an apply), subresource: who an entry belongs to."""

ANCIENT = "ancient-changes"
MAX_UPDATERS = 10
"""More entries of updaters than these are joined, oldest first, so that managed fields do not grow without end."""


@dataclass(slots=True)
class Entry:
    """One entry. Never changed once made; ``raw`` is its JSON, when it was read from an object."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: FieldSet
    time: str = ""
    raw: Object | None = None

    @property
    def key(self) -> ManagerKey:
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)

    def with_fields(self, fields: FieldSet) -> Entry:
        """The same manager's entry with other fields; the time stays."""
        return Entry(self.manager, self.operation, self.api_version, self.subresource, fields, self.time)

    def as_json(self) -> Object:
        """As it stands in ``managedFields``."""
        if self.raw is not None:
            return self.raw
        raw: Object = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        if self.time:
            raw["time"] = self.time
        raw["fieldsType"] = "FieldsV1"
        raw["fieldsV1"] = ordered(self.fields)
        if self.subresource:
            raw["subresource"] = self.subresource
        return raw


Entries = dict[ManagerKey, Entry]


def entries_of(obj: Object | None, shape: Shape = ANY) -> Entries:
    """The entries of an object; none when one of them cannot be read, as the API server has it.

    ``shape``: sets follow when the schema made a field atomic since they were written.
    """
    out: Entries = {}
    for raw in ((obj or {}).get("metadata") or {}).get("managedFields") or ():
        fields = raw.get("fieldsV1") or {}
        operation = raw.get("operation")
        if operation not in ("Apply", "Update") or not raw.get("apiVersion") or not isinstance(fields, dict):
            return {}
        if raw.get("fieldsType") != "FieldsV1":
            return {}
        entry = Entry(
            raw.get("manager") or "",
            operation,
            raw["apiVersion"],
            raw.get("subresource") or "",
            fields,
            raw.get("time") or "",
            raw,
        )
        settled = fields if shape is ANY else as_schema_has_it(fields, shape)
        out[entry.key] = entry if settled is fields else entry.with_fields(settled)
    return out


def gives_up(obj: Object) -> bool:
    """Whether an object asks for all ownership to be forgotten: an empty list, or one empty entry."""
    given = (obj.get("metadata") or {}).get("managedFields")
    return given is not None and (not given or given == [{}])


def with_entries(obj: Object, entries: Mapping[ManagerKey, Entry]) -> Object:
    """The object with these managed fields: applies before updates, then by time, manager, version and subresource."""
    meta = dict(obj.get("metadata") or {})
    found = [entry for entry in entries.values() if entry.fields]
    if len(found) > 1:
        found.sort(key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
    if found:
        meta["managedFields"] = [entry.as_json() for entry in found]
    else:
        meta.pop("managedFields", None)
    return {**obj, "metadata": meta}


def cap(entries: Entries) -> None:
    """Join the oldest updaters of each version under one name while there are too many; in place."""
    updaters = [entry for entry in entries.values() if entry.operation == "Update"]
    surplus = len(updaters) - MAX_UPDATERS
    if surplus <= 0:
        return
    first: dict[str, ManagerKey] = {}
    for entry in sorted(updaters, key=lambda e: (e.time, e.key)):
        if surplus <= 0:
            return
        version = entry.api_version
        if version not in first:
            first[version] = entry.key
            continue
        bucket: ManagerKey = (ANCIENT, "Update", version, "")
        if bucket not in entries:
            oldest = entries.pop(first[version])
            entries[bucket] = Entry(ANCIENT, "Update", version, "", oldest.fields)
        del entries[entry.key]
        joined = union(entry.fields, entries[bucket].fields)
        entries[bucket] = Entry(ANCIENT, "Update", version, "", joined, entry.time)
        surplus -= 1


def managers(obj: Object) -> Iterable[str]:
    """The names of all that manage fields of an object."""
    return [str(raw.get("manager") or "") for raw in (obj.get("metadata") or {}).get("managedFields") or ()]
