"""Who owns which field: server-side apply and the tracking of other writes.

Called by the API server on every write. Objects and a shape in, a new object with ``metadata.managedFields`` out; what is
handed in stays as it is. Sources: KEP-555; apimachinery ``managedfields``; structured-merge-diff ``merge.Updater``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Cause, Conflict
from trueup.kube.shapes import Shape
from trueup.merge.combine import combine, prune
from trueup.merge.compare import compare
from trueup.merge.fields import FieldSet, difference, field_set, intersection, named_members, paths, union

BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT = "ancient-changes"
MAX_UPDATE_MANAGERS = 10

_STRIPPED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        "f:name": {},
        "f:namespace": {},
        "f:creationTimestamp": {},
        "f:selfLink": {},
        "f:uid": {},
        "f:clusterName": {},
        "f:generation": {},
        "f:managedFields": {},
        "f:resourceVersion": {},
    },
}
"""Fields that nobody owns. Source: apimachinery ``stripMetaManager``."""

ManagerKey = tuple[str, str, str, str]
"""Manager, operation, version of an update (empty for an apply), subresource."""


@dataclass(slots=True)
class Entry:
    """One entry of ``managedFields``."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: FieldSet
    time: str = ""

    @property
    def key(self) -> ManagerKey:
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)


@dataclass(slots=True)
class Owners:
    """All entries of an object by their key."""

    entries: dict[ManagerKey, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, obj: Object | None) -> Owners:
        """From an object's ``managedFields``."""
        owners = cls()
        for raw in ((obj or {}).get("metadata") or {}).get("managedFields") or ():
            entry = Entry(
                raw.get("manager") or "",
                raw.get("operation") or "Update",
                raw.get("apiVersion") or "",
                raw.get("subresource") or "",
                raw.get("fieldsV1") or {},
                raw.get("time") or "",
            )
            owners.entries[entry.key] = entry
        return owners

    def as_json(self) -> list[Object]:
        """As ``managedFields``: applies before updates, then by time, manager, version and subresource."""
        ordered = sorted(
            (entry for entry in self.entries.values() if entry.fields),
            key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource),
        )
        out = []
        for entry in ordered:
            raw: Object = {
                "manager": entry.manager,
                "operation": entry.operation,
                "apiVersion": entry.api_version,
                "time": entry.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": entry.fields,
            }
            if entry.subresource:
                raw["subresource"] = entry.subresource
            out.append(raw)
        return out


def apply(
    live: Object | None,
    applied: Object,
    shape: Shape,
    *,
    manager: str,
    force: bool = False,
    subresource: str = "",
    now: str,
    reset: Sequence[FieldSet] = (),
) -> Object:
    """Server-side apply: ``live`` with the applied configuration, as its managed fields allow.

    ``reset``: sets of fields that this resource or subresource does not let a writer set. Raises ``Conflict`` with one
    cause per field when another manager owns what would change and ``force`` is off.
    """
    if ((applied.get("metadata") or {}).get("managedFields")) is not None:
        raise BadRequest("metadata.managedFields must be nil")
    before: Object = live if live is not None else {}
    owners = Owners.of(live)
    if live is not None and not owners.entries:
        _own_before_first_apply(owners, live, shape, now)
    version = str(applied.get("apiVersion") or "")
    key: ManagerKey = (manager, "Apply", "", subresource)
    last = owners.entries.get(key)
    mine = difference(field_set(applied, shape), _STRIPPED)
    for fields in reset:
        mine = difference(mine, fields)
    new = combine(before, applied, shape) if live is not None else dict(applied)
    if last is not None and last.fields:
        kept = mine
        for other in owners.entries.values():
            if other is not last:
                kept = union(kept, other.fields)
        gone = difference(named_members(last.fields, shape), named_members(kept, shape))
        if gone:
            new = prune(new, named_members(last.fields, shape), named_members(kept, shape), shape)
    changed, removed = compare(_bare(before), _bare(new), shape)
    _settle(owners, key, changed, removed, force=force)
    if last is not None and last.fields == mine and not changed and not removed:
        owners.entries[key] = Entry(manager, "Apply", version, subresource, mine, last.time)
    else:
        owners.entries[key] = Entry(manager, "Apply", version, subresource, mine, now)
    return _with_owners(new, owners)


def track_update(
    old: Object | None,
    new: Object,
    shape: Shape,
    *,
    manager: str,
    subresource: str = "",
    now: str,
    reset: Sequence[FieldSet] = (),
) -> Object:
    """``new`` with managed fields that say what ``manager`` changed by this update, patch or create."""
    meta = new.get("metadata") or {}
    given = meta.get("managedFields")
    if given is not None and old is not None and (given == [{}] or given == []):
        # An update that empties the list gives up all ownership; apiserver: "managedFields": [{}].
        return _with_owners(new, Owners())
    owners = Owners.of(new if given else old)
    changed, removed = compare(_bare(old or {}), _bare(new), shape)
    if not changed and not removed:
        return _with_owners(new, owners)
    changed = difference(changed, _STRIPPED)
    for fields in reset:
        changed, removed = difference(changed, fields), difference(removed, fields)
    version = str(new.get("apiVersion") or "")
    key: ManagerKey = (manager, "Update", version, subresource)
    _settle(owners, None, changed, removed, force=True)
    if changed:
        kept = owners.entries.get(key)
        mine = union(kept.fields, changed) if kept is not None else changed
        owners.entries[key] = Entry(manager, "Update", version, subresource, mine, now)
        _cap(owners)
    return _with_owners(new, owners)


def strip(obj: Object) -> Object:
    """The object without its managed fields; the same when it has none."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {name: value for name, value in meta.items() if name != "managedFields"}}


def _bare(obj: Object) -> Object:
    return strip(obj)


def _settle(owners: Owners, key: ManagerKey | None, changed: FieldSet, removed: FieldSet, *, force: bool) -> None:
    """Take changed fields from their other owners (or refuse), and removed fields from everybody."""
    if not changed and not removed:
        return
    conflicts: dict[ManagerKey, FieldSet] = {}
    for known, entry in owners.entries.items():
        if known != key:
            shared = intersection(entry.fields, changed)
            if shared:
                conflicts[known] = shared
    if conflicts and not force:
        raise _conflict(owners.entries, conflicts)
    for known in list(owners.entries):
        if known == key:
            continue
        entry = owners.entries[known]
        fields = difference(entry.fields, conflicts[known]) if known in conflicts else entry.fields
        if removed:
            fields = difference(fields, removed)
        if not fields:
            del owners.entries[known]
        elif fields is not entry.fields:
            owners.entries[known] = Entry(
                entry.manager, entry.operation, entry.api_version, entry.subresource, fields, entry.time
            )


def _conflict(entries: Mapping[ManagerKey, Entry], conflicts: Mapping[ManagerKey, FieldSet]) -> Conflict:
    """Worded as the API server words it."""
    by_manager = sorted((_describe(entries[key]), paths(fields)) for key, fields in conflicts.items())
    causes = [
        Cause("FieldManagerConflict", f"conflict with {who}", path) for who, found in by_manager for path in found
    ]
    count = len(causes)
    if count == 1:
        text = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        parts = []
        for who, found in by_manager:
            word = "conflicts" if len(found) > 1 else "conflict"
            parts.append(f"{word} with {who}:\n" + "\n".join(f"- {path}" for path in found))
        text = f"Apply failed with {count} conflicts: " + "\n".join(parts)
    return Conflict(text, causes=causes)


def _describe(entry: Entry) -> str:
    text = f'"{entry.manager}"'
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    if entry.operation == "Update":
        text += f" using {entry.api_version}"
    return text


def _own_before_first_apply(owners: Owners, live: Object, shape: Shape, now: str) -> None:
    """An object that nobody tracked belongs to ``before-first-apply``."""
    fields = difference(field_set(_bare(live), shape), _STRIPPED)
    if fields:
        entry = Entry(BEFORE_FIRST_APPLY, "Update", str(live.get("apiVersion") or ""), "", fields, now)
        owners.entries[entry.key] = entry


def _cap(owners: Owners) -> None:
    """At most ten updaters; the oldest are joined under one name (apimachinery ``capManagersManager``)."""
    updaters = [entry for entry in owners.entries.values() if entry.operation == "Update"]
    if len(updaters) <= MAX_UPDATE_MANAGERS:
        return
    updaters.sort(key=lambda e: e.time)
    for entry in updaters[: len(updaters) - MAX_UPDATE_MANAGERS + 1]:
        if entry.manager == ANCIENT:
            continue
        del owners.entries[entry.key]
        joined = Entry(ANCIENT, "Update", entry.api_version, entry.subresource, entry.fields, entry.time)
        known = owners.entries.get(joined.key)
        if known is not None:
            joined.fields = union(known.fields, joined.fields)
        owners.entries[joined.key] = joined


def _with_owners(obj: Object, owners: Owners) -> Object:
    meta = {name: value for name, value in (obj.get("metadata") or {}).items() if name != "managedFields"}
    entries = owners.as_json()
    if entries:
        meta["managedFields"] = entries
    return {**obj, "metadata": meta}


def managers(obj: Object) -> Iterable[str]:
    """The names of all that manage fields of an object."""
    return [str(raw.get("manager") or "") for raw in (obj.get("metadata") or {}).get("managedFields") or ()]
