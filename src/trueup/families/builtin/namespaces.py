"""Namespaces that end: all that is in them goes first. Source: ``pkg/controller/namespace/deletion``."""

from __future__ import annotations

from dataclasses import dataclass, field

from trueup.families.builtin.kinds import NAMESPACE, POD
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


_FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}
"""What a namespace says of itself on its way out, as long as nothing stands in the way."""


@dataclass(slots=True)
class Left:
    """What is still in a namespace, by resource; and what holds it, by finalizer."""

    resources: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)


def conditions(namespace: Object, left: Left, stamp: str) -> list[Object]:
    """What still stands in the way, as the namespace says it."""
    shown = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.resources.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(left.finalizers.items()))
    failing: dict[str, tuple[str, str]] = {}
    if left.resources:
        failing["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {shown}")
    if left.finalizers:
        text = f"Some content in the namespace has finalizers remaining: {held}"
        failing["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    out = list((namespace.get("status") or {}).get("conditions") or ())
    for type, fine in _FINE.items():
        reason, message = failing.get(type, fine)
        new = {"type": type, "status": "True" if type in failing else "False", "reason": reason, "message": message}
        out = with_condition(out, new, stamp)
    return out


async def reconcile(tools: Tools, key: Key) -> Result:
    """Empty a namespace that is being deleted, pods first, then let it go."""
    namespace = tools.cache(NAMESPACE).get(key)
    if namespace is None or not meta(namespace).get("deletionTimestamp"):
        return Result()
    if "kubernetes" not in ((namespace.get("spec") or {}).get("finalizers") or ()):
        return Result()
    every = contents(list(await tools.client.resources()))
    first = [info for info in every if info.kind == POD]
    left = Left()
    await _empty(tools, key.name, first, left)
    if not left.resources:
        await _empty(tools, key.name, [info for info in every if info.kind != POD], left)
    if left.resources:
        status = dict(namespace.get("status") or {})
        status["conditions"] = conditions(namespace, left, format_time(tools.clock.now()))
        if left.finalizers:  # what goes by itself in a moment is not worth a word
            await write_status(tools, namespace, status)
        return Result(after=_AGAIN if not left.finalizers else 1.0)
    kept = [name for name in namespace["spec"]["finalizers"] if name != "kubernetes"]
    done = {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}
    try:
        await tools.client.update(done, subresource="finalize", manager=MANAGER)
    except NotFound:
        return Result()
    except Conflict:
        return Result(after=_AGAIN)
    return Result()


async def _empty(tools: Tools, namespace: str, resources: list[ResourceInfo], left: Left) -> None:
    """Delete all that is there; notes what is still there, and which finalizers hold it."""
    for info in resources:
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
            left.resources[f"{info.resource.name}.{info.resource.group}"] = len(found)
        for obj in found:
            for name in meta(obj).get("finalizers") or ():
                left.finalizers[name] = left.finalizers.get(name, 0) + 1


CONTROLLER = Controller("namespace", NAMESPACE, reconcile)
