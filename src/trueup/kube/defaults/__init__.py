"""What Kubernetes fills in when a built-in object leaves it out. Called by the API server on every write.

``apply_defaults`` changes a fresh object in place, after `reading` has settled it. The rules are one function per kind, by
group. Source: the defaulting functions of each API group (``pkg/apis/<group>/<version>/defaults.go``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trueup.kube.defaults import core, others, pods, workloads
from trueup.kube.names import Kind, Object


def apply_defaults(kind: Kind, obj: Object) -> None:
    """Fill in what is missing; kinds without defaults stay as they are."""
    rule = _RULES.get((kind.group, kind.kind))
    if rule is not None:
        rule(obj)


_RULES: Mapping[tuple[str, str], Callable[[Object], None]] = {
    ("", "Endpoints"): core.endpoints,
    ("", "LimitRange"): core.limit_range,
    ("", "Namespace"): core.namespace,
    ("", "Node"): core.node,
    ("", "PersistentVolume"): core.volume,
    ("", "PersistentVolumeClaim"): core.claim,
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): workloads.template,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "Secret"): core.secret,
    ("", "Service"): core.service,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): others.admission_policy,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): others.admission_binding,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): others.webhooks,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): others.admission_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): others.admission_binding,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): others.webhooks,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): others.definition,
    ("apiregistration.k8s.io", "APIService"): others.api_service,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): workloads.autoscaler,
    ("batch", "CronJob"): workloads.cron_job,
    ("batch", "Job"): workloads.job,
    ("discovery.k8s.io", "EndpointSlice"): others.endpoint_slice,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): others.flow_schema,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): others.priority_level,
    ("networking.k8s.io", "IngressClass"): others.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): others.network_policy,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): others.binding,
    ("rbac.authorization.k8s.io", "RoleBinding"): others.binding,
    ("resource.k8s.io", "ResourceClaim"): others.device_claim,
    ("resource.k8s.io", "ResourceClaimTemplate"): others.device_claim_template,
    ("scheduling.k8s.io", "PriorityClass"): others.priority_class,
    ("storage.k8s.io", "CSIDriver"): others.csi_driver,
    ("storage.k8s.io", "StorageClass"): others.storage_class,
}
"""By group and kind: versions of a kind share their defaults."""
