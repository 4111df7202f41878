"""PUT, and what every change of an existing object shares. Source: apiserver ``registry/generic/registry/store.go``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from trueup.apiserver.converting import Memory
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.strategy import RESET
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.create import create
from trueup.kube.names import Object
from trueup.kube.objects import same
from trueup.kube.problems import ApiProblem, Cause, Conflict, Invalid, NotFound, not_found
from trueup.merge import owners
from trueup.store.state import Entry, Stale

ATTEMPTS = 8
_KEPT = ("selfLink", "creationTimestamp", "generation")
"""Metadata that only the server writes. Source: ``BeforeUpdate`` of apiserver ``registry/rest/update.go``."""

Change = Callable[[Object], tuple[Object, bool]]
"""From the stored object to the wanted one, and whether its managed fields are settled already (an apply)."""


async def update(hub: Hub, served: Served, namespace: str, name: str, obj: Object, write: Write) -> Object:
    """Replace an object. Takes ``obj`` over."""
    prepare.expect_kind(served, obj)
    prepare.decode(served, obj, write)
    prepare.identify(served, obj, namespace, name, named=True)
    wanted_version = str(obj["metadata"].get("resourceVersion") or "")
    wanted_uid = str(obj["metadata"].get("uid") or "")

    def replace(stored: Object) -> tuple[Object, bool]:
        if wanted_uid and wanted_uid != stored["metadata"]["uid"]:
            raise conflict(served, name, refused_by_store(served, namespace, name, uids_of(wanted_uid, stored), write))
        if wanted_version and not wanted_version.isdigit():
            raise unparsable(wanted_version)
        if wanted_version in ("", "0") and (served.custom or not served.strategy.unconditional):
            raise versionless(served, name)
        if wanted_version not in ("", "0") and wanted_version != stored["metadata"]["resourceVersion"]:
            raise conflict(served, name)
        return prepare.copy(obj), False

    if served.strategy.creates_on_update and hub.store.bucket(served.storage).newest(namespace, name) is None:
        return await _created(hub, served, namespace, obj, write)
    return await change(hub, served, namespace, name, replace, write, retry=not wanted_version)


async def _created(hub: Hub, served: Served, namespace: str, obj: Object, write: Write) -> Object:
    """What an update is of that finds nothing. An object that has been there before is not created anew."""
    meta = obj["metadata"]
    if meta.get("uid"):
        raise conflict(
            served, meta["name"], refused_by_store(served, namespace, meta["name"], uids_of(meta["uid"], None), write)
        )
    version = str(meta.pop("resourceVersion", None) or "")
    if version and not version.isdigit():
        raise unparsable(version)
    made = await create(hub, served, namespace, obj, write, posted=False)
    if version and write.dry_run:  # nothing is stored that would have one of its own
        made["metadata"]["resourceVersion"] = version
    return made


_KEYS = {
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "ingresses": "ingress",
    "customresourcedefinitions": "apiextensions.k8s.io/customresourcedefinitions",
    "apiservices": "apiregistration.k8s.io/apiservices",
}
"""Where Kubernetes keeps what it does not keep under the resource's name."""


def uids_of(wanted: str, stored: Object | None) -> str:
    """What is wanted of an object's identity, and what it is."""
    there = stored["metadata"]["uid"] if stored is not None else ""
    return f"UID in precondition: {wanted}, UID in object meta: {there}"


def refused_by_store(served: Served, namespace: str, name: str, why: str, write: Write) -> str:
    """Why the store refuses what is meant for another object of the name. Source: ``storage.Preconditions.Check``."""
    plural = served.resource.name
    root = f"{served.kind.group}/{plural}" if served.custom else _KEYS.get(plural, plural)
    start = "" if write.dry_run else "/registry"  # a dry run does not come as far as to where keys have it
    return (
        f"StorageError: invalid object, Code: 4, Key: {start}/{'/'.join(filter(None, (root, namespace, name)))}, "
        "ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: {why}"
    )


async def change(
    hub: Hub, served: Served, namespace: str, name: str, make: Change, write: Write, *, retry: bool = True,
    memory: Memory | None = None,
) -> Object:  # fmt: skip
    """Read, change, check, store; again when somebody else was quicker. ``memory``: knows what ``make`` asks for."""
    bucket = hub.store.bucket(served.storage)
    for _ in range(ATTEMPTS if retry else 1):
        entry = bucket.newest(namespace, name)
        if entry is None:
            raise not_found(served.resource.group_resource, name)
        stored = await hub.converted(served, entry.obj)
        new, settled = make(stored) if memory is None else await memory.settle(partial(make, stored))
        try:
            new = await _prepared(hub, served, stored, new, write, settled=settled)
            if not write.dry_run and "selfLink" in new["metadata"]:
                del new["metadata"]["selfLink"]  # never stored, but a dry run shows it
            if _same(new, stored, write) and not _elsewhere(hub, served, entry):
                return stored
            if write.dry_run:
                return await hub.converted(served, await hub.to_store(served, new)) if served.converts else new
            return await hub.converted(served, (await _store(hub, served, entry, new)).obj)
        except Stale as stale:
            if stale.current is None:
                raise not_found(served.resource.group_resource, name) from None
        finally:
            hub.settle(served, stored)
    raise conflict(served, name)


def _same(new: Object, stored: Object, write: Write) -> bool:
    """Whether there is nothing to write. A Scale that changes nothing may still change times of owners."""
    return new == stored if write.subresource == "scale" else prepare.same_but_bookkeeping(new, stored)


def _elsewhere(hub: Hub, served: Served, entry: Entry) -> bool:
    """Whether an object is stored in another version than new ones are: writing it as it is brings it there."""
    return served.converts and not hub.is_stored_so(served, entry.obj)


async def _store(hub: Hub, served: Served, entry: Entry, new: Object) -> Entry:
    """Write it, or let it go when its deletion only waited for its last finalizer."""
    if served.converts:
        new = await hub.to_store(served, new)
    meta, bucket = new["metadata"], hub.store.bucket(served.storage)
    held = served.strategy.held
    if meta.get("deletionTimestamp") and not meta.get("finalizers") and not (held is not None and held(new)):
        gone = await hub.remove(bucket, entry.obj, entry.revision)  # watches tell of it as it was stored last
        return Entry(gone.revision, None, {**new, "metadata": {**meta, "resourceVersion": str(gone.revision)}})
    return await hub.put(bucket, new, entry.revision)


async def _prepared(hub: Hub, served: Served, stored: Object, new: Object, write: Write, *, settled: bool) -> Object:
    """The wanted object as it may be stored: server fields kept, the other half (spec or status) kept, checked."""
    new = _kept(served, stored, new, write)
    forgets = owners.gives_up(new)
    if forgets and served.custom and not new["metadata"]["managedFields"]:
        del new["metadata"]["managedFields"]  # read into Go's metadata and written again, an empty list is none
        forgets = False
    bare = prepare.emptied(new)
    prepare.default(served, new)
    if forgets:
        new["metadata"]["managedFields"] = [{}]  # an empty list says the same and is gone by now
    hooked = hub.hooked()
    quiet = not hooked and not _unserved(served, stored) and not any(prepare.sealed(stored, bare))
    if not settled and quiet and _says_nothing_new(new, stored):
        prepare.warn(served, new, stored, write)
        return stored
    if not settled:  # what admission adds is nobody's
        track = _tracked_by_versions(hub, served, stored, new, write) if served.converts else None
        new = _tracked(hub, served, stored, new, write) if track is None else await track
    _restored(stored, new)
    await hub.mutate(served, "UPDATE", new, stored, write)
    if hooked:
        new = _kept(served, stored, new, write)
        _restored(stored, new)
        if not settled and not forgets and _says_nothing_new(new, stored):
            await hub.admit(served, "UPDATE", new, stored, write)
            prepare.warn(served, new, stored, write)
            return stored
    await hub.allocate(served, "UPDATE", new, stored, write)
    strategy, moment = served.strategy, hub.moment(served, write)
    if strategy.update is not None:
        strategy.update(new, stored, moment)
    if strategy.counts_generations and write.subresource != "status" and _spec_changed(stored, new, served):
        new["metadata"]["generation"] = int(stored["metadata"].get("generation") or 0) + 1
    prepare.check(served, new, stored, write, bare)
    if strategy.canonical is not None:
        strategy.canonical(new, moment)
    prepare.warn(served, new, stored, write)
    await hub.admit(served, "UPDATE", new, stored, write)
    hub.prune(served, new)
    return new


def _restored(stored: Object, new: Object) -> None:
    """What may be left out of metadata as it is stored, in place: after it was seen who leaves it out."""
    old_meta, meta = stored["metadata"], new["metadata"]
    if old_meta.get("deletionTimestamp"):
        meta["deletionTimestamp"] = old_meta["deletionTimestamp"]
    grace = old_meta.get("deletionGracePeriodSeconds")
    if grace is not None and meta.get("deletionGracePeriodSeconds") is None:
        meta["deletionGracePeriodSeconds"] = grace


def _unserved(served: Served, stored: Object) -> bool:
    """Whether it is a Service that knows no families yet, for a write of its status made it."""
    spec = stored.get("spec") or {}
    return served.storage == "services" and not spec.get("ipFamilies") and spec.get("type") != "ExternalName"


def _kept(served: Served, stored: Object, new: Object, write: Write) -> Object:
    """The wanted object with what this write may not change as it is stored."""
    old_meta, meta = stored["metadata"], dict(new.get("metadata") or {})
    new["metadata"] = meta
    for name in _KEPT:
        if name in old_meta:
            meta[name] = old_meta[name]
        else:
            meta.pop(name, None)
    if not meta.get("uid"):
        meta["uid"] = old_meta["uid"]
    meta.setdefault("name", old_meta["name"])
    if "namespace" in old_meta:
        meta.setdefault("namespace", old_meta["namespace"])
    meta["resourceVersion"] = old_meta["resourceVersion"]
    if write.subresource in ("status", "approval"):
        return _status_alone(served, stored, new)
    if write.subresource in ("", "scale", "ephemeralcontainers", "resize") and served.has_status:
        if "status" in stored:
            new["status"] = prepare.copy(stored["status"])
        else:
            new.pop("status", None)
    return new


async def _tracked_by_versions(hub: Hub, served: Served, stored: Object, new: Object, write: Write) -> Object:
    """The same where a webhook has to be asked how other managers' versions look."""
    memory = hub.conversions.memory(served)
    return await memory.settle(partial(_tracked, hub, served, stored, new, write, memory.versions()))


def _tracked(
    hub: Hub, served: Served, stored: Object, new: Object, write: Write, versions: owners.Versions | None = None
) -> Object:
    """The wanted object with managed fields that say who wants it so."""
    return owners.track_update(
        stored,
        new,
        served.shape,
        manager=write.manager,
        subresource=write.subresource,
        now=hub.now(),
        reset=() if write.subresource == "status" or not served.has_status else (prepare.STATUS,),
        versions=versions,
    )


def _says_nothing_new(new: Object, stored: Object) -> bool:
    """Whether an update changes nothing; managed fields that it leaves out are no change."""
    managed = stored["metadata"].get("managedFields")
    if managed and "managedFields" not in new["metadata"]:
        new = {**new, "metadata": {**new["metadata"], "managedFields": managed}}
    return prepare.same_but_bookkeeping(new, stored)


def _status_alone(served: Served, stored: Object, new: Object) -> Object:
    """What a status write may change: status; metadata too, but for custom resources managed fields alone.

    Source: the ``statusStrategy`` of built-in kinds, and of apiextensions-apiserver's ``customresource``.
    """
    out = {name: prepare.copy(part) for name, part in stored.items() if name not in ("metadata", "status")}
    meta = new["metadata"]
    keeps = served.strategy.status_keeps
    if served.custom:
        meta = {**stored["metadata"], **({"managedFields": meta["managedFields"]} if "managedFields" in meta else {})}
    for name in RESET if "*" in keeps else keeps:
        meta.pop(name, None)
        if name in stored["metadata"]:
            meta[name] = stored["metadata"][name]
    out["metadata"] = meta
    if new.get("status") is not None:
        out["status"] = new["status"]
    return out


def _spec_changed(old: Object, new: Object, served: Served) -> bool:
    """Built-in kinds count changes of ``spec``; custom ones of all but metadata (and status, where it is apart)."""
    if not served.custom:
        if "spec" in old or "spec" in new:
            a, b, apart = old.get("spec") or {}, new.get("spec") or {}, served.strategy.uncounted
            if a == b:
                return False
            return not all(_alike(a.get(k), b.get(k)) for k in (a.keys() | b.keys()) - apart)
        return not all(_alike(old.get(k), new.get(k)) for k in old.keys() | new.keys() if k != "metadata")
    skip = {"metadata", "status"} if served.has_status else {"metadata"}
    return not all(same(old.get(k), new.get(k)) for k in (old.keys() | new.keys()) - skip)


def _alike(a: Any, b: Any) -> bool:
    """Whether Go takes two values of a built-in kind for equal: none and nothing are."""
    if same(a, b) or (not a and not b and type(a) in _NONE and type(b) in _NONE):
        return True
    if type(a) is dict and type(b) is dict:
        return all(_alike(a.get(k), b.get(k)) for k in a.keys() | b.keys())
    return type(a) is list and type(b) is list and len(a) == len(b) and all(map(_alike, a, b))


_NONE = (list, type(None))


def versionless(served: Served, name: str) -> Invalid:
    text = "Invalid value: 0: must be specified for an update"
    details: Object = {"name": name, "kind": served.resource.name}
    if served.resource.group:
        details["group"] = served.resource.group
    return Invalid(
        f'{served.resource.group_resource} "{name}" is invalid: metadata.resourceVersion: {text}',
        causes=[Cause("FieldValueInvalid", text, "metadata.resourceVersion")],
        details=details,
    )


def other_uid(wanted: str, stored: Object) -> str:
    """Why a write that was meant for an object of the same name is refused."""
    return f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {stored['metadata']['uid']}"


def unparsable(version: str) -> ApiProblem:
    """Kubernetes takes a version that is none for trouble of its own."""
    return ApiProblem(f'strconv.ParseUint: parsing "{version}": invalid syntax')


def conflict(served: Served, name: str, why: str = "") -> Conflict:
    """``Operation cannot be fulfilled on deployments.apps "web": the object has been modified; …``."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    details: Object = {"name": name, "kind": served.resource.name}
    if served.resource.group:
        details["group"] = served.resource.group
    return Conflict(
        f'Operation cannot be fulfilled on {served.resource.group_resource} "{name}": {why}', details=details
    )


__all__ = ["NotFound", "change", "conflict", "other_uid", "unparsable", "update"]
