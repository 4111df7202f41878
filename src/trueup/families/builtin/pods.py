"""What every workload controller asks of pods: ready, available, active; and how a pod is made of a template. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from trueup.families.builtin.tools import condition, owner_reference, seconds
from trueup.kube.names import Object
from trueup.kube.objects import annotations as annotations_of
from trueup.kube.objects import meta, uid


def phase(pod: Object) -> str:
    """Its phase; a pod that nobody has looked at is pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def active(pod: Object) -> bool:
    """Neither finished nor being deleted. Source: ``controller.IsPodActive``."""
    return phase(pod) not in ("Succeeded", "Failed") and not meta(pod).get("deletionTimestamp")


def terminating(pod: Object) -> bool:
    """Being deleted and not finished yet. Source: ``controller.IsPodTerminating``."""
    return bool(meta(pod).get("deletionTimestamp")) and phase(pod) not in ("Succeeded", "Failed")


def ready(pod: Object) -> bool:
    """Whether its Ready condition holds."""
    return (condition(pod.get("status") or {}, "Ready") or {}).get("status") == "True"


def available_in(pod: Object, min_ready: float, moment: float) -> float | None:
    """Seconds until a pod counts as available: 0 when it does, None when it is not ready."""
    held = condition(pod.get("status") or {}, "Ready") or {}
    if held.get("status") != "True":
        return None
    if not min_ready:
        return 0.0
    return max(0.0, seconds(held.get("lastTransitionTime")) + min_ready - moment)


def from_template(owner: Object, template: Mapping[str, Any], **metadata: Any) -> Object:
    """A new pod of an owner: the template's labels, annotations and finalizers, and what ``metadata`` says besides."""
    given = template.get("metadata") or {}
    about: Object = {"namespace": owner["metadata"]["namespace"], "ownerReferences": [owner_reference(owner)]}
    for name in ("labels", "annotations", "finalizers"):
        value = given.get(name)
        if name in metadata and isinstance(metadata[name], dict):
            value = {**(value or {}), **metadata.pop(name)}
        if value:
            about[name] = value
    about.update(metadata)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template.get("spec") or {}}


def deletion_order(pods: Sequence[Object], moment: float, crowd: Mapping[str, int] | None = None) -> list[Object]:
    """Which pods go first: unassigned, pending, not ready, cheap, crowded, lately ready, restarted often, young.

    ``crowd``: how many of their like are on a node. Ages are compared by their order of magnitude, so that equals go by chance.
    Source: ``controller.ActivePodsWithRanks``.
    """
    ranks = {"Pending": 0, "Unknown": 1, "Running": 2}

    def first(pod: Object) -> tuple[int, ...]:
        node = str((pod.get("spec") or {}).get("nodeName") or "")
        rank = ranks.get(phase(pod), 2)
        return int(bool(node)), rank, int(ready(pod)), _cost(pod), -(crowd or {}).get(node, 0)

    def compare(a: Object, b: Object) -> int:
        one, other = first(a), first(b)
        if one != other:
            return -1 if one < other else 1
        for since in (_ready_since, _restarts, _born):
            x, y = since(a), since(b)
            if x == y:
                continue
            if since is _restarts:
                return -1 if x > y else 1
            if not x or not y:
                return 1 if not y else -1
            by_age = _magnitude(moment - x) - _magnitude(moment - y)
            return by_age or (-1 if uid(a) < uid(b) else 1)
        return 0

    return sorted(pods, key=cmp_to_key(compare))


def _cost(pod: Object) -> int:
    """``controller.kubernetes.io/pod-deletion-cost``; one that cannot be read is 0."""
    try:
        return int(annotations_of(pod).get("controller.kubernetes.io/pod-deletion-cost") or 0)
    except ValueError:
        return 0


def _ready_since(pod: Object) -> float:
    held = condition(pod.get("status") or {}, "Ready") or {}
    return seconds(held.get("lastTransitionTime")) if held.get("status") == "True" else 0.0


def _restarts(pod: Object) -> float:
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return float(max((int(one.get("restartCount") or 0) for one in found), default=0))


def _born(pod: Object) -> float:
    return seconds(meta(pod).get("creationTimestamp"))


def _magnitude(age: float) -> int:
    return int(max(0.0, age) * 1e9).bit_length()
