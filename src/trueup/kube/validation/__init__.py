"""Rules that Kubernetes checks beyond an object's types: names, labels, selectors, ports, what may not change.

Called by the API server on every write. Objects that `reading` settled and `defaults` filled in come in, causes worded as
Kubernetes words them go out. Source: ``pkg/apis/*/validation``; apimachinery ``validation``. A kind without rules of its own
is held to what its definition calls required.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.kube.names import Kind, Object
from trueup.kube.validation import (
    apiregistration,
    autoscaling,
    certificates,
    claims,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    jobs,
    limits,
    networking,
    node,
    nodes,
    persistent,
    pods,
    policy,
    rbac,
    resource,
    resource_slices,
    scheduling,
    services,
    storage,
    workloads,
)
from trueup.kube.validation.causes import Causes
from trueup.kube.validation.needs import Needs, missing, needs_of
from trueup.kube.validation.object_meta import finalizer_warnings, metadata, name_problems, unchanged
from trueup.kube.validation.statuses import status_rules
from trueup.kube.validation.updates import ALONE, update_rules

__all__ = ["Rules", "finalizer_warnings", "metadata", "name_problems", "unchanged"]


class Rules:
    """The rules of one built-in kind."""

    __slots__ = ("_definition", "_definitions", "_needs", "_rule", "_status", "_update", "again")

    def __init__(self, kind: Kind, definition: str, definitions: Mapping[str, Any]) -> None:
        self._rule = _RULES.get((kind.group, kind.kind))
        self._update = update_rules(kind)
        self._status = status_rules(kind)
        self.again = (kind.group, kind.kind) not in ALONE
        """Whether an update is checked as a new object is, besides."""
        self._definition = definition
        self._definitions = definitions
        self._needs: Needs | None = None

    def check(self, obj: Object) -> Causes:
        """What is wrong with an object, but for its metadata."""
        if self._rule is not None:
            # The rule looks at the kind as a whole: nothing is asked twice.
            yield from self._rule(obj)
            return
        if self._needs is None:
            self._needs = needs_of(self._definition, self._definitions)
        yield from missing(obj, self._needs)

    def check_update(self, new: Object, old: Object) -> Causes:
        """What an update changes that it may not."""
        if self._update is not None:
            yield from self._update(new, old)
        if self._status is not None and new.get("status") != old.get("status"):
            yield from self._status(new, old)


_RULES: Mapping[tuple[str, str], Callable[[Object], Causes]] = {
    ("", "ConfigMap"): core.config_map,
    ("", "Endpoints"): core.endpoints,
    ("", "Event"): events.event,
    ("", "LimitRange"): limits.limit_range,
    ("", "Namespace"): core.namespace,
    ("", "Node"): nodes.node,
    ("", "PersistentVolume"): persistent.volume,
    ("", "PersistentVolumeClaim"): claims.claim,
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): lambda obj: pods.template(obj.get("template"), "template"),
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "ResourceQuota"): limits.quota,
    ("", "Secret"): core.secret,
    ("", "Service"): services.service,
    ("apiregistration.k8s.io", "APIService"): apiregistration.api_service,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.autoscaler,
    ("batch", "CronJob"): jobs.cron_job,
    ("batch", "Job"): jobs.job,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.signing_request,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): lambda obj: iter(()),  # the API server has rules of its own
    **{
        ("admissionregistration.k8s.io", kind): lambda obj: iter(())  # here as well: they hold expressions
        for kind in (
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        )
    },
    ("coordination.k8s.io", "Lease"): coordination.lease,
    ("events.k8s.io", "Event"): events.new_event,
    ("discovery.k8s.io", "EndpointSlice"): discovery.endpoint_slice,
    ("networking.k8s.io", "Ingress"): networking.ingress,
    ("networking.k8s.io", "IngressClass"): networking.ingress_class,
    ("networking.k8s.io", "IPAddress"): networking.ip_address,
    ("networking.k8s.io", "NetworkPolicy"): networking.network_policy,
    ("networking.k8s.io", "ServiceCIDR"): networking.service_cidr,
    ("node.k8s.io", "RuntimeClass"): node.runtime_class,
    ("policy", "PodDisruptionBudget"): policy.disruption_budget,
    ("rbac.authorization.k8s.io", "ClusterRole"): rbac.cluster_role,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): rbac.cluster_role_binding,
    ("rbac.authorization.k8s.io", "Role"): rbac.role,
    ("rbac.authorization.k8s.io", "RoleBinding"): rbac.role_binding,
    ("resource.k8s.io", "DeviceClass"): resource.device_class,
    ("resource.k8s.io", "ResourceClaim"): resource.claim,
    ("resource.k8s.io", "ResourceClaimTemplate"): resource.claim_template,
    ("resource.k8s.io", "ResourceSlice"): resource_slices.resource_slice,
    ("scheduling.k8s.io", "PriorityClass"): scheduling.priority_class,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): flowcontrol.flow_schema,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): flowcontrol.priority_level,
    ("storage.k8s.io", "CSIDriver"): storage.driver,
    ("storage.k8s.io", "CSINode"): storage.node,
    ("storage.k8s.io", "CSIStorageCapacity"): storage.capacity,
    ("storage.k8s.io", "StorageClass"): storage.storage_class,
    ("storage.k8s.io", "VolumeAttachment"): storage.attachment,
    ("storage.k8s.io", "VolumeAttributesClass"): storage.attributes_class,
}
"""By group and kind: versions of a kind share their rules."""
