"""A project that is deleted goes when no Application uses it any more.

Source: Argo CD, ``processProjectQueueItem``. What a project allows is in `projects.py`.
"""

from __future__ import annotations

from trueup.delivery.tools import DeliveryTools
from trueup.families.argocd.run import MANAGER
from trueup.families.argocd.types import APPLICATION, FINALIZER, PROJECT
from trueup.family import Result
from trueup.kube.names import Key, Ref
from trueup.kube.problems import NotFound


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Take the finalizer off once nothing refers to the project."""
    raw = tools.cache(PROJECT).get(key)
    if raw is None or not raw["metadata"].get("deletionTimestamp"):
        return Result()
    finalizers = list(raw["metadata"].get("finalizers") or ())
    used = any((app.get("spec") or {}).get("project") == key.name for app in tools.cache(APPLICATION).list())
    if FINALIZER not in finalizers or used:
        return Result()
    rest = [name for name in finalizers if name != FINALIZER]
    try:
        await tools.client.patch(
            Ref(PROJECT, key.namespace, key.name), {"metadata": {"finalizers": rest or None}}, "merge", manager=MANAGER
        )
    except NotFound:
        return Result()
    return Result()
