"""Built-in health rules by (group, kind), exact to Argo CD's: gitops-engine's Go rules and, where it has none, its Lua ones."""

from __future__ import annotations

from collections.abc import Callable

from trueup.health.kinds.api import api_service, custom_resource_definition
from trueup.health.kinds.apps import daemon_set, deployment, replica_set, stateful_set
from trueup.health.kinds.autoscaling import horizontal_pod_autoscaler
from trueup.health.kinds.batch import cron_job, job
from trueup.health.kinds.core import ingress, persistent_volume_claim, service
from trueup.health.kinds.pod import pod
from trueup.health.kinds.workflow import workflow
from trueup.health.verdict import Health
from trueup.kube.names import Object

GITOPS_ENGINE: dict[tuple[str, str], Callable[[Object], Health]] = {
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "ReplicaSet"): replica_set,
    ("apps", "DaemonSet"): daemon_set,
    ("extensions", "Ingress"): ingress,
    ("networking.k8s.io", "Ingress"): ingress,
    ("argoproj.io", "Workflow"): workflow,
    ("apiregistration.k8s.io", "APIService"): api_service,
    ("", "Service"): service,
    ("", "PersistentVolumeClaim"): persistent_volume_claim,
    ("", "Pod"): pod,
    ("batch", "Job"): job,
    ("autoscaling", "HorizontalPodAutoscaler"): horizontal_pod_autoscaler,
}
"""What gitops-engine judges by itself."""

ARGO_CD: dict[tuple[str, str], Callable[[Object], Health]] = {
    ("batch", "CronJob"): cron_job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): custom_resource_definition,
}
"""Built-in kinds that Argo CD judges by its bundled rules."""

BUILT_IN = GITOPS_ENGINE | ARGO_CD
