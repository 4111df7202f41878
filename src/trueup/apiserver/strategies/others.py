"""Groups of which a kind or two do anything of their own: rows by group. Pure. Source: ``pkg/registry``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from trueup.apiserver import device_selectors
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


def _token_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """Source: ``storage/csidriver/strategy.go``."""
    now, was = obj.get("spec") or {}, (old or {}).get("spec") or {}
    asked = now.get("tokenRequests")
    if asked and asked != was.get("tokenRequests") and now.get("serviceAccountTokenInSecrets") is None:
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
            "logging of tokens in volume attributes"
        )


def _whole_ingress(obj: Object, moment: Moment) -> None:
    """References print the group that they leave out."""
    spec = obj.get("spec") or {}
    backends = [spec.get("defaultBackend")]
    for rule in spec.get("rules") or ():
        backends += (path.get("backend") for path in (rule.get("http") or {}).get("paths") or ())
    for backend in backends:
        if backend and backend.get("resource") is not None:
            backend["resource"].setdefault("apiGroup", None)


def _whole_flow(obj: Object, moment: Moment) -> None:
    for rule in (obj.get("spec") or {}).get("rules") or ():
        for asked in rule.get("resourceRules") or ():
            asked["namespaces"] = asked.get("namespaces") or None


def _whole_claim(*above: str) -> Canonical:
    def canonical(obj: Object, moment: Moment) -> None:
        place = obj
        for name in (*above, "devices"):
            place = place.setdefault(name, {})
        place["requests"] = place.get("requests") or None

    return canonical


def _tainted(obj: Object, moment: Moment) -> None:
    """Taints say since when they are. Source: the defaults of the group."""
    for device in (obj.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            taint.setdefault("timeAdded", moment.now)


def _tainted_again(new: Object, old: Object, moment: Moment) -> None:
    _tainted(new, moment)


def _first_generation(obj: Object, moment: Moment) -> None:
    """Nothing that may change counts. Source: ``scheduling/priorityclass/strategy.go``."""
    obj["metadata"]["generation"] = 1


def _changed_driver(new: Object, old: Object, moment: Moment) -> None:
    """Changes are counted, from none. Source: ``storage/csidriver/strategy.go``."""
    if new.get("spec") != old.get("spec"):
        new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _node_drivers(obj: Object, moment: Moment) -> None:
    spec = obj.setdefault("spec", {})
    spec["drivers"] = spec.get("drivers") or None
    for driver in spec["drivers"] or ():
        driver["topologyKeys"] = driver.get("topologyKeys")


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
    "flowcontrol.apiserver.k8s.io": {"FlowSchema": Strategy(canonical=_whole_flow)},
    "networking.k8s.io": {
        "Ingress": Strategy(canonical=_whole_ingress),
        "IPAddress": UNCOUNTED,
        "ServiceCIDR": UNCOUNTED,
    },
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
    "resource.k8s.io": {
        "DeviceClass": Strategy(check=device_selectors.device_class),
        "ResourceClaim": Strategy(canonical=_whole_claim("spec"), check=device_selectors.claims("spec")),
        "ResourceClaimTemplate": Strategy(
            canonical=_whole_claim("spec", "spec"), check=device_selectors.claims("spec", "spec")
        ),
        "ResourceSlice": Strategy(create=_tainted, update=_tainted_again),
    },
    "scheduling.k8s.io": {"PriorityClass": Strategy(counts_generations=False, create=_first_generation)},
    "storage.k8s.io": {
        "CSIDriver": Strategy(counts_generations=False, update=_changed_driver, warnings=_token_warnings),
        **dict.fromkeys(("StorageClass", "VolumeAttachment", "VolumeAttributesClass"), UNCOUNTED),
        "CSINode": Strategy(counts_generations=False, canonical=_node_drivers),
    },
}
