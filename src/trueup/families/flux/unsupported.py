"""Kinds that are served, so that repositories apply, and not reconciled yet: their status says so.

Source: the kinds' own ``Ready`` condition (kstatus), so that whatever waits for them learns why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import status as words
from trueup.families.flux.status import Condition, not_ready
from trueup.family import Result
from trueup.kube.names import Key, Kind, Ref
from trueup.kube.problems import NotFound
from trueup.merge.jsonpatch import diff_merge

REASON = "NotSupported"


def reconciler(kind: Kind) -> Callable[[DeliveryTools, Key], Awaitable[Result]]:
    """A reconcile function that marks each object of the kind as not reconciled by this version."""

    async def reconcile(tools: DeliveryTools, key: Key) -> Result:
        raw = tools.cache(kind).get(key)
        if raw is None or raw["metadata"].get("deletionTimestamp"):
            return Result()
        message = f"{kind.kind} is stored but not reconciled by this version of trueup"
        generation = int(raw["metadata"].get("generation") or 0)
        old = raw.get("status") or {}
        stalled = Condition("Stalled", "True", REASON, message)
        conditions = words.conditions(
            old.get("conditions") or (), [not_ready(REASON, message), stalled], generation, tools.clock.now()
        )
        changed = diff_merge(old, {**old, "conditions": conditions, "observedGeneration": generation})
        if changed:
            try:
                ref = Ref(kind, key.namespace, key.name)
                await tools.client.patch(ref, {"status": changed}, "merge", subresource="status", manager="trueup")
            except NotFound:
                return Result()
            tools.events.record(raw, "Warning", REASON, message)
        return Result()

    return reconcile
