"""The other school of health: kstatus, which Flux waits by. One object in, ``Current``, ``InProgress``, ``Failed``... out.

Called by ``families/flux`` (``judge`` as its ``Request.judge``). Source: fluxcd/cli-utils ``pkg/kstatus/status``
(``core.go``, ``generic.go``, ``status.go``). A pod that cannot be scheduled is in progress for 15 s in
the original and failed after that; here ``now`` is not known, so it stays in progress until the timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from trueup.health.judge import Rules
from trueup.health.kinds.read import condition, conditions, items, number, part, text
from trueup.health.verdict import Health, HealthStatus
from trueup.kube.names import Object

KStatus = Literal["Current", "InProgress", "Failed", "Terminating", "NotFound", "Unknown"]


@dataclass(frozen=True, slots=True)
class Computed:
    """What kstatus computes for one object."""

    status: KStatus
    message: str = ""


_AS_HEALTH: dict[KStatus, HealthStatus] = {
    "Current": "Healthy",
    "InProgress": "Progressing",
    "Failed": "Degraded",
    "Terminating": "Progressing",
    "NotFound": "Missing",
    "Unknown": "Unknown",
}


def judge(obj: Object) -> Health:
    """kstatus in the words of ``health.judge``."""
    computed = compute(obj)
    return Health(_AS_HEALTH[computed.status], computed.message, "kstatus")


def judge_with(rules: Rules) -> Callable[[Object], Health]:
    """``judge`` with rules for some kinds, as Flux's ``healthCheckExprs`` gives them."""

    def judged(obj: Object) -> Health:
        group = str(obj.get("apiVersion") or "").rpartition("/")[0]
        rule = rules.get((group, str(obj.get("kind") or "")))
        health = rule(obj) if rule is not None else None
        return health if isinstance(health, Health) else judge(obj)

    return judged


def compute(obj: Object) -> Computed:
    """The status of one object: deletion, generation, the standard conditions, the kind's rule, then ``Ready``."""
    generic = _generic(obj)
    if generic is not None:
        return generic
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    rule = _RULES.get((group, str(obj.get("kind") or "")))
    if rule is not None:
        return rule(obj)
    ready = condition(obj, "Ready")
    if ready is not None:
        if ready.get("status") == "True":
            return Computed("Current", "Resource is Ready")
        if ready.get("status") in ("False", "Unknown"):
            return Computed("InProgress", text(ready, "message"))
    return Computed("Current", "Resource is current")


def _generic(obj: Object) -> Computed | None:
    meta, status = part(obj, "metadata"), part(obj, "status")
    if meta.get("deletionTimestamp"):
        return Computed("Terminating", "Resource scheduled for deletion")
    generation, observed = meta.get("generation"), status.get("observedGeneration")
    if isinstance(generation, int) and isinstance(observed, int) and generation != observed:
        return Computed(
            "InProgress",
            f"{obj.get('kind')} generation is {generation}, but latest observed generation is {observed}",
        )
    for c in conditions(obj):
        if c.get("status") == "True" and c.get("type") == "Reconciling":
            return Computed("InProgress", text(c, "message"))
        if c.get("status") == "True" and c.get("type") == "Stalled":
            return Computed("Failed", text(c, "message"))
    return None


def _always(_: Object) -> Computed:
    return Computed("Current", "Resource is always ready")


def _service(obj: Object) -> Computed:
    spec = part(obj, "spec")
    if spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"):
        return Computed("InProgress", "ClusterIP not set. Service type: LoadBalancer")
    return Computed("Current", "Service is ready")


def _deployment(obj: Object) -> Computed:
    spec, status = part(obj, "spec"), part(obj, "status")
    progressing, available = "progressDeadlineSeconds" not in spec, False
    for c in conditions(obj):
        if c.get("type") == "Progressing":
            if c.get("reason") == "ProgressDeadlineExceeded":
                return Computed("Failed", "Progress deadline exceeded")
            progressing |= c.get("status") == "True" and c.get("reason") == "NewReplicaSetAvailable"
        elif c.get("type") == "Available":
            available |= c.get("status") == "True"
    wanted, replicas = number(spec, "replicas", 1), number(status, "replicas")
    updated, ready = number(status, "updatedReplicas"), number(status, "readyReplicas")
    usable = number(status, "availableReplicas")
    for short, message in (
        (wanted > replicas, f"Replicas: {replicas}/{wanted}"),
        (wanted > updated, f"Updated: {updated}/{wanted}"),
        (replicas > wanted, f"Pending termination: {replicas - wanted}"),
        (updated > usable, f"Available: {usable}/{updated}"),
        (wanted > ready, f"Ready: {ready}/{wanted}"),
        (not progressing, "ReplicaSet not Available"),
        (not available, "Deployment not Available"),
    ):
        if short:
            return Computed("InProgress", message)
    return Computed("Current", f"Deployment is available. Replicas: {replicas}")


def _replica_set(obj: Object) -> Computed:
    failure = condition(obj, "ReplicaFailure")
    if failure is not None and failure.get("status") == "True":
        return Computed("InProgress", "Replica Failure condition. Check Pods")
    status, wanted = part(obj, "status"), number(part(obj, "spec"), "replicas", 1)
    replicas, labelled = number(status, "replicas"), number(status, "fullyLabeledReplicas")
    usable, ready = number(status, "availableReplicas"), number(status, "readyReplicas")
    for short, message in (
        (wanted > labelled, f"Labelled: {labelled}/{wanted}"),
        (wanted > usable, f"Available: {usable}/{wanted}"),
        (wanted > ready, f"Ready: {ready}/{wanted}"),
        (replicas > wanted, f"Pending termination: {replicas - wanted}"),
    ):
        if short:
            return Computed("InProgress", message)
    return Computed("Current", f"ReplicaSet is available. Replicas: {replicas}")


def _stateful_set(obj: Object) -> Computed:
    spec, status = part(obj, "spec"), part(obj, "status")
    if part(spec, "updateStrategy").get("type") == "OnDelete":
        return Computed("Current", "StatefulSet is using the ondelete update strategy")
    wanted, replicas = number(spec, "replicas", 1), number(status, "replicas")
    ready, current = number(status, "readyReplicas"), number(status, "currentReplicas")
    updated = number(status, "updatedReplicas")
    partition = part(spec, "updateStrategy", "rollingUpdate").get("partition")
    for short, message in (
        (wanted > replicas, f"Replicas: {replicas}/{wanted}"),
        (wanted > ready, f"Ready: {ready}/{wanted}"),
        (replicas > wanted, f"Pending termination: {replicas - wanted}"),
    ):
        if short:
            return Computed("InProgress", message)
    if isinstance(partition, int):
        if updated < wanted - partition:
            return Computed("InProgress", f"updated: {updated}/{wanted - partition}")
        return Computed("Current", f"Partition rollout complete. updated: {updated}")
    if wanted > current:
        return Computed("InProgress", f"current: {current}/{wanted}")
    if text(status, "currentRevision") != text(status, "updateRevision"):
        return Computed("InProgress", "Waiting for updated revision to match current")
    return Computed("Current", f"All replicas scheduled as expected. Replicas: {replicas}")


def _daemon_set(obj: Object) -> Computed:
    meta, status = part(obj, "metadata"), part(obj, "status")
    if "generation" not in meta:
        return Computed("InProgress", "DaemonSet metadata.generation not found")
    if "observedGeneration" not in status:
        return Computed("InProgress", "DaemonSet status.observedGeneration not found")
    if "desiredNumberScheduled" not in status:
        return Computed("InProgress", "Missing .status.desiredNumberScheduled")
    wanted = number(status, "desiredNumberScheduled")
    for name, label in (
        ("currentNumberScheduled", "Current"),
        ("updatedNumberScheduled", "Updated"),
        ("numberAvailable", "Available"),
        ("numberReady", "Ready"),
    ):
        if wanted > number(status, name):
            return Computed("InProgress", f"{label}: {number(status, name)}/{wanted}")
    return Computed("Current", f"All replicas scheduled as expected. Replicas: {wanted}")


def _claim(obj: Object) -> Computed:
    phase = text(part(obj, "status"), "phase") or "unknown"
    if phase != "Bound":
        return Computed("InProgress", f"PVC is not Bound. phase: {phase}")
    return Computed("Current", "PVC is Bound")


def _pod(obj: Object) -> Computed:
    status = part(obj, "status")
    phase = text(status, "phase")
    if phase == "Succeeded":
        return Computed("Current", "Pod has completed successfully")
    if phase == "Failed":
        return Computed("Current", "Pod has completed, but not successfully")
    if phase == "Running":
        ready = condition(obj, "Ready")
        if ready is not None and ready.get("status") == "True":
            return Computed("Current", "Pod is Ready")
        looping = [
            text(c, "name")
            for c in items(status, "containerStatuses")
            if part(c, "state", "waiting").get("reason") == "CrashLoopBackOff"
        ]
        if looping:
            return Computed("Failed", f"Containers in CrashLoop state: {','.join(looping)}")
        return Computed("InProgress", "Pod is running but is not Ready")
    if phase == "Pending":
        scheduled = condition(obj, "PodScheduled")
        if scheduled is not None and scheduled.get("reason") == "Unschedulable":
            return Computed("InProgress", "Pod has not been scheduled")
        return Computed("InProgress", "Pod is in the Pending phase")
    return Computed("Unknown", f"unknown phase {phase}") if phase else Computed("InProgress", "Pod phase not available")


def _budget(_: Object) -> Computed:
    return Computed("Current", "AllowedDisruptions has been computed.")


def _job(obj: Object) -> Computed:
    spec, status = part(obj, "spec"), part(obj, "status")
    completions = number(spec, "completions", number(spec, "parallelism", 1))
    succeeded, failed = number(status, "succeeded"), number(status, "failed")
    for c in conditions(obj):
        if c.get("status") != "True":
            continue
        if c.get("type") == "Complete":
            return Computed("Current", f"Job Completed. succeeded: {succeeded}/{completions}")
        if c.get("type") == "Failed":
            return Computed("Failed", f"Job Failed. failed: {failed}/{completions}")
    if not status.get("startTime"):
        return Computed("InProgress", "Job not started")
    active = number(status, "active")
    return Computed("Current", f"Job in progress. success:{succeeded}, active: {active}, failed: {failed}")


def _definition(obj: Object) -> Computed:
    for c in conditions(obj):
        if c.get("type") == "NamesAccepted" and c.get("status") == "False":
            return Computed("Failed", text(c, "message"))
        if c.get("type") == "Established":
            if c.get("status") == "True":
                return Computed("Current", "CRD is established")
            if c.get("status") == "False" and c.get("reason") != "Installing":
                return Computed("Failed", text(c, "message"))
    return Computed("InProgress", "Install in progress")


_RULES: dict[tuple[str, str], Callable[[Object], Computed]] = {
    ("", "Service"): _service,
    ("", "Pod"): _pod,
    ("", "Secret"): _always,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "ConfigMap"): _always,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("extensions", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("extensions", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("extensions", "ReplicaSet"): _replica_set,
    ("policy", "PodDisruptionBudget"): _budget,
    ("batch", "CronJob"): _always,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
