"""Namespaces that end: all that is in them goes first. Source: ``pkg/controller/namespace/deletion``."""

from __future__ import annotations

from trueup.families.builtin.kinds import NAMESPACE
from trueup.families.builtin.tools import MANAGER, remove, with_condition, write_status
from trueup.family import Controller, Result, Tools
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta
from trueup.kube.problems import Conflict, MethodNotAllowed, NotFound
from trueup.ports import ResourceInfo
from trueup.timing.rfc3339 import format_time

_AGAIN = 0.1


def contents(resources: list[ResourceInfo]) -> list[ResourceInfo]:
    """The resources to empty: namespaced, listable, deletable; each once, whatever versions it has."""
    seen: set[tuple[str, str]] = set()
    out = []
    for one in resources:
        name = (one.resource.group, one.resource.name)
        if one.namespaced and {"list", "delete"} <= one.verbs and name not in seen:
            seen.add(name)
            out.append(one)
    return out


def conditions(namespace: Object, left: dict[str, int], finalizers: dict[str, int], stamp: str) -> list[Object]:
    """What still stands in the way, as the namespace says it."""
    shown = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    said = (
        ("NamespaceContentRemaining", "SomeResourcesRemain", f"Some resources are remaining: {shown}", bool(left)),
        (
            "NamespaceFinalizersRemaining",
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {held}",
            bool(finalizers),
        ),
    )
    empty = {
        "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
        "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
    }
    out = list((namespace.get("status") or {}).get("conditions") or ())
    for type, reason, message, holds in said:
        if not holds:
            reason, message = empty[type]
        new = {"type": type, "status": "True" if holds else "False", "reason": reason, "message": message}
        out = with_condition(out, new, stamp)
    return out


async def reconcile(tools: Tools, key: Key) -> Result:
    """Empty a namespace that is being deleted, then let it go."""
    namespace = tools.cache(NAMESPACE).get(key)
    if namespace is None or not meta(namespace).get("deletionTimestamp"):
        return Result()
    if "kubernetes" not in ((namespace.get("spec") or {}).get("finalizers") or ()):
        return Result()
    left, finalizers = await _empty(tools, key.name)
    if left:
        status = dict(namespace.get("status") or {})
        status["conditions"] = conditions(namespace, left, finalizers, format_time(tools.clock.now()))
        if finalizers:  # what goes by itself in a moment is not worth a word
            await write_status(tools, namespace, status)
        return Result(after=_AGAIN if not finalizers else 1.0)
    kept = [name for name in namespace["spec"]["finalizers"] if name != "kubernetes"]
    done = {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}
    try:
        await tools.client.update(done, subresource="finalize", manager=MANAGER)
    except NotFound:
        return Result()
    except Conflict:
        return Result(after=_AGAIN)
    return Result()


async def _empty(tools: Tools, namespace: str) -> tuple[dict[str, int], dict[str, int]]:
    """Delete all that is there; answers what is still there, and which finalizers hold it."""
    left: dict[str, int] = {}
    finalizers: dict[str, int] = {}
    for info in contents(list(await tools.client.resources())):
        try:
            found = (await tools.client.list(info.kind, namespace)).items
            for obj in found:
                if not meta(obj).get("deletionTimestamp"):
                    await remove(tools, obj)
            if found:
                found = (await tools.client.list(info.kind, namespace)).items
        except (NotFound, MethodNotAllowed):
            continue  # no longer served
        if found:
            left[info.resource.group_resource] = len(found)
        for obj in found:
            for name in meta(obj).get("finalizers") or ():
                finalizers[name] = finalizers.get(name, 0) + 1
    return left, finalizers


CONTROLLER = Controller("namespace", NAMESPACE, reconcile)
