"""Rules of what makes pods, scales and guards them.

Sources: Kubernetes ``pkg/apis/{apps,batch,autoscaling,policy}/validation``; replication controllers: ``core/validation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
)  # fmt: skip
from trueup.kube.validation.pods import template
from trueup.kube.validation.schedules import schedule_problem

_TEMPLATE = "spec.template"


def deployment(obj: Object) -> Causes:
    """apps/v1 Deployment."""
    spec = obj.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from _selects(spec, "deployment")
    strategy = spec.get("strategy") or {}
    kind = strategy.get("type")
    rolling = strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden("spec.strategy.rollingUpdate", text)
    elif kind == "RollingUpdate":
        yield from _rolling(rolling or {}, "spec.strategy.rollingUpdate")
    else:
        yield not_supported("spec.strategy.type", kind, ("Recreate", "RollingUpdate"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    yield from not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def replica_set(obj: Object) -> Causes:
    """apps/v1 ReplicaSet."""
    spec = obj.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selects(spec, "deployment")


def stateful_set(obj: Object) -> Causes:
    """apps/v1 StatefulSet."""
    spec = obj.get("spec") or {}
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy or "", "must be 'OrderedReady' or 'Parallel'")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") not in ("RollingUpdate", "OnDelete"):
        yield invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    yield from not_negative("spec.updateStrategy.rollingUpdate.partition", partition)
    names = [str((one.get("metadata") or {}).get("name") or "") for one in spec.get("volumeClaimTemplates") or ()]
    claims = {name: {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names}
    yield from _selects(spec, "statefulset", claims)


def daemon_set(obj: Object) -> Causes:
    """apps/v1 DaemonSet."""
    spec = obj.get("spec") or {}
    yield from _selects(spec, "daemonset")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "RollingUpdate":
        yield from _one_by_one(strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate")
    elif strategy.get("type") != "OnDelete":
        yield not_supported("spec.updateStrategy.type", strategy.get("type"), ("RollingUpdate", "OnDelete"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def replication_controller(obj: Object) -> Causes:
    """v1 ReplicationController."""
    spec = obj.get("spec") or {}
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    wanted = spec.get("selector") or {}
    if not wanted:
        yield required("spec.selector")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    found = spec.get("template")
    if found is None:
        yield required(_TEMPLATE)
        return
    labels = (found.get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        yield invalid(f"{_TEMPLATE}.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from template(found, _TEMPLATE)
    yield from _runs_always(found, "ReplicaSet")


def _selects(spec: Object, word: str, claims: Mapping[str, Object] | None = None) -> Causes:
    """The selector is there, is not empty, and selects the template's pods; the template is right."""
    found = spec.get("template") or {}
    wanted = spec.get("selector")
    labels = (found.get("metadata") or {}).get("labels") or {}
    if wanted is None:
        yield required("spec.selector")
    else:
        problems = list(object_meta.selector(wanted, "spec.selector"))
        yield from problems
        if not (wanted.get("matchLabels") or wanted.get("matchExpressions")):
            yield invalid("spec.selector", wanted, f"empty selector is invalid for {word}")
        elif not problems and not selectors.label_selector(wanted).matches(labels):
            yield invalid(f"{_TEMPLATE}.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from template(found, _TEMPLATE, claims)
    yield from _runs_always(found, {"statefulset": "StatefulSet", "daemonset": "DaemonSet"}.get(word, "ReplicaSet"))


def _runs_always(found: Object, kind: str) -> Causes:
    spec = found.get("spec") or {}
    if spec.get("restartPolicy", "Always") in ("Never", "OnFailure"):
        yield not_supported(f"{_TEMPLATE}.spec.restartPolicy", spec["restartPolicy"], ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        yield forbidden(f"{_TEMPLATE}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported")


def _one_by_one(found: Object, path: str) -> Causes:
    """A daemon set goes down or comes up in advance, not both."""
    unavailable, surge = found.get("maxUnavailable"), found.get("maxSurge")
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        if value is not None:
            yield from each_invalid(f"{path}.{name}", value, formats.count_or_percent(value))
    if unavailable in _NONE and surge in _NONE:
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif unavailable not in _NONE and surge not in _NONE:
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")


_NONE = (None, 0, "0%")


def _rolling(found: Object, path: str) -> Causes:
    for name in ("maxUnavailable", "maxSurge"):
        if found.get(name) is not None:
            yield from each_invalid(f"{path}.{name}", found[name], formats.count_or_percent(found[name]))
    unavailable, surge = found.get("maxUnavailable"), found.get("maxSurge")
    if unavailable in (0, "0%") and surge in (0, "0%"):
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and unavailable[:-1].isdigit() and int(unavailable[:-1]) > 100:
        yield invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%")


def job(obj: Object) -> Causes:
    """batch/v1 Job."""
    yield from _job_spec(obj.get("spec") or {}, "spec")


_JOB_NUMBERS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")


def _job_spec(spec: Object, path: str) -> Causes:
    for name in _JOB_NUMBERS:
        yield from not_negative(f"{path}.{name}", spec.get(name))
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        yield not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed" and spec.get("completions") is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if spec.get("selector") is not None:
        yield from object_meta.selector(spec["selector"], f"{path}.selector")
    found = spec.get("template") or {}
    yield from template(found, f"{path}.template")
    policy = (found.get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        yield required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif spec.get("podFailurePolicy") and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid(f"{path}.template.spec.restartPolicy", policy, text)


def cron_job(obj: Object) -> Causes:
    """batch/v1 CronJob."""
    spec = obj.get("spec") or {}
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required("spec.schedule")
    else:
        problem = schedule_problem(schedule)
        if problem:
            yield invalid("spec.schedule", schedule, problem)
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    yield from one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    if spec.get("timeZone") == "":
        yield invalid("spec.timeZone", "", "timeZone must be nil or non-empty string")
    yield from not_negative("spec.successfulJobsHistoryLimit", spec.get("successfulJobsHistoryLimit"))
    yield from not_negative("spec.failedJobsHistoryLimit", spec.get("failedJobsHistoryLimit"))
    yield from _job_spec((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")


def autoscaler(obj: Object) -> Causes:
    """autoscaling HorizontalPodAutoscaler."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 1:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to 1")
    if least is not None and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for name in ("kind", "name"):
        if not target.get(name):
            yield required(f"spec.scaleTargetRef.{name}")
    for index, metric in enumerate(spec.get("metrics") or ()):
        yield from _metric(metric, f"spec.metrics[{index}]")


_METRICS = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


def _metric(found: Object, path: str) -> Causes:
    kind = found.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    elif kind not in _METRICS:
        yield not_supported(f"{path}.type", kind, _METRICS)
    elif found.get(_METRICS[kind]) is None:
        name = _METRICS[kind]
        yield required(f"{path}.{name}", "must populate information for the given metric source")


def disruption_budget(obj: Object) -> Causes:
    """policy/v1 PodDisruptionBudget."""
    spec: dict[str, Any] = obj.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for name in ("minAvailable", "maxUnavailable"):
        if spec.get(name) is not None:
            yield from each_invalid(f"spec.{name}", spec[name], formats.count_or_percent(spec[name]))
    yield from object_meta.selector(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in (None, "AlwaysAllow", "IfHealthyBudget"):
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))
