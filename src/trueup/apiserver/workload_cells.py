"""Cells of pods, jobs, nodes and what scales them. Pure; used by `columns`.

Source: ``pkg/printers/internalversion/printers.go`` (printPod, printJob, printNode, formatHPAMetrics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trueup.apiserver.cells import NONE, Cell, conditions, holds, human_duration, since, value
from trueup.apiserver.versions import convert
from trueup.kube.names import Object
from trueup.timing.rfc3339 import parse_time

Status = Mapping[str, Any]


def _statuses(obj: Object, part: str) -> Sequence[Status]:
    return (obj.get("status") or {}).get(part) or ()


def _sidecars(obj: Object) -> frozenset[str]:
    """Init containers that go on beside the others."""
    inits = (obj.get("spec") or {}).get("initContainers") or ()
    return frozenset(str(each.get("name")) for each in inits if each.get("restartPolicy") == "Always")


def pod_status(obj: Object, now: float = 0) -> str:
    """The one word that sums a pod up."""
    status = obj.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Pending")
    if conditions(obj).get("PodScheduled", {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    waiting = _initializing(obj)
    if waiting:
        reason = waiting
    if not waiting or holds(obj, "Initialized"):
        reason = _container_reason(obj, reason)
    if obj["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return reason


def _initializing(obj: Object) -> str:
    """Which init container a pod is held up by; empty when none does."""
    sidecars = _sidecars(obj)
    total = len((obj.get("spec") or {}).get("initContainers") or ())
    for index, container in enumerate(_statuses(obj, "initContainerStatuses")):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if container.get("name") in sidecars and container.get("started"):
            continue
        if ended is not None:
            return f"Init:{_ended(ended)}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _ended(ended: Status) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode')}"


def _container_reason(obj: Object, reason: str) -> str:
    running = False
    for container in reversed(_statuses(obj, "containerStatuses")):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = str(waiting["reason"])
        elif ended is not None:
            reason = _ended(ended)
        elif container.get("ready") and state.get("running") is not None:
            running = True
    if reason == "Completed" and running:
        return "Running" if holds(obj, "Ready") else "NotReady"
    return reason


def pod_ready(obj: Object, now: float) -> str:
    """Ready containers of all, those that go on beside them included."""
    sidecars = _sidecars(obj)
    ready = sum(bool(each.get("ready")) for each in _statuses(obj, "containerStatuses"))
    ready += sum(
        bool(each.get("ready")) for each in _statuses(obj, "initContainerStatuses") if each.get("name") in sidecars
    )
    return f"{ready}/{len((obj.get('spec') or {}).get('containers') or ()) + len(sidecars)}"


def pod_restarts(obj: Object, now: float) -> str:
    """``3 (5m ago)``."""
    counted = list(_restarting(obj))
    total = sum(int(each.get("restartCount") or 0) for each in counted)
    ends = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in counted]
    last = max((end for end in ends if end), default="")
    return f"{total} ({since(last, now)} ago)" if total and last else str(total)


def _restarting(obj: Object) -> Iterator[Status]:
    """While a pod is initializing its init containers count, afterwards the others."""
    sidecars, inits = _sidecars(obj), _statuses(obj, "initContainerStatuses")
    if _initializing(obj) and not holds(obj, "Initialized"):
        yield from inits
        return
    yield from (each for each in inits if each.get("name") in sidecars)
    yield from _statuses(obj, "containerStatuses")


def pod_gates(obj: Object, now: float) -> str:
    """Readiness gates that hold, of all."""
    gates = (obj.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return NONE
    return f"{sum(holds(obj, str(each.get('conditionType'))) for each in gates)}/{len(gates)}"


def pod_ip(obj: Object, now: float) -> str:
    """The first of the pod's addresses."""
    status = obj.get("status") or {}
    first = next((each.get("ip") for each in status.get("podIPs") or ()), None)
    return str(first or status.get("podIP") or NONE)


def replicas_ready(obj: Object, now: float) -> str:
    """``2/3``."""
    return f"{value(obj, 'status.readyReplicas') or 0}/{value(obj, 'spec.replicas') or 0}"


def job_status(obj: Object, now: float) -> str:
    """How a job stands."""
    for condition in ("Complete", "Failed"):
        if holds(obj, condition):
            return condition
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if holds(obj, condition):
            return condition
    return "Running"


def job_completions(obj: Object, now: float) -> str:
    """``1/3``, or ``0/1 of 4`` where any of several may complete it."""
    spec, done = obj.get("spec") or {}, value(obj, "status.succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def job_duration(obj: Object, now: float) -> str:
    """How long it took, or takes already."""
    start, end = value(obj, "status.startTime"), value(obj, "status.completionTime")
    if not start:
        return ""
    return human_duration((parse_time(str(end)) if end else now) - parse_time(str(start)))


def node_status(obj: Object, now: float) -> str:
    """``Ready,SchedulingDisabled``."""
    ready = conditions(obj).get("Ready")
    shown = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{shown},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else shown


def node_roles(obj: Object, now: float) -> str:
    """What the node's labels say that it is."""
    lead, roles = "node-role.kubernetes.io/", set()
    for key, each in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(lead) and len(key) > len(lead):
            roles.add(key.removeprefix(lead))
        elif key == "kubernetes.io/role" and each:
            roles.add(each)
    return ",".join(sorted(roles)) or NONE


def node_address(kind: str) -> Cell:
    """An address of a kind."""

    def cell(obj: Object, now: float) -> str:
        return next(
            (
                str(each["address"])
                for each in _statuses(obj, "addresses")
                if each.get("type") == kind and each["address"]
            ),
            NONE,
        )

    return cell


def autoscaler_target(obj: Object, now: float) -> str:
    """``Deployment/web``."""
    ref = value(obj, "spec.scaleTargetRef") or {}
    return f"{ref.get('kind', '')}/{ref.get('name', '')}"


_MOST_METRICS = 2


def autoscaler_targets(obj: Object, now: float) -> str:
    """``cpu: 20%/80%, memory: <unknown>/1Gi + 1 more...``."""
    obj = convert(obj, "autoscaling/v2")
    wanted = (obj.get("spec") or {}).get("metrics") or ()
    current = _statuses(obj, "currentMetrics")
    shown = []
    for index, metric in enumerate(wanted):
        part = _PARTS.get(str(metric.get("type")))
        if part is None:
            shown.append("<unknown type>")
            continue
        source, said = metric.get(part) or {}, current[index].get(part) if index < len(current) else None
        have = None if said is None else said.get("current") or {}
        shown.append(_lead(part, source) + _against(part, source.get("target") or {}, have))
    if not shown:
        return NONE
    more = f" + {len(shown) - _MOST_METRICS} more..." if len(shown) > _MOST_METRICS else ""
    return ", ".join(shown[:_MOST_METRICS]) + more


_UNKNOWN = "<unknown>"
_PARTS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _lead(part: str, source: Status) -> str:
    return f"{source.get('name')}: " if part in ("resource", "containerResource") else ""


def _against(part: str, target: Status, have: Status | None) -> str:
    """What is there, and what is wanted. Source: ``formatHPAMetrics``; what nobody measured Go prints as ``<nil>``."""
    of_containers = part in ("resource", "containerResource")
    if part == "pods" or target.get("averageValue") is not None:
        missing = "<nil>" if have is not None and (of_containers or part == "pods") else _UNKNOWN
        mean = " (avg)" if part in ("external", "object") else ""
        return f"{(have or {}).get('averageValue', missing)}/{target.get('averageValue')}{mean}"
    if of_containers:
        now, wanted = (have or {}).get("averageUtilization"), target.get("averageUtilization")
        return f"{_UNKNOWN if now is None else f'{now}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"
    return f"{(have or {}).get('value', _UNKNOWN if have is None else '<nil>')}/{target.get('value', '<nil>')}"
