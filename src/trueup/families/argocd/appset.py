"""ApplicationSets are stored, and their status says that nothing is generated from them yet.

Source: Argo CD, `ApplicationSetStatus.conditions`.
"""

from __future__ import annotations

from trueup.delivery.tools import DeliveryTools
from trueup.families.argocd.types import APPLICATION_SET
from trueup.family import Result
from trueup.kube.names import Key, Ref
from trueup.kube.problems import NotFound
from trueup.timing.rfc3339 import format_time

MESSAGE = "ApplicationSets are stored but not reconciled by this version of trueup: write the Applications themselves"


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Say once in the status that it is not reconciled."""
    raw = tools.cache(APPLICATION_SET).get(key)
    if raw is None:
        return Result()
    known = (raw.get("status") or {}).get("conditions") or ()
    if any(condition.get("message") == MESSAGE for condition in known):
        return Result()
    condition = {
        "type": "ErrorOccurred",
        "status": "True",
        "reason": "NotSupported",
        "message": MESSAGE,
        "lastTransitionTime": format_time(tools.clock.now()),
    }
    ref = Ref(APPLICATION_SET, key.namespace, key.name)
    try:
        await tools.client.patch(
            ref, {"status": {"conditions": [condition]}}, "merge", subresource="status", manager="trueup"
        )
    except NotFound:
        return Result()
    tools.events.record(raw, "Warning", "NotSupported", MESSAGE)
    return Result()
