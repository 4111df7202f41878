"""Pods: given a node, brought to life, and let go. The shell around `pod_status.py` and `node.misfit`.

One write binds, one says what became of it; a pod that is deleted goes as soon as its containers would have stopped.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.families.builtin.kinds import NODE, POD
from trueup.families.builtin.simulate import node as nodes
from trueup.families.builtin.simulate.pod_status import next_status
from trueup.families.builtin.simulate.steering import course
from trueup.families.builtin.tools import change, condition, remove, seconds, with_condition, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta
from trueup.timing.rfc3339 import format_time

_UNBOUND = "unbound"
_STOP = 1.2
"""Seconds that containers take to end once they are told to."""


async def reconcile(tools: Tools, key: Key) -> Result:
    """The pod's next transition, if its time has come."""
    pod = tools.cache(POD).get(key)
    if pod is None:
        return Result()
    if meta(pod).get("deletionTimestamp"):
        left = _stops_in(pod, tools.clock.now())
        if left > 0:
            return Result(after=left)
        if meta(pod).get("deletionGracePeriodSeconds") or not meta(pod).get("finalizers"):
            await remove(tools, pod, propagation=None, grace=0)
        return Result()
    how = course(pod)
    if how.problem:
        tools.events.record(pod, "Warning", "SimulationAnnotation", how.problem)
    if not pod["spec"].get("nodeName"):
        bound = await _schedule(tools, pod, "the pod asks to stay pending" if how.pending else "")
        if bound is None:
            return Result()
        pod = bound
    status, after = next_status(pod, _bound_at(pod), tools.clock.now())
    if status is not None:
        await write_status(tools, pod, status, manager="kubelet")
        _tell(tools, pod, status)
    return Result(after=after)


def _stops_in(pod: Object, moment: float) -> float:
    """Seconds until its containers have stopped; the time of a deletion is known to the second alone."""
    grace = int(meta(pod).get("deletionGracePeriodSeconds") or 0)
    return seconds(meta(pod)["deletionTimestamp"]) - grace + min(grace, _STOP) - moment


async def _schedule(tools: Tools, pod: Object, reason: str) -> Object | None:
    """The pod on its node, or None: then it says why it waits."""
    if pod["spec"].get("schedulingGates"):
        await _unscheduled(tools, pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
        return None
    candidates = tools.cache(NODE).list()
    reasons: list[str] = [reason] if reason else []
    for node in candidates if not reason else ():
        why = nodes.misfit(pod, node)
        if not why:
            return await change(tools, pod, {"spec": {"nodeName": meta(node)["name"]}}, manager="kube-scheduler")
        reasons.append(why)
    counted = ", ".join(f"{reasons.count(why)} {why}" for why in sorted(set(reasons)))
    said = (
        f"0/{len(candidates)} nodes are available: {counted}." if candidates else "no nodes available to schedule pods"
    )
    await _unscheduled(tools, pod, "Unschedulable", said)
    return None


async def _unscheduled(tools: Tools, pod: Object, reason: str, message: str) -> None:
    status = dict(pod.get("status") or {})
    new = {"type": "PodScheduled", "status": "False", "lastProbeTime": None, "reason": reason, "message": message}
    stamp = format_time(tools.clock.now())
    status |= {"phase": "Pending", "conditions": with_condition(status.get("conditions") or [], new, stamp)}
    if status != pod.get("status"):
        await write_status(tools, pod, status, manager="kube-scheduler")
        if reason == "Unschedulable":
            tools.events.record(pod, "Warning", "FailedScheduling", message)


def _bound_at(pod: Object) -> float:
    """When it met its node, to the second: what it waited for before is said in its condition."""
    waited = condition(pod.get("status") or {}, "PodScheduled") or {}
    return seconds(waited.get("lastTransitionTime")) or seconds(meta(pod).get("creationTimestamp"))


def _tell(tools: Tools, pod: Object, status: Object) -> None:
    """Events for what goes wrong; a thousand pods that start well are no news."""
    for one in status.get("containerStatuses") or ():
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") == "CrashLoopBackOff":
            tools.events.record(pod, "Warning", "BackOff", str(waiting.get("message")))
        elif waiting.get("reason") == "ImagePullBackOff":
            tools.events.record(pod, "Warning", "Failed", str(waiting.get("message")))


def _unbound(pod: Object) -> Iterable[str]:
    if not (pod.get("spec") or {}).get("nodeName"):
        yield _UNBOUND


def _any(node: Object) -> Iterable[str]:
    yield _UNBOUND


CONTROLLER = Controller(
    "simulated-kubelet",
    POD,
    reconcile,
    index={_UNBOUND: _unbound},
    watches=(Watch(NODE, by={_UNBOUND: _any}),),
    workers=16,
)
