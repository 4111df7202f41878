"""The group discovery.k8s.io. Source: Kubernetes ``pkg/apis/discovery/validation/validation.go``."""

from __future__ import annotations

import ipaddress

from trueup.kube.names import Object
from trueup.kube.validation import addresses, formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    invalid,
    not_supported,
    one_of,
    required,
    too_many,
)

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MOST_ENDPOINTS, _MOST_ADDRESSES, _MOST_PORTS, _MOST_TOPOLOGY, _MOST_HINTS = 1000, 100, 20000, 16, 8


def endpoint_slice(obj: Object) -> Causes:
    """EndpointSlice."""
    kind = obj.get("addressType") or ""
    yield from one_of("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    yield from _ports(obj.get("ports") or [])
    endpoints = obj.get("endpoints") or []
    if len(endpoints) > _MOST_ENDPOINTS:
        yield too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        yield from _endpoint(endpoint, kind, f"endpoints[{index}]")


def _ports(ports: list[Object]) -> Causes:
    if len(ports) > _MOST_PORTS:
        yield too_many("ports", len(ports), _MOST_PORTS)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name, protocol = f"ports[{index}]", port.get("name") or "", port.get("protocol")
        if name:
            yield from each_invalid(f"{path}.name", name, formats.label(name))
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
        if protocol is None:
            yield required(f"{path}.protocol")
        elif protocol not in _PROTOCOLS:
            yield not_supported(f"{path}.protocol", protocol, _PROTOCOLS)
        meaning = port.get("appProtocol")
        if meaning is not None:
            yield from each_invalid(f"{path}.appProtocol", meaning, formats.qualified(meaning))


def _endpoint(endpoint: Object, kind: str, path: str) -> Causes:
    found = endpoint.get("addresses") or []
    if not found:
        yield required(f"{path}.addresses", "must contain at least 1 address")
    elif len(found) > _MOST_ADDRESSES:
        yield too_many(f"{path}.addresses", len(found), _MOST_ADDRESSES)
    for index, address in enumerate(found):
        yield from _address(address, kind, f"{path}.addresses", index)
    node, host, topology = endpoint.get("nodeName"), endpoint.get("hostname"), endpoint.get("deprecatedTopology") or {}
    if node is not None:
        yield from each_invalid(f"{path}.nodeName", node, formats.subdomain(node))
    if len(topology) > _MOST_TOPOLOGY:
        yield too_many(f"{path}.deprecatedTopology", len(topology), _MOST_TOPOLOGY)
    yield from object_meta.labels(topology, f"{path}.deprecatedTopology")
    if host is not None:
        yield from each_invalid(f"{path}.hostname", host, formats.label(host))
    if endpoint.get("hints") is not None:
        yield from _hints(endpoint["hints"], f"{path}.hints")


def _address(address: str, kind: str, path: str, index: int) -> Causes:
    at = f"{path}[{index}]"
    if kind == "FQDN":
        yield from addresses.domain(at, address)
    if kind not in ("IPv4", "IPv6"):
        return
    wrong = list(addresses.address(at, address, canonical=kind == "IPv6"))
    yield from wrong
    if not wrong:
        if f"IPv{ipaddress.ip_address(address).version}" != kind:
            yield invalid(path, address, f"must be an {kind} address")
        yield from addresses.endpoint(at, address)


def _hints(hints: Object, path: str) -> Causes:
    for word, rule in (("forZones", formats.label_value), ("forNodes", formats.subdomain)):
        named, at = hints.get(word) or [], f"{path}.{word}"
        if len(named) > _MOST_HINTS:
            yield too_many(at, len(named), _MOST_HINTS)
            return
        names: set[str] = set()
        for index, each in enumerate(named):
            name = each.get("name") or ""
            if name in names:
                yield duplicate(f"{at}[{index}].name", name)
            names.add(name)
            yield from each_invalid(f"{at}[{index}].name", name, rule(name))
