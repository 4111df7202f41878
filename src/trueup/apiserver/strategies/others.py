"""Groups of which a kind or two do anything of their own: rows by group. Pure. Source: ``pkg/registry``."""

from __future__ import annotations

from collections.abc import Mapping

from trueup.apiserver.strategies.core import EVENT
from trueup.apiserver.strategy import UNCOUNTED, Strategy

GROUPS: Mapping[str, Mapping[str, Strategy]] = {
    "apiregistration.k8s.io": {"APIService": UNCOUNTED},
    "autoscaling": {"HorizontalPodAutoscaler": UNCOUNTED},
    "certificates.k8s.io": {
        "CertificateSigningRequest": Strategy(counts_generations=False, selectable=frozenset({"spec.signerName"}))
    },
    "coordination.k8s.io": {"Lease": UNCOUNTED},
    "events.k8s.io": {"Event": EVENT},
    "networking.k8s.io": {"IPAddress": UNCOUNTED},
    "node.k8s.io": {"RuntimeClass": UNCOUNTED},
    "rbac.authorization.k8s.io": dict.fromkeys(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"), UNCOUNTED),
    "storage.k8s.io": dict.fromkeys(("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"), UNCOUNTED),
}
