"""Garbage collection: what its owners leave behind goes too. Source: ``pkg/controller/garbagecollector``; Kubernetes
documentation "Garbage Collection", "Use Cascading Deletion".

Every change of every kind wakes it (``Controller.live``) with a key that names the object by kind, name and uid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trueup.families.builtin.kinds import DEFINITION, NAMESPACE
from trueup.families.builtin.tools import change, remove
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.objects import meta, uid
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import Propagation

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_KINDS = Key("", "kinds")
_NO_OWNERS = frozenset({"Event", "Lease"})


@dataclass(frozen=True, slots=True)
class Owners:
    """How a dependent's owners stand."""

    solid: Sequence[Object]
    waiting: Sequence[Object]
    """Being deleted in the foreground: they wait for this dependent to go."""
    gone: Sequence[Object]


def identity(kind: Kind, namespace: str, name: str, own: str) -> Key:
    """The key that stands for one object of any kind."""
    return Key(namespace, "\n".join((kind.group, kind.version, kind.kind, name, own)))


def named(key: Key) -> tuple[Ref, str]:
    """The object and the uid that a key stands for."""
    group, version, kind, name, own = key.name.split("\n")
    return Ref(Kind(group, version, kind), key.namespace, name), own


def concerns(obj: Object) -> Iterable[Key]:
    """The object itself; and, when it goes, the owners that may wait for that."""
    if obj.get("kind") in _NO_OWNERS:
        return
    about = meta(obj)
    namespace = about.get("namespace") or ""
    yield identity(Kind.of(obj), namespace, str(about.get("name")), uid(obj))
    if about.get("deletionTimestamp"):
        for owner in about.get("ownerReferences") or ():
            if owner.get("blockOwnerDeletion"):
                yield identity(Kind.parse(owner["apiVersion"], owner["kind"]), namespace, owner["name"], owner["uid"])


def verdict(obj: Object, owners: Owners, *, has_dependents: bool) -> Propagation | Object | None:
    """How to delete an object, or the patch that takes dangling references away; None: it stays as it is."""
    if owners.solid:
        lost = [owner["uid"] for owner in (*owners.gone, *owners.waiting)]
        if not lost:
            return None
        kept = [owner for owner in meta(obj)["ownerReferences"] if owner["uid"] not in lost]
        return {"metadata": {"ownerReferences": kept, "uid": uid(obj)}}
    if owners.waiting and has_dependents:
        return "Foreground"
    if ORPHAN in (meta(obj).get("finalizers") or ()):
        return "Orphan"
    return "Foreground" if FOREGROUND in (meta(obj).get("finalizers") or ()) else "Background"


async def reconcile(tools: Tools, key: Key) -> Result:
    """One object: gone, going, or a dependent whose owners must be looked at."""
    if "\n" not in key.name:
        await _watch_all(tools)
        return Result()
    ref, own = named(key)
    obj = await _present(tools, ref, own)
    if obj is None:
        for dependent in tools.live.owned(own):
            await _judge(tools, dependent)
        return Result()
    finalizers = meta(obj).get("finalizers") or ()
    if meta(obj).get("deletionTimestamp"):
        if ORPHAN in finalizers:
            return await _orphan(tools, obj)
        if FOREGROUND in finalizers:
            return await _foreground(tools, obj)
        return Result()
    if meta(obj).get("ownerReferences"):
        await _judge(tools, obj)
    return Result()


async def _watch_all(tools: Tools) -> None:
    """See every kind that can be listed, once per resource."""
    seen: set[tuple[str, str]] = set()
    for info in await tools.client.resources():
        name = (info.resource.group, info.resource.name)
        if not {"list", "watch", "delete"} <= info.verbs or name in seen or info.kind.kind in _NO_OWNERS:
            continue
        seen.add(name)
        try:
            await tools.live.list(info.kind)
        except ApiProblem:
            continue  # its definition went meanwhile, and says so itself when it comes again


async def _present(tools: Tools, ref: Ref, own: str) -> Object | None:
    """The object, if it is the one with that uid."""
    try:
        found = await tools.client.get(ref)
    except NotFound:
        return None
    return found if uid(found) == own else None


async def _judge(tools: Tools, dependent: Object) -> None:
    """Delete a dependent that has lost all owners; take dangling references from one that has not."""
    current = await _present(tools, Ref.of(dependent), uid(dependent))  # the index of owners may lag behind
    if current is None or meta(current).get("deletionTimestamp"):
        return
    dependent = current
    owners = await _owners(tools, dependent)
    if not owners.gone and not owners.waiting:
        return
    below = tools.live.owned(uid(dependent))
    answer = verdict(dependent, owners, has_dependents=any(_blocks(one, uid(dependent)) for one in below))
    if answer == "Foreground" and any(_waits(one) for one in below):
        # A circle: what waits for the last of its dependents must not be waited for by it.
        free = [{**one, "blockOwnerDeletion": False} for one in meta(dependent)["ownerReferences"]]
        await change(tools, dependent, {"metadata": {"uid": uid(dependent), "ownerReferences": free}})
    if isinstance(answer, dict):
        await change(tools, dependent, answer)
    elif answer is not None:
        await remove(tools, dependent, propagation=answer)


async def _owners(tools: Tools, dependent: Object) -> Owners:
    solid, waiting, gone = [], [], []
    namespace = meta(dependent).get("namespace") or ""
    for owner in meta(dependent).get("ownerReferences") or ():
        ref = Ref(Kind.parse(owner["apiVersion"], owner["kind"]), namespace, owner["name"])
        found = await _present(tools, ref, owner["uid"])
        if found is None:
            gone.append(owner)
        elif _waits(found):
            waiting.append(owner)
        else:
            solid.append(owner)
    return Owners(solid, waiting, gone)


async def _foreground(tools: Tools, owner: Object) -> Result:
    """Dependents first; the owner when none is left that blocks it."""
    dependents = tools.live.owned(uid(owner))
    for dependent in dependents:
        await _judge(tools, dependent)
    if any(_blocks(one, uid(owner)) for one in dependents):
        return Result(after=1.0)
    await _finish(tools, owner, FOREGROUND)
    return Result()


async def _orphan(tools: Tools, owner: Object) -> Result:
    """Dependents forget the owner, then it goes."""
    for dependent in tools.live.owned(uid(owner)):
        kept = [one for one in meta(dependent).get("ownerReferences") or () if one.get("uid") != uid(owner)]
        await change(tools, dependent, {"metadata": {"ownerReferences": kept, "uid": uid(dependent)}})
    await _finish(tools, owner, ORPHAN)
    return Result()


async def _finish(tools: Tools, owner: Object, finalizer: str) -> None:
    kept = [name for name in meta(owner).get("finalizers") or () if name != finalizer]
    about = {"finalizers": kept, "resourceVersion": meta(owner)["resourceVersion"]}
    await change(tools, owner, {"metadata": about})


def _waits(obj: Object) -> bool:
    """Whether it is being deleted in the foreground."""
    return bool(meta(obj).get("deletionTimestamp")) and FOREGROUND in (meta(obj).get("finalizers") or ())


def _blocks(dependent: Object, own: str) -> bool:
    return any(
        one.get("uid") == own and one.get("blockOwnerDeletion") for one in meta(dependent).get("ownerReferences") or ()
    )


def _kinds(obj: Object) -> Iterable[Key]:
    yield _KINDS


CONTROLLER = Controller(
    "garbage-collector",
    NAMESPACE,
    reconcile,
    watches=(Watch(DEFINITION, keys=_kinds),),
    live=concerns,
    workers=16,
)
