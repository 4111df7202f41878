"""What every workload controller asks of pods: ready, available, active; and how a pod is made of a template. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.families.builtin.tools import condition, owner_reference, seconds
from trueup.kube.names import Object
from trueup.kube.objects import meta


def phase(pod: Object) -> str:
    """Its phase; a pod that nobody has looked at is pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def active(pod: Object) -> bool:
    """Neither finished nor being deleted. Source: ``controller.IsPodActive``."""
    return phase(pod) not in ("Succeeded", "Failed") and not meta(pod).get("deletionTimestamp")


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


def deletion_rank(pod: Object) -> tuple[int, int, int, float]:
    """Which pods go first: unassigned, pending, not ready, youngest. Source: ``controller.ActivePods``."""
    ranks = {"Pending": 0, "Unknown": 1, "Running": 2}
    assigned = 1 if (pod.get("spec") or {}).get("nodeName") else 0
    born = seconds(meta(pod).get("creationTimestamp"))
    return assigned, ranks.get(phase(pod), 2), 1 if ready(pod) else 0, -born
