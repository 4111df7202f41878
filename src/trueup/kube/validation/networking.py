"""The group networking.k8s.io. Source: Kubernetes ``pkg/apis/networking/validation/validation.go``."""

from __future__ import annotations

import re

from trueup.kube.names import Object
from trueup.kube.validation import addresses, formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)

_PATHS = ("Exact", "ImplementationSpecific", "Prefix")
_LONGEST_CONTROLLER = 250
_HTTP_PATH_TEXT = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_HTTP_PATH = re.compile(_HTTP_PATH_TEXT).fullmatch


def ingress(obj: Object) -> Causes:
    """Ingress."""
    spec = obj.get("spec") or {}
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        yield invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    for index, tls in enumerate(spec.get("tls") or ()):
        for number, name in enumerate(tls.get("hosts") or ()):
            problems = formats.host(name) if "*" in name else formats.subdomain(name)
            yield from each_invalid(f"spec.tls[{index}].hosts[{number}]", name, problems)
        if tls.get("secretName"):
            secret = tls["secretName"]
            yield from each_invalid(f"spec.tls[{index}].secretName", secret, formats.subdomain(secret))
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
    if kind is None:
        yield required(f"{at}.pathType", "pathType must be specified")
        return
    if kind not in _PATHS:
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
            yield from each_invalid(f"{at}.service.name", name, formats.label(name))
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
    elif resource is not None:
        yield from _reference(resource, f"{at}.resource")
    else:
        yield invalid(at, "", "resource or service backend is required")


def _reference(found: Object, path: str) -> Causes:
    """Of an object by group, kind and name."""
    group = found.get("apiGroup")
    if group is not None:
        yield from each_invalid(f"{path}.apiGroup", group, formats.subdomain(group))
    for word in ("kind", "name"):
        value = found.get(word) or ""
        if value:
            yield from each_invalid(f"{path}.{word}", value, formats.path_segment(value))
        else:
            yield required(f"{path}.{word}")


def ingress_class(obj: Object) -> Causes:
    """IngressClass."""
    spec = obj.get("spec") or {}
    controller, path = spec.get("controller") or "", "spec.controller"
    if len(controller.encode()) > _LONGEST_CONTROLLER:
        yield too_long(path, _LONGEST_CONTROLLER)
    host, _, rest = controller.partition("/")
    if not controller:
        yield required(path)
    elif not host or not rest:
        yield invalid(path, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from each_invalid(path, host, formats.subdomain(host))
        if not _HTTP_PATH(rest):
            yield invalid(path, rest, f"Invalid path (regex used for validation is '{_HTTP_PATH_TEXT}')")
    parameters = spec.get("parameters")
    if parameters is not None:
        yield from _parameters(parameters, "spec.parameters")


def _parameters(found: Object, path: str) -> Causes:
    yield from _reference(found, path)
    scope, namespace = found.get("scope"), found.get("namespace")
    if scope is None:
        yield required(f"{path}.scope")
    elif scope not in ("Cluster", "Namespace"):
        yield not_supported(f"{path}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Cluster":
        if namespace is not None:
            yield forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif namespace is None:
        yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    else:
        yield from each_invalid(f"{path}.namespace", namespace, formats.label(namespace))


def network_policy(obj: Object) -> Causes:
    """NetworkPolicy."""
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
    else:
        if end < port:
            yield invalid(f"{path}.endPort", port, "must be greater than or equal to `port`")
        yield from each_invalid(f"{path}.endPort", end, formats.port_number(end))


def _peer(found: Object, path: str) -> Causes:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if found.get(name) is not None]
    if not given:
        yield required(path, "must specify a peer")
    elif "ipBlock" in given and len(given) > 1:
        yield forbidden(path, "may not specify both ipBlock and another peer")
    for name in given:
        if name != "ipBlock":
            yield from object_meta.selector(found[name], f"{path}.{name}")
        else:
            yield from _ip_block(found[name], f"{path}.ipBlock")


def _ip_block(found: Object, path: str) -> Causes:
    whole = found.get("cidr") or ""
    if not whole:
        yield required(f"{path}.cidr")
        return
    yield from addresses.block(f"{path}.cidr", whole, canonical=False)
    network = addresses.network_of(whole)
    if network is None:
        return
    for index, part in enumerate(found.get("except") or ()):
        at = f"{path}.except[{index}]"
        yield from addresses.block(at, part, canonical=False)
        inner = addresses.network_of(part)
        if inner is not None and (
            inner.version != network.version
            or inner.network_address not in network
            or inner.prefixlen <= network.prefixlen
        ):
            yield invalid(at, part, "must be a strict subset of `cidr`")


def ip_address(obj: Object) -> Causes:
    """IPAddress."""
    parent, path = (obj.get("spec") or {}).get("parentRef"), "spec.parentRef"
    if parent is None:
        yield required(path)
        return
    if parent.get("group"):
        yield from each_invalid(f"{path}.group", parent["group"], formats.subdomain(parent["group"]))
    for word in ("resource", "name", "namespace"):
        value = parent.get(word) or ""
        if value:
            yield from each_invalid(f"{path}.{word}", value, formats.path_segment(value))
        elif word != "namespace":
            yield required(f"{path}.{word}")


def service_cidr(obj: Object) -> Causes:
    """ServiceCIDR."""
    blocks, path = (obj.get("spec") or {}).get("cidrs") or [], "spec.cidrs"
    if not blocks:
        yield required(path, "at least one CIDR required")
        return
    if len(blocks) > 2:
        yield invalid(path, {"CIDRs": blocks}, "may only hold up to 2 values")
        return
    for index, each in enumerate(blocks):
        yield from addresses.block(f"{path}[{index}]", each)
    networks = [addresses.network_of(each) for each in blocks]
    if len(networks) == 2 and all(networks) and len({each.version for each in networks if each}) == 1:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield invalid(path, blocks, detail)
