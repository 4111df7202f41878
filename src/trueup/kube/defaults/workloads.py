"""Defaults of what runs pods, scales and guards them.

Sources: Kubernetes ``pkg/apis/apps/v1/defaults.go``, ``batch/v1``, ``autoscaling/v2``; for replication controllers ``core/v1``.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.defaults.filling import each, fill, part, section
from trueup.kube.defaults.pods import pod_template
from trueup.kube.names import Object

_NO_LIMIT = (1 << 31) - 1


def deployment(obj: Object) -> None:
    """apps/v1 Deployment."""
    spec = section(obj, "spec")
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = section(spec, "strategy")
    fill(strategy, type="RollingUpdate")
    if strategy.get("type") == "RollingUpdate":
        fill(section(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    pod_template(spec)


def replica_set(obj: Object) -> None:
    """apps/v1 ReplicaSet."""
    spec = section(obj, "spec")
    fill(spec, replicas=1)
    pod_template(spec)


def replication_controller(obj: Object) -> None:
    """v1 ReplicationController: its template's labels are its selector and its own labels."""
    spec = section(obj, "spec")
    labels = part(spec, "template", "metadata", "labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        meta = section(obj, "metadata")
        if not meta.get("labels"):
            meta["labels"] = dict(labels)
    fill(spec, replicas=1)
    if spec.get("template") is not None:
        pod_template(spec)


def stateful_set(obj: Object) -> None:
    """apps/v1 StatefulSet."""
    spec = section(obj, "spec")
    fill(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    strategy = section(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        section(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and isinstance(strategy.get("rollingUpdate"), dict):
        fill(strategy["rollingUpdate"], partition=0)
        strategy["rollingUpdate"].pop("maxUnavailable", None)  # dropped, as its gate is closed
    fill(section(spec, "persistentVolumeClaimRetentionPolicy"), whenDeleted="Retain", whenScaled="Retain")
    for claim in each(spec, "volumeClaimTemplates"):
        fill(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        fill(section(claim, "spec"), volumeMode="Filesystem")
        fill(section(claim, "status"), phase="Pending")
    pod_template(spec)


def daemon_set(obj: Object) -> None:
    """apps/v1 DaemonSet. The templates that it has had are counted by the strategy; who leaves them out says there are none."""
    marks = obj["metadata"].get("annotations") or {}
    obj["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "0", **marks}
    spec = section(obj, "spec")
    fill(spec, revisionHistoryLimit=10)
    strategy = section(spec, "updateStrategy")
    fill(strategy, type="RollingUpdate")
    if strategy.get("type") == "RollingUpdate":
        fill(section(strategy, "rollingUpdate"), maxUnavailable=1, maxSurge=0)
    pod_template(spec)


def job(obj: Object) -> None:
    """batch/v1 Job; its template's labels are its own when it has none."""
    spec = section(obj, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(
        spec,
        parallelism=1,
        backoffLimit=6 if spec.get("backoffLimitPerIndex") is None else _NO_LIMIT,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=False,
        podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    )
    labels = part(spec, "template", "metadata", "labels")
    meta = section(obj, "metadata")
    if labels and not meta.get("labels"):
        meta["labels"] = labels  # one and the same: what the strategy adds to the pods' labels, the job gets too
    _failure_policy(spec)
    pod_template(spec)


def _failure_policy(spec: Object) -> None:
    for rule in each(spec.get("podFailurePolicy"), "rules"):
        for condition in each(rule, "onPodConditions"):
            if not condition.get("status"):
                condition["status"] = "True"


def cron_job(obj: Object) -> None:
    """batch/v1 CronJob. Its jobs get their own defaults when they are made; their pods have theirs here already."""
    spec = section(obj, "spec")
    fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    made = section(section(spec, "jobTemplate"), "spec")
    _failure_policy(made)
    pod_template(made)


def template(obj: Object) -> None:
    """v1 PodTemplate."""
    pod_template(obj)


_UP: dict[str, Any] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": (
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ),
}
_DOWN: dict[str, Any] = {
    "selectPolicy": "Max",
    "policies": ({"type": "Percent", "value": 100, "periodSeconds": 15},),
}


def _measured(obj: Object) -> bool:
    """Whether annotations of version 1 say what is measured."""
    return "autoscaling.alpha.kubernetes.io/metrics" in (obj["metadata"].get("annotations") or {})


def autoscaler(obj: Object) -> None:
    """autoscaling HorizontalPodAutoscaler, both versions."""
    spec = section(obj, "spec")
    fill(spec, minReplicas=1)
    if obj.get("apiVersion") != "autoscaling/v2":
        if not _measured(obj):
            fill(spec, targetCPUUtilizationPercentage=80)
        return
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        for name, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            made = {k: [dict(p) for p in v] if k == "policies" else v for k, v in rules.items()}
            fill(section(behavior, name), **made)
