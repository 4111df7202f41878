"""What a node's conditions come to: its taints, and who has to leave because of them. Pure; called by `nodes`.

Source: kube-controller-manager ``pkg/controller/nodelifecycle`` and ``tainteviction``; Kubernetes documentation "Nodes",
"Taints and Tolerations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.families.builtin.simulate.selection import UNSCHEDULABLE, taints_of, tolerates
from trueup.families.builtin.tools import condition
from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.timing.rfc3339 import format_time

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
GRACE, STARTUP = 50.0, 60.0
"""Seconds that a node may be silent; and, before it has said anything, from its registration on."""
_TAINTS = (
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
)
_OURS = frozenset(key for *_, key in _TAINTS) | {UNSCHEDULABLE}
_HEALTH = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_SECONDS = "tolerationSeconds"


def ready(node: Object) -> str:
    """The word of its Ready condition; empty when nobody has said anything."""
    return str((condition(node.get("status") or {}, "Ready") or {}).get("status") or "")


def silent(node: Object, stamp: str) -> list[Object]:
    """The conditions of a node that has not been heard of for too long."""
    out, born = [], meta(node).get("creationTimestamp")
    known = {one["type"]: one for one in (node.get("status") or {}).get("conditions") or ()}
    for type in _HEALTH:
        old = known.pop(type, None)
        if old is None:
            never = {"reason": "NodeStatusNeverUpdated", "message": "Kubelet never posted node status."}
            times = {"lastHeartbeatTime": born, "lastTransitionTime": stamp}
            out.append({"type": type, "status": "Unknown", **never, **times})
        elif old.get("status") == "Unknown":
            out.append(old)
        else:
            lost = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
            out.append({**old, "status": "Unknown", **lost, "lastTransitionTime": stamp})
    return [*known.values(), *out]


def wanted_taints(node: Object, *, evict: bool) -> list[Mapping[str, Any]]:
    """The taints that its conditions ask for; ``evict``: pods are to leave a node that is not ready."""
    status = node.get("status") or {}
    out: list[Mapping[str, Any]] = [
        {"key": key, "effect": "NoSchedule"}
        for type, word, key in _TAINTS
        if (condition(status, type) or {}).get("status") == word
    ]
    if (node.get("spec") or {}).get("unschedulable"):
        out.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    found = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready(node))
    return [*out, {"key": found, "effect": "NoExecute"}] if found and evict else out


def retainted(node: Object, moment: float, *, evict: bool) -> list[Mapping[str, Any]] | None:
    """All its taints as they should be; None when they are."""
    have = taints_of(node)
    wanted = {(one["key"], one["effect"]): one for one in wanted_taints(node, evict=evict)}
    kept = []
    for one in have:
        pair = (one.get("key"), one.get("effect"))
        ours = (
            one.get("key") in (NOT_READY, UNREACHABLE) if one.get("effect") == "NoExecute" else one.get("key") in _OURS
        )
        if ours and one.get("effect") != "PreferNoSchedule" and pair not in wanted:
            continue
        kept.append(one)
        wanted.pop(pair, None)
    if not wanted and len(kept) == len(have):
        return None
    return [*kept, *({**one, "timeAdded": format_time(moment)} for one in wanted.values())]


def tolerated_for(pod: Object, taints: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds that a pod bears a node's NoExecute taints: 0 not at all, None for ever."""
    used = []
    for taint in taints:
        fits = [one for one in pod["spec"].get("tolerations") or () if tolerates(one, taint)]
        if not fits:
            return 0.0
        used.append(fits[0])
    limits = [max(0.0, float(one[_SECONDS])) for one in used if one.get(_SECONDS) is not None]
    return min(limits, default=None)
