"""Groups of which a kind or two do anything of their own: rows by group. Pure. Source: ``pkg/registry``."""

from __future__ import annotations

from collections.abc import Mapping

from trueup.apiserver.policies import checks
from trueup.apiserver.strategies.core import event
from trueup.apiserver.strategy import UNCOUNTED, Moment, Strategy
from trueup.kube.names import Object


def _count_labels(new: Object, old: Object, moment: Moment) -> None:
    """Labels of a slice say whose it is: a change of them counts. Source: ``discovery/endpointslice/strategy.go``."""
    before, now = (obj["metadata"].get("labels") or {} for obj in (old, new))
    if before != now:
        new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _no_rules(obj: Object, moment: Moment) -> None:
    """No rules are stored as none at all."""
    obj["rules"] = obj.get("rules") or None


_ROLE = Strategy(counts_generations=False, canonical=_no_rules)

GROUPS: Mapping[str, Mapping[str, Strategy]] = {
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy": Strategy(check=checks.mutating_policy),
        "MutatingAdmissionPolicyBinding": Strategy(check=checks.mutating_binding),
        "ValidatingAdmissionPolicy": Strategy(check=checks.validating_policy),
        "ValidatingAdmissionPolicyBinding": Strategy(check=checks.validating_binding),
    },
    "apiregistration.k8s.io": {"APIService": UNCOUNTED},
    "autoscaling": {"HorizontalPodAutoscaler": UNCOUNTED},
    "coordination.k8s.io": {"Lease": UNCOUNTED},
    "events.k8s.io": {"Event": event("regarding", "reportingController")},
    "networking.k8s.io": {"IPAddress": UNCOUNTED},
    "node.k8s.io": {"RuntimeClass": UNCOUNTED},
    "discovery.k8s.io": {"EndpointSlice": Strategy(update=_count_labels)},
    "rbac.authorization.k8s.io": {
        "ClusterRole": _ROLE,
        "ClusterRoleBinding": UNCOUNTED,
        "Role": _ROLE,
        "RoleBinding": UNCOUNTED,
    },
    "storage.k8s.io": dict.fromkeys(("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"), UNCOUNTED),
}
