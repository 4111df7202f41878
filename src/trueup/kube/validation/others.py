"""Rules of networking, access, storage, scheduling and admission.

Sources: Kubernetes ``pkg/apis/{networking,discovery,rbac,storage,scheduling,coordination,node,certificates}/validation`` and
``admissionregistration/validation``.
"""

from __future__ import annotations

import base64
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import clients, formats, object_meta
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


def ingress(obj: Object) -> Causes:
    """networking Ingress."""
    spec = obj.get("spec") or {}
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        yield invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    for index, tls in enumerate(spec.get("tls") or ()):
        for number, name in enumerate(tls.get("hosts") or ()):
            yield from each_invalid(f"spec.tls[{index}].hosts[{number}]", name, formats.host(name))
    if backend is not None:
        yield from _backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        path = f"spec.rules[{index}]"
        if rule.get("host"):
            yield from each_invalid(f"{path}.host", rule["host"], formats.host(rule["host"]))
        http = rule.get("http")
        if http is not None:
            if not http.get("paths"):
                yield required(f"{path}.http.paths")
            for number, one in enumerate(http.get("paths") or ()):
                yield from _path(one, f"{path}.http.paths[{number}]")
    name = spec.get("ingressClassName")
    if name is not None:
        yield from each_invalid("spec.ingressClassName", name, formats.subdomain(name))


def _path(found: Object, at: str) -> Causes:
    kind, path = found.get("pathType"), found.get("path") or ""
    if not kind:
        yield required(f"{at}.pathType", "pathType must be specified")
    elif kind not in _PATHS:
        yield not_supported(f"{at}.pathType", kind, _PATHS)
    elif kind == "ImplementationSpecific":
        if path and not path.startswith("/"):
            yield invalid(f"{at}.path", path, "must be an absolute path")
    else:
        if not path.startswith("/"):
            yield invalid(f"{at}.path", path, "must be an absolute path")
        for part in ("//", "/./", "/../", "%2f", "%2F"):
            if part in path:
                yield invalid(f"{at}.path", path, f"must not contain '{part}'")
        for end in ("/..", "/."):
            if path.endswith(end):
                yield invalid(f"{at}.path", path, f"cannot end with '{end}'")
    yield from _backend(found.get("backend") or {}, f"{at}.backend")


def _backend(found: Object, at: str) -> Causes:
    service, resource = found.get("service"), found.get("resource")
    if service is not None and resource is not None:
        yield invalid(at, "", "cannot set both resource and service backends")
    elif service is not None:
        name, port = service.get("name") or "", service.get("port") or {}
        if name:
            yield from each_invalid(f"{at}.service.name", name, formats.dns1035(name))
        else:
            yield required(f"{at}.service.name")
        if port.get("name") and port.get("number"):
            yield invalid(at, "", "cannot set both port name & port number")
        elif port.get("name"):
            yield from each_invalid(f"{at}.service.port.name", port["name"], formats.port_name(port["name"]))
        elif port.get("number"):
            yield from each_invalid(f"{at}.service.port.number", port["number"], formats.port_number(port["number"]))
        else:
            yield required(at, "port name or number is required")
    elif resource is None:
        yield invalid(at, "", "resource or service backend is required")


def ingress_class(obj: Object) -> Causes:
    """networking IngressClass."""
    if not (obj.get("spec") or {}).get("controller"):
        yield required("spec.controller")


def network_policy(obj: Object) -> Causes:
    """networking NetworkPolicy."""
    spec = obj.get("spec") or {}
    yield from object_meta.selector(spec.get("podSelector"), "spec.podSelector")
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from _policy_port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(side) or ()):
                yield from _peer(peer, f"{path}.{side}[{number}]")
    kinds = spec.get("policyTypes") or ()
    if len(kinds) > 2:
        yield invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes")
    for index, kind in enumerate(kinds):
        if kind not in ("Ingress", "Egress"):
            yield not_supported(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"))


def _policy_port(found: Object, path: str) -> Causes:
    if found.get("protocol") not in (None, "TCP", "UDP", "SCTP"):
        yield not_supported(f"{path}.protocol", found["protocol"], ("TCP", "UDP", "SCTP"))
    port = found.get("port")
    if isinstance(port, str):
        yield from each_invalid(f"{path}.port", port, formats.port_name(port))
    elif port is not None:
        yield from each_invalid(f"{path}.port", port, formats.port_number(port))
    end = found.get("endPort")
    if end is None:
        return
    if port is None:
        yield invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(port, str):
        yield invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
    elif end < port:
        yield invalid(f"{path}.endPort", port, "must be greater than or equal to `port`")


def _peer(found: Object, path: str) -> Causes:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if found.get(name) is not None]
    if not given:
        yield required(path, "must specify a peer")
    elif "ipBlock" in given and len(given) > 1:
        yield forbidden(path, "may not specify both ipBlock and another peer")
    for name in given:
        if name != "ipBlock":
            yield from object_meta.selector(found[name], f"{path}.{name}")
        elif not found[name].get("cidr"):
            yield required(f"{path}.ipBlock.cidr")


def endpoint_slice(obj: Object) -> Causes:
    """discovery EndpointSlice."""
    yield from one_of("addressType", obj.get("addressType"), ("FQDN", "IPv4", "IPv6"))
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            yield required(f"endpoints[{index}].addresses", "must contain at least 1 address")
    names: set[str] = set()
    for index, port in enumerate(obj.get("ports") or ()):
        name = port.get("name") or ""
        if name in names:
            yield duplicate(f"ports[{index}].name", name)
        names.add(name)
        yield from one_of(f"ports[{index}].protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))


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


def webhooks(obj: Object) -> Causes:
    """admissionregistration webhooks of both kinds."""
    names: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        if not name:
            yield required(f"{path}.name")
        elif formats.subdomain(name) or name.count(".") < 2:
            text = "should be a domain with at least three segments separated by dots"
            yield invalid(f"{path}.name", name, ",".join(formats.subdomain(name)) or text)
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
        yield from _webhook(hook, path)


def _webhook(hook: Object, path: str) -> Causes:
    if not hook.get("admissionReviewVersions"):
        yield required(f"{path}.admissionReviewVersions", "must specify one of v1, v1beta1")
    yield from _operations(hook.get("rules") or (), f"{path}.rules")
    yield from one_of(f"{path}.failurePolicy", hook.get("failurePolicy"), ("Fail", "Ignore"), needed=False)
    yield from one_of(f"{path}.matchPolicy", hook.get("matchPolicy"), ("Equivalent", "Exact"), needed=False)
    effects = hook.get("sideEffects")
    if effects is None:
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    else:
        yield from one_of(f"{path}.sideEffects", effects, ("None", "NoneOnDryRun"))
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        yield invalid(f"{path}.timeoutSeconds", seconds, text)
    yield from object_meta.selector(hook.get("namespaceSelector"), f"{path}.namespaceSelector")
    yield from object_meta.selector(hook.get("objectSelector"), f"{path}.objectSelector")
    client = hook.get("clientConfig") or {}
    if (client.get("url") is None) == (client.get("service") is None):
        yield required(f"{path}.clientConfig", "exactly one of url or service is required")
    elif client.get("url") is not None:
        yield from clients.url(f"{path}.clientConfig.url", client["url"], secure=True)
    else:
        yield from clients.service(f"{path}.clientConfig.service", client["service"])


def _operations(rules: Any, path: str) -> Causes:
    for index, rule in enumerate(rules):
        at = f"{path}[{index}]"
        for name in ("operations", "apiGroups", "apiVersions", "resources"):
            if not rule.get(name):
                yield required(f"{at}.{name}")
        for number, operation in enumerate(rule.get("operations") or ()):
            known = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
            if operation not in known:
                yield not_supported(f"{at}.operations[{number}]", operation, known)
        yield from one_of(f"{at}.scope", rule.get("scope"), ("*", "Cluster", "Namespaced"), needed=False)
