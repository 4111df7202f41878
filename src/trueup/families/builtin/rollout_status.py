"""A Deployment's status and conditions, word for word. Pure; called by `deployments.py`.

Source: kube-controller-manager ``pkg/controller/deployment`` (``sync.go`` ``calculateStatus``, ``progress.go``).
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.families.builtin import rollout
from trueup.families.builtin.tools import condition, seconds, with_condition
from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.timing.rfc3339 import format_time

_STAMPS = ("lastUpdateTime", "lastTransitionTime")
_FOREVER = 2147483647


def status(
    deployment: Object, new: Object | None, old: Sequence[Object], moment: float, *, created: bool = False
) -> tuple[Object, float | None]:
    """The status, and in how many seconds the progress deadline strikes."""
    before = deployment.get("status") or {}
    out = counts(deployment, new, old)
    conditions = list(before.get("conditions") or ())
    stamp = format_time(moment)
    conditions = with_condition(conditions, _available(deployment, out), stamp, stamps=_STAMPS)
    conditions = _failure(conditions, [*([new] if new else []), *old], stamp)
    conditions, after = _progress(deployment, new, out, conditions, moment, created)
    out["conditions"] = conditions
    return out, after


def counts(deployment: Object, new: Object | None, old: Sequence[Object]) -> Object:
    """The numbers; what is zero is left out, as Kubernetes' JSON leaves it."""
    every = [*([new] if new else []), *old]
    replicas, available = rollout.counted(every, "replicas"), rollout.counted(every, "availableReplicas")
    found = {
        "replicas": replicas,
        "updatedReplicas": rollout.counted([new] if new else [], "replicas"),
        "readyReplicas": rollout.counted(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(rollout.size, every)) - available),
        "collisionCount": (deployment.get("status") or {}).get("collisionCount") or 0,
    }
    out: Object = {name: value for name, value in found.items() if value}
    out["observedGeneration"] = meta(deployment).get("generation") or 1
    return out


def terminating(every: Sequence[Object]) -> Object:
    """How many pods are going, of all ReplicaSets; nothing as long as one was looked at that does not say.

    Source: ``GetTerminatingReplicaCountForReplicaSets``.
    """
    statuses = [one.get("status") or {} for one in every]
    if any("terminatingReplicas" not in one and one.get("observedGeneration") for one in statuses):
        return {}
    return {"terminatingReplicas": sum(int(one.get("terminatingReplicas") or 0) for one in statuses)}


def complete(deployment: Object, now: Object) -> bool:
    """Every wanted pod is there, new and available, and no other."""
    wanted = deployment["spec"].get("replicas", 1)
    return all(now.get(name, 0) == wanted for name in ("updatedReplicas", "replicas", "availableReplicas"))


def _available(deployment: Object, now: Object) -> Object:
    wanted = deployment["spec"].get("replicas", 1)
    _, unavailable = rollout.bounds(deployment)
    if now.get("availableReplicas", 0) >= wanted - unavailable:
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }


def _failure(conditions: list[Object], replica_sets: Sequence[Object], stamp: str) -> list[Object]:
    failed = [found for one in replica_sets if (found := condition(one.get("status") or {}, "ReplicaFailure"))]
    if failed:
        new = {name: failed[0].get(name, "") for name in ("type", "status", "reason", "message")}
        return with_condition(conditions, new, stamp, stamps=_STAMPS)
    return [one for one in conditions if one.get("type") != "ReplicaFailure"]


def _progress(
    deployment: Object, new: Object | None, now: Object, conditions: list[Object], moment: float, created: bool
) -> tuple[list[Object], float | None]:
    spec, before = deployment["spec"], deployment.get("status") or {}
    known = condition(before, "Progressing")
    deadline = spec.get("progressDeadlineSeconds") or _FOREVER
    stamp = format_time(moment)

    def say(status: str, reason: str, message: str) -> list[Object]:
        said = {"type": "Progressing", "status": status, "reason": reason, "message": message}
        return with_condition(conditions, said, stamp, stamps=_STAMPS)

    title = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{meta(deployment)["name"]}"'
    if spec.get("paused"):
        if known is not None and known.get("reason") == "ProgressDeadlineExceeded":
            return conditions, None
        return say("Unknown", "DeploymentPaused", "Deployment is paused"), None
    if deadline == _FOREVER:
        return [one for one in conditions if one.get("type") != "Progressing"], None
    if known is not None and known.get("reason") == "DeploymentPaused":
        return say("Unknown", "DeploymentResumed", "Deployment is resumed"), 0.05
    if created and new is not None and not complete(deployment, now):
        name = new["metadata"]["name"]
        return say("True", "NewReplicaSetCreated", f'Created new replica set "{name}"'), float(deadline)
    if complete(deployment, now) and new is not None:
        return say("True", "NewReplicaSetAvailable", f"{title} has successfully progressed."), None
    if _progressed(before, now) or known is None:
        text = f"{title} is progressing."
        found = say("True", "ReplicaSetUpdated", text)
        return [{**one, "lastUpdateTime": stamp} if one.get("type") == "Progressing" else one for one in found], float(
            deadline
        )
    since = seconds(known.get("lastUpdateTime"))
    if known.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return conditions, None
    if moment >= since + deadline:
        return say("False", "ProgressDeadlineExceeded", f"{title} has timed out progressing."), None
    return conditions, since + deadline - moment + 0.01


def _progressed(before: Object, now: Object) -> bool:
    """More new pods, fewer old ones, more ready or available ones than before."""

    def old(found: Object) -> int:
        return int(found.get("replicas") or 0) - int(found.get("updatedReplicas") or 0)

    return any(
        now.get(n, 0) > before.get(n, 0) for n in ("updatedReplicas", "readyReplicas", "availableReplicas")
    ) or old(now) < old(before)
