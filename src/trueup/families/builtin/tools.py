"""The reads and writes that this family's controllers share. Each controller's shell calls them.

A write's answer is noted in the cache at
once, so that the next run of a controller sees its own work and does it no second time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from trueup.families.builtin.kinds import POD
from trueup.family import Tools
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.objects import controller_of, labels, meta, owner_uids, uid
from trueup.kube.problems import Conflict, Forbidden, Invalid, NotFound
from trueup.kube.selectors import LabelSelector
from trueup.merge.jsonpatch import diff_merge
from trueup.ports import Propagation
from trueup.timing.rfc3339 import format_time, parse_time

MANAGER = "kube-controller-manager"
REFUSED_AGAIN = 5.0
"""Seconds until a pod that was refused is tried again."""
_ORPHANS, _OWNER = "orphans", "owner"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def _unowned(obj: Object) -> Iterable[str]:
    if controller_of(obj) is None:
        yield meta(obj).get("namespace") or ""


OWNED = {_ORPHANS: _unowned, _OWNER: owner_uids}
"""The indexes that ``controlled`` and ``adopt`` read: by owner's uid; by namespace, those without a controller."""


_SELECTS = "selects"


def _selects(owner: Object) -> Iterable[str]:
    """One pair of labels that whatever it selects must have; none where it selects by expressions alone."""
    selector = (owner.get("spec") or {}).get("selector") or {}
    wanted = (
        selector.get("matchLabels") or {} if "matchLabels" in selector or "matchExpressions" in selector else selector
    )
    name, value = min(wanted.items(), default=("", ""))
    yield f"{meta(owner).get('namespace')}/{name}={value}"


def _offers(obj: Object) -> Iterable[str]:
    """Whom an object that nobody controls may interest."""
    if controller_of(obj) is None and not meta(obj).get("deletionTimestamp"):
        space = meta(obj).get("namespace")
        yield f"{space}/="
        yield from (f"{space}/{name}={value}" for name, value in labels(obj).items())


SELECTING = {_SELECTS: _selects}
"""A controller's index of its own objects, by which ``OFFERED`` finds who may adopt."""
OFFERED = {_SELECTS: _offers}
"""A watch's ``by``: an object that lost its controller, or never had one, wakes those who select it."""


def owner_keys(kind: Kind) -> Any:
    """A watch's ``keys``: the controlling owner of that kind."""

    def keys(obj: Object) -> Iterable[Key]:
        owner = controller_of(obj)
        if owner is not None and owner.get("kind") == kind.kind and owner.get("apiVersion") == kind.api_version:
            yield Key(meta(obj).get("namespace") or "", owner["name"])

    return keys


def owner_reference(owner: Object, *, block: bool = True) -> Object:
    """The reference that makes ``owner`` the controller of a new object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": block,
    }


def controlled(tools: Tools, owner: Object, kind: Kind) -> list[Object]:
    """The objects of a kind that ``owner`` controls, oldest first."""
    own = uid(owner)
    found = [obj for obj in tools.cache(kind).by_index(_OWNER, own) if (controller_of(obj) or {}).get("uid") == own]
    return sorted(found, key=lambda obj: (str(meta(obj).get("creationTimestamp")), str(meta(obj).get("name"))))


async def adopt(
    tools: Tools, owner: Object, kind: Kind, selector: LabelSelector, fits: Callable[[Object], bool] | None = None
) -> list[Object]:
    """Take over matching objects that nobody controls; answers those taken. ``fits``: what else they must be."""
    taken = []
    for obj in tools.cache(kind).by_index(_ORPHANS, meta(owner)["namespace"]):
        if meta(obj).get("deletionTimestamp") or not selector.matches(labels(obj)):
            continue
        if fits is not None and not fits(obj):
            continue
        if kind == POD and (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        owners = [*(meta(obj).get("ownerReferences") or ()), owner_reference(owner)]
        new = await change(tools, obj, {"metadata": {"ownerReferences": owners}})
        if new is not None:
            taken.append(new)
    return taken


async def minor(tools: Tools) -> int:
    """Which Kubernetes this is: 36 of 1.36. Some of what controllers do is newer than the oldest that is served."""
    digits = (await tools.client.version()).split(".")[1:2]
    return int(digits[0]) if digits and digits[0].isdigit() else 0


async def claim(
    tools: Tools,
    owner: Object,
    kind: Kind,
    selector: LabelSelector,
    fits: Callable[[Object], bool] | None = None,
    *,
    finalizer: str = "",
) -> list[Object]:
    """What ``owner`` controls after letting go what it selects no more and taking what nobody controls, oldest first.

    ``finalizer``: what is let go need not wait for the owner any longer.

    Source: ``pkg/controller/controller_ref_manager.go``.
    """
    kept = []
    for obj in controlled(tools, owner, kind):
        if selector.matches(labels(obj)):
            kept.append(obj)
        elif not meta(obj).get("deletionTimestamp"):
            owners = [one for one in meta(obj).get("ownerReferences") or () if one.get("uid") != uid(owner)]
            about: Object = {"uid": uid(obj), "ownerReferences": owners}
            held = meta(obj).get("finalizers") or ()
            if finalizer in held:
                about["finalizers"] = [name for name in held if name != finalizer]
            await change(tools, obj, {"metadata": about})
    return kept + await adopt(tools, owner, kind, selector, fits)


async def create(tools: Tools, obj: Object) -> Object:
    """Create an object and know it at once."""
    new = await tools.client.create(obj, manager=MANAGER)
    tools.live.note(new)
    return new


async def make_pod(tools: Tools, owner: Object, pod: Object) -> Object | None:
    """Create a pod of an owner and tell of it; None when it is refused, which is told as well."""
    kind, named = owner["kind"], meta(pod).get("name")
    try:
        made = await create(tools, pod)
    except (Forbidden, Invalid) as refused:
        text = f"Error creating: {refused}"
        if kind == "StatefulSet":
            text = f"Create Pod {named} in StatefulSet {meta(owner)['name']} failed error: {refused}"
        tools.events.record(owner, "Warning", "FailedCreate", text)
        return None
    text = f"Created pod: {meta(made)['name']}"
    if kind == "StatefulSet":
        text = f"Create Pod {named} in StatefulSet {meta(owner)['name']} successful"
    tools.events.record(owner, "Normal", "SuccessfulCreate", text)
    return made


async def change(
    tools: Tools, obj: Object, patch: Object, *, subresource: str = "", manager: str = MANAGER
) -> Object | None:
    """A merge patch of an object; None when it is gone."""
    try:
        new = await tools.client.patch(Ref.of(obj), patch, "merge", subresource=subresource, manager=manager)
    except NotFound:
        return None
    tools.live.note(new)
    return new


async def write_status(tools: Tools, obj: Object, status: Object, *, manager: str = MANAGER) -> Object | None:
    """Write a status if it says anything new."""
    old = obj.get("status") or {}
    if old == status:
        return obj
    return await change(tools, obj, {"status": diff_merge(old, status)}, subresource="status", manager=manager)


async def remove(
    tools: Tools, obj: Object, *, propagation: Propagation | None = "Background", grace: int | None = None
) -> None:
    """Delete exactly this object; one that is gone (or was replaced) is no error."""
    try:
        await tools.client.delete(Ref.of(obj), propagation=propagation, uid=uid(obj), grace=grace)
    except (NotFound, Conflict):
        return


def now(tools: Tools) -> str:
    """The time, as objects hold it."""
    return format_time(tools.clock.now())


def seconds(text: object) -> float:
    """A timestamp of an object, in seconds; 0 when there is none."""
    return parse_time(text) if isinstance(text, str) and text else 0.0


def short_hash(value: object, length: int = 10) -> str:
    """A name suffix that stands for a JSON value, in the letters that Kubernetes uses for generated names."""
    number = int.from_bytes(hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()[:12])
    out = ""
    for _ in range(length):
        number, index = divmod(number, len(_LETTERS))
        out += _LETTERS[index]
    return out


def condition(status: Mapping[str, Any], type: str) -> Mapping[str, Any] | None:
    """One condition of a status."""
    return next((one for one in status.get("conditions") or () if one.get("type") == type), None)


def with_condition(
    conditions: Sequence[Object], new: Object, moment: str, *, stamps: Sequence[str] = ("lastTransitionTime",)
) -> list[Object]:
    """Conditions with one set. ``lastTransitionTime`` moves when the status does, the other stamps when anything does."""
    out, found = [], False
    for old in conditions:
        if old.get("type") != new["type"]:
            out.append(old)
            continue
        found = True
        if all(old.get(name) == new.get(name) for name in ("status", "reason", "message")):
            out.append(old)
            continue
        kept = dict.fromkeys(stamps, moment)
        if old.get("status") == new["status"] and old.get("lastTransitionTime"):
            kept["lastTransitionTime"] = old["lastTransitionTime"]
        out.append({**new, **kept})
    if not found:
        out.append({**new, **dict.fromkeys(stamps, moment)})
    return out
