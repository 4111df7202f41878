"""ResourceQuotas: what is used is counted over, whenever something that counts has changed. Admission adds in between.

Source: ``pkg/controller/resourcequota``.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from trueup.families.builtin.kinds import (
    CLAIM,
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    JOB,
    POD,
    QUOTA,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from trueup.families.builtin.tools import change
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube import quota
from trueup.kube.names import Key, Object, Ref
from trueup.kube.objects import meta
from trueup.kube.problems import Conflict, NotFound
from trueup.kube.quantity import canonical

_SPACE = "namespace"
_AGAIN, _SOON, _RESYNC = 0.2, 5.0, 300.0
_WATCHED = (
    POD, SERVICE, CLAIM, CONFIG_MAP, SECRET, REPLICATION_CONTROLLER, REPLICA_SET, DEPLOYMENT, STATEFUL_SET, JOB, CRON_JOB,
)  # fmt: skip
"""Kinds whose changes are counted at once; whatever else a quota names is counted again every few seconds."""
_AT_ONCE = frozenset(kind.kind for kind in _WATCHED)


async def reconcile(tools: Tools, key: Key) -> Result:
    """Count, and say so; again at once when admission was quicker."""
    try:
        held = await tools.client.get(Ref(QUOTA, key.namespace, key.name))
    except NotFound:
        return Result()
    if meta(held).get("deletionTimestamp"):
        return Result()
    hard = {name: canonical(str(value)) for name, value in ((held.get("spec") or {}).get("hard") or {}).items()}
    used = {name: Fraction(0) for name in hard}
    after = _RESYNC
    for info in await tools.client.resources():
        resource = info.resource.group_resource
        names = [name for name in quota.covered(resource, hard) if name in hard]
        if not names or not info.namespaced or "list" not in info.verbs or not used.keys() & set(names):
            continue
        after = after if info.kind.kind in _AT_ONCE else _SOON
        found = {name: Fraction(0) for name in names}
        for obj in (await tools.client.list(info.kind, key.namespace)).items:
            if quota.in_scope(held, resource, obj):
                amounts = quota.usage(resource, obj, tools.clock.now())
                for name in names:
                    found[name] += amounts.get(name, Fraction(0))
        used.update(found)  # each resource once: another version counts the same
    status = {"hard": hard, "used": {name: quota.spelled(amount, hard[name]) for name, amount in used.items()}}
    old = held.get("status") or {}
    if old == status:
        return Result(after=after)
    gone = {side: dict.fromkeys(set(old.get(side) or {}) - set(status[side])) for side in status}
    patch = {
        "metadata": {"resourceVersion": meta(held)["resourceVersion"]},
        "status": {side: {**gone[side], **status[side]} for side in status},
    }
    try:
        await change(tools, held, patch, subresource="status")
    except Conflict:
        return Result(after=_AGAIN)
    return Result(after=after)


def _namespace(obj: Object) -> Iterable[str]:
    yield meta(obj).get("namespace") or ""


CONTROLLER = Controller(
    "resource-quota",
    QUOTA,
    reconcile,
    index={_SPACE: _namespace},
    watches=tuple(Watch(kind, by={_SPACE: _namespace}) for kind in _WATCHED),
)
