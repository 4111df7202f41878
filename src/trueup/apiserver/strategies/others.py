"""Groups of which a kind or two do anything of their own: rows by group. Pure. Source: ``pkg/registry``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from trueup.apiserver.policies import checks
from trueup.apiserver.strategies.core import event
from trueup.apiserver.strategy import UNCOUNTED, Moment, Strategy
from trueup.apiserver.webhooks import checks as webhook_checks
from trueup.kube.names import Object
from trueup.kube.validation import autoscaling, events

Canonical = Callable[[Object, Moment], None]


def _count_labels(new: Object, old: Object, moment: Moment) -> None:
    """Labels of a slice say whose it is: a change of them counts. Source: ``discovery/endpointslice/strategy.go``."""
    before, now = (obj["metadata"].get("labels") or {} for obj in (old, new))
    if before != now:
        new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _never_absent(*names: str, part: str = "") -> Canonical:
    """Lists that Go prints as null when there is nothing in them."""

    def fill(obj: Object, moment: Moment) -> None:
        place = obj.setdefault(part, {}) if part else obj
        for name in names:
            place[name] = place.get(name) or None

    return fill


def _slice_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    if obj.get("addressType") == "FQDN" and old is None:
        yield "spec.addressType: FQDN endpoints are deprecated"


def _measured(obj: Object, moment: Moment) -> None:
    """What was measured, in version 2, is there even when nothing was."""
    if obj.get("apiVersion") == "autoscaling/v2":
        status = obj.setdefault("status", {})
        status["currentMetrics"] = status.get("currentMetrics") or None


def _bare_lease(obj: Object, moment: Moment) -> None:
    """How holders take turns is not for everyone yet: the feature is off unless it is asked for."""
    for name in ("preferredHolder", "strategy"):
        (obj.get("spec") or {}).pop(name, None)


def _kept_bare(new: Object, old: Object, moment: Moment) -> None:
    _bare_lease(new, moment)


_ROLE = Strategy(counts_generations=False, canonical=_never_absent("rules"))

GROUPS: Mapping[str, Mapping[str, Strategy]] = {
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy": Strategy(check=checks.mutating_policy),
        "MutatingAdmissionPolicyBinding": Strategy(check=checks.mutating_binding),
        "MutatingWebhookConfiguration": Strategy(check=webhook_checks.configuration),
        "ValidatingWebhookConfiguration": Strategy(check=webhook_checks.configuration),
        "ValidatingAdmissionPolicy": Strategy(check=checks.validating_policy),
        "ValidatingAdmissionPolicyBinding": Strategy(check=checks.validating_binding),
    },
    "apiregistration.k8s.io": {"APIService": UNCOUNTED},
    "autoscaling": {
        "HorizontalPodAutoscaler": Strategy(counts_generations=False, check=autoscaling.versions, canonical=_measured)
    },
    "coordination.k8s.io": {"Lease": Strategy(counts_generations=False, create=_bare_lease, update=_kept_bare)},
    "events.k8s.io": {"Event": replace(event("regarding", "reportingController"), check=events.strictly)},
    "networking.k8s.io": {"IPAddress": UNCOUNTED, "ServiceCIDR": UNCOUNTED},
    "node.k8s.io": {"RuntimeClass": UNCOUNTED},
    "discovery.k8s.io": {
        "EndpointSlice": Strategy(
            update=_count_labels, canonical=_never_absent("endpoints", "ports"), warnings=_slice_warnings
        ),
    },
    "rbac.authorization.k8s.io": {
        "ClusterRole": _ROLE,
        "ClusterRoleBinding": UNCOUNTED,
        "Role": _ROLE,
        "RoleBinding": UNCOUNTED,
    },
    "storage.k8s.io": {
        **dict.fromkeys(("CSIDriver", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"), UNCOUNTED),
        "CSINode": Strategy(counts_generations=False, canonical=_never_absent("drivers", part="spec")),
    },
}
