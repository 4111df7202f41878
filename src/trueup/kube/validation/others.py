"""Rules of networking, access, storage, scheduling and admission.

Sources: Kubernetes ``pkg/apis/{networking,discovery,rbac,storage,scheduling,coordination,node,certificates}/validation`` and
``admissionregistration/validation``.
"""

from __future__ import annotations

import base64

from trueup.kube.names import Object
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)  # fmt: skip

_PATHS = ("Exact", "ImplementationSpecific", "Prefix")
_RBAC = "rbac.authorization.k8s.io"
_MOST_IMPORTANT = 1_000_000_000


def role(obj: Object) -> Causes:
    """rbac Role."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", namespaced=True)


def cluster_role(obj: Object) -> Causes:
    """rbac ClusterRole."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None and not aggregation.get("clusterRoleSelectors"):
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield required("aggregationRule.clusterRoleSelectors", text)
    for index, wanted in enumerate((aggregation or {}).get("clusterRoleSelectors") or ()):
        yield from object_meta.selector(wanted, f"aggregationRule.clusterRoleSelectors[{index}]")


def _rule(rule: Object, path: str, *, namespaced: bool) -> Causes:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            yield invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{path}.nonResourceURLs", urls, text)
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def role_binding(obj: Object) -> Causes:
    """rbac RoleBinding."""
    yield from _binding(obj, ("Role", "ClusterRole"))


def cluster_role_binding(obj: Object) -> Causes:
    """rbac ClusterRoleBinding."""
    yield from _binding(obj, ("ClusterRole",))


def _binding(obj: Object, kinds: tuple[str, ...]) -> Causes:
    reference = obj.get("roleRef") or {}
    if reference.get("apiGroup") != _RBAC:
        yield not_supported("roleRef.apiGroup", reference.get("apiGroup"), (_RBAC,))
    if reference.get("kind") not in kinds:
        yield not_supported("roleRef.kind", reference.get("kind"), kinds)
    name = reference.get("name") or ""
    if name:
        yield from each_invalid("roleRef.name", name, formats.path_segment(name))
    else:
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced="Role" in kinds)


def _subject(subject: Object, path: str, *, namespaced: bool) -> Causes:
    kind, name, group = subject.get("kind"), subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from each_invalid(f"{path}.name", name, formats.subdomain(name))
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not subject.get("namespace") and not namespaced:
            yield required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != _RBAC:
            yield not_supported(f"{path}.apiGroup", group, (_RBAC,))
    else:
        yield not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))


def priority_class(obj: Object) -> Causes:
    """scheduling PriorityClass."""
    name, value = str(obj["metadata"].get("name") or ""), obj.get("value") or 0
    if name.startswith("system-"):
        if name not in ("system-node-critical", "system-cluster-critical"):
            text = "priority class names with 'system-' prefix are reserved for system use only"
            yield forbidden("metadata.name", f"{text}. error: {name} is not a known system priority class")
    elif value > _MOST_IMPORTANT:
        text = f"maximum allowed value of a user defined priority is {_MOST_IMPORTANT}"
        yield forbidden("value", text)
    policy = obj.get("preemptionPolicy")
    if policy is not None:
        yield from one_of("preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))


def lease(obj: Object) -> Causes:
    """coordination Lease."""
    spec = obj.get("spec") or {}
    seconds, moves = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if moves is not None and moves < 0:
        yield invalid("spec.leaseTransitions", moves, "must be greater than or equal to 0")


def runtime_class(obj: Object) -> Causes:
    """node RuntimeClass."""
    handler = obj.get("handler") or ""
    yield from each_invalid("handler", handler, formats.label(handler))


_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only",
    "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user",
    "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing",
    "timestamping",
)  # fmt: skip
_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"


def signing_request(obj: Object) -> Causes:
    """certificates CertificateSigningRequest."""
    spec, usages = obj.get("spec") or {}, (obj.get("spec") or {}).get("usages") or ()
    if _REQUEST not in base64.b64decode(spec.get("request") or ""):
        yield invalid("spec.request", spec.get("request") or "", "PEM block type must be CERTIFICATE REQUEST")
    if not usages:
        yield required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            yield from one_of(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            yield duplicate(f"spec.usages[{index}]", usage)
    yield from _signer(spec.get("signerName") or "")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, text)
    certificate = (obj.get("status") or {}).get("certificate")
    if certificate and b"-----BEGIN CERTIFICATE-----" not in base64.b64decode(certificate):
        yield invalid("status.certificate", "<certificate data>", "must contain at least one CERTIFICATE PEM block")


def _signer(name: str) -> Causes:
    domain, slash, path = name.partition("/")
    if not name:
        yield required("spec.signerName")
    elif name == "kubernetes.io/legacy-unknown":
        yield invalid("spec.signerName", name, "the legacy signerName is not allowed via this API version")
    elif not slash or "/" in path:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid("spec.signerName", name, text)
    elif "." not in domain:
        yield invalid("spec.signerName", domain, "should be a domain with at least two segments separated by dots")
