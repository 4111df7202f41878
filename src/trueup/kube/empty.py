"""What an empty object of a built-in kind prints. Called by ``merge.owners``.

A built-in object is a Go struct to Kubernetes: some of its parts are always there, empty or null. Whoever fills such a part
changes what is in it but does not add it, which shows in managed fields (``f:spec`` is no member of a Deployment's creator,
``f:rollingUpdate`` is). Custom resources have no such parts. Source: the Go types of ``k8s.io/api``.
"""

from __future__ import annotations

from collections.abc import Mapping

from trueup.kube.names import Object

_TEMPLATE: Object = {"metadata": {}, "spec": {"containers": None}}
_JOB: Object = {"template": _TEMPLATE}
_PLAIN: Object = {"spec": {}, "status": {}}

_EMPTY: Mapping[tuple[str, str], Object] = {
    ("", "Event"): {"involvedObject": {}, "source": {}},
    ("", "LimitRange"): {"spec": {"limits": None}},
    ("", "Namespace"): _PLAIN,
    ("", "Node"): {"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {}}, "nodeInfo": {}}},
    ("", "PersistentVolume"): _PLAIN,
    ("", "PersistentVolumeClaim"): {"spec": {"resources": {}}, "status": {}},
    ("", "Pod"): {"spec": {"containers": None}, "status": {}},
    ("", "PodTemplate"): {"template": _TEMPLATE},
    ("", "ReplicationController"): _PLAIN,
    ("", "ResourceQuota"): _PLAIN,
    ("", "Service"): {"spec": {}, "status": {"loadBalancer": {}}},
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _PLAIN,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): {"spec": {}},
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {
        "spec": {"names": {}, "versions": None},
        "status": {"acceptedNames": {}, "conditions": None, "storedVersions": None},
    },
    ("apiregistration.k8s.io", "APIService"): _PLAIN,
    ("apps", "DaemonSet"): {"spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}}, "status": {}},
    ("apps", "Deployment"): {"spec": {"selector": None, "strategy": {}, "template": _TEMPLATE}, "status": {}},
    ("apps", "ReplicaSet"): {"spec": {"selector": None, "template": _TEMPLATE}, "status": {}},
    ("apps", "StatefulSet"): {"spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}}, "status": {}},
    ("autoscaling", "HorizontalPodAutoscaler"): {"spec": {"scaleTargetRef": {}}, "status": {"currentMetrics": None}},
    ("batch", "CronJob"): {"spec": {"jobTemplate": {"metadata": {}, "spec": _JOB}}, "status": {}},
    ("batch", "Job"): {"spec": _JOB, "status": {}},
    ("certificates.k8s.io", "CertificateSigningRequest"): _PLAIN,
    ("coordination.k8s.io", "Lease"): {"spec": {}},
    ("discovery.k8s.io", "EndpointSlice"): {"endpoints": None, "ports": None},
    ("events.k8s.io", "Event"): {"deprecatedSource": {}, "regarding": {}},
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): _PLAIN,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): _PLAIN,
    ("networking.k8s.io", "Ingress"): {"spec": {}, "status": {"loadBalancer": {}}},
    ("networking.k8s.io", "IngressClass"): {"spec": {}},
    ("networking.k8s.io", "NetworkPolicy"): {"spec": {"podSelector": {}}},
    ("policy", "PodDisruptionBudget"): _PLAIN,
    ("rbac.authorization.k8s.io", "ClusterRole"): {"rules": None},
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): {"roleRef": {}},
    ("rbac.authorization.k8s.io", "Role"): {"rules": None},
    ("rbac.authorization.k8s.io", "RoleBinding"): {"roleRef": {}},
    ("resource.k8s.io", "ResourceClaim"): {"spec": {"devices": {}}, "status": {}},
    ("storage.k8s.io", "CSIDriver"): {"spec": {}},
    ("storage.k8s.io", "CSINode"): {"spec": {"drivers": None}},
    ("storage.k8s.io", "VolumeAttachment"): {"spec": {"source": {}}, "status": {}},
}

_NOTHING: Object = {}


def empty_object(obj: Object) -> Object:
    """What an empty object of the same kind prints beside its metadata. To be read, never changed."""
    group, _, _ = str(obj.get("apiVersion") or "").rpartition("/")
    return _EMPTY.get((group, str(obj.get("kind") or "")), _NOTHING)


def with_parts(obj: Object, empty: Object) -> Object:
    """The object with the parts of the empty one that it lacks; itself when it lacks none."""
    if all(name in obj for name in empty):
        return obj
    return {**{name: value for name, value in empty.items() if name not in obj}, **obj}
