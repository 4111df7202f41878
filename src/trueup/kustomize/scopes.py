"""Which kinds belong to no namespace, for certain: what kustomize's own copy of the Kubernetes schema says.

Called by `ids` and `merge_keys`. Kustomize 5.8.1 carries the OpenAPI of Kubernetes 1.21 and adds a few later kinds; it
treats every other kind as namespaced, and so must its native twin.
"""

from __future__ import annotations

_CLUSTER = """
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration ValidatingWebhookConfiguration ValidatingAdmissionPolicy
  ValidatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration ValidatingWebhookConfiguration
apiextensions.k8s.io/v1 CustomResourceDefinition
apiextensions.k8s.io/v1beta1 CustomResourceDefinition
apiregistration.k8s.io/v1 APIService
apiregistration.k8s.io/v1beta1 APIService
certificates.k8s.io/v1 CertificateSigningRequest
certificates.k8s.io/v1beta1 CertificateSigningRequest
flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema PriorityLevelConfiguration
networking.k8s.io/v1 IngressClass
networking.k8s.io/v1beta1 IngressClass
node.k8s.io/v1 RuntimeClass
node.k8s.io/v1beta1 RuntimeClass
policy/v1beta1 PodSecurityPolicy
rbac.authorization.k8s.io/v1 ClusterRole ClusterRoleBinding
rbac.authorization.k8s.io/v1beta1 ClusterRole ClusterRoleBinding
scheduling.k8s.io/v1 PriorityClass
scheduling.k8s.io/v1beta1 PriorityClass
storage.k8s.io/v1 CSIDriver CSINode StorageClass VolumeAttachment
storage.k8s.io/v1beta1 CSIDriver CSINode StorageClass VolumeAttachment
v1 ComponentStatus Namespace Node NodeProxyOptions PersistentVolume
"""


def _table(text: str) -> frozenset[tuple[str, str]]:
    rows: set[tuple[str, str]] = set()
    version = ""
    for line in text.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            version = words.pop(0)
        rows.update((version, kind) for kind in words)
    return frozenset(rows)


_CLUSTER_SCOPED = _table(_CLUSTER)


def cluster_scoped(api_version: str, kind: str) -> bool:
    """Whether a kind is known to belong to no namespace."""
    return (api_version, kind) in _CLUSTER_SCOPED
