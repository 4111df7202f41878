"""The columns that `kubectl get` shows for each built-in kind: a table of data. Read by `tables`.

Source: ``pkg/printers/internalversion/printers.go``. Kinds that are not here show name and age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trueup.apiserver import object_cells as objects
from trueup.apiserver import workload_cells as workloads
from trueup.apiserver.cells import (
    AGE,
    CREATED,
    NONE,
    Column,
    ago,
    at,
    containers,
    count,
    joined,
    labels,
    number,
    selector,
    shown,
    text,
    word,
    yes,
)
from trueup.apiserver.meanings import told

NAME = Column("Name", "string", "", at("metadata.name"), "name")
"""The first column of nearly every kind."""

_TEMPLATE = containers("spec.template.spec")
_WIDE = (*_TEMPLATE, text("Selector", selector("spec.selector"), wide=True))
_JOB_TEMPLATE = containers("spec.jobTemplate.spec.template.spec")
_POD = (
    text("Ready", workloads.pod_ready),
    text("Status", workloads.pod_status),
    text("Restarts", workloads.pod_restarts),
    AGE,
    text("IP", workloads.pod_ip, wide=True),
    text("Node", at("spec.nodeName", NONE), wide=True),
    text("Nominated Node", at("status.nominatedNodeName", NONE), wide=True),
    text("Readiness Gates", workloads.pod_gates, wide=True),
)
_REPLICAS = (
    number("Desired", at("spec.replicas", 0)),
    number("Current", at("status.replicas", 0)),
    number("Ready", at("status.readyReplicas", 0)),
    AGE,
)
SCALE = told(
    "autoscaling",
    "Scale",
    (
        text("Name", at("metadata.name")),
        number("Desired", at("spec.replicas", 0)),
        number("Available", at("status.replicas", 0)),
        AGE,
    ),
)
"""Of the subresource ``scale`` of any kind."""
_EVENT = (
    text("Last Seen", objects.event_last),
    text("Type", at("type")),
    text("Reason", at("reason")),
    text("Object", objects.event_object),
    text("Subobject", at("involvedObject.fieldPath"), wide=True),
    text("Source", objects.event_source, wide=True),
    text("Message", lambda obj, now: str(obj.get("message") or "").strip()),
    text("First Seen", objects.event_first, wide=True),
    text("Count", objects.event_count, wide=True),
    Column("Name", "string", "", at("metadata.name"), "name", 1),
)
_BINDING = (
    text("Role", objects.role_ref),
    AGE,
    text("Users", objects.subjects("User"), wide=True),
    text("Groups", objects.subjects("Group"), wide=True),
    text("ServiceAccounts", objects.subjects("ServiceAccount"), wide=True),
)

_WORKLOADS: Mapping[tuple[str, str], Sequence[Column]] = {
    ("", "Pod"): _POD,
    ("", "PodTemplate"): (*shown(containers("template.spec")), text("Pod Labels", labels("template.metadata.labels"))),
    ("", "ReplicationController"): (*_REPLICAS, *_TEMPLATE, text("Selector", labels("spec.selector"), wide=True)),
    ("apps", "ReplicaSet"): (*_REPLICAS, *_WIDE),
    ("apps", "Deployment"): (
        text("Ready", workloads.replicas_ready),
        text("Up-to-date", at("status.updatedReplicas", 0)),
        text("Available", at("status.availableReplicas", 0)),
        AGE,
        *_WIDE,
    ),
    ("apps", "StatefulSet"): (text("Ready", workloads.replicas_ready), AGE, *_TEMPLATE),
    ("apps", "DaemonSet"): (
        number("Desired", at("status.desiredNumberScheduled", 0)),
        number("Current", at("status.currentNumberScheduled", 0)),
        number("Ready", at("status.numberReady", 0)),
        number("Up-to-date", at("status.updatedNumberScheduled", 0)),
        number("Available", at("status.numberAvailable", 0)),
        text("Node Selector", labels("spec.template.spec.nodeSelector")),
        AGE,
        *_WIDE,
    ),
    ("apps", "ControllerRevision"): (
        text("Controller", objects.controller),
        text("Revision", at("revision", 0)),
        AGE,
    ),
    ("batch", "Job"): (
        text("Status", workloads.job_status),
        text("Completions", workloads.job_completions),
        text("Duration", workloads.job_duration),
        AGE,
        *_WIDE,
    ),
    ("batch", "CronJob"): (
        text("Schedule", at("spec.schedule")),
        text("Timezone", at("spec.timeZone", NONE)),
        yes("Suspend", objects.suspended),
        number("Active", count("status.active")),
        text("Last Schedule", ago("status.lastScheduleTime")),
        AGE,
        *_JOB_TEMPLATE,
        text("Selector", selector("spec.jobTemplate.spec.selector"), wide=True),
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        text("Reference", workloads.autoscaler_target),
        text("Targets", workloads.autoscaler_targets),
        text("MinPods", word("spec.minReplicas", "<unset>")),
        text("MaxPods", at("spec.maxReplicas", 0)),
        text("Replicas", at("status.currentReplicas", 0)),
        AGE,
    ),
    ("policy", "PodDisruptionBudget"): (
        text("Min Available", word("spec.minAvailable", "N/A")),
        text("Max Unavailable", word("spec.maxUnavailable", "N/A")),
        number("Allowed Disruptions", at("status.disruptionsAllowed", 0)),
        AGE,
    ),
    ("", "Node"): (
        text("Status", workloads.node_status),
        text("Roles", workloads.node_roles),
        AGE,
        text("Version", at("status.nodeInfo.kubeletVersion")),
        text("Internal-IP", workloads.node_address("InternalIP"), wide=True),
        text("External-IP", workloads.node_address("ExternalIP"), wide=True),
        text("OS-Image", at("status.nodeInfo.osImage", "<unknown>"), wide=True),
        text("Kernel-Version", at("status.nodeInfo.kernelVersion", "<unknown>"), wide=True),
        text("Container-Runtime", at("status.nodeInfo.containerRuntimeVersion", "<unknown>"), wide=True),
    ),
    ("scheduling.k8s.io", "PriorityClass"): (
        number("Value", at("value", 0)),
        yes("Global-Default", at("globalDefault", False)),
        AGE,
        text("PreemptionPolicy", at("preemptionPolicy", "PreemptLowerPriority")),
    ),
    ("node.k8s.io", "RuntimeClass"): (text("Handler", at("handler")), AGE),
}

_NETWORK: Mapping[tuple[str, str], Sequence[Column]] = {
    ("", "Service"): (
        text("Type", at("spec.type")),
        text("Cluster-IP", at("spec.clusterIP", NONE)),
        text("External-IP", objects.service_external),
        text("Port(s)", objects.service_ports),
        AGE,
        text("Selector", labels("spec.selector"), wide=True),
    ),
    ("", "Endpoints"): (text("Endpoints", objects.endpoints), AGE),
    ("discovery.k8s.io", "EndpointSlice"): (
        text("AddressType", at("addressType")),
        text("Ports", objects.slice_ports),
        text("Endpoints", objects.slice_points),
        AGE,
    ),
    ("networking.k8s.io", "Ingress"): (
        text("Class", at("spec.ingressClassName", NONE)),
        text("Hosts", objects.ingress_hosts),
        text("Address", objects.balancer),
        text("Ports", objects.ingress_ports),
        AGE,
    ),
    ("networking.k8s.io", "IngressClass"): (
        text("Controller", at("spec.controller")),
        text("Parameters", objects.ingress_parameters),
        AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): (text("Pod-Selector", selector("spec.podSelector")), AGE),
    ("networking.k8s.io", "ServiceCIDR"): (text("CIDRs", joined("spec.cidrs", "")), AGE),
    ("networking.k8s.io", "IPAddress"): (text("ParentRef", objects.parent),),
}

_STORAGE: Mapping[tuple[str, str], Sequence[Column]] = {
    ("", "PersistentVolumeClaim"): (
        text("Status", objects.phase),
        text("Volume", at("spec.volumeName")),
        text("Capacity", objects.bound(at("status.capacity.storage"))),
        text("Access Modes", objects.bound(objects.modes("status.accessModes"))),
        text("StorageClass", at("spec.storageClassName")),
        text("VolumeAttributesClass", at("spec.volumeAttributesClassName", "<unset>")),
        AGE,
        text("VolumeMode", at("spec.volumeMode", "<unset>"), wide=True),
    ),
    ("", "PersistentVolume"): (
        text("Capacity", at("spec.capacity.storage")),
        text("Access Modes", objects.modes("spec.accessModes")),
        text("Reclaim Policy", at("spec.persistentVolumeReclaimPolicy")),
        text("Status", objects.phase),
        text("Claim", objects.claim),
        text("StorageClass", at("spec.storageClassName")),
        text("VolumeAttributesClass", at("spec.volumeAttributesClassName", "<unset>")),
        text("Reason", at("status.reason")),
        AGE,
        text("VolumeMode", at("spec.volumeMode", "<unset>"), wide=True),
    ),
    ("storage.k8s.io", "StorageClass"): (
        text("Provisioner", at("provisioner")),
        text("ReclaimPolicy", at("reclaimPolicy", "Delete")),
        text("VolumeBindingMode", at("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", "string", "", at("allowVolumeExpansion", False)),
        AGE,
    ),
    ("storage.k8s.io", "CSINode"): (number("Drivers", count("spec.drivers")), AGE),
    ("storage.k8s.io", "VolumeAttachment"): (
        Column("Attacher", "string", "", at("spec.attacher"), "name"),
        text("PV", at("spec.source.persistentVolumeName")),
        text("Node", at("spec.nodeName")),
        yes("Attached", at("status.attached", False)),
        AGE,
    ),
}

_DEVICES: Mapping[tuple[str, str], Sequence[Column]] = {
    ("storage.k8s.io", "CSIDriver"): (
        yes("AttachRequired", at("spec.attachRequired", True)),
        yes("PodInfoOnMount", at("spec.podInfoOnMount", False)),
        yes("StorageCapacity", at("spec.storageCapacity", False)),
        text("TokenRequests", objects.audiences),
        yes("RequiresRepublish", at("spec.requiresRepublish", False)),
        text("Modes", joined("spec.volumeLifecycleModes", NONE)),
        AGE,
    ),
    ("storage.k8s.io", "CSIStorageCapacity"): (Column("Created At", "date", "", at("metadata.creationTimestamp")),),
    ("storage.k8s.io", "VolumeAttributesClass"): (text("DriverName", at("driverName")), AGE),
    ("resource.k8s.io", "ResourceClaim"): (text("State", objects.claim_state), AGE),
    ("resource.k8s.io", "ResourceSlice"): (
        text("Node", at("spec.nodeName")),
        text("Driver", at("spec.driver")),
        text("Pool", at("spec.pool.name")),
        AGE,
    ),
}

_FLOWS: Mapping[tuple[str, str], Sequence[Column]] = {
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): (
        text("PriorityLevel", at("spec.priorityLevelConfiguration.name")),
        text("MatchingPrecedence", at("spec.matchingPrecedence", 0)),
        text("DistinguisherMethod", at("spec.distinguisherMethod.type", NONE)),
        AGE,
        text("MissingPL", objects.dangling),
    ),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): (
        text("Type", at("spec.type")),
        text("NominalConcurrencyShares", at("spec.limited.nominalConcurrencyShares", NONE)),
        text("Queues", at("spec.limited.limitResponse.queuing.queues", NONE)),
        text("HandSize", at("spec.limited.limitResponse.queuing.handSize", NONE)),
        text("QueueLengthLimit", at("spec.limited.limitResponse.queuing.queueLengthLimit", NONE)),
        AGE,
    ),
}

_OTHERS: Mapping[tuple[str, str], Sequence[Column]] = {
    ("", "ConfigMap"): (
        text("Data", lambda obj, now: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),
        AGE,
    ),
    ("", "Secret"): (text("Type", at("type")), text("Data", count("data")), AGE),
    ("", "ServiceAccount"): (AGE,),
    ("", "Namespace"): (text("Status", at("status.phase")), AGE),
    ("", "ComponentStatus"): (
        text("Status", objects.component("status")),
        text("Message", objects.component("message")),
        text("Error", objects.component("error")),
    ),
    ("", "LimitRange"): (CREATED,),
    ("", "ResourceQuota"): (
        text("Request", objects.quota(limits=False)),
        text("Limit", objects.quota(limits=True)),
        AGE,
    ),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): tuple(
        Column(each.name, each.type, "", objects.as_core(each.cell), each.format, each.priority) for each in _EVENT
    ),
    ("rbac.authorization.k8s.io", "Role"): (CREATED,),
    ("rbac.authorization.k8s.io", "ClusterRole"): (CREATED,),
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    ("coordination.k8s.io", "Lease"): (text("Holder", at("spec.holderIdentity")), AGE),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (CREATED,),
    ("apiregistration.k8s.io", "APIService"): (
        text("Service", objects.service_of),
        text("Available", objects.available),
        AGE,
    ),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): (number("Webhooks", count("webhooks")), AGE),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): (number("Webhooks", count("webhooks")), AGE),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): (
        number("Validations", count("spec.validations")),
        text("ParamKind", objects.param_kind),
        AGE,
    ),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): (
        text("PolicyName", at("spec.policyName")),
        text("ParamRef", objects.param_ref),
        AGE,
    ),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): (
        number("Mutations", count("spec.mutations")),
        text("ParamKind", objects.param_kind),
        AGE,
    ),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): (
        text("PolicyName", at("spec.policyName")),
        text("ParamRef", objects.param_ref),
        AGE,
    ),
    ("certificates.k8s.io", "CertificateSigningRequest"): (
        AGE,
        text("SignerName", at("spec.signerName")),
        text("Requestor", at("spec.username")),
        text("RequestedDuration", word("spec.expirationSeconds", NONE)),
        text("Condition", objects.signing),
    ),
}

OWN_NAME: Mapping[tuple[str, str], Sequence[Column]] = {
    ("", "Event"): (),
    ("events.k8s.io", "Event"): (),
    ("storage.k8s.io", "StorageClass"): (Column("Name", "string", "", objects.class_name, "name"),),
}
"""Kinds that begin with something other than the bare name."""

BUILT_IN: Mapping[tuple[str, str], Sequence[Column]] = {
    key: told(*key, (*OWN_NAME.get(key, (NAME,)), *columns))
    for part in (_WORKLOADS, _NETWORK, _STORAGE, _DEVICES, _FLOWS, _OTHERS)
    for key, columns in part.items()
}
"""All columns of a kind, its first one included, by group and kind."""

PLAIN = told("", "", (NAME, AGE))
"""Of kinds that have none of their own."""
