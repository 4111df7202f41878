"""CronJobs: a Job whenever its time comes. Source: ``pkg/controller/cronjob`` (``cronjob_controllerv2.go``)."""

from collections.abc import Sequence
from datetime import UTC

from trueup.families.builtin.jobs import finished
from trueup.families.builtin.kinds import CRON_JOB, JOB
from trueup.families.builtin.tools import (
    OWNED,
    controlled,
    create,
    owner_keys,
    owner_reference,
    remove,
    seconds,
    write_status,
)
from trueup.family import Controller, Result, Stop, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta, uid
from trueup.kube.problems import AlreadyExists
from trueup.timing.cron import parse_cron, parse_zone
from trueup.timing.rfc3339 import format_time

_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100
"""As many missed times are looked at one by one; a CronJob that was away longer goes on from about now."""


def due(cron_job: Object, moment: float) -> tuple[float | None, float | None]:
    """(the latest time that has come and not been served, the next one). Raises ``ValueError`` for a bad schedule."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    zone = parse_zone(spec["timeZone"]) if spec.get("timeZone") else UTC
    schedule = parse_cron(spec["schedule"])
    since = seconds(status.get("lastScheduleTime")) or seconds(meta(cron_job).get("creationTimestamp"))
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, moment - deadline)
    first = schedule.next(since, zone)
    latest = None
    for count, time in enumerate(schedule.between(since, moment, zone)):
        latest = time
        if count >= _MANY and first is not None:
            step = (latest - first) / count
            newer = list(schedule.between(moment - 2 * step, moment, zone))
            latest = newer[-1] if newer else latest
            break
    return latest, schedule.next(moment, zone)


def job_for(cron_job: Object, time: float) -> Object:
    """The Job of one time; its name says which, so that none is made twice."""
    template = cron_job["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{meta(cron_job)['name']}-{int(time) // 60}",
            "namespace": meta(cron_job)["namespace"],
            "labels": given.get("labels") or {},
            "annotations": {**(given.get("annotations") or {}), _SCHEDULED: format_time(time)},
            "ownerReferences": [owner_reference(cron_job)],
        },
        "spec": template["spec"],
    }


def surplus(cron_job: Object, jobs: Sequence[Object]) -> list[Object]:
    """Finished Jobs beyond the history limits, oldest first."""
    out: list[Object] = []
    limits = (("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1))
    for outcome, name, default in limits:
        ended = [job for job in jobs if finished(job) == outcome]
        ended.sort(key=lambda job: str((job.get("status") or {}).get("startTime") or ""))
        out += ended[: max(0, len(ended) - int(cron_job["spec"].get(name, default)))]
    return out


async def reconcile(tools: Tools, key: Key) -> Result:
    """Start what is due as the concurrency policy allows, forget old Jobs, say what runs."""
    cron_job = tools.cache(CRON_JOB).get(key)
    if cron_job is None or meta(cron_job).get("deletionTimestamp"):
        return Result()
    spec, moment = cron_job["spec"], tools.clock.now()
    jobs = controlled(tools, cron_job, JOB)
    for job in surplus(cron_job, jobs):
        await remove(tools, job)
    running = [job for job in jobs if not finished(job)]
    there = {uid(job) for job in jobs}
    for one in (cron_job.get("status") or {}).get("active") or ():
        if one.get("uid") not in there:
            tools.events.record(cron_job, "Normal", "MissingJob", f"Active job went missing: {one.get('name')}")
    status = dict(cron_job.get("status") or {})
    ends = [str((job.get("status") or {})["completionTime"]) for job in jobs if finished(job) == "Complete"]
    if ends:
        status["lastSuccessfulTime"] = max([*ends, str(status.get("lastSuccessfulTime") or "")])
    after = None
    if not spec.get("suspend"):
        try:
            latest, following = due(cron_job, moment)
        except ValueError as problem:
            tools.events.record(cron_job, "Warning", "UnparseableSchedule", f"unparseable schedule: {problem}")
            raise Stop(str(problem)) from problem
        after = following - moment + 0.01 if following is not None else None
        if latest is not None:
            running = await _start(tools, cron_job, running, latest, status)
    status.pop("active", None)
    if running:
        status["active"] = [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": meta(job)["name"],
                "namespace": meta(job)["namespace"],
                "resourceVersion": meta(job)["resourceVersion"],
                "uid": uid(job),
            }
            for job in running
        ]
        _keep_versions(cron_job, status)
    await write_status(tools, cron_job, status)
    return Result(after=after)


def _keep_versions(cron_job: Object, status: Object) -> None:
    """An entry stays as it was written: a Job's own progress is no news of the CronJob."""
    known = {one.get("uid"): one for one in (cron_job.get("status") or {}).get("active") or ()}
    status["active"] = [known.get(one["uid"], one) for one in status["active"]]


async def _start(tools: Tools, cron_job: Object, running: list[Object], time: float, status: Object) -> list[Object]:
    policy = cron_job["spec"].get("concurrencyPolicy") or "Allow"
    if policy == "Forbid" and running:
        said = "Not starting job because prior execution is running and concurrency policy is Forbid"
        tools.events.record(cron_job, "Normal", "JobAlreadyActive", said)
        return running
    if policy == "Replace":
        for job in running:
            await remove(tools, job)
        running = []
    try:
        job = await create(tools, job_for(cron_job, time))
    except AlreadyExists:
        status["lastScheduleTime"] = format_time(time)
        return running
    status["lastScheduleTime"] = format_time(time)
    tools.events.record(cron_job, "Normal", "SuccessfulCreate", f"Created job {meta(job)['name']}")
    return [*running, job]


CONTROLLER = Controller("cronjob", CRON_JOB, reconcile, watches=(Watch(JOB, keys=owner_keys(CRON_JOB), index=OWNED),))
