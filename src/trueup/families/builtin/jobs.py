"""Jobs: pods that run to their end. Source: kube-controller-manager ``pkg/controller/job``; Kubernetes documentation "Jobs"."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from trueup.families.builtin import pods
from trueup.families.builtin.kinds import JOB, POD
from trueup.families.builtin.tools import (
    OWNED,
    condition,
    controlled,
    create,
    owner_keys,
    remove,
    seconds,
    with_condition,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, meta
from trueup.timing.rfc3339 import format_time

_STAMPS = ("lastProbeTime", "lastTransitionTime")
_INDEX = "batch.kubernetes.io/job-completion-index"
_BACKOFF, _LONGEST = 10.0, 600.0
_COUNTED = "uncountedTerminatedPods"


@dataclass(slots=True)
class Decision:
    """What to do now: pods to make (by index, -1 where it means nothing), pods to delete, the status."""

    status: Object
    create: list[int] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    after: float | None = None
    gone: bool = False
    """Its time after the end is over."""


def finished(job: Object) -> str:
    """``Complete`` or ``Failed`` once it is over."""
    held = (condition(job.get("status") or {}, name) for name in ("Complete", "Failed"))
    return next((str(one["type"]) for one in held if one and one.get("status") == "True"), "")


def decide(job: Object, owned: Sequence[Object], moment: float) -> Decision:
    """From a Job and its pods to what is next."""
    spec, stamp = job["spec"], format_time(moment)
    status = dict(job.get("status") or {})
    if finished(job):
        return _after_the_end(job, status, owned, moment)
    succeeded = [pod for pod in owned if pods.phase(pod) == "Succeeded"]
    failed = [pod for pod in owned if pods.phase(pod) == "Failed"]
    active = [pod for pod in owned if pods.active(pod)]
    if spec.get("suspend"):
        return _suspended(status, active, stamp)
    if not status.get("startTime"):
        status["startTime"] = stamp
    conditions = list(status.get("conditions") or ())
    if any(one["type"] == "Suspended" and one["status"] == "True" for one in conditions):
        resumed = {"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"}
        conditions = with_condition(conditions, resumed, stamp, stamps=_STAMPS)
        status["startTime"] = stamp
    status["conditions"] = conditions
    indexed = spec.get("completionMode") == "Indexed"
    done = {_index(pod) for pod in succeeded} if indexed else set()
    count = len(done) if indexed else len(succeeded)
    _count(status, active, count, len(failed))
    if indexed and done:
        status["completedIndexes"] = spans(sorted(done))
    failure, after = _failure(spec, status, owned, failed, moment)
    if failure is not None:
        return _fail(status, failure, active, stamp)
    completions = spec.get("completions")
    if (completions is not None and count >= completions) or (completions is None and succeeded and not active):
        return _complete(status, active, stamp, completions)
    decision = Decision(status, after=after)
    _pods_wanted(spec, decision, active, failed, done, count, moment)
    return decision


def spans(numbers: Sequence[int]) -> str:
    """``0-2,4``."""
    out: list[list[int]] = []
    for number in numbers:
        if out and number == out[-1][-1] + 1:
            out[-1] = [out[-1][0], number]
        else:
            out.append([number])
    return ",".join("-".join(map(str, span)) for span in out)


def _count(status: Object, active: Sequence[Object], succeeded: int, failed: int) -> None:
    counts = {"active": len(active), "succeeded": succeeded, "failed": failed}
    for name, count in counts.items():
        if count:
            status[name] = count
        else:
            status.pop(name, None)
    status["ready"] = sum(map(pods.ready, active))
    status["terminating"] = 0
    status[_COUNTED] = {}


def _failure(
    spec: Object, status: Object, owned: Sequence[Object], failed: Sequence[Object], moment: float
) -> tuple[tuple[str, str] | None, float | None]:
    """Why it has failed; else when its deadline strikes."""
    restarts = sum(
        int(one.get("restartCount") or 0)
        for pod in owned
        if pods.active(pod)
        for one in (pod.get("status") or {}).get("containerStatuses") or ()
    )
    on_failure = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") == "OnFailure"
    limit = spec.get("backoffLimit", 6)
    if len(failed) > limit or (on_failure and restarts and restarts >= limit):
        return ("BackoffLimitExceeded", "Job has reached the specified backoff limit"), None
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is None:
        return None, None
    left = seconds(status["startTime"]) + deadline - moment
    if left <= 0:
        return ("DeadlineExceeded", "Job was active longer than specified deadline"), None
    return None, left


def _pods_wanted(
    spec: Object,
    decision: Decision,
    active: Sequence[Object],
    failed: Sequence[Object],
    done: set[int],
    count: int,
    moment: float,
) -> None:
    parallelism = spec.get("parallelism", 1)
    completions = spec.get("completions")
    wanted = parallelism
    if completions is not None:
        wanted = min(parallelism, completions - count)
    elif count:  # a work queue: once one has succeeded, no new ones start
        wanted = min(parallelism, len(active))
    if len(active) > wanted:
        decision.delete = sorted(active, key=pods.deletion_rank)[: len(active) - wanted]
        return
    missing = wanted - len(active)
    if missing <= 0:
        return
    if failed:
        ended = max(
            seconds((condition(pod.get("status") or {}, "Ready") or {}).get("lastTransitionTime")) for pod in failed
        )
        wait = ended + min(_BACKOFF * 2 ** min(len(failed) - 1, 10), _LONGEST) - moment
        if wait > 0:
            decision.after = wait if decision.after is None else min(wait, decision.after)
            return
    if spec.get("completionMode") == "Indexed":
        taken = done | {_index(pod) for pod in active}
        decision.create = [index for index in range(completions or 0) if index not in taken][:missing]
    else:
        decision.create = [-1] * missing


def _index(pod: Object) -> int:
    return int(annotations(pod).get(_INDEX) or 0)


def _suspended(status: Object, active: Sequence[Object], stamp: str) -> Decision:
    said = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}
    status["conditions"] = with_condition(status.get("conditions") or [], said, stamp, stamps=_STAMPS)
    for name in ("startTime", "active"):
        status.pop(name, None)
    status["ready"] = status["terminating"] = 0
    return Decision(status, delete=list(active))


def _fail(status: Object, failure: tuple[str, str], active: Sequence[Object], stamp: str) -> Decision:
    reason, message = failure
    conditions = status["conditions"]
    for type in ("FailureTarget", "Failed"):
        said = {"type": type, "status": "True", "reason": reason, "message": message}
        conditions = with_condition(conditions, said, stamp, stamps=_STAMPS)
    status["conditions"] = conditions
    status["failed"] = status.get("failed", 0) + len(active)
    status.pop("active", None)
    status["ready"] = 0
    return Decision(status, delete=list(active), after=0.0)


def _complete(status: Object, active: Sequence[Object], stamp: str, completions: int | None) -> Decision:
    conditions = status["conditions"]
    for type in ("SuccessCriteriaMet", "Complete"):
        said = {
            "type": type,
            "status": "True",
            "reason": "CompletionsReached",
            "message": "Reached expected number of succeeded pods",
        }
        conditions = with_condition(conditions, said, stamp, stamps=_STAMPS)
    status["conditions"] = conditions
    status["completionTime"] = stamp
    status.pop("active", None)
    status["ready"] = 0
    return Decision(status, delete=list(active), after=0.0)


def _after_the_end(job: Object, status: Object, owned: Sequence[Object], moment: float) -> Decision:
    left = job["spec"].get("ttlSecondsAfterFinished")
    decision = Decision(status, delete=[pod for pod in owned if pods.active(pod)])
    if left is not None:
        end = seconds((condition(status, finished(job)) or {}).get("lastTransitionTime")) + left - moment
        decision.gone, decision.after = end <= 0, max(end, 0.0)
    return decision


async def reconcile(tools: Tools, key: Key) -> Result:
    """Carry out what is decided."""
    job = tools.cache(JOB).get(key)
    if job is None or meta(job).get("deletionTimestamp"):
        return Result()
    moment = tools.clock.now()
    decision = decide(job, controlled(tools, job, POD), moment)
    if decision.gone:
        await remove(tools, job)
        return Result()
    for pod in decision.delete:
        await remove(tools, pod)
    for index in decision.create:
        await create(tools, _pod(job, index))
    if decision.create:
        _count(
            decision.status,
            [pod for pod in controlled(tools, job, POD) if pods.active(pod)],
            decision.status.get("succeeded", 0),
            decision.status.get("failed", 0),
        )
    await write_status(tools, job, decision.status)
    ended = finished({"status": decision.status}) and job["spec"].get("ttlSecondsAfterFinished") is None
    return Result(after=None if ended else decision.after)


def _pod(job: Object, index: int) -> Object:
    name, template = meta(job)["name"], job["spec"]["template"]
    if index < 0:
        return pods.from_template(job, template, generateName=f"{name}-")
    marks = {_INDEX: str(index)}
    pod = pods.from_template(job, template, generateName=f"{name}-{index}-", annotations=marks, labels=dict(marks))
    spec = dict(pod["spec"])
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{_INDEX}']"}},
    }
    spec["containers"] = [{**one, "env": [*(one.get("env") or ()), variable]} for one in spec["containers"]]
    spec.setdefault("hostname", f"{name}-{index}")
    return {**pod, "spec": spec}


CONTROLLER = Controller("job", JOB, reconcile, watches=(Watch(POD, keys=owner_keys(JOB), index=OWNED),))
