"""DELETE and deletecollection. Source: apiserver ``store.go``, garbage collection documentation ("Foreground…")."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.update import ATTEMPTS, conflict, other_uid, refused_by_store
from trueup.kube.empty import empty_object
from trueup.kube.names import Object
from trueup.kube.problems import Conflict, not_found
from trueup.store.state import Stale
from trueup.timing.rfc3339 import format_time, parse_time

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``metav1.DeleteOptions``, as far as it decides anything."""

    propagation: str = ""
    grace: int | None = None
    uid: str = ""
    revision: str = ""


async def delete(
    hub: Hub, served: Served, namespace: str, name: str, options: DeleteOptions, write: Write
) -> tuple[Object, bool]:
    """Delete an object, or mark it as being deleted; whether it is gone now."""
    bucket = hub.store.bucket(served.storage)
    preserved = served.strategy.preserved
    if preserved and not options.propagation and preserved not in write.warnings:
        write.warnings.append(preserved)
    for _ in range(ATTEMPTS):
        entry = bucket.newest(namespace, name)
        if entry is None:
            raise not_found(served.resource.group_resource, name)
        stored = entry.obj
        _check_preconditions(served, stored, options)
        if served.storage == "namespaces" and stored["metadata"].get("deletionTimestamp") and _held(served, stored):
            return stored, False  # it goes already, and no more is said of how
        new = _marked(hub, served, stored, options)
        shown = await hub.converted(served, stored)
        seen = new if shown is stored else _marked(hub, served, shown, options)
        if hub.hooked():
            await hub.mutate(served, "DELETE", seen, shown, write)
        await hub.admit(served, "DELETE", seen, shown, write)
        graceful = served.strategy.grace is not None and _newly_going(new, stored)
        if write.dry_run:
            at_once = _may_go(served, new)
            if at_once and not graceful and stored["metadata"].get("finalizers"):
                return _blank(served, shown), False
            return (shown if at_once and served.strategy.grace is None else seen), at_once
        try:
            if _may_go(served, new):
                if options.revision and stored["metadata"].get("finalizers"):
                    raise _outdated(served, namespace, name, stored, write)
                last = entry
                if graceful:
                    last = await hub.put(
                        bucket, new, entry.revision
                    )  # who watches hears first that it goes, then that it is gone
                gone = await hub.remove(bucket, last.obj, last.revision)
                hub.settle(served, stored)
                return (shown if served.strategy.grace is None else await hub.converted(served, gone.obj)), True
            if new["metadata"] == stored["metadata"] and new.get("status") == stored.get("status"):
                return shown, False
            kept = await hub.put(bucket, new, entry.revision)
            return await hub.converted(served, kept.obj), False
        except Stale:
            continue
    raise conflict(served, name)


def _check_preconditions(served: Served, stored: Object, options: DeleteOptions) -> None:
    """Source: apiserver ``rest.BeforeDelete``, which names the object by its kind."""
    meta = stored["metadata"]
    why = ""
    if options.uid and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
    elif options.revision and options.revision != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.revision}) does not match the ResourceVersion in record "
            f"({meta['resourceVersion']}). The object might have been modified"
        )
    if not why:
        return
    if served.storage == "namespaces":
        raise conflict(served, meta["name"], _of_namespace(meta, options))
    kind, group = served.kind.kind, "" if served.storage == "events" else served.kind.group
    title = f"{kind}.{group}" if group else kind
    details = {"name": meta["name"], "kind": kind, **({"group": group} if group else {})}
    raise Conflict(f'Operation cannot be fulfilled on {title} "{meta["name"]}": {why}', details=details)


def _outdated(served: Served, namespace: str, name: str, stored: Object, write: Write) -> Conflict:
    """Finalizers that go with the deletion itself make Kubernetes forget which version was asked for."""
    there = stored["metadata"]["resourceVersion"]
    why = f"ResourceVersion in precondition: , ResourceVersion in object meta: {there}"
    return conflict(served, name, refused_by_store(served, namespace, name, why, write))


def _of_namespace(meta: Object, options: DeleteOptions) -> str:
    """Source: ``namespace/storage/storage.go``."""
    if options.uid and options.uid != meta["uid"]:
        return other_uid(options.uid, {"metadata": meta})
    wanted, there = options.revision, meta["resourceVersion"]
    return f"Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {there}"


def _marked(hub: Hub, served: Served, stored: Object, options: DeleteOptions) -> Object:
    """The object with its deletion time and the finalizers that the propagation policy asks for."""
    meta = dict(stored["metadata"])
    finalizers = list(meta.get("finalizers") or ())
    if served.storage == "events":
        pass  # nothing collects what belongs to them
    elif options.propagation == "Foreground" and FOREGROUND not in finalizers:
        finalizers = [name for name in finalizers if name != ORPHAN] + [FOREGROUND]
    elif options.propagation == "Orphan" and ORPHAN not in finalizers:
        finalizers = [name for name in finalizers if name != FOREGROUND] + [ORPHAN]
    elif options.propagation == "Background":
        finalizers = [name for name in finalizers if name not in (FOREGROUND, ORPHAN)]
    elif not options.propagation and served.strategy.orphans and not {FOREGROUND, ORPHAN} & set(finalizers):
        finalizers = [*finalizers, ORPHAN]
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    strategy = served.strategy
    grace = strategy.grace(stored, options.grace) if strategy.grace is not None else 0
    if not meta.get("deletionTimestamp"):
        meta["deletionTimestamp"] = format_time(parse_time(hub.now()) + grace)
        if served.storage != "namespaces":
            meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta:
            meta["generation"] = int(meta["generation"]) + 1
    elif strategy.grace is None and served.storage != "namespaces" and meta.get("deletionGracePeriodSeconds") is None:
        meta["deletionGracePeriodSeconds"] = 0
    elif options.grace is not None and grace < int(meta.get("deletionGracePeriodSeconds") or 0):
        meta["deletionTimestamp"] = format_time(parse_time(hub.now()) + grace)
        meta["deletionGracePeriodSeconds"] = grace
    new = {**stored, "metadata": meta}
    return strategy.going(new) if strategy.going is not None else new


def _newly_going(new: Object, stored: Object) -> bool:
    """Whether a deletion says anew when the object goes."""
    marks = ("deletionTimestamp", "deletionGracePeriodSeconds")
    return any(new["metadata"].get(name) != stored["metadata"].get(name) for name in marks)


def _blank(served: Served, obj: Object) -> Object:
    """What a dry run tells where finalizers would have gone with the object: one of its kind that nothing was read into.

    Source: apiserver ``store.go``, Delete, where ``updateForGracefulDeletionAndFinalizers`` ends in ``errDeleteNow``.
    """
    blank = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": {}, **empty_object(obj)}
    if served.resource.name == "daemonsets":
        blank["metadata"] = {"annotations": {"deprecated.daemonset.template.generation": "0"}}
    elif served.resource.name in _COUNTED:
        blank["spec"] = {**blank["spec"], "replicas": 0}
    return blank


_COUNTED = ("deployments", "replicasets", "statefulsets")
"""Kinds whose replicas are a plain number where Kubernetes works with them."""


def _may_go(served: Served, new: Object) -> bool:
    return not new["metadata"].get("finalizers") and not _held(served, new)


def _held(served: Served, obj: Object) -> bool:
    return served.strategy.held is not None and served.strategy.held(obj)
