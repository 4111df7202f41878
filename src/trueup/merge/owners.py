"""Who owns which field: server-side apply and the tracking of other writes.

Called by the API server on every write. Objects and a shape in, a new object with ``metadata.managedFields`` out; what is
handed in stays as it is, and parts that do not change are shared. Sources: KEP-555; apimachinery ``util/managedfields``;
structured-merge-diff ``merge.Updater``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.kube.empty import empty_object, with_parts
from trueup.kube.names import Object
from trueup.kube.objects import same
from trueup.kube.problems import ApiProblem, BadRequest
from trueup.kube.shapes import ANY, Shape
from trueup.merge.combine import combine
from trueup.merge.compare import Unfit, compare
from trueup.merge.conflicts import Contested, refusal
from trueup.merge.fields import FieldSet, difference, intersection, union, without
from trueup.merge.lastapplied import KUBECTL, allowed_conflicts, renewed
from trueup.merge.managed import Entries, Entry, ManagerKey, cap, entries_of, gives_up, managers, with_entries
from trueup.merge.pruning import Versions, prune
from trueup.merge.reading import FieldProblem, field_set
from trueup.merge.typed import problems_text, title

BEFORE_FIRST_APPLY = "before-first-apply"
UNKNOWN = "unknown"

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
    versions: Versions | None = None,
    touched: bool = False,
) -> Object:
    """Server-side apply: ``live`` with the applied configuration, as its managed fields allow.

    ``reset``: fields that this resource or subresource does not let a writer set, with all that is below them.
    ``touched``: the configuration also had other metadata than is there, of the kind that only the server writes.
    Raises ``Conflict`` with one cause per field when another manager owns what would change and ``force`` is off.
    """
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    try:
        mine = field_set(applied, shape, strict=True)
    except FieldProblem as problem:
        # The API server answers 500 here: nothing it validated before says what is wrong.
        raise ApiProblem(f"failed to create typed patch object ({title(applied)}): {problem}") from None
    for fields in reset:
        mine = without(mine, fields)
    entry = Entry(manager or UNKNOWN, "Apply", str(applied.get("apiVersion") or ""), subresource, mine, now)
    if live is None:
        entry.fields = difference(mine, _STRIPPED)
        return with_entries(applied, {entry.key: entry})
    try:
        return _Apply(live, applied, shape, reset, versions).run(entry, force=force, touched=touched)
    except Unfit:
        why = f"failed to convert new object ({title(live)}) to smd typed: {problems_text(live, shape)}"
        raise ApiProblem(f"failed to create manager for existing fields: {why}") from None


class _Apply:
    """One apply to an object that exists."""

    __slots__ = ("applied", "live", "reset", "shape", "versions")

    def __init__(
        self, live: Object, applied: Object, shape: Shape, reset: Sequence[FieldSet], versions: Versions | None
    ) -> None:
        self.live, self.applied, self.shape, self.reset, self.versions = live, applied, shape, reset, versions

    def run(self, mine: Entry, *, force: bool, touched: bool) -> Object:
        key = mine.key
        entries = entries_of(self.live, _changing(self.shape, self.applied))
        if not entries:
            _own_before_first_apply(entries, self.live, self.shape, mine, self.reset)
        last = entries.get(key)
        entries[key] = mine
        new = stored = combine(self.live, self.applied, self.shape)
        owned = difference(mine.fields, _STRIPPED)
        if last is not None and last.fields != owned:
            # With the stripped fields still in the set, so that the metadata itself has an owner and is not pruned.
            new, stored = self._pruned(new, mine, last, entries)
        try:
            self._settle(entries, mine, new, force)
        except Contested as contested:
            if mine.manager != KUBECTL:
                raise refusal(contested) from None
            contested.allow(allowed_conflicts(self.live, self.shape, mine.api_version))
            if contested.sets:
                raise refusal(contested) from None
            self._settle(entries, mine, new, True)
        if not touched and (new is self.live or same(new, self.live)):
            # Nothing changed but who owns what: the time of the last change stays.
            mine.time = last.time if last is not None else ""
            stored = self.live
        mine.fields = owned
        if last is not None and last.fields == mine.fields and last.time == mine.time:
            entries[key] = last if last.api_version == mine.api_version else mine
        if mine.manager == KUBECTL:
            stored = renewed(stored, self.applied)
        return with_entries(stored, entries)

    def _pruned(self, new: Object, mine: Entry, last: Entry, entries: Entries) -> tuple[Object, Object]:
        same = self.versions is None or last.api_version == mine.api_version
        if same and not difference(last.fields, mine.fields):
            return new, new
        owned: dict[str, FieldSet] = {}
        for entry in entries.values():
            version = entry.api_version if self.versions is not None else mine.api_version
            owned[version] = union(owned.get(version, {}), entry.fields)
        before = (last.api_version if self.versions is not None else mine.api_version, last.fields)
        return prune(new, self.shape, mine.api_version, before, owned, self.versions)

    def _settle(self, entries: Entries, mine: Entry, new: Object, force: bool) -> None:
        if new is not self.live and len(entries) > 1:
            seen = _Seen(self.live, new, self.shape, mine.api_version, self.reset, self.versions)
            _take(entries, seen, mine.key, force=force)


class _Seen:
    """What changed between two objects, as each version of the kind sees it."""

    __slots__ = ("_by_version", "_new", "_old", "_version", "_versions")

    def __init__(
        self, old: Object, new: Object, shape: Shape, version: str, reset: Sequence[FieldSet], versions: Versions | None
    ) -> None:
        self._old, self._new, self._version, self._versions = old, new, version, versions
        self._by_version: dict[str, tuple[FieldSet, FieldSet] | None] = {version: _compare(old, new, shape, reset)}

    @property
    def here(self) -> tuple[FieldSet, FieldSet]:
        """As the version of this write sees it."""
        found = self._by_version[self._version]
        assert found is not None  # set on construction
        return found

    def at(self, version: str) -> tuple[FieldSet, FieldSet] | None:
        """(added or modified, removed); None when the version is no longer served."""
        if self._versions is None:
            return self.here
        if version not in self._by_version:
            old = self._versions.convert(self._old, self._version, version)
            new = self._versions.convert(self._new, self._version, version)
            if old is None or new is None:
                self._by_version[version] = None
            else:
                shape, reset = self._versions.shape(version), self._versions.reset(version)
                self._by_version[version] = _compare(old, new, shape, reset)
        return self._by_version[version]


def _compare(old: Object, new: Object, shape: Shape, reset: Sequence[FieldSet]) -> tuple[FieldSet, FieldSet]:
    changed, removed = compare(old, new, shape)
    for fields in reset:
        changed, removed = without(changed, fields), without(removed, fields)
    return changed, removed


def _take(entries: Entries, seen: _Seen, key: ManagerKey | None, *, force: bool) -> None:
    """Take changed fields from their other owners (or refuse), and removed fields from everybody; in place."""
    contested: dict[ManagerKey, FieldSet] = {}
    left: list[tuple[ManagerKey, Entry | None]] = []
    for known, entry in entries.items():
        if known == key:
            continue
        found = seen.at(entry.api_version)
        if found is None:
            left.append((known, None))
            continue
        changed, removed = found
        fields = entry.fields
        shared = intersection(fields, changed) if changed else None
        if shared:
            contested[known] = shared
            fields = difference(fields, shared)
        if removed:
            fields = difference(fields, removed)
        if not fields:
            left.append((known, None))
        elif fields is not entry.fields:
            left.append((known, entry.with_fields(fields)))
    if contested and not force:
        raise Contested([(entries[known], fields) for known, fields in contested.items()])
    for known, kept in left:
        if kept is None:
            del entries[known]
        else:
            entries[known] = kept


def track_update(
    old: Object | None,
    new: Object,
    shape: Shape,
    *,
    manager: str,
    subresource: str = "",
    now: str,
    reset: Sequence[FieldSet] = (),
    versions: Versions | None = None,
) -> Object:
    """``new`` with managed fields that say what ``manager`` changed by this update, patch or create."""
    moving = _changing(shape, new)
    if not subresource and gives_up(new):
        entries: Entries = {}
    else:
        entries = (entries_of(new, moving) if not subresource else {}) or entries_of(old, moving)
    if old is not None and not entries:
        # Tracking starts with an object's creation or its first apply, not in between.
        return with_entries(new, entries)
    empty = empty_object(new)
    before = empty if old is None else with_parts(old, empty)
    version = str(new.get("apiVersion") or "")
    try:
        _track(
            entries,
            before,
            with_parts(new, empty),
            shape,
            manager or UNKNOWN,
            subresource,
            version,
            now,
            reset,
            versions,
        )
    except Unfit:  # source: apimachinery ``FieldManager.UpdateNoErrors``
        entries = {}
    cap(entries)
    return with_entries(new, entries)


def _track(
    entries: Entries, old: Object, new: Object, shape: Shape, manager: str, subresource: str, version: str, now: str,
    reset: Sequence[FieldSet], versions: Versions | None,
) -> None:  # fmt: skip
    seen = _Seen(old, new, shape, version, reset, versions)
    _take(entries, seen, None, force=True)
    changed = difference(seen.here[0], _STRIPPED)
    if changed:
        entry = Entry(manager, "Update", version, subresource, changed, now)
        kept = entries.get(entry.key)
        if kept is not None:
            entry.fields = union(kept.fields, changed)
        entries[entry.key] = entry


def _own_before_first_apply(
    entries: Entries, live: Object, shape: Shape, mine: Entry, reset: Sequence[FieldSet]
) -> None:
    """What nobody tracked belongs to ``before-first-apply``; in place. Source: ``skipNonAppliedManager``."""
    empty = empty_object(live)
    _track(
        entries, empty, with_parts(live, empty), shape, BEFORE_FIRST_APPLY, mine.subresource, mine.api_version,
        mine.time, reset, None,
    )  # fmt: skip


def _changing(shape: Shape, obj: Object) -> Shape:
    """The shape, where it may have changed since managed fields were written: custom groups, which all have a dot."""
    return shape if "." in str(obj.get("apiVersion") or "").rpartition("/")[0] else ANY


def strip(obj: Object) -> Object:
    """The object without its managed fields; the same when it has none."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {name: value for name, value in meta.items() if name != "managedFields"}}


__all__ = ["BEFORE_FIRST_APPLY", "Versions", "apply", "gives_up", "managers", "strip", "track_update"]
