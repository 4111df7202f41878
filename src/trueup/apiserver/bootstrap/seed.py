"""Writes what every cluster has from the start, as far as it is not there. Called by `opening`.

Source: kube-apiserver's post-start hooks: ``rbac/bootstrap-roles``, ``priority-and-fairness-config-producer``,
``kube-apiserver-autoregistration``, ``scheduling/bootstrap-system-priority-classes``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from trueup.apiserver import fresh
from trueup.apiserver.admission.escalation import covered
from trueup.apiserver.bootstrap import flows, roles, services
from trueup.apiserver.bootstrap.aggregation import MANAGER as AGGREGATOR
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.merge import owners
from trueup.store.state import Stale

_MANAGER = "kube-apiserver"
_FLOWS = "api-priority-and-fairness-config-producer-v1"
_FOLLOWER = "api-priority-and-fairness-config-consumer-v1"
_CONDITION: Object = {part: {} for part in (".", "f:lastTransitionTime", "f:message", "f:reason", "f:status", "f:type")}
_LATER = {"FlowSchema": ("status",), "PriorityLevelConfiguration": ("status",), "APIService": ("status",)}
"""What a controller adds to an object that is there."""
_PRIORITIES: Sequence[tuple[str, int, str]] = (
    ("cluster", 2_000_000_000, "run in the cluster, but can be moved to another node if necessary."),
    ("node", 2_000_001_000, "not be moved from their current node."),
)


async def seed(hub: Hub) -> None:
    """All at once, so that a store on disk writes them in few commits. What people changed stays as they want it."""
    minor = int(hub.types.version.partition(".")[2])
    every = [(obj, _MANAGER) for obj in (*roles.roles(minor), *roles.bindings(minor), *_priorities())]
    every += [(obj, _MANAGER) for obj in services.built_in(hub)]
    every += [(obj, _FLOWS) for obj in (*flows.levels(), *flows.schemas(hub.now()))]
    missing: list[tuple[Object, str]] = []
    for obj, manager in every:
        stored = _stored(hub, obj)
        if stored is None:
            missing.append((obj, manager))
        elif obj["metadata"].get("annotations", {}).get(roles.AUTOUPDATE):
            await _reconcile(hub, obj, stored)
    await asyncio.gather(*(plant(hub, obj, manager) for obj, manager in missing))


async def plant(hub: Hub, obj: Object, manager: str = _MANAGER) -> None:
    """Store one object as it stands, past admission and checks: it is known to be right."""
    served = hub.serves(Kind.of(obj))
    obj = {**obj, "metadata": {**obj["metadata"], "uid": fresh.uid(), "creationTimestamp": hub.now()}}
    if served.strategy.counts_generations:
        obj["metadata"]["generation"] = 1
    parts = ("rules",) if "aggregationRule" in obj else _LATER.get(obj["kind"], ())
    later = {name: obj.pop(name) for name in parts if name in obj}
    obj = owners.track_update(None, prepare.copy(obj), served.shape, manager=manager, now=hub.now())
    if later:
        obj |= prepare.copy(later)
        owned = {"apiVersion": obj["apiVersion"], "fieldsType": "FieldsV1", "operation": "Apply", "time": hub.now()}
        if "aggregationRule" in obj:
            _own(obj, {**owned, "manager": AGGREGATOR, "fieldsV1": {"f:rules": {}}})
        elif obj["kind"] == "FlowSchema":
            fields = {"f:status": {"f:conditions": {'k:{"type":"Dangling"}': dict(_CONDITION)}}}
            _own(obj, {**owned, "manager": _FOLLOWER, "fieldsV1": fields, "subresource": "status"})
    try:
        await hub.put(hub.store.bucket(served.storage), obj, 0)
    except Stale:  # somebody was faster
        return


def _own(obj: Object, entry: Object) -> None:
    obj["metadata"]["managedFields"].insert(0, entry)


def _stored(hub: Hub, obj: Object) -> Object | None:
    meta = obj["metadata"]
    entry = hub.store.bucket(hub.serves(Kind.of(obj)).storage).get(meta.get("namespace") or "", meta["name"])
    return entry.obj if entry is not None else None


async def _reconcile(hub: Hub, wanted: Object, stored: Object) -> None:
    """Give back rules and subjects that are missing, unless the object says to leave it alone.

    Source: ``component-helpers/auth/rbac/reconciliation``; what is there besides stays.
    """
    meta = stored["metadata"]
    if (meta.get("annotations") or {}).get(roles.AUTOUPDATE) == "false" or "aggregationRule" in wanted:
        return
    rules, subjects = list(stored.get("rules") or ()), list(stored.get("subjects") or ())
    rules += [rule for rule in wanted.get("rules", ()) if rule not in rules and not covered(rule, rules)]
    subjects += [subject for subject in wanted.get("subjects", ()) if subject not in subjects]
    parts = {name: value for name, value in (("rules", rules), ("subjects", subjects)) if name in wanted}
    if all(value == (stored.get(name) or []) for name, value in parts.items()):
        return

    def renewed(now: Object) -> tuple[Object, bool]:
        return {**prepare.copy(now), **prepare.copy(parts)}, False

    served = hub.serves(Kind.of(wanted))
    await change(
        hub, served, meta.get("namespace") or "", meta["name"], renewed, Write(manager=_MANAGER, reviewed=False)
    )


def _priorities() -> Iterator[Object]:
    for what, value, how in _PRIORITIES:
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": f"system-{what}-critical"},
            "value": value,
            "description": f"Used for system critical pods that must {how}",
            "preemptionPolicy": "PreemptLowerPriority",
        }
