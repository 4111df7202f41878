"""ReplicaSets and ReplicationControllers: as many pods of one template as asked for.

Source: kube-controller-manager ``pkg/controller/replicaset`` (and ``replication``, which is the same controller).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from trueup.families.builtin import pods
from trueup.families.builtin.kinds import POD, REPLICA_SET, REPLICATION_CONTROLLER
from trueup.families.builtin.tools import (
    OFFERED,
    OWNED,
    SELECTING,
    claim,
    condition,
    controlled,
    create,
    minor,
    now,
    owner_keys,
    remove,
    with_condition,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Kind, Object
from trueup.kube.objects import controller_of, labels, meta, uid
from trueup.kube.problems import ApiProblem, Forbidden, Invalid
from trueup.kube.selectors import LabelSelector, label_selector, set_selector

_AGAIN = 5.0
"""Seconds until it is tried again what was refused."""
TELLS_OF_TERMINATING = 35
"""The Kubernetes (1.35) since which the pods that are going are counted in `status.terminatingReplicas`."""


def status(
    replica_set: Object, active: Sequence[Object], moment: float, terminating: int | None = None
) -> tuple[Object, float | None]:
    """The status over its active pods, and when to look again for pods that are ready but not yet available.

    ``terminating``: how many pods are going; None where that is not told.
    """
    spec = replica_set["spec"]
    min_ready = float(spec.get("minReadySeconds") or 0)
    waits = [pods.available_in(pod, min_ready, moment) for pod in active]
    wanted = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    labelled = sum(all(labels(pod).get(k) == v for k, v in wanted.items()) for pod in active)
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": labelled,
        "readyReplicas": sum(wait is not None for wait in waits),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    old = replica_set.get("status") or {}
    new = {name: old[name] for name in ("conditions",) if name in old}
    new |= {name: count for name, count in counts.items() if count or name == "replicas"}
    new |= {"terminatingReplicas": terminating} if terminating is not None else {}
    new["observedGeneration"] = meta(replica_set).get("generation") or 1
    return new, min((wait for wait in waits if wait), default=None)


def reconciler(kind: Kind) -> Callable[[Tools, Key], Awaitable[Result]]:
    """ReplicaSets and ReplicationControllers differ in their selector's form and in what counts as labelled."""

    async def reconcile(tools: Tools, key: Key) -> Result:
        """Create or delete pods, then say how many there are."""
        replica_set = tools.cache(kind).get(key)
        if replica_set is None:
            return Result()
        problem: ApiProblem | None = None
        going = await _terminating(tools, replica_set)
        if meta(replica_set).get("deletionTimestamp"):
            active = [pod for pod in controlled(tools, replica_set, POD) if pods.active(pod)]
        else:
            claimed = await claim(tools, replica_set, POD, _selector(replica_set))
            active = [pod for pod in claimed if pods.active(pod)]
            active, problem = await _scale(tools, replica_set, active)
        new, after = status(replica_set, active, tools.clock.now(), going)
        if problem is not None and condition(new, "ReplicaFailure") is None:  # said once: each attempt has its own name
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(problem)}
            new["conditions"] = with_condition(new.get("conditions") or [], failure, now(tools))
        elif problem is None and "conditions" in new:
            kept = [one for one in new.pop("conditions") if one.get("type") != "ReplicaFailure"]
            new |= {"conditions": kept} if kept else {}
        await write_status(tools, replica_set, new)
        return Result(after=after if problem is None else _AGAIN)

    return reconcile


async def _terminating(tools: Tools, replica_set: Object) -> int | None:
    """How many of its pods are going. Source: ``FilterTerminatingPods``; a ReplicationController's API has no such field."""
    if replica_set["kind"] != REPLICA_SET.kind or await minor(tools) < TELLS_OF_TERMINATING:
        return None
    selector = _selector(replica_set)
    return sum(pods.terminating(pod) and selector.matches(labels(pod)) for pod in controlled(tools, replica_set, POD))


def _selector(owner: Object) -> LabelSelector:
    given = owner["spec"].get("selector")
    return label_selector(given) if owner["kind"] == REPLICA_SET.kind else set_selector(given)


async def _scale(tools: Tools, owner: Object, active: list[Object]) -> tuple[list[Object], ApiProblem | None]:
    """Create what is missing, delete what is too much; the pods that are there then, and why some could not be made."""
    spec = owner["spec"]
    wanted = spec.get("replicas", 1)
    if len(active) > wanted:
        ordered = pods.deletion_order(active, tools.clock.now(), _crowd(tools, owner, active))
        for pod in ordered[: len(active) - wanted]:
            await remove(tools, pod)
            tools.events.record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta(pod)['name']}")
        return ordered[len(active) - wanted :], None
    template = spec.get("template") or {}
    for _ in range(wanted - len(active)):
        try:
            pod = await create(tools, pods.from_template(owner, template, generateName=f"{meta(owner)['name']}-"))
        except (Forbidden, Invalid) as refused:
            tools.events.record(owner, "Warning", "FailedCreate", f"Error creating: {refused}")
            return active, refused
        tools.events.record(owner, "Normal", "SuccessfulCreate", f"Created pod: {meta(pod)['name']}")
        active.append(pod)
    return active, None


def _crowd(tools: Tools, owner: Object, active: Sequence[Object]) -> dict[str, int]:
    """How many pods of the same Deployment (or of this owner) are on each node."""
    above = controller_of(owner)
    others = tools.cache(REPLICA_SET).by_index("owner", above["uid"]) if above else ()
    own = [pod for one in others if uid(one) != uid(owner) for pod in controlled(tools, one, POD) if pods.active(pod)]
    out: dict[str, int] = {}
    for pod in (*active, *own):
        node = str(pod["spec"].get("nodeName") or "")
        out[node] = out.get(node, 0) + 1
    return out


def _controller(name: str, kind: Kind) -> Controller:
    watch = Watch(POD, keys=owner_keys(kind), by=OFFERED, index=OWNED)
    return Controller(name, kind, reconciler(kind), watches=(watch,), index=SELECTING)


CONTROLLER = _controller("replicaset", REPLICA_SET)
REPLICATION_CONTROLLERS = _controller("replicationcontroller", REPLICATION_CONTROLLER)
