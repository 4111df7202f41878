"""TaintNodesByCondition: a new node takes no pods before it is found ready. Source: ``plugin/pkg/admission/nodetaint``."""

from __future__ import annotations

from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object

_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


async def admit(served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
    """Add the taint that the controller of nodes takes away."""
    if operation != "CREATE" or served.storage != "nodes" or write.subresource:
        return
    spec = obj["spec"] = obj.get("spec") or {}
    taints = spec.get("taints") or []
    if not any(taint.get("key") == _NOT_READY["key"] and taint.get("effect") == "NoSchedule" for taint in taints):
        spec["taints"] = [*taints, dict(_NOT_READY)]
