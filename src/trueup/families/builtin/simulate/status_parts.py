"""The parts of a pod's status: addresses, conditions, containers that run, wait or have ended. Pure; called by `pod_status`.

Source: kubelet ``status/generate.go``, ``kubelet_pods.go`` for reasons and messages; ``kuberuntime`` for the back-off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from trueup.families.builtin.tools import with_condition
from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.timing.rfc3339 import format_time

NODE_IP = "192.0.2.10"
_BACKOFF, _LONGEST = 10.0, 300.0


def pod_ip(pod: Object) -> str:
    """An address of its own: resource versions are unique, and the pod keeps what it has."""
    given = (pod.get("status") or {}).get("podIP")
    if given:
        return str(given)
    number = int(meta(pod).get("resourceVersion") or 0) % (1 << 21)  # 10.64.0.0/11, clear of the range of Services
    return f"10.{64 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}"


def started_at(one: Object) -> str:
    """Since when a container runs; empty when it does not."""
    return str(((one.get("state") or {}).get("running") or {}).get("startedAt") or "")


def container(spec: Object, state: Object, pod: Object, **more: Any) -> Object:
    """One container's status; ``more`` replaces what a container that does nothing says."""
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


def status_on_node(pod: Object, bound: float, phase: str) -> Object:
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


def conditions(
    pod: Object, moment: float, *, ready: bool, reason: str = "", uninitialised: Sequence[str] = ()
) -> list[Object]:
    """The pod's conditions. ``reason``: why it is not ready; ``uninitialised``: init containers that are not done."""
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


def initialised(pod: Object, moment: float, bound: float) -> list[Object]:
    """The statuses of init containers that are done, and of sidecars that run."""
    out = []
    for spec in pod["spec"].get("initContainers") or ():
        if spec.get("restartPolicy") == "Always":
            state: Object = {"running": {"startedAt": format_time(bound)}}
            out.append(container(spec, state, pod, ready=True, started=True))
        else:
            state = {"terminated": terminated(0, format_time(bound), format_time(moment))}
            out.append(container(spec, state, pod, ready=True))
    return out


def back_off(restarts: int) -> float:
    """Seconds until a container is started again."""
    return min(_BACKOFF * 2**restarts, _LONGEST) if restarts < 10 else _LONGEST


def waits_for_restart(spec: Object, pod: Object, wait: float) -> Object:
    """The state of a container that crashed."""
    name = f"{meta(pod)['name']}_{meta(pod).get('namespace')}({meta(pod).get('uid')})"
    said = f"back-off {int(wait)}s restarting failed container={spec['name']} pod={name}"
    return {"reason": "CrashLoopBackOff", "message": said}


def terminated(code: int, started: str, finished: str) -> Object:
    """The state of a container that has ended."""
    reason = "Completed" if code == 0 else "Error"
    return {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": finished}
