"""What the kubelet would write about a pod next. Pure: pod and time in, status and the time of the next look out.

Source: Kubernetes documentation "Pod Lifecycle"; kubelet ``status/generate.go``, ``kubelet_pods.go`` for reasons and messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from trueup.families.builtin.simulate.script import outcome
from trueup.families.builtin.simulate.steering import Course, course
from trueup.families.builtin.tools import condition, seconds, with_condition
from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.timing.rfc3339 import format_time

NODE_IP = "192.0.2.10"
_BACKOFF, _LONGEST = 10.0, 300.0
_STOPPED = 143
"""The exit code of what is asked to stop."""
_GREETING = 0.2
"""Seconds until the containers run, when being ready takes longer than that."""


def pod_ip(pod: Object) -> str:
    """An address of its own: resource versions are unique, and the pod keeps what it has."""
    given = (pod.get("status") or {}).get("podIP")
    if given:
        return str(given)
    number = int(meta(pod).get("resourceVersion") or 0) % (1 << 21)  # 10.64.0.0/11, clear of the range of Services
    return f"10.{64 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}"


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
    status["conditions"] = _conditions(pod, moment, ready=False, reason="PodFailed")
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
                    **_terminated(137, _started(one), format_time(moment)),
                    "containerID": one["containerID"],
                }
            },
        }
        if _started(one)
        else one
        for one in status.get("containerStatuses") or ()
    ]
    status["conditions"] = _conditions(pod, moment, ready=False, reason="PodFailed")
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
    started = next((s for c in status.get("containerStatuses") or () if (s := _started(c))), "")
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
        if wanted == one.get("image") or not _started(one):
            containers.append(one)
            continue
        last = {"terminated": _terminated(_STOPPED, _started(one), format_time(moment))}
        last["terminated"]["containerID"] = one.get("containerID")
        more = {"ready": one.get("ready"), "started": True, "restartCount": int(one.get("restartCount") or 0) + 1}
        state = {"running": {"startedAt": format_time(moment)}}
        containers.append(_container({**one, "image": wanted}, state, pod, lastState=last, **more))
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
                {"terminated": _terminated(end.code, stamp, stamp)}
                if end and over
                else {"running": {"startedAt": stamp}}
            )
            out.append(_container(spec, state, pod, started=not over))
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


def _started(container: Object) -> str:
    return str(((container.get("state") or {}).get("running") or {}).get("startedAt") or "")


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


def _container(spec: Object, state: Object, pod: Object, **more: Any) -> Object:
    image = str(spec.get("image") or "")
    digest = hashlib.sha256(image.encode()).hexdigest()
    own = hashlib.sha256(f"{meta(pod).get('uid')}/{spec['name']}/{more.get('restartCount', 0)}".encode()).hexdigest()
    out = {
        "name": spec["name"],
        "image": image,
        "imageID": f"{image.partition('@')[0]}@sha256:{digest}",
        "containerID": f"containerd://{own}",
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "started": False,
        "state": state,
        **more,
    }
    if "waiting" in state and not out["restartCount"]:
        out["imageID"] = ""
        del out["containerID"]
    return out


def _base(pod: Object, bound: float, phase: str) -> Object:
    """What all statuses of a pod on the node have."""
    status = dict(pod.get("status") or {})
    for name in ("reason", "message", "nominatedNodeName"):
        status.pop(name, None)
    ip = pod_ip(pod)
    host = (pod.get("spec") or {}).get("hostNetwork")
    ip = NODE_IP if host else ip
    status.update(
        phase=phase,
        hostIP=NODE_IP,
        hostIPs=[{"ip": NODE_IP}],
        podIP=ip,
        podIPs=[{"ip": ip}],
        startTime=status.get("startTime") or format_time(bound),
    )
    return status


def _conditions(
    pod: Object, moment: float, *, ready: bool, reason: str = "", uninitialised: Sequence[str] = ()
) -> list[Object]:
    stamp = format_time(moment)
    found = list((pod.get("status") or {}).get("conditions") or ())
    about: Object = {}
    if not ready and reason:
        about = {"reason": reason}
        if reason == "ContainersNotReady":
            names = " ".join(one["name"] for one in pod["spec"]["containers"])
            about["message"] = f"containers with unready status: [{names}]"
    generation = meta(pod).get("generation")
    seen: Object = {"observedGeneration": generation} if generation else {}
    word = "True" if ready else "False"
    finished = reason == "PodCompleted"
    for new in (
        {"type": "PodReadyToStartContainers", "status": "False" if finished else "True"},
        {
            "type": "Initialized",
            "status": "False" if uninitialised else "True",
            **({"reason": reason} if finished else {}),
            **(_incomplete(uninitialised) if uninitialised else {}),
        },
        {"type": "Ready", "status": word, **about},
        {"type": "ContainersReady", "status": word, **about},
        {"type": "PodScheduled", "status": "True"},
    ):
        found = with_condition(found, {"lastProbeTime": None, **seen, **new}, stamp)
    return found


def _incomplete(names: Sequence[str]) -> Object:
    return {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(names)}]",
    }


def _initialised(pod: Object, moment: float, bound: float) -> list[Object]:
    out = []
    for spec in pod["spec"].get("initContainers") or ():
        if spec.get("restartPolicy") == "Always":
            state: Object = {"running": {"startedAt": format_time(bound)}}
            out.append(_container(spec, state, pod, ready=True, started=True))
        else:
            state = {"terminated": _terminated(0, format_time(bound), format_time(moment))}
            out.append(_container(spec, state, pod, ready=True))
    return out


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
        left = ended + _back_off(restarts) - moment
        if left > 0:
            return None, left
        restarts += 1
    again = (pod["spec"].get("restartPolicy") or "Always") != "Never"
    end = {"terminated": _terminated(how.init_codes[specs[at]["name"]], format_time(moment), format_time(moment))}
    wait = {"waiting": {"reason": "PodInitializing"}}
    status = _base(pod, bound, "Pending" if again else "Failed")
    first = _initialised(pod, moment, bound)[:at]
    if again:
        crash = {"waiting": _crash(specs[at], pod, _back_off(restarts))}
        first.append(_container(specs[at], crash, pod, lastState=end, restartCount=restarts))
    else:
        first.append(_container(specs[at], end, pod))
    status["initContainerStatuses"] = [*first, *(_container(spec, wait, pod) for spec in specs[at + 1 :])]
    status["containerStatuses"] = [_container(spec, wait, pod) for spec in pod["spec"]["containers"]]
    reason = "ContainersNotReady" if again else "PodFailed"
    left_over = [spec["name"] for spec in specs[at:]]
    status["conditions"] = _conditions(pod, moment, ready=False, reason=reason, uninitialised=left_over)
    return status, _back_off(restarts) if again else None


def _back_off(restarts: int) -> float:
    return min(_BACKOFF * 2**restarts, _LONGEST) if restarts < 10 else _LONGEST


def _crash(spec: Object, pod: Object, wait: float) -> Object:
    name = f"{meta(pod)['name']}_{meta(pod).get('namespace')}({meta(pod).get('uid')})"
    said = f"back-off {int(wait)}s restarting failed container={spec['name']} pod={name}"
    return {"reason": "CrashLoopBackOff", "message": said}


def _terminated(code: int, started: str, finished: str) -> Object:
    reason = "Completed" if code == 0 else "Error"
    return {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": finished}


def _running(pod: Object, how: Course, moment: float, bound: float, *, is_ready: bool, restarts: int) -> Object:
    status = _base(pod, bound, "Running")
    known = {one["name"]: one for one in status.get("containerStatuses") or ()}
    containers = []
    for spec in pod["spec"]["containers"]:
        before = known.get(spec["name"]) or {}
        state = before.get("state") if _started(before) else {"running": {"startedAt": format_time(moment)}}
        more: Object = {"ready": is_ready, "started": True, "restartCount": restarts}
        if before.get("lastState"):
            more["lastState"] = before["lastState"]
        containers.append(_container(spec, state or {}, pod, **more))
    status["containerStatuses"] = containers
    if pod["spec"].get("initContainers") and not status.get("initContainerStatuses"):
        status["initContainerStatuses"] = _initialised(pod, moment, bound)
    status["conditions"] = _conditions(pod, moment, ready=is_ready, reason="" if is_ready else "ContainersNotReady")
    return status


def _waiting(pod: Object, bound: float, moment: float) -> Object:
    """The image cannot be pulled."""
    status = _base(pod, bound, "Pending")
    status["containerStatuses"] = [
        _container(
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
    status["conditions"] = _conditions(pod, moment, ready=False, reason="ContainersNotReady")
    return status


def _ended(pod: Object, how: Course, moment: float) -> tuple[Object, float | None]:
    """The containers exit: the pod is finished, or they wait for their restart."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    status = _base(pod, moment, "Running")
    failed = any(how.codes.get(spec["name"], how.exit_code) for spec in pod["spec"]["containers"])
    again = policy == "Always" or (policy == "OnFailure" and failed)
    restarts = _restarts(status)
    wait = _back_off(restarts)
    containers = []
    for spec, before in zip(pod["spec"]["containers"], status.get("containerStatuses") or (), strict=False):
        code = how.codes.get(spec["name"], how.exit_code)
        end = {"terminated": _terminated(code, _started(before), format_time(moment))}
        end["terminated"]["containerID"] = before.get("containerID")
        if again:
            state: Object = {"waiting": _crash(spec, pod, wait)}
            containers.append(
                _container(spec, state, pod, lastState=end, restartCount=restarts, imageID=before.get("imageID"))
            )
        else:
            containers.append(_container(spec, end, pod, restartCount=restarts))
    status["containerStatuses"] = containers
    if again:
        status["conditions"] = _conditions(pod, moment, ready=False, reason="ContainersNotReady")
        return status, wait
    status["phase"] = "Failed" if failed else "Succeeded"
    reason = "PodFailed" if failed else "PodCompleted"
    status["conditions"] = _conditions(pod, moment, ready=False, reason=reason)
    return status, None


def _restart(pod: Object, how: Course, crashed: Object, moment: float) -> tuple[Object | None, float | None]:
    """After the back-off the containers run again."""
    restarts = int(crashed.get("restartCount") or 0)
    ended = seconds(((crashed.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    wait = _back_off(restarts)
    if moment < ended + wait:
        return None, ended + wait - moment
    return _running(pod, how, moment, moment, is_ready=True, restarts=restarts + 1), how.run_for
