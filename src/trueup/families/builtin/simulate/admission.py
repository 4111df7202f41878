"""Pods that name their node themselves, past the scheduler: the node takes them in, or refuses them. Pure; called by `kubelet`.

Source: kubelet ``lifecycle/predicate.go``, ``kubelet.go`` (rejectPod).
"""

from __future__ import annotations

from trueup.families.builtin.simulate import room
from trueup.families.builtin.simulate.selection import selected, untolerated
from trueup.families.builtin.simulate.sites import Site
from trueup.kube.names import Object
from trueup.kube.objects import meta, uid

_SCHEDULER = "kube-scheduler"
_UNSELECTED = "node(s) didn't match Pod's node affinity/selector"
_TAINTED = "node(s) had taints that the pod didn't tolerate"


def unscheduled(pod: Object) -> bool:
    """Whether whoever made the pod chose its node, and its containers have not been thought of yet."""
    if (pod.get("status") or {}).get("startTime"):
        return False
    return not any(
        one.get("manager") == _SCHEDULER and one.get("subresource") != "status"
        for one in meta(pod).get("managedFields") or ()
    )


def refusal(pod: Object, site: Site) -> tuple[str, str] | None:
    """(reason, message) why a node does not take a pod that is bound to it."""
    asked, has = room.asked(pod), site.has
    own = asked if uid(pod) in site.pods else {}
    used: room.Amounts = {name: value - own.get(name, 0) for name, value in site.used.items()}
    ports = room.ports(pod)
    before: list[Object] | None = None
    if room.lacking(asked, used, has) or ports:
        before = [other for other in site.pods.values() if _first(other, pod)]
        used = room.total(map(room.asked, before))
    for name in room.lacking(asked, used, has):
        unit = 1 if name == "cpu" else 1000
        wanted, taken, whole = (amounts.get(name, 0) // unit for amounts in (asked, used, has))
        said = f"requested: {wanted}, used: {taken}, capacity: {whole}"
        return f"OutOf{name}", f"Node didn't have enough resource: {name}, {said}"
    if not selected(pod["spec"], site.node or {}):
        return "NodeAffinity", f"Predicate NodeAffinity failed: {_UNSELECTED}"
    if ports and room.collides(ports, [port for other in before or () for port in room.ports(other)]):
        return "NodePorts", f"Predicate NodePorts failed: {room.PORTS}"
    if untolerated(site.hard, pod["spec"].get("tolerations") or (), ("NoExecute",)) is not None:
        return "TaintToleration", f"Predicate TaintToleration failed: {_TAINTED}"
    return None


def _first(other: Object, pod: Object) -> bool:
    """Whether another pod of the node was taken in before: pods come in the order in which they were made."""
    if uid(other) == uid(pod):
        return False
    if not unscheduled(other):
        return True
    mine, theirs = ((str(meta(one).get("creationTimestamp")), str(meta(one).get("name"))) for one in (pod, other))
    return theirs < mine


def refused(pod: Object, reason: str, message: str) -> Object:
    """The status of a pod that is not taken in."""
    status = {"phase": "Failed", "reason": reason, "message": f"Pod was rejected: {message}"}
    if meta(pod).get("generation"):
        status["observedGeneration"] = meta(pod)["generation"]
    kept = (pod.get("status") or {}).get("qosClass")
    return {**status, "qosClass": kept} if kept else status
