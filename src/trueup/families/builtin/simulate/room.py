"""Whether a pod finds room on a node, and whose place it may take. Pure; called by `scheduler`.

Source: Kubernetes documentation "Resource Management for Pods and Containers", "Pod Priority and Preemption", "Assigning
Pods to Nodes"; kube-scheduler's plugins NodeResourcesFit, NodePorts, InterPodAffinity and DefaultPreemption for the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.families.builtin.pods import phase
from trueup.kube import pod_resources
from trueup.kube.names import Object
from trueup.kube.objects import labels, meta
from trueup.kube.quantity import parse
from trueup.kube.selectors import label_selector

Amounts = Mapping[str, int]
"""In thousandths, by resource name; a pod itself is one of ``pods``."""

_ANTI = "node(s) didn't match pod anti-affinity rules"
_THEIRS = "node(s) didn't satisfy existing pods anti-affinity rules"
_WITH = "node(s) didn't match pod affinity rules"
_PORTS = "node(s) didn't have free ports for the requested pod ports"


def asked(pod: Object) -> Amounts:
    """What a pod takes of a node."""
    wanted = pod_resources.requests(pod["spec"])
    return {"pods": 1000, **{name: int(value * 1000) for name, value in wanted.items() if value}}


def offered(node: Object) -> Amounts:
    """What a node has for pods."""
    found = (node.get("status") or {}).get("allocatable") or (node.get("status") or {}).get("capacity") or {}
    return {name: int(parse(str(value)) * 1000) for name, value in found.items()}


def total(many: Iterable[Amounts]) -> dict[str, int]:
    """The sum by name."""
    out: dict[str, int] = {}
    for one in many:
        for name, value in one.items():
            out[name] = out.get(name, 0) + value
    return out


def lacking(wanted: Amounts, used: Amounts, has: Amounts) -> list[str]:
    """What there is too little of: ``Insufficient cpu``, ``Too many pods``. Nodes that say nothing have room for all."""
    if not has:
        return []
    short = sorted(name for name, value in wanted.items() if used.get(name, 0) + value > has.get(name, 0))
    return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in short]


def holds(pod: Object) -> bool:
    """Whether a bound pod takes any room."""
    return phase(pod) not in ("Succeeded", "Failed")


def ports(pod: Object) -> set[tuple[str, str, int]]:
    """The ports of its host that a pod takes: address, protocol, number."""
    return {
        (one.get("hostIP") or "0.0.0.0", one.get("protocol") or "TCP", int(one["hostPort"]))  # noqa: S104
        for container in pod["spec"].get("containers") or ()
        for one in container.get("ports") or ()
        if one.get("hostPort")
    }


def collides(wanted: set[tuple[str, str, int]], others: Iterable[Object]) -> str:
    """Why a pod's host ports are not free; empty when they are."""
    taken = {port for other in others for port in ports(other)} if wanted else set()
    for address, protocol, number in wanted:
        for theirs, kind, port in taken:
            if (kind, port) == (protocol, number) and ("0.0.0.0" in (address, theirs) or address == theirs):  # noqa: S104
                return _PORTS
    return ""


def apart(pod: Object, node: Object, bound: Sequence[tuple[Object, Object]]) -> str:
    """Why required affinity to other pods keeps a pod from a node; ``bound``: pods with the nodes that they are on."""
    affinity = pod["spec"].get("affinity") or {}
    for term in _terms(affinity, "podAntiAffinity"):
        if any(_near(node, there, term) and _selects(term, pod, other) for other, there in bound):
            return _ANTI
    for other, there in bound:
        for term in _terms(other["spec"].get("affinity") or {}, "podAntiAffinity"):
            if _near(node, there, term) and _selects(term, other, pod):
                return _THEIRS
    for term in _terms(affinity, "podAffinity"):
        if any(_near(node, there, term) and _selects(term, pod, other) for other, there in bound):
            continue
        nobody = not any(_selects(term, pod, other) for other, _ in bound)
        if not (nobody and _selects(term, pod, pod)):  # the first of its kind may go anywhere
            return _WITH
    return ""


def _terms(affinity: Mapping[str, Any], part: str) -> Sequence[Mapping[str, Any]]:
    return (affinity.get(part) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()


def _near(node: Object, other: Object, term: Mapping[str, Any]) -> bool:
    key = str(term.get("topologyKey") or "")
    return key in labels(node) and labels(node)[key] == labels(other).get(key)


def _selects(term: Mapping[str, Any], of: Object, other: Object) -> bool:
    spaces = term.get("namespaces") or [meta(of).get("namespace")]
    if term.get("namespaceSelector") is None and meta(other).get("namespace") not in spaces:
        return False
    return label_selector(term.get("labelSelector")).matches(labels(other))


def victims(pod: Object, has: Amounts, bound: Sequence[Object]) -> list[Object]:
    """The pods that have to give way for a pod to fit, least important first; none where that does not help."""
    own = int(pod["spec"].get("priority") or 0)
    if pod["spec"].get("preemptionPolicy") == "Never":
        return []
    wanted = asked(pod)
    held = [one for one in bound if holds(one)]
    lower = sorted((one for one in held if _priority(one) < own), key=_importance)
    used, out = total(map(asked, held)), list[Object]()
    for one in lower:
        if not lacking(wanted, used, has):
            break
        out.append(one)
        for name, value in asked(one).items():
            used[name] -= value
    if lacking(wanted, used, has):
        return []
    for one in reversed(list(out)):  # who need not go after all stays, the most important first
        back = total((used, asked(one)))
        if not lacking(wanted, back, has):
            out.remove(one)
            used = back
    return out


def _priority(pod: Object) -> int:
    return int(pod["spec"].get("priority") or 0)


def _importance(pod: Object) -> tuple[int, str]:
    """Lower priority first, of equals the youngest."""
    born = str((pod.get("status") or {}).get("startTime") or meta(pod).get("creationTimestamp") or "")
    return _priority(pod), "".join(chr(0x10FFFF - ord(letter)) for letter in born)
