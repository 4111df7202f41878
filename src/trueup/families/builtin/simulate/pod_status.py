"""What the kubelet would write about a pod next, put together out of `status_parts`. Pure.

In: a pod and the time; out: a status, and the time of the next look.

Source: Kubernetes documentation "Pod Lifecycle"; kubelet ``status/generate.go``, ``kubelet_pods.go`` for reasons and messages.
"""

from __future__ import annotations

from trueup.families.builtin.simulate.script import outcome
from trueup.families.builtin.simulate.status_parts import (
    back_off,
    conditions,
    container,
    initialised,
    started_at,
    status_on_node,
    terminated,
    waits_for_restart,
)
from trueup.families.builtin.simulate.steering import Course, course
from trueup.families.builtin.tools import condition, seconds
from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.timing.rfc3339 import format_time

_STOPPED = 143
"""The exit code of what is asked to stop."""
_GREETING = 0.2
"""Seconds until the containers run, when being ready takes longer than that."""


def next_status(pod: Object, bound: float, moment: float) -> tuple[Object | None, float | None]:
    """(the status to write now, or None; seconds until the next look, or None). ``bound``: when it met its node."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return None, None
    left = _deadline(pod, moment)
    if left is not None and left <= 0:
        return _late(pod, moment), None
    new, after = _next(pod, bound, moment)
    new = _changed(pod, moment) if new is None else new
    if new is not None and meta(pod).get("generation"):
        new["observedGeneration"] = meta(pod)["generation"]
    return new, after if left is None else left if after is None else min(left, after)


def _deadline(pod: Object, moment: float) -> float | None:
    """Seconds that a pod may go on, if it may not for ever."""
    allowed, started = pod["spec"].get("activeDeadlineSeconds"), (pod.get("status") or {}).get("startTime")
    if allowed is None:
        return None
    return seconds(started) + int(allowed) - moment if started else float(allowed)


def _late(pod: Object, moment: float) -> Object:
    """It was active for too long. Source: kubelet ``active_deadline.go``."""
    status = dict(pod.get("status") or {})
    status |= {"phase": "Failed", "reason": "DeadlineExceeded"}
    status["message"] = "Pod was active on the node longer than the specified deadline"
    status["conditions"] = conditions(pod, moment, ready=False, reason="PodFailed")
    return status


def killed(pod: Object, moment: float) -> Object:
    """A pod was deleted and its containers have been stopped. Source: kubelet ``kubelet_pods.go`` (``getPhase``)."""
    status = dict(pod.get("status") or {})
    status["phase"] = "Failed"
    status["containerStatuses"] = [
        {
            **one,
            "ready": False,
            "started": False,
            "state": {
                "terminated": {
                    **terminated(137, started_at(one), format_time(moment)),
                    "containerID": one["containerID"],
                }
            },
        }
        if started_at(one)
        else one
        for one in status.get("containerStatuses") or ()
    ]
    status["conditions"] = conditions(pod, moment, ready=False, reason="PodFailed")
    return status


def _next(pod: Object, bound: float, moment: float) -> tuple[Object | None, float | None]:
    """As `next_status`, of a pod that goes on."""
    status = pod.get("status") or {}
    how = course(pod)
    if how.image_pull_error:
        if _waiting_reason(status) == "ImagePullBackOff":
            return None, None
        return _waiting(pod, bound, moment), None
    if how.init_codes and status.get("phase") != "Running":
        return _stuck(pod, how, bound, moment)
    started = next((s for c in status.get("containerStatuses") or () if (s := started_at(c))), "")
    crashed = _crashed(status)
    if crashed is not None:
        return _restart(pod, how, crashed, moment)
    if not started:
        first = min(how.ready_after, _GREETING) if how.ready_after > 2 * _GREETING else how.ready_after
        if moment < bound + first:
            return None, bound + first - moment
        is_ready = moment >= bound + how.ready_after and not how.never_ready
        return _running(pod, how, moment, bound, is_ready=is_ready, restarts=0), _look(how, moment, bound, is_ready)
    if how.ends:
        end = _exact(status, seconds(started), bound, how) + how.run_for
        if moment < end:
            return None, end - moment
        return _ended(pod, how, moment)
    if how.never_ready or (condition(status, "Ready") or {}).get("status") == "True":
        return None, None
    if moment < bound + how.ready_after:
        return None, bound + how.ready_after - moment
    return _running(pod, how, moment, bound, is_ready=True, restarts=_restarts(status)), None


def _changed(pod: Object, moment: float) -> Object | None:
    """Its spec is another one: the kubelet has seen that, containers of another image start anew, debuggers join them."""
    status, generation = pod.get("status") or {}, meta(pod).get("generation")
    new = _debuggers(pod, moment)
    seen = not generation or status.get("observedGeneration") == generation
    if (seen and not new) or not status.get("containerStatuses"):
        return None
    images = {spec["name"]: spec.get("image") for spec in pod["spec"]["containers"]}
    containers = []
    for one in status["containerStatuses"]:
        wanted = images.get(one["name"], one.get("image"))
        if wanted == one.get("image") or not started_at(one):
            containers.append(one)
            continue
        last = {"terminated": terminated(_STOPPED, started_at(one), format_time(moment))}
        last["terminated"]["containerID"] = one.get("containerID")
        more = {"ready": one.get("ready"), "started": True, "restartCount": int(one.get("restartCount") or 0) + 1}
        state = {"running": {"startedAt": format_time(moment)}}
        containers.append(container({**one, "image": wanted}, state, pod, lastState=last, **more))
    out = {**status, "containerStatuses": containers}
    if new:
        out["ephemeralContainerStatuses"] = [*(status.get("ephemeralContainerStatuses") or ()), *new]
    if generation:
        out["conditions"] = [{**one, "observedGeneration": generation} for one in status.get("conditions") or ()]
    return out


def _debuggers(pod: Object, moment: float) -> list[Object]:
    """Ephemeral containers that nobody has started yet: they run until the pod goes, or end as their command tells."""
    known = {one["name"] for one in (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()}
    out, stamp = [], format_time(moment)
    for spec in pod["spec"].get("ephemeralContainers") or ():
        if spec["name"] not in known:
            end = outcome(spec, pod)
            over = end is not None and not end.after
            state = (
                {"terminated": terminated(end.code, stamp, stamp)}
                if end and over
                else {"running": {"startedAt": stamp}}
            )
            out.append(container(spec, state, pod, started=not over))
    return out


def _look(how: Course, moment: float, bound: float, is_ready: bool) -> float | None:
    if how.ends:
        return how.run_for
    return None if is_ready or how.never_ready else max(0.01, bound + how.ready_after - moment)


def _exact(status: Object, started: float, bound: float, how: Course) -> float:
    """Timestamps have whole seconds; the first start is known better."""
    if _restarts(status):
        return started
    return max(started, bound + min(how.ready_after, _GREETING))


def _restarts(status: Object) -> int:
    return max((int(one.get("restartCount") or 0) for one in status.get("containerStatuses") or ()), default=0)


def _waiting_reason(status: Object) -> str:
    for one in status.get("containerStatuses") or ():
        return str(((one.get("state") or {}).get("waiting") or {}).get("reason") or "")
    return ""


def _crashed(status: Object) -> Object | None:
    """The first container that waits for its restart."""
    if _waiting_reason(status) != "CrashLoopBackOff":
        return None
    first: Object = status["containerStatuses"][0]
    return first


def _stuck(pod: Object, how: Course, bound: float, moment: float) -> tuple[Object | None, float | None]:
    """An init container fails: the pod with it, or it is started again and again while the others wait."""
    specs = pod["spec"]["initContainers"]
    at = next(number for number, spec in enumerate(specs) if spec["name"] in how.init_codes)
    before = (pod.get("status") or {}).get("initContainerStatuses") or ()
    known = before[at] if len(before) > at else {}
    restarts = int(known.get("restartCount") or 0)
    if not known and moment < bound + how.ready_after:
        return None, bound + how.ready_after - moment
    if known:
        ended = seconds(((known.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
        left = ended + back_off(restarts) - moment
        if left > 0:
            return None, left
        restarts += 1
    again = (pod["spec"].get("restartPolicy") or "Always") != "Never"
    end = {"terminated": terminated(how.init_codes[specs[at]["name"]], format_time(moment), format_time(moment))}
    wait = {"waiting": {"reason": "PodInitializing"}}
    status = status_on_node(pod, bound, "Pending" if again else "Failed")
    first = initialised(pod, moment, bound)[:at]
    if again:
        crash = {"waiting": waits_for_restart(specs[at], pod, back_off(restarts))}
        first.append(container(specs[at], crash, pod, lastState=end, restartCount=restarts))
    else:
        first.append(container(specs[at], end, pod))
    status["initContainerStatuses"] = [*first, *(container(spec, wait, pod) for spec in specs[at + 1 :])]
    status["containerStatuses"] = [container(spec, wait, pod) for spec in pod["spec"]["containers"]]
    reason = "ContainersNotReady" if again else "PodFailed"
    left_over = [spec["name"] for spec in specs[at:]]
    status["conditions"] = conditions(pod, moment, ready=False, reason=reason, uninitialised=left_over)
    return status, back_off(restarts) if again else None


def _running(pod: Object, how: Course, moment: float, bound: float, *, is_ready: bool, restarts: int) -> Object:
    status = status_on_node(pod, bound, "Running")
    known = {one["name"]: one for one in status.get("containerStatuses") or ()}
    containers = []
    for spec in pod["spec"]["containers"]:
        before = known.get(spec["name"]) or {}
        state = before.get("state") if started_at(before) else {"running": {"startedAt": format_time(moment)}}
        more: Object = {"ready": is_ready, "started": True, "restartCount": restarts}
        if before.get("lastState"):
            more["lastState"] = before["lastState"]
        containers.append(container(spec, state or {}, pod, **more))
    status["containerStatuses"] = containers
    if pod["spec"].get("initContainers") and not status.get("initContainerStatuses"):
        status["initContainerStatuses"] = initialised(pod, moment, bound)
    status["conditions"] = conditions(pod, moment, ready=is_ready, reason="" if is_ready else "ContainersNotReady")
    return status


def _waiting(pod: Object, bound: float, moment: float) -> Object:
    """The image cannot be pulled."""
    status = status_on_node(pod, bound, "Pending")
    status["containerStatuses"] = [
        container(
            spec,
            {
                "waiting": {
                    "reason": "ImagePullBackOff",
                    "message": f'Back-off pulling image "{spec.get("image")}": ErrImagePull: the simulated registry refused it',
                }
            },
            pod,
        )
        for spec in pod["spec"]["containers"]
    ]
    status["conditions"] = conditions(pod, moment, ready=False, reason="ContainersNotReady")
    return status


def _ended(pod: Object, how: Course, moment: float) -> tuple[Object, float | None]:
    """The containers exit: the pod is finished, or they wait for their restart."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    status = status_on_node(pod, moment, "Running")
    failed = any(how.codes.get(spec["name"], how.exit_code) for spec in pod["spec"]["containers"])
    again = policy == "Always" or (policy == "OnFailure" and failed)
    restarts = _restarts(status)
    wait = back_off(restarts)
    containers = []
    for spec, before in zip(pod["spec"]["containers"], status.get("containerStatuses") or (), strict=False):
        code = how.codes.get(spec["name"], how.exit_code)
        end = {"terminated": terminated(code, started_at(before), format_time(moment))}
        end["terminated"]["containerID"] = before.get("containerID")
        if again:
            state: Object = {"waiting": waits_for_restart(spec, pod, wait)}
            containers.append(
                container(spec, state, pod, lastState=end, restartCount=restarts, imageID=before.get("imageID"))
            )
        else:
            containers.append(container(spec, end, pod, restartCount=restarts))
    status["containerStatuses"] = containers
    if again:
        status["conditions"] = conditions(pod, moment, ready=False, reason="ContainersNotReady")
        return status, wait
    status["phase"] = "Failed" if failed else "Succeeded"
    reason = "PodFailed" if failed else "PodCompleted"
    status["conditions"] = conditions(pod, moment, ready=False, reason=reason)
    return status, None


def _restart(pod: Object, how: Course, crashed: Object, moment: float) -> tuple[Object | None, float | None]:
    """After the back-off the containers run again."""
    restarts = int(crashed.get("restartCount") or 0)
    ended = seconds(((crashed.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    wait = back_off(restarts)
    if moment < ended + wait:
        return None, ended + wait - moment
    return _running(pod, how, moment, moment, is_ready=True, restarts=restarts + 1), how.run_for
