"""Defaults of networking, access, storage, admission and the API's own kinds.

Sources: Kubernetes ``pkg/apis/<group>/<version>/defaults.go``; apiextensions-apiserver and kube-aggregator.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.defaults.filling import each, fill, part, section
from trueup.kube.names import Object

_RBAC = "rbac.authorization.k8s.io"


def network_policy(obj: Object) -> None:
    """networking NetworkPolicy: it is about what comes in, and about what goes out if it says anything of it."""
    spec = section(obj, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for direction in ("ingress", "egress"):
        for rule in each(spec, direction):
            for port in each(rule, "ports"):
                fill(port, protocol="TCP")


def ingress_class(obj: Object) -> None:
    """networking IngressClass."""
    parameters = part(obj, "spec", "parameters")
    if parameters is not None:
        fill(parameters, scope="Cluster")


def endpoint_slice(obj: Object) -> None:
    """discovery EndpointSlice."""
    for port in each(obj, "ports"):
        fill(port, name="", protocol="TCP")


def binding(obj: Object) -> None:
    """rbac RoleBinding and ClusterRoleBinding."""
    reference = obj.get("roleRef")
    if isinstance(reference, dict) and not reference.get("apiGroup"):
        reference["apiGroup"] = _RBAC
    for subject in each(obj, "subjects"):
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = _RBAC


def storage_class(obj: Object) -> None:
    """storage StorageClass."""
    fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def csi_driver(obj: Object) -> None:
    """storage CSIDriver."""
    fill(
        section(obj, "spec"),
        attachRequired=True,
        podInfoOnMount=False,
        storageCapacity=False,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        volumeLifecycleModes=["Persistent"],
        requiresRepublish=False,
        seLinuxMount=False,
    )


def priority_class(obj: Object) -> None:
    """scheduling PriorityClass."""
    fill(obj, preemptionPolicy="PreemptLowerPriority")


def webhooks(obj: Object) -> None:
    """admissionregistration webhooks of both kinds."""
    for hook in each(obj, "webhooks"):
        fill(hook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        fill(hook, namespaceSelector={}, objectSelector={})
        if obj.get("kind") == "MutatingWebhookConfiguration":
            fill(hook, reinvocationPolicy="Never")
        _service_port(part(hook, "clientConfig", "service"))
        for rule in each(hook, "rules"):
            fill(rule, scope="*")


def admission_policy(obj: Object) -> None:
    """admissionregistration ValidatingAdmissionPolicy and MutatingAdmissionPolicy."""
    spec = section(obj, "spec")
    fill(spec, failurePolicy="Fail")
    _match(spec.get("matchConstraints"))


def admission_binding(obj: Object) -> None:
    """The bindings of such policies."""
    _match(section(obj, "spec").get("matchResources"))


def _match(match: Any) -> None:
    if isinstance(match, dict):
        fill(match, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
        for name in ("resourceRules", "excludeResourceRules"):
            for rule in each(match, name):
                fill(rule, scope="*")


def definition(obj: Object) -> None:
    """apiextensions CustomResourceDefinition."""
    spec = section(obj, "spec")
    names = section(spec, "names")
    kind = names.get("kind")
    if kind:
        if not names.get("singular"):
            names["singular"] = str(kind).lower()
        if not names.get("listKind"):
            names["listKind"] = f"{kind}List"
    conversion = section(spec, "conversion")
    fill(conversion, strategy="None")
    _service_port(part(conversion, "webhook", "clientConfig", "service"))


def api_service(obj: Object) -> None:
    """apiregistration APIService."""
    _service_port(part(obj, "spec", "service"))


def _service_port(service: Object | None) -> None:
    if service is not None:
        fill(service, port=443)


def flow_schema(obj: Object) -> None:
    """flowcontrol FlowSchema."""
    spec = section(obj, "spec")
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


def priority_level(obj: Object) -> None:
    """flowcontrol PriorityLevelConfiguration."""
    spec = section(obj, "spec")
    limited, exempt = spec.get("limited"), spec.get("exempt")
    if isinstance(limited, dict):
        fill(limited, nominalConcurrencyShares=30, lendablePercent=0)
        queuing = part(limited, "limitResponse", "queuing")
        if queuing is not None:
            for name, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
                if not queuing.get(name):
                    queuing[name] = value
    if isinstance(exempt, dict):
        fill(exempt, nominalConcurrencyShares=0, lendablePercent=0)


def device_claim(obj: Object) -> None:
    """resource ResourceClaim."""
    _requests(obj.get("spec"))


def device_claim_template(obj: Object) -> None:
    """resource ResourceClaimTemplate."""
    _requests(part(obj, "spec", "spec"))


def _requests(spec: Any) -> None:
    for request in each(spec.get("devices") if isinstance(spec, dict) else None, "requests"):
        wanted = [request["exactly"]] if isinstance(request.get("exactly"), dict) else []
        for exact in wanted + each(request, "firstAvailable"):
            if not exact.get("allocationMode"):
                exact["allocationMode"] = "ExactCount"
            if exact["allocationMode"] == "ExactCount" and not exact.get("count"):
                exact["count"] = 1
            for toleration in each(exact, "tolerations"):
                if not toleration.get("operator"):
                    toleration["operator"] = "Equal"
