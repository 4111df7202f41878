"""Cluster addresses and node ports of Services: given when one is written, taken back when it goes. Called by the hub.

The present allocation is read from the stored Services, so that nothing else has to be kept. Source: Kubernetes
documentation, "Service ClusterIP allocation"; the default ranges of kube-apiserver.
"""

from __future__ import annotations

import ipaddress

from trueup.kube.names import Object
from trueup.kube.problems import Cause, Invalid
from trueup.store.state import Bucket

NETWORK = ipaddress.ip_network("10.96.0.0/12")
PORTS = range(30000, 32768)
_FIRST = 256


class Addresses:
    """What is taken. Rebuilt from the stored Services when the hub opens."""

    def __init__(self, services: Bucket) -> None:
        self._ips: set[str] = set()
        self._ports: set[int] = set()
        self._next_ip, self._next_port = _FIRST, 0
        for _, _, entry in services.scan():
            self._take(entry.obj)

    def _take(self, service: Object) -> None:
        spec = service.get("spec") or {}
        self._ips.update(ip for ip in spec.get("clusterIPs") or () if ip != "None")
        self._ports.update(port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort"))

    def give(self, service: Object, old: Object | None) -> None:
        """Fill in addresses and node ports of a Service that is being written, in place."""
        spec = service.get("spec") or {}
        before = (old or {}).get("spec") or {}
        self._give_ip(service, spec, before)
        self._give_ports(service, spec, before)
        local = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
        if local and not spec.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = before.get("healthCheckNodePort") or self._free_port()

    def _give_ip(self, service: Object, spec: Object, before: Object) -> None:
        if spec.get("type") == "ExternalName":
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
            return
        asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        had = before.get("clusterIP")
        if not asked and had:
            asked = had
        if had and had != "None" and asked != had:
            name = service["metadata"].get("name")
            cause = Cause(
                "FieldValueInvalid", f'Invalid value: ["{asked}"]: may not change once set', "spec.clusterIPs[0]"
            )
            raise Invalid(f'Service "{name}" is invalid: {cause.field}: {cause.message}', causes=[cause])
        if not asked:
            asked = self._free_ip()
        if asked != "None":
            if asked != had and asked in self._ips:
                cause = Cause(
                    "FieldValueInvalid",
                    f'Invalid value: ["{asked}"]: failed to allocate IP {asked}: provided IP is already allocated',
                    "spec.clusterIPs",
                )
                name = service["metadata"].get("name")
                raise Invalid(f'Service "{name}" is invalid: {cause.field}: {cause.message}', causes=[cause])
            self._ips.add(asked)
        spec["clusterIP"] = asked
        spec["clusterIPs"] = [asked]
        spec.setdefault("ipFamilies", ["IPv6" if ":" in asked else "IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _give_ports(self, service: Object, spec: Object, before: Object) -> None:
        if spec.get("type") not in ("NodePort", "LoadBalancer") or spec.get("allocateLoadBalancerNodePorts") is False:
            if spec.get("type") in ("ClusterIP", "ExternalName"):
                for port in spec.get("ports") or ():
                    port.pop("nodePort", None)
            return
        known = {
            (p.get("name"), p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or ()
        }
        mine = set(known.values())
        for index, port in enumerate(spec.get("ports") or ()):
            had = known.get((port.get("name"), port.get("port"), port.get("protocol")))
            asked = port.get("nodePort") or had
            if asked and asked not in mine and asked in self._ports:
                cause = Cause(
                    "FieldValueInvalid", f"Invalid value: {asked}: provided port is already allocated",
                    f"spec.ports[{index}].nodePort",
                )  # fmt: skip
                name = service["metadata"].get("name")
                raise Invalid(f'Service "{name}" is invalid: {cause.field}: {cause.message}', causes=[cause])
            port["nodePort"] = asked or self._free_port()
            self._ports.add(port["nodePort"])

    def take_back(self, service: Object) -> None:
        """The Service is gone, or was never stored."""
        spec = service.get("spec") or {}
        self._ips.difference_update(spec.get("clusterIPs") or ())
        self._ports.difference_update(p.get("nodePort") for p in spec.get("ports") or () if p.get("nodePort"))

    def _free_ip(self) -> str:
        for _ in range(NETWORK.num_addresses - _FIRST):
            candidate = str(NETWORK[self._next_ip])
            self._next_ip = self._next_ip + 1 if self._next_ip + 2 < NETWORK.num_addresses else _FIRST
            if candidate not in self._ips:
                return candidate
        raise Invalid("failed to allocate a serviceIP: range is full")

    def _free_port(self) -> int:
        for _ in PORTS:
            candidate = PORTS[self._next_port % len(PORTS)]
            self._next_port += 1
            if candidate not in self._ports:
                return candidate
        raise Invalid("failed to allocate a nodePort: range is full")
