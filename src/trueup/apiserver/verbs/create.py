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
from trueup.store.state import Stale


async def create(hub: Hub, served: Served, namespace: str, obj: Object, write: Write, *, own: bool = True) -> Object:
    """Store a new object. Takes ``obj`` over. ``own`` False: its managed fields are settled already (an apply)."""
    prepare.identify(served, obj, namespace)
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    if own:
        prepare.decode(served, obj, write)
        meta = obj["metadata"]
    generated = not meta.get("name") and bool(meta.get("generateName"))
    if generated:
        meta["name"] = f"{str(meta['generateName'])[:58]}{fresh.suffix()}"
    for unset in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        meta.pop(unset, None)
    meta["uid"] = fresh.uid()
    meta["creationTimestamp"] = hub.now()
    strategy = served.strategy
    if served.has_status and not strategy.keeps_status:
        obj.pop("status", None)
    prepare.default(served, obj)
    try:
        await hub.mutate(served, "CREATE", obj, None, write)
        moment = hub.moment(served, write)
        if strategy.create is not None:
            strategy.create(obj, moment)
        if strategy.counts_generations:
            obj["metadata"]["generation"] = 1
        prepare.check(served, obj, None, write)
        if strategy.canonical is not None:
            strategy.canonical(obj, moment)
        prepare.warn(served, obj, None, write)
        await hub.admit(served, "CREATE", obj, None, write)
        if own:
            obj = owners.track_update(
                None, obj, served.shape, manager=write.manager, now=hub.now(), subresource=write.subresource
            )
        return await _store(hub, served, obj, write, generated=generated)
    finally:
        hub.settle(served, obj)


async def _store(hub: Hub, served: Served, obj: Object, write: Write, *, generated: bool) -> Object:
    bucket, meta = hub.store.bucket(served.storage), obj["metadata"]
    space, name = meta.get("namespace") or "", meta["name"]
    if write.dry_run:
        if bucket.newest(space, name) is not None:
            raise already_exists(served, name)
        return obj
    try:
        return (await hub.put(bucket, obj, 0)).obj
    except Stale:
        if generated:
            why = "the server was not able to generate a unique name"
            raise AlreadyExists(f'{served.resource.group_resource} "{name}" already exists, {why}') from None
        raise already_exists(served, name) from None


def already_exists(served: Served, name: str) -> AlreadyExists:
    """``deployments.apps "web" already exists``."""
    details: Object = {"name": name, "kind": served.resource.name}
    if served.resource.group:
        details["group"] = served.resource.group
    return AlreadyExists(f'{served.resource.group_resource} "{name}" already exists', details=details)
