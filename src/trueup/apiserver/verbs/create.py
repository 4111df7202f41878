"""POST. Source: Kubernetes API conventions, "Verbs on Resources"; apiserver ``registry/generic/registry/store.go``."""

from __future__ import annotations

from trueup.apiserver import fresh
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.kube.names import Object
from trueup.kube.problems import AlreadyExists, BadRequest
from trueup.merge import owners
from trueup.merge.fields import FieldSet
from trueup.store.state import Entry, Stale

_SERVERS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
"""Metadata that no client gives to a new object. Source: apiserver ``rest.WipeObjectMetaSystemFields``."""
_NEVER = ("uid", "creationTimestamp", "selfLink")
"""The same of an object that an update makes. Source: ``rest.FillObjectMetaSystemFields``."""


async def create(
    hub: Hub, served: Served, namespace: str, obj: Object, write: Write, *, own: bool = True, posted: bool = True
) -> Object:
    """Store a new object. Takes ``obj`` over. ``own`` False: its managed fields are settled already (an apply).

    ``posted`` False: it comes of an update or an apply, which may say that it goes already.
    """
    prepare.expect_kind(served, obj)
    if own:
        prepare.decode(served, obj, write)
    prepare.identify(served, obj, namespace)
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    for unset in _SERVERS if posted else _NEVER:
        meta.pop(unset, None)
    strategy = served.strategy
    if served.has_status and not strategy.keeps_status:
        obj.pop("status", None)
    bare = prepare.emptied(obj)
    prepare.default(served, obj)
    if own:  # before anybody else has a say in the object: what admission and strategies add is nobody's
        obj = owners.track_update(
            None,
            obj,
            served.shape,
            manager=write.manager,
            now=hub.now(),
            subresource=write.subresource,
            reset=_nobodys(served, write),
        )
    try:
        await hub.mutate(served, "CREATE", obj, None, write)
        _identify(hub, obj["metadata"])
        if not write.subresource:  # what makes an object by its status gives it no addresses
            await hub.allocate(served, "CREATE", obj, None, write)
        moment = hub.moment(served, write)
        if strategy.create is not None:
            strategy.create(obj, moment)
        if strategy.counts_generations:
            obj["metadata"]["generation"] = 1
        prepare.check(served, obj, None, write, bare)
        if strategy.canonical is not None:
            strategy.canonical(obj, moment)
        prepare.warn(served, obj, None, write)
        await hub.admit(served, "CREATE", obj, None, write)
        hub.prune(served, obj)
        return await _store(hub, served, obj, write)
    finally:
        hub.settle(served, obj)


def _nobodys(served: Served, write: Write) -> tuple[FieldSet, ...]:
    """What who makes an object does not own of it."""
    if write.subresource == "status":
        return (prepare.SPEC,)
    return (prepare.STATUS,) if served.has_status else ()


def _identify(hub: Hub, meta: Object) -> None:
    """What makes an object itself, in place."""
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = f"{str(meta['generateName'])[:58]}{fresh.suffix()}"
    meta["uid"] = fresh.uid()
    meta["creationTimestamp"] = hub.now()


async def _store(hub: Hub, served: Served, obj: Object, write: Write) -> Object:
    bucket, meta = hub.store.bucket(served.storage), obj["metadata"]
    space, name = meta.get("namespace") or "", meta["name"]
    if served.converts:
        obj = await hub.to_store(served, obj)
    if write.dry_run:
        there = bucket.newest(space, name)
        if there is not None:
            raise _not_unique(served, name) if meta.get("generateName") else already_exists(served, name, there)
        return await hub.converted(served, obj)
    try:
        stored = (await hub.put(bucket, obj, 0)).obj
        return await hub.converted(served, stored) if served.converts else stored
    except Stale:
        if meta.get("generateName"):
            raise _not_unique(served, name) from None
        raise already_exists(served, name, bucket.newest(space, name)) from None


def _not_unique(served: Served, name: str) -> AlreadyExists:
    """Made up or not: what may be made up is to be tried again. Source: apimachinery ``NewGenerateNameConflict``."""
    why = "the server was not able to generate a unique name for the object"
    details: Object = {"name": name, "kind": served.resource.name}
    if served.resource.group:
        details["group"] = served.resource.group
    found = AlreadyExists(f'{served.resource.group_resource} "{name}" already exists, {why}', details=details)
    found.retry_after = 1
    return found


def already_exists(served: Served, name: str, there: Entry | None) -> AlreadyExists:
    """``deployments.apps "web" already exists``, perhaps not for long."""
    going = there is not None and there.obj["metadata"].get("deletionTimestamp")
    details: Object = {"name": name, "kind": served.resource.name}
    if served.resource.group:
        details["group"] = served.resource.group
    lead = "object is being deleted: " if going else ""
    return AlreadyExists(f'{lead}{served.resource.group_resource} "{name}" already exists', details=details)
