"""Jobs: pods that run to their end. Source: kube-controller-manager ``pkg/controller/job``; Kubernetes documentation "Jobs"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trueup.families.builtin import job_policies as policies
from trueup.families.builtin import job_tracking as tracking
from trueup.families.builtin import pods
from trueup.families.builtin.kinds import JOB, POD
from trueup.families.builtin.tools import (
    OFFERED,
    OWNED,
    REFUSED_AGAIN,
    SELECTING,
    change,
    claim,
    condition,
    controlled,
    make_pod,
    remove,
    seconds,
    with_condition,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import controller_of, labels, meta, uid
from trueup.kube.selectors import label_selector
from trueup.timing.rfc3339 import format_time

_STAMPS = ("lastProbeTime", "lastTransitionTime")
_OVER = ("Succeeded", "Failed")
_REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
_BACKOFF, _LONGEST = 10.0, 600.0
_NAME = "kubernetes.io/job-controller"
_NAMED = "job"


@dataclass(slots=True)
class Decision:
    """What to do now: pods to make (by index, -1 where it means nothing), pods to delete, the status."""

    status: Object
    create: list[int] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    after: float | None = None
    failures: dict[int, int] = field(default_factory=dict)
    """How often the indexes to make have failed."""
    release: list[Object] = field(default_factory=list)
    """Pods that have been counted, or need not be."""
    gone: bool = False
    """Its time after the end is over."""


def finished(job: Object) -> str:
    """``Complete`` or ``Failed`` once it is over."""
    held = (condition(job.get("status") or {}, name) for name in ("Complete", "Failed"))
    return next((str(one["type"]) for one in held if one and one.get("status") == "True"), "")


def decide(job: Object, owned: Sequence[Object], moment: float) -> Decision:
    """From a Job and its pods to what is next."""
    status = dict(job.get("status") or {})
    if finished(job):
        return _after_the_end(job, status, owned, moment)
    found = policies.failures(job, owned)
    found.indexes |= policies.parse_spans(str(status.get("failedIndexes") or ""))
    counts = tracking.tally(job, owned, found)
    active = [pod for pod in owned if pods.active(pod)]
    ending = [pod for pod in owned if pods.phase(pod) not in _OVER and pod not in active]
    status["terminating"] = len(ending)
    _count(status, active, counts)
    decision = _next(job, status, owned, active, ending, found, counts, moment)
    decision.release = counts.release
    return decision


def _next(
    job: Object,
    status: Object,
    owned: Sequence[Object],
    active: Sequence[Object],
    ending: Sequence[Object],
    found: policies.Failures,
    counts: tracking.Tally,
    moment: float,
) -> Decision:
    """As `decide`, of a Job that is not over, once its pods are counted."""
    spec, stamp = job["spec"], format_time(moment)
    decided = next((one for name in ("SuccessCriteriaMet", "FailureTarget") if (one := held(status, name))), None)
    if decided is not None:
        return _end(status, decided, active, ending, stamp)
    if spec.get("suspend"):
        return _suspended(status, active, stamp)
    _resume(status, stamp)
    indexed = spec.get("completionMode") == "Indexed"
    done, count = counts.done, counts.succeeded
    if indexed and done:
        status["completedIndexes"] = policies.spans(done)
    if spec.get("backoffLimitPerIndex") is not None:
        status["failedIndexes"] = policies.spans(found.indexes)
    enough = policies.success(job, done) if indexed else ""
    if enough:
        return _end(status, _said("SuccessCriteriaMet", "SuccessPolicy", enough), active, ending, stamp)
    failure, after = policies.failure(job, found, done), None
    if failure is None:
        failure, after = _failure(spec, status, owned, counts.failed, moment)
    if failure is not None:
        return _end(status, _said("FailureTarget", *failure), active, ending, stamp)
    completions = spec.get("completions")
    if (completions is not None and count >= completions) or (completions is None and count and not active):
        return _end(status, _said("SuccessCriteriaMet", *_REACHED), active, ending, stamp)
    decision = Decision(status, after=after)
    _pods_wanted(spec, decision, [*active, *_kept(spec, ending)], found, done, count, moment)
    return decision


def _resume(status: Object, stamp: str) -> None:
    """The Job has begun, or goes on."""
    if not status.get("startTime"):
        status["startTime"] = stamp
    conditions = list(status.get("conditions") or ())
    if any(one["type"] == "Suspended" and one["status"] == "True" for one in conditions):
        resumed = {"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"}
        conditions = with_condition(conditions, resumed, stamp, stamps=_STAMPS)
        status["startTime"] = stamp
    status["conditions"] = conditions


def held(status: Object, type: str) -> Object | None:
    """A condition that is True."""
    found = condition(status, type)
    return dict(found) if found is not None and found.get("status") == "True" else None


def _said(type: str, reason: str, message: str) -> Object:
    return {"type": type, "status": "True", "reason": reason, "message": message}


def _kept(spec: Object, ending: Sequence[Object]) -> Sequence[Object]:
    """Pods on their way out that are not replaced before they are gone."""
    return ending if tracking.replaced(spec) == "Failed" else ()


def _count(status: Object, active: Sequence[Object], counts: tracking.Tally) -> None:
    for name, count in {"active": len(active), **counts.counted}.items():
        if count:
            status[name] = count
        else:
            status.pop(name, None)
    status["ready"] = sum(map(pods.ready, active))
    status[tracking.COUNTED] = counts.uncounted


def _failure(
    spec: Object, status: Object, owned: Sequence[Object], failed: int, moment: float
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
    if failed > limit or (on_failure and restarts and restarts >= limit):
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
    found: policies.Failures,
    done: set[int],
    count: int,
    moment: float,
) -> None:
    parallelism = spec.get("parallelism", 1)
    completions = spec.get("completions")
    wanted = parallelism
    if completions is not None:
        wanted = min(parallelism, completions - count - len(found.indexes))
    elif count:  # a work queue: once one has succeeded, no new ones start
        wanted = min(parallelism, len(active))
    if len(active) > wanted:
        going = [pod for pod in active if not meta(pod).get("deletionTimestamp")]
        decision.delete = pods.deletion_order(going, moment)[: len(active) - wanted]
        return
    missing = wanted - len(active)
    if missing <= 0:
        return
    if found.counted and spec.get("backoffLimitPerIndex") is None:
        wait = _backoff(found.counted, len(found.counted)) - moment
        if wait > 0:
            decision.after = wait if decision.after is None else min(wait, decision.after)
            return
    if spec.get("completionMode") != "Indexed":
        decision.create = [-1] * missing
        return
    taken = done | found.indexes | {policies.index_of(pod) for pod in active}
    waits: list[float] = []
    for index in range(completions or 0):
        if index in taken or len(decision.create) == missing:
            continue
        times = found.by_index.get(index, 0)
        failed = [pod for pod in found.counted if policies.index_of(pod) == index]
        wait = _backoff(failed, times) - moment if times and failed else 0.0
        if wait > 0:
            waits.append(wait)
        else:
            decision.create.append(index)
            decision.failures[index] = times
    if waits:
        decision.after = min(waits) if decision.after is None else min(*waits, decision.after)


def _backoff(failed: Sequence[Object], times: int) -> float:
    """When the next may be made after the last one failed."""
    ended = max(
        seconds((condition(pod.get("status") or {}, "Ready") or {}).get("lastTransitionTime")) for pod in failed
    )
    wait: float = min(_BACKOFF * 2 ** min(times - 1, 10), _LONGEST)
    return ended + wait


def _suspended(status: Object, active: Sequence[Object], stamp: str) -> Decision:
    said = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}
    status["conditions"] = with_condition(status.get("conditions") or [], said, stamp, stamps=_STAMPS)
    for name in ("startTime", "active"):
        status.pop(name, None)
    status["ready"] = 0
    return Decision(status, delete=list(active))


def _end(status: Object, why: Object, active: Sequence[Object], ending: Sequence[Object], stamp: str) -> Decision:
    """It is decided; the Job is over once its last pod has gone."""
    fails = why["type"] == "FailureTarget"
    conditions = list(status.get("conditions") or ())
    if condition(status, why["type"]) is None:
        if fails:
            status["failed"] = status.get("failed", 0) + len(active)
        conditions = with_condition(conditions, why, stamp, stamps=_STAMPS)
    status.pop("active", None)
    status["ready"] = 0
    if active or ending or status.get(tracking.COUNTED):
        status["conditions"], status["terminating"] = conditions, len(active) + len(ending)
        return Decision(status, delete=list(active))
    word = "Failed" if fails else "Complete"
    status["conditions"] = with_condition(conditions, _said(word, why["reason"], why["message"]), stamp, stamps=_STAMPS)
    if not fails:
        status["completionTime"] = stamp
    return Decision(status, after=0.0)


def _after_the_end(job: Object, status: Object, owned: Sequence[Object], moment: float) -> Decision:
    left = job["spec"].get("ttlSecondsAfterFinished")
    decision = Decision(status, delete=[pod for pod in owned if pods.active(pod)])
    decision.release = [pod for pod in owned if tracking.tracked(pod)]
    if left is not None:
        end = seconds((condition(status, finished(job)) or {}).get("lastTransitionTime")) + left - moment
        decision.gone, decision.after = end <= 0, max(end, 0.0)
    return decision


async def reconcile(tools: Tools, key: Key) -> Result:
    """Carry out what is decided."""
    job = tools.cache(JOB).get(key)
    known = {uid(job)} if job is not None and not meta(job).get("deletionTimestamp") else set[str]()
    for pod in tracking.strays(tools.cache(POD).by_index(_NAMED, str(key)), known):
        await change(tools, pod, tracking.without(pod))
    if job is None or not known or job["spec"].get("managedBy", _NAME) != _NAME:
        return Result()
    moment = tools.clock.now()
    selector = label_selector(job["spec"].get("selector"))
    owned = await claim(tools, job, POD, selector, finalizer=tracking.FINALIZER)
    if not finished(job):
        owned = [await _tracked(tools, pod) for pod in owned]
    decision = decide(job, owned, moment)
    if decision.gone:
        await remove(tools, job)
        return Result()
    for pod in decision.delete:
        if tracking.tracked(pod):  # whom the Job itself takes away has not failed
            await change(tools, pod, tracking.without(pod))
        await remove(tools, pod)
        tools.events.record(job, "Normal", "SuccessfulDelete", f"Deleted pod: {meta(pod)['name']}")
    for index in decision.create:
        if await make_pod(tools, job, _pod(job, index, decision.failures.get(index, 0))) is None:
            decision.after = REFUSED_AGAIN
            break
    if decision.create:
        there = [pod for pod in controlled(tools, job, POD) if pods.active(pod)]
        decision.status |= {"active": len(there), "ready": sum(map(pods.ready, there))}
        if not there:
            del decision.status["active"]
    _tell(tools, job, decision.status)
    await write_status(tools, job, decision.status)
    for pod in decision.release:  # only now: what is counted must have been written first
        await change(tools, pod, tracking.without(pod))
    ended = finished({"status": decision.status}) and job["spec"].get("ttlSecondsAfterFinished") is None
    return Result(after=None if ended else decision.after)


async def _tracked(tools: Tools, pod: Object) -> Object:
    """A pod that the Job has taken over is to be counted as well."""
    if tracking.tracked(pod) or not pods.active(pod):
        return pod
    held = [*(meta(pod).get("finalizers") or ()), tracking.FINALIZER]
    return await change(tools, pod, {"metadata": {"uid": uid(pod), "finalizers": held}}) or pod


def _tell(tools: Tools, job: Object, status: Object) -> None:
    """An event for what has been decided now."""
    was, now = held(job.get("status") or {}, "Suspended"), held(status, "Suspended")
    if now and not was:
        tools.events.record(job, "Normal", "Suspended", "Job suspended")
    elif was and not now:
        tools.events.record(job, "Normal", "Resumed", "Job resumed")
    if finished({"status": status}) and not finished(job):
        why = held(status, "Failed")
        if why is not None:
            tools.events.record(job, "Warning", why["reason"], why["message"])
        else:
            tools.events.record(job, "Normal", "Completed", "Job completed")


def _pod(job: Object, index: int, failures: int) -> Object:
    name, template = meta(job)["name"], job["spec"]["template"]
    held = [*((template.get("metadata") or {}).get("finalizers") or ()), tracking.FINALIZER]
    if index < 0:
        return pods.from_template(job, template, generateName=f"{name}-", finalizers=held)
    marks = {policies.INDEX: str(index)}
    notes = {**marks, policies.FAILURES: str(failures)} if "backoffLimitPerIndex" in job["spec"] else dict(marks)
    pod = pods.from_template(
        job, template, generateName=f"{name}-{index}-", annotations=notes, labels=marks, finalizers=held
    )
    spec = dict(pod["spec"])
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{policies.INDEX}']"}},
    }
    spec["containers"] = [{**one, "env": [*(one.get("env") or ()), variable]} for one in spec["containers"]]
    spec.setdefault("hostname", f"{name}-{index}")
    return {**pod, "spec": spec}


def _job_of(pod: Object) -> Iterable[str]:
    name = labels(pod).get("batch.kubernetes.io/job-name")
    if name or tracking.tracked(pod):
        yield str(Key(str(meta(pod).get("namespace")), name or ""))


def _named(pod: Object) -> Iterable[Key]:
    """The Job that a pod was made for, also once it is no more, or no more the owner."""
    owner = controller_of(pod)
    name = labels(pod).get("batch.kubernetes.io/job-name")
    if owner is not None and owner.get("kind") == JOB.kind:
        yield Key(str(meta(pod).get("namespace")), owner["name"])
    elif tracking.tracked(pod):
        yield Key(str(meta(pod).get("namespace")), name or "")


CONTROLLER = Controller(
    "job",
    JOB,
    reconcile,
    watches=(Watch(POD, keys=_named, by=OFFERED, index={**OWNED, _NAMED: _job_of}),),
    index=SELECTING,
)
