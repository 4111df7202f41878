"""Which strategy a built-in kind has. Read by the registry when the hub opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trueup.apiserver.strategies import apiextensions, apps, batch, certificates, core, others
from trueup.apiserver.strategy import PLAIN, Strategy
from trueup.kube.names import Kind

_GROUPS: Mapping[str, Mapping[str, Strategy]] = {
    **others.GROUPS,
    "": core.ROWS,
    "apiextensions.k8s.io": apiextensions.ROWS,
    "apps": apps.ROWS,
    "batch": batch.ROWS,
    "certificates.k8s.io": certificates.ROWS,
}


_CONDITIONAL = frozenset(
    (group, kind)
    for group, kinds in {
        "admissionregistration.k8s.io": (
            "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
        ),
        "certificates.k8s.io": ("ClusterTrustBundle", "PodCertificateRequest"),
        "coordination.k8s.io": ("Lease", "LeaseCandidate"),
        "node.k8s.io": ("RuntimeClass",),
        "policy": ("PodDisruptionBudget",),
        "storage.k8s.io": ("CSIDriver", "CSINode", "CSIStorageCapacity", "VolumeAttachment"),
        "storagemigration.k8s.io": ("StorageVersionMigration",),
    }.items()
    for kind in kinds
)  # fmt: skip
"""Kinds whose updates have to say which version they are of: ``AllowUnconditionalUpdate`` of ``pkg/registry``."""


_CREATED_BY_UPDATES = frozenset(
    (group, kind)
    for group, kinds in {
        "": ("Endpoints", "Event", "LimitRange", "Service"),
        "coordination.k8s.io": ("Lease",),
        "events.k8s.io": ("Event",),
        "node.k8s.io": ("RuntimeClass",),
        "rbac.authorization.k8s.io": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    }.items()
    for kind in kinds
)
"""Kinds that an update creates: ``AllowCreateOnUpdate`` of ``pkg/registry``."""


_RETURNED = frozenset(
    (group, kind)
    for group, kinds in {
        "resource.k8s.io": ("DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"),
        "storage.k8s.io": ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"),
    }.items()
    for kind in kinds
)
"""Kinds whose deletion is answered with the object: ``ReturnDeletedObject`` of ``pkg/registry``."""
_UNCOUNTED = frozenset(
    {
        ("resource.k8s.io", "ResourceClaim"),
        ("resource.k8s.io", "ResourceClaimTemplate"),
        ("storage.k8s.io", "CSIStorageCapacity"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    }
)


_METADATA_KEPT = frozenset(
    (group, kind)
    for group, kinds in {
        "admissionregistration.k8s.io": ("ValidatingAdmissionPolicy",),
        "flowcontrol.apiserver.k8s.io": ("FlowSchema", "PriorityLevelConfiguration"),
        "networking.k8s.io": ("ServiceCIDR",),
        "resource.k8s.io": ("DeviceTaintRule", "ResourceClaim"),
        "storage.k8s.io": ("VolumeAttachment",),
        "storagemigration.k8s.io": ("StorageVersionMigration",),
    }.items()
    for kind in kinds
)
"""Kinds whose status is written without their metadata: ``ResetObjectMetaForStatus`` of ``pkg/registry``."""
_KEPT = {("", "Pod"): "ownerReferences", ("apps", "Deployment"): "labels"}
"""The same of one part of it."""


def of(kind: Kind) -> Strategy:
    """The same in every version of a group."""
    found = _GROUPS.get(kind.group, {}).get(kind.kind, PLAIN)
    if (kind.group, kind.kind) in _CONDITIONAL:
        found = replace(found, unconditional=False)
    if (kind.group, kind.kind) in _CREATED_BY_UPDATES:
        found = replace(found, creates_on_update=True)
    if (kind.group, kind.kind) in _RETURNED:
        found = replace(found, returns_deleted=True)
    if (kind.group, kind.kind) in _METADATA_KEPT:
        found = replace(found, status_keeps=frozenset({"*"}))
    if (kind.group, kind.kind) in _KEPT:
        found = replace(found, status_keeps=frozenset({_KEPT[kind.group, kind.kind]}))
    if (kind.group, kind.kind) in _UNCOUNTED:
        found = replace(found, counts_generations=False)
    return found
