"""Which nodes a DaemonSet's pods go to, and how they follow its template. Pure; called by `daemonsets.py`.

Source: kube-controller-manager ``pkg/controller/daemon`` (``daemon_controller.go``, ``update.go``); Kubernetes documentation
"DaemonSet", "Perform a Rolling Update on a DaemonSet".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup.families.builtin import pods, rollout
from trueup.families.builtin.revisions import HASH
from trueup.families.builtin.simulate.selection import selected, taints_of, untolerated
from trueup.kube.names import Object
from trueup.kube.objects import labels, meta

_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class Place:
    """Whether pods are to be on a node, and whether those that are may stay."""

    run: bool
    stay: bool


@dataclass(slots=True)
class Step:
    """Nodes to make a pod for, pods to delete, what to tell."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    events: list[tuple[Literal["Normal", "Warning"], str, str]] = field(default_factory=list)


def tolerations(spec: Mapping[str, Any]) -> list[Object]:
    """What its pods bear besides what the template says."""
    out = [*(spec.get("tolerations") or ())]
    more = [
        *_TOLERATED,
        *([("node.kubernetes.io/network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else []),
    ]
    return [*out, *({"key": key, "operator": "Exists", "effect": effect} for key, effect in more)]


def place(daemon_set: Object, node: Object) -> Place:
    """By node name, node affinity and taints; being cordoned keeps nobody off."""
    spec = daemon_set["spec"]["template"].get("spec") or {}
    if spec.get("nodeName", meta(node)["name"]) != meta(node)["name"] or not selected(spec, node):
        return Place(False, False)
    bears, taints = tolerations(spec), taints_of(node)
    if untolerated(taints, bears) is None:
        return Place(True, True)
    return Place(False, untolerated(taints, bears, ("NoExecute",)) is None)


def target(pod: Object) -> str:
    """The node that a DaemonSet's pod is made for."""
    named = pod["spec"].get("nodeName")
    if named:
        return str(named)
    wanted = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in wanted.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            return str(one["values"][0])
    return ""


def by_node(owned: Iterable[Object]) -> dict[str, list[Object]]:
    """Its pods by the node that they are for."""
    out: dict[str, list[Object]] = {}
    for pod in owned:
        out.setdefault(target(pod), []).append(pod)
    return out


def bounds(daemon_set: Object, count: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in nodes."""
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = rollout.portion(rolling.get("maxSurge", 0), count, up=True)
    unavailable = rollout.portion(rolling.get("maxUnavailable", 1), count, up=True)
    return surge, 1 if count and not surge and not unavailable else unavailable


def step(
    daemon_set: Object,
    places: Mapping[str, Place],
    there: Mapping[str, Sequence[Object]],
    revision: str,
    moment: float,
) -> Step:
    """First who is where he should be; once nothing is to be done about that, the next ones of an older template."""
    out = Step()
    count = sum(one.run for one in places.values())
    surge, unavailable = bounds(daemon_set, count)
    min_ready = float(daemon_set["spec"].get("minReadySeconds") or 0)

    def available(pod: Object) -> bool:
        return pods.available_in(pod, min_ready, moment) == 0

    for node, place in places.items():
        _on_node(out, node, place, there.get(node) or (), revision, available, surge=bool(surge))
    for node in there.keys() - places.keys():  # the node is gone
        out.delete += [pod for pod in there[node] if not meta(pod).get("deletionTimestamp")]
    if (daemon_set["spec"].get("updateStrategy") or {}).get("type") == "OnDelete" or out.create or out.delete:
        return out
    split = {
        node: _split(there.get(node) or (), revision) for node, place in places.items() if place.run or node in there
    }
    if surge:
        _surge(out, split, places, available, surge, count)
    else:
        _replace(out, split, available, unavailable)
    return out


def _on_node(
    out: Step, node: str, place: Place, found: Sequence[Object], revision: str, available: Any, *, surge: bool
) -> None:
    if place.run and not found:
        out.create.append(node)
        return
    if not place.stay:
        out.delete += [pod for pod in found if not meta(pod).get("deletionTimestamp")]
        return
    running: list[Object] = []
    for pod in found:
        if meta(pod).get("deletionTimestamp"):
            continue
        phase, name = pods.phase(pod), f"{meta(pod)['namespace']}/{meta(pod)['name']}"
        if phase == "Failed":
            text = f"Found failed daemon pod {name} on node {node}, will try to kill it"
            out.events.append(("Warning", "FailedDaemonPod", text))
        elif phase == "Succeeded":
            text = f"Found succeeded daemon pod {name} on node {node}, will try to delete it"
            out.events.append(("Normal", "SucceededDaemonPod", text))
        else:
            running.append(pod)
            continue
        out.delete.append(pod)
    running.sort(key=lambda pod: (not pod["spec"].get("nodeName"), str(meta(pod).get("creationTimestamp"))))
    if not surge:
        out.delete += running[1:]
    elif not running and place.run:
        out.create.append(node)
    else:
        new, old = _split(running, revision)
        kept = [one for one in (new, old) if one is not None]
        out.delete += [pod for pod in running if all(pod is not one for one in kept)]
        if new is not None and old is not None and (not pods.ready(old) or available(new)):
            out.delete.append(old)


def _split(found: Sequence[Object], revision: str) -> tuple[Object | None, Object | None]:
    """The oldest pod of the present template, and of an older one; none that is being deleted."""
    alive = [pod for pod in found if not meta(pod).get("deletionTimestamp")]
    new = next((pod for pod in alive if labels(pod).get(HASH) == revision), None)
    return new, next((pod for pod in alive if labels(pod).get(HASH) != revision), None)


def _replace(out: Step, split: Mapping[str, tuple[Object | None, Object | None]], available: Any, most: int) -> None:
    """Old pods that are not available go at once, others as far as enough stay."""
    away, candidates = 0, list[Object]()
    for new, old in split.values():
        if (new is None) == (old is None):
            away += 1
        elif new is not None:
            away += not available(new)
        elif old is not None and not available(old):
            out.delete.append(old)
            away += 1
        elif old is not None:
            candidates.append(old)
    out.delete += candidates[: max(0, most - away)]


def _surge(
    out: Step,
    split: Mapping[str, tuple[Object | None, Object | None]],
    places: Mapping[str, Place],
    available: Any,
    most: int,
    count: int,
) -> None:
    """A new pod comes beside the old one, which goes once the new one is available."""
    coming, up = 0, 0
    candidates: list[str] = []
    leaving: list[Object] = []
    for node, (new, old) in split.items():
        kept = old if old is not None else new
        if kept is None:
            coming += 1
            continue
        up += available(kept)
        if old is None:
            continue
        if new is not None:
            if available(new):
                out.delete.append(old)
            else:
                coming += 1
        elif not places[node].run:
            (leaving if available(old) else out.delete).append(old)
        elif not available(old):
            out.create.append(node)
        else:
            candidates.append(node)
    out.delete += leaving[: max(0, up - count)]
    out.create += candidates[: max(0, most - coming)]
