"""Services. Source: Kubernetes ``core/validation``, ValidateServiceCreate and ValidateServiceUpdate; ``pkg/api/service``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import addresses, formats, object_meta, service_addresses
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
    show_go,
)  # fmt: skip

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_SPREAD = ("PreferClose", "PreferSameZone", "PreferSameNode")
_DAY = 86_400
_FOR_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"


def service(obj: Object) -> Causes:
    """v1 Service."""
    spec, notes = obj.get("spec") or {}, obj["metadata"].get("annotations") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    if _HINTS in notes and notes.get(_MODE, notes[_HINTS]) != notes[_HINTS]:
        path = f"metadata.annotations[{_MODE}]"
        yield invalid(path, notes[_MODE], f"must match annotations[{_HINTS}] when both are specified")
    if not ports and kind != "ExternalName" and not headless(spec):
        yield required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and headless(spec):
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _outside(spec)
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _port(port, f"spec.ports[{index}]", len(ports) > 1, names)
    yield from object_meta.labels(spec.get("selector"), "spec.selector")
    yield from _sticks(spec)
    if kind != "ExternalName":
        yield from service_addresses.related(spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        path = f"spec.externalIPs[{index}]"
        wrong = list(addresses.address(path, address, canonical=False))
        yield from wrong or addresses.endpoint(path, address)
    yield from one_of("spec.type", kind, _TYPES)
    yield from _ports(ports, str(kind))
    yield from _balancer(spec, notes)
    yield from _traffic(spec)


def headless(spec: Mapping[str, Any]) -> bool:
    """Whether it has no address, by its own wish."""
    every = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return len(every) == 1 and every[0] == "None"


def _outside(spec: Object) -> Causes:
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            yield forbidden(f"spec.{name}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from each_invalid("spec.externalName", name, formats.subdomain(name))
    else:
        yield required("spec.externalName")


def _ports(ports: Sequence[Object], kind: str) -> Causes:
    """What ports are to each other."""
    for index, port in enumerate(ports):
        if kind == "ClusterIP" and port.get("nodePort"):
            yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    outside: set[tuple[Any, Any]] = set()
    inside: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        protocol, given = port.get("protocol") or "", port.get("nodePort")
        if given and (protocol, given) in outside:
            yield duplicate(f"spec.ports[{index}].nodePort", given)
        outside.add((protocol, given))
    for index, port in enumerate(ports):
        protocol, number = port.get("protocol") or "", port.get("port") or 0
        if (protocol, number) in inside:
            shown = {
                "Name": "",
                "Protocol": protocol,
                "AppProtocol": None,
                "Port": number,
                "TargetPort": 0,
                "NodePort": 0,
            }
            yield Cause("FieldValueDuplicate", f"Duplicate value: {show_go(shown)}", f"spec.ports[{index}]")
        inside.add((protocol, number))


def _port(port: Object, path: str, needs_name: bool, names: set[str]) -> Causes:
    name, protocol, target = port.get("name") or "", port.get("appProtocol"), port.get("targetPort")
    if needs_name and not name:
        yield required(f"{path}.name")
    elif name:
        yield from each_invalid(f"{path}.name", name, formats.label(name))
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
    yield from each_invalid(f"{path}.port", port.get("port") or 0, formats.port_number(port.get("port")))
    yield from one_of(f"{path}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
    if isinstance(target, str):
        yield from each_invalid(f"{path}.targetPort", target, formats.port_name(target))
    elif target is not None:
        yield from each_invalid(f"{path}.targetPort", target, formats.port_number(target))
    if protocol is not None:
        yield from each_invalid(f"{path}.appProtocol", protocol, formats.qualified(protocol))


def _sticks(spec: Object) -> Causes:
    """Whether a client always meets the same pod, and for how long."""
    affinity, path = spec.get("sessionAffinity"), "spec.sessionAffinityConfig"
    config = spec.get("sessionAffinityConfig")
    yield from one_of("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    if affinity == "None" and config is not None:
        yield forbidden(path, "must not be set when session affinity is None")
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is not None and not 0 < seconds <= _DAY:
            yield invalid(f"{path}.clientIP.timeoutSeconds", seconds, f"must be greater than 0 and less than {_DAY}")


def _balancer(spec: Object, notes: Mapping[str, str]) -> Causes:
    balances, ranges = spec.get("type") == "LoadBalancer", spec.get("loadBalancerSourceRanges") or ()
    if (ranges or _RANGES in notes) and not balances:
        yield forbidden(
            "spec.LoadBalancerSourceRanges" if ranges else f"metadata.annotations[{_RANGES}]", _FOR_BALANCERS
        )
    for index, block in enumerate(ranges):
        yield from addresses.block(f"spec.LoadBalancerSourceRanges[{index}]", block.strip(), canonical=False)
    if not ranges and notes.get(_RANGES, "").strip():
        for block in notes[_RANGES].split(","):
            yield from addresses.block(f"metadata.annotations[{_RANGES}]", block.strip(), canonical=False)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balances:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _FOR_BALANCERS)
    chosen = spec.get("loadBalancerClass")
    if chosen is not None and balances:
        yield from each_invalid("spec.loadBalancerClass", chosen, formats.qualified(chosen))
    elif chosen is not None:
        yield forbidden("spec.loadBalancerClass", _FOR_BALANCERS)


def reached(spec: Mapping[str, Any]) -> bool:
    """Whether there is a way to it from outside the cluster."""
    kind = spec.get("type")
    return kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def watched(spec: Mapping[str, Any]) -> bool:
    """Whether load balancers ask each node for its health."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _traffic(spec: Object) -> Causes:
    policy, port = spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort")
    if not reached(spec):
        if policy:
            yield invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")
    else:
        yield from one_of("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    if port and not watched(spec):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", port, text)
    elif port:
        yield from each_invalid("spec.healthCheckNodePort", port, formats.port_number(port))
    inner, spread = spec.get("internalTrafficPolicy"), spec.get("trafficDistribution")
    if inner is None:
        if spec.get("type") in ("ClusterIP", "NodePort", "LoadBalancer"):
            yield required("spec.internalTrafficPolicy")
    elif inner not in ("Cluster", "Local"):
        yield not_supported("spec.internalTrafficPolicy", inner, ("Cluster", "Local"))
    if spread is not None and spread not in _SPREAD:
        yield not_supported("spec.trafficDistribution", spread, _SPREAD)


def service_update(new: Object, old: Object) -> Causes:
    """What may change of it."""
    yield from service_addresses.kept(new, old)
    now, was = new.get("spec") or {}, old.get("spec") or {}
    if now.get("type") == was.get("type") == "LoadBalancer":
        chosen = now.get("loadBalancerClass")
        if chosen != was.get("loadBalancerClass"):
            yield invalid("spec.loadBalancerClass", chosen, "may not change once set")
    if watched(now) and watched(was) and now.get("healthCheckNodePort") != was.get("healthCheckNodePort"):
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def warnings(new: Object, old: Object | None) -> Iterator[str]:
    """What is ignored or should not be said any more."""
    spec, kind = new.get("spec") or {}, (new.get("spec") or {}).get("type")
    outer, balancer = spec.get("externalIPs") or (), spec.get("loadBalancerIP")
    if _HINTS in (new["metadata"].get("annotations") or {}):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    bare = headless(spec)
    if not bare and kind != "ExternalName":
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            yield from addresses.odd(f"spec.clusterIPs[{index}]", address)
    if bare:
        if balancer:
            yield "spec.loadBalancerIP is ignored for headless services"
        if outer:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, address in enumerate(outer):
        yield from addresses.odd(f"spec.externalIPs[{index}]", address)
    if outer and not bare and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if balancer:
        yield from addresses.odd("spec.loadBalancerIP", balancer)
    for index, block in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from addresses.odd_block(f"spec.loadBalancerSourceRanges[{index}]", block)
    if kind == "ExternalName" and outer:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
