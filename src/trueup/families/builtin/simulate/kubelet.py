"""Pods: given a node (by `scheduler`), brought to life, and let go. The shell around `pod_status.py`.

One write binds, one says what became of it; a pod that is deleted goes as soon as its containers would have stopped.
"""

from __future__ import annotations

from trueup.families.builtin.kinds import NODE, POD
from trueup.families.builtin.simulate import room
from trueup.families.builtin.simulate.admission import refusal, refused, unscheduled
from trueup.families.builtin.simulate.node import simulated
from trueup.families.builtin.simulate.pod_status import killed, next_status
from trueup.families.builtin.simulate.scheduler import scheduler
from trueup.families.builtin.simulate.steering import course
from trueup.families.builtin.tools import condition, remove, seconds, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta, uid

_NAME = "kubelet"
_STOP = 1.2
"""Seconds that containers take to end once they are told to."""


async def reconcile(tools: Tools, key: Key) -> Result:
    """The pod's next transition, if its time has come."""
    pod = tools.cache(POD).get(key)
    if pod is None or not _ours(tools, pod):
        return Result()
    if meta(pod).get("deletionTimestamp"):
        left = _stops_in(pod, tools.clock.now())
        if left > 0:
            _stopping(tools, pod)
            return Result(after=left)
        if meta(pod).get("finalizers") and room.holds(pod):  # somebody wants to know how it ended
            await write_status(tools, pod, killed(pod, tools.clock.now()), manager="kubelet")
        if meta(pod).get("deletionGracePeriodSeconds") or not meta(pod).get("finalizers"):
            await remove(tools, pod, propagation=None, grace=0)
        return Result()
    how = course(pod)
    if how.problem:
        tools.events.record(pod, "Warning", "SimulationAnnotation", how.problem)
    if not pod["spec"].get("nodeName"):
        bound = await scheduler(tools).place(tools, pod)
        if bound is None:
            return Result()
        pod = bound
        if not _ours(tools, pod):
            return Result()
    elif unscheduled(pod) and (why := _refusal(tools, pod)) is not None:
        await write_status(tools, pod, refused(pod, *why), manager="kubelet")
        tools.events.record(pod, "Warning", *why)
        return Result()
    status, after = next_status(pod, _bound_at(pod), tools.clock.now())
    if status is not None:
        await write_status(tools, pod, status, manager="kubelet")
        _tell(tools, pod, status)
        _started(tools, pod, status)
    return Result(after=after)


def _ours(tools: Tools, pod: Object) -> bool:
    """Pods on a node that is not simulated are its own kubelet's."""
    name = pod["spec"].get("nodeName")
    return not name or simulated(tools.cache(NODE).get(Key("", name)) or {})


def _refusal(tools: Tools, pod: Object) -> tuple[str, str] | None:
    sites = scheduler(tools).sites
    sites.refresh()
    site = sites.get(pod["spec"]["nodeName"])
    return None if site is None or not room.holds(pod) else refusal(pod, site)


def _stops_in(pod: Object, moment: float) -> float:
    """Seconds until its containers have stopped; the time of a deletion is known to the second alone."""
    grace = int(meta(pod).get("deletionGracePeriodSeconds") or 0)
    return seconds(meta(pod)["deletionTimestamp"]) - grace + min(grace, _STOP) - moment


def _bound_at(pod: Object) -> float:
    """When it met its node, to the second: what it waited for before is said in its condition."""
    waited = condition(pod.get("status") or {}, "PodScheduled") or {}
    return seconds(waited.get("lastTransitionTime")) or seconds(meta(pod).get("creationTimestamp"))


def _stopping(tools: Tools, pod: Object) -> None:
    news = scheduler(tools).news
    if news.tells(uid(pod), tools.clock.now()) and news.first(uid(pod)):
        for one in pod["spec"]["containers"]:
            path = f"spec.containers{{{one['name']}}}"
            text = f"Stopping container {one['name']}"
            tools.events.record(pod, "Normal", "Killing", text, component=_NAME, field_path=path)


def _started(tools: Tools, pod: Object, status: Object) -> None:
    """What a pod's description shows of containers that begin to run. Source: kubelet ``kuberuntime_container.go``."""
    if not scheduler(tools).news.tells(uid(pod), tools.clock.now()):
        return
    for field, where in (("initContainerStatuses", "initContainers"), ("containerStatuses", "containers")):
        before = {one["name"]: one.get("containerID") for one in (pod.get("status") or {}).get(field) or ()}
        for one in status.get(field) or ():
            ran = (one.get("state") or {}).keys() & {"running", "terminated"}
            if not ran or not one.get("containerID") or before.get(one["name"]) == one["containerID"]:
                continue
            path = f"spec.{where}{{{one['name']}}}"
            pulled = f'Container image "{one["image"]}" already present on machine and can be accessed by the pod'
            for reason, text in (
                ("Pulled", pulled),
                ("Created", "Container created"),
                ("Started", "Container started"),
            ):
                tools.events.record(pod, "Normal", reason, text, component=_NAME, field_path=path)


def _tell(tools: Tools, pod: Object, status: Object) -> None:
    """Events for what goes wrong; a thousand pods that start well are no news."""
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") == "CrashLoopBackOff":
            tools.events.record(pod, "Warning", "BackOff", str(waiting.get("message")), component=_NAME)
        elif waiting.get("reason") == "ImagePullBackOff":
            tools.events.record(pod, "Warning", "Failed", str(waiting.get("message")), component=_NAME)


CONTROLLER = Controller("simulated-kubelet", POD, reconcile, watches=(Watch(NODE),), workers=16)
