"""Deployment, StatefulSet, ReplicaSet, DaemonSet. Source: gitops-engine ``health_deployment.go`` and its neighbours."""

from __future__ import annotations

from trueup.health.kinds.read import condition, name_of, number, part, text, unobserved
from trueup.health.verdict import Health
from trueup.kube.names import Kind, Object


def _unsupported(obj: Object) -> Health | None:
    kind = Kind.of(obj)
    if kind.version == "v1":
        return None
    return Health("Unknown", f"unsupported {kind.kind} GVK: {kind.group}/{kind.version}, Kind={kind.kind}")


def deployment(obj: Object) -> Health:
    """Paused is suspended; a missed progress deadline is degraded; replicas on the way are progressing."""
    spec, status = part(obj, "spec"), part(obj, "status")
    if wrong := _unsupported(obj):
        return wrong
    if spec.get("paused"):
        return Health("Suspended", "Deployment is paused")
    if unobserved(obj):
        return Health(
            "Progressing", "Waiting for rollout to finish: observed deployment generation less than desired generation"
        )
    progressing = condition(obj, "Progressing")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health("Degraded", f'Deployment "{name_of(obj)}" exceeded its progress deadline')
    updated, wanted = number(status, "updatedReplicas"), spec.get("replicas")
    replicas, available = number(status, "replicas"), number(status, "availableReplicas")
    if isinstance(wanted, int) and updated < wanted:
        return _rollout(f"{updated} out of {wanted} new replicas have been updated...")
    if replicas > updated:
        return _rollout(f"{replicas - updated} old replicas are pending termination...")
    if available < updated:
        return _rollout(f"{available} of {updated} updated replicas are available...")
    return Health("Healthy")


def replica_set(obj: Object) -> Health:
    """Degraded when pods cannot be made, progressing while too few are available."""
    if wrong := _unsupported(obj):
        return wrong
    if unobserved(obj):
        return Health(
            "Progressing", "Waiting for rollout to finish: observed replica set generation less than desired generation"
        )
    failure = condition(obj, "ReplicaFailure")
    if failure is not None and failure.get("status") == "True":
        return Health("Degraded", text(failure, "message"))
    wanted, available = part(obj, "spec").get("replicas"), number(part(obj, "status"), "availableReplicas")
    if isinstance(wanted, int) and available < wanted:
        return _rollout(f"{available} out of {wanted} new replicas are available...")
    return Health("Healthy")


def daemon_set(obj: Object) -> Health:
    """Progressing until each scheduled pod is updated and available; ``OnDelete`` never waits."""
    if wrong := _unsupported(obj):
        return wrong
    if unobserved(obj):
        return Health(
            "Progressing", "Waiting for rollout to finish: observed daemon set generation less than desired generation"
        )
    status = part(obj, "status")
    updated, wanted = number(status, "updatedNumberScheduled"), number(status, "desiredNumberScheduled")
    if text(part(obj, "spec", "updateStrategy"), "type") == "OnDelete":
        return Health("Healthy", f"daemon set {updated} out of {wanted} new pods have been updated")
    waiting = f'Waiting for daemon set "{name_of(obj)}" rollout to finish: '
    if updated < wanted:
        return Health("Progressing", f"{waiting}{updated} out of {wanted} new pods have been updated...")
    available = number(status, "numberAvailable")
    if available < wanted:
        return Health("Progressing", f"{waiting}{available} of {wanted} updated pods are available...")
    return Health("Healthy")


def stateful_set(obj: Object) -> Health:
    """Progressing until all pods are ready and, without partition or ``OnDelete``, at the newest revision."""
    if wrong := _unsupported(obj):
        return wrong
    spec, status = part(obj, "spec"), part(obj, "status")
    if number(status, "observedGeneration") == 0 or unobserved(obj):
        return Health("Progressing", "Waiting for statefulset spec update to be observed...")
    wanted, ready, updated = spec.get("replicas"), number(status, "readyReplicas"), number(status, "updatedReplicas")
    if isinstance(wanted, int) and ready < wanted:
        return Health("Progressing", f"Waiting for {wanted - ready} pods to be ready...")
    strategy = part(spec, "updateStrategy")
    kind, rolling = text(strategy, "type"), strategy.get("rollingUpdate")
    if kind == "RollingUpdate" and isinstance(rolling, dict):
        partition = rolling.get("partition")
        if isinstance(wanted, int) and isinstance(partition, int) and updated < wanted - partition:
            return Health(
                "Progressing",
                "Waiting for partitioned roll out to finish: "
                f"{updated} out of {wanted - partition} new pods have been updated...",
            )
        return Health("Healthy", f"partitioned roll out complete: {updated} new pods have been updated...")
    if kind == "OnDelete":
        return Health("Healthy", f"statefulset has {ready} ready pods")
    update, current = text(status, "updateRevision"), text(status, "currentRevision")
    if update != current:
        return Health(
            "Progressing",
            f"waiting for statefulset rolling update to complete {updated} pods at revision {update}...",
        )
    count = number(status, "currentReplicas")
    return Health("Healthy", f"statefulset rolling update complete {count} pods at revision {current}...")


def _rollout(what: str) -> Health:
    return Health("Progressing", f"Waiting for rollout to finish: {what}")
