"""In which order kinds are written: tables, one per original. Read by ``machine``.

An ``Order`` gives each object a stage and a rank. Stages are waited for (the machine goes on when a stage is healthy);
ranks are written one after the other without waiting; objects of one rank are written in parallel.
Sources: gitops-engine ``sync_tasks.go`` (after Helm's install order); fluxcd/pkg ``ssa/sort.go`` and ``ssa/utils/is.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trueup.kube.names import Kind

_ARGOCD = (
    "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy", "PodDisruptionBudget",
    "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim",
    "CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList",
    "Role", "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod", "ReplicationController",
    "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob", "IngressClass", "Ingress",
    "APIService",
)  # fmt: skip

_FLUX_FIRST = (
    "CustomResourceDefinition", "Namespace", "ClusterRole", "ClusterClass", "RuntimeClass", "PriorityClass",
    "StorageClass", "VolumeSnapshotClass", "IngressClass", "GatewayClass", "ClusterRoleBinding", "ResourceQuota",
    "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret", "Service", "LimitRange", "Deployment",
    "StatefulSet", "CronJob", "PodDisruptionBudget",
)  # fmt: skip
_FLUX_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
_FLUX_DEFINITIONS = frozenset(
    {
        _DEFINITION,
        ("", "Namespace"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
    }
)


@dataclass(frozen=True, slots=True)
class Order:
    """One original's order. ``ranks`` by kind; a kind that is not listed has rank 0."""

    name: str
    ranks: Mapping[str, int]
    staged: bool = False
    """Flux: definitions first, classes second, the rest third, each waited for. Without: only definitions of custom
    kinds are waited for, before what comes after them in rank."""

    def rank(self, kind: Kind) -> int:
        """Where a kind stands; negative before, positive after the kinds that the table does not know."""
        return self.ranks.get(kind.kind, 0)

    def stage(self, kind: Kind) -> int:
        """0 up to and with the definitions, 1 classes, 2 the rest."""
        if not self.staged:
            return 0 if self.rank(kind) <= self.ranks[_DEFINITION[1]] else 2
        if (kind.group, kind.kind) in _FLUX_DEFINITIONS:
            return 0
        return 1 if kind.kind.endswith("Class") else 2

    def awaited(self, kind: Kind) -> bool:
        """Whether a later stage waits for objects of this kind."""
        return self.staged or (kind.group, kind.kind) == _DEFINITION


ARGOCD = Order("argocd", {kind: i - len(_ARGOCD) for i, kind in enumerate(_ARGOCD)})
FLUX = Order(
    "flux",
    {kind: i - len(_FLUX_FIRST) for i, kind in enumerate(_FLUX_FIRST)}
    | {kind: i + 1 for i, kind in enumerate(_FLUX_LAST)},
    staged=True,
)
