"""Job and CronJob. Sources: gitops-engine ``health_job.go``; Argo CD's bundled rule for CronJob."""

from __future__ import annotations

from trueup.health.kinds.read import conditions, part, text
from trueup.health.verdict import Health
from trueup.kube.names import Object


def job(obj: Object) -> Health:
    """Progressing until a condition says complete, failed or suspended."""
    failed = complete = suspended = False
    failure = message = ""
    for condition in conditions(obj):
        kind = condition.get("type")
        if kind == "Failed":
            failed = complete = True
            failure = text(condition, "message")
        elif kind == "Complete":
            complete, message = True, text(condition, "message")
        elif kind == "Suspended":
            complete, message = True, text(condition, "message")
            suspended = suspended or condition.get("status") == "True"
    if not complete:
        return Health("Progressing", message)
    if failed:
        return Health("Degraded", failure)
    return Health("Suspended" if suspended else "Healthy", message)


def cron_job(obj: Object) -> Health:
    """Degraded only when its last run is known to have failed; a suspended one counts as healthy, as in Argo CD."""
    if part(obj, "spec").get("suspend") is True:
        return Health("Healthy", "CronJob is Suspended")
    status = obj.get("status")
    if not isinstance(status, dict):
        return Health("Progressing", "Waiting for CronJob")
    scheduled, succeeded = text(status, "lastScheduleTime"), text(status, "lastSuccessfulTime")
    if not scheduled:
        return Health("Healthy", "CronJob has not been scheduled yet")
    if not succeeded:
        return Health("Healthy", "The CronJob never completed successfully. It may not be healthy")
    if status.get("active"):
        return Health("Healthy", "The job is running. Its last execution may not have been successful")
    if succeeded < scheduled:
        return Health("Degraded", "CronJob has not completed its last execution successfully")
    return Health("Healthy", "CronJob has completed its last execution successfully")
