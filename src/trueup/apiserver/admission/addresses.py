"""Cluster addresses and node ports of Services: given when one is written, taken back when it goes.

The present allocation is read from the stored Services, so that nothing else has to be kept. Source: Kubernetes
documentation, "Service ClusterIP allocation"; the default ranges of kube-apiserver; ``pkg/registry/core/service/storage``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.kube.problems import Cause, Invalid
from trueup.kube.validation import service_addresses, services
from trueup.store.state import Bucket

NETWORK = ipaddress.ip_network("10.96.0.0/12")
PORTS = range(30000, 32768)
_FIRST = 256
"""The lower addresses are left to who asks for one by name."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Thing = str | int
"""An address, or a port: both are in one table, for they cannot be mistaken."""


class Addresses:
    """Who holds what, by the Service's uid. Rebuilt from the stored Services when the hub opens."""

    def __init__(self, services: Bucket, ranges: Bucket) -> None:
        self._holders: dict[Thing, str] = {}
        self._held: dict[str, set[Thing]] = {}
        self._next_ip, self._next_port = _FIRST, 0
        self._services, self._ranges = services, ranges
        for _, _, entry in services.scan():
            self._hold(str(entry.obj["metadata"].get("uid")), entry.obj)

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Invalid`` when what is asked for is not free."""
        if served.storage == "services" and operation != "DELETE" and write.subresource == "":
            self.give(obj, old, dry=write.dry_run)

    def settle(self, served: Served, obj: Object) -> None:
        """A write of the Service succeeded or failed."""
        if served.storage == "services":
            meta = obj["metadata"]
            entry = self._services.newest(meta.get("namespace") or "", str(meta.get("name")))
            there = entry.obj if entry is not None and entry.obj["metadata"]["uid"] == meta.get("uid") else None
            self._hold(str(meta.get("uid")), there)

    def _hold(self, uid: str, service: Object | None) -> None:
        """What the Service is now, after a write that succeeded or failed; None: it is not there."""
        wanted = set(_of(service)) if service is not None else set()
        for thing in self._held.pop(uid, set()) - wanted:
            self._holders.pop(thing, None)
        if wanted:
            self._held[uid] = wanted
            self._holders.update(dict.fromkeys(wanted, uid))

    def give(self, service: Object, old: Object | None, *, dry: bool) -> None:
        """Fill in addresses and node ports of a Service that is being written, in place; ``settle`` has to follow."""
        spec = service.get("spec") or {}
        before = (old or {}).get("spec") or {}
        self._give_ip(service, spec, before, dry)
        self._give_ports(service, spec, before, dry)
        if services.watched(spec) and not spec.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = before.get("healthCheckNodePort") or self._free_port(service)

    def _take(self, service: Object, thing: Thing) -> bool:
        """Whether it is the Service's now."""
        uid = str(service["metadata"].get("uid"))
        if self._holders.setdefault(thing, uid) != uid:
            return False
        self._held.setdefault(uid, set()).add(thing)
        return True

    def _give_ip(self, service: Object, spec: Object, before: Object, dry: bool) -> None:
        if spec.get("type") == "ExternalName":
            service_addresses.in_step(spec, before)
            for name in ("clusterIP", "clusterIPs"):
                if not spec[name]:
                    del spec[name]
            return  # what is left there the check refuses
        service_addresses.in_step(spec, before)
        causes = list(service_addresses.related(spec)) or list(service_addresses.configured(spec, before))
        if causes:
            raise _refused(service, causes)
        had = before.get("clusterIP")
        if before and not had and before.get("type") != "ExternalName" and not spec["clusterIP"]:
            # Made by a write of its status, it never got any.
            spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("ipFamilyPolicy", "SingleStack")
            del spec["clusterIP"], spec["clusterIPs"]
            return
        asked = spec["clusterIP"] or had or self._free_ip(service)
        if not dry and not had and asked != "None" and not service["metadata"].get("name"):
            # An address is an object, which names whose it is.
            why = f'IPAddress.networking.k8s.io "{asked}" is invalid: spec.parentRef.name: Required value'
            text = f'Invalid value: ["{spec["clusterIP"]}"]: failed to allocate IP: {why}'
            raise _invalid(service, "spec.clusterIPs", text)
        if not had and spec["clusterIP"]:
            self._ask(service, asked, dry)
        spec["clusterIP"], spec["clusterIPs"] = asked, spec["clusterIPs"] or [asked]
        if asked == "None" and not spec.get("selector") and not spec.get("ipFamilyPolicy"):
            # Whoever writes the endpoints decides on their families, so both may come, whatever the cluster has.
            spec["ipFamilyPolicy"] = "RequireDualStack"
            first = next(iter(spec.get("ipFamilies") or ()), "IPv4")
            spec["ipFamilies"] = [first, "IPv6" if first == "IPv4" else "IPv4"]
        spec.setdefault("ipFamilies", ["IPv6" if ":" in asked else "IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _ask(self, service: Object, asked: str, dry: bool) -> None:
        """Take the address that a Service asks for. Raises ``Invalid``."""
        if asked == "None":
            return
        why = ""
        if not any(ipaddress.ip_address(asked) in network for network in self._networks()):
            why = "the provided network does not match the current range"
            if dry:
                why = f"the provided IP ({asked}) is not in the valid range. The range of valid IPs is {NETWORK}"
        elif not self._take(service, asked):
            why = "provided IP is already allocated"
        if why:
            text = f'Invalid value: ["{asked}"]: failed to allocate IP {asked}: {why}'
            raise _invalid(service, "spec.clusterIPs", text)

    def _give_ports(self, service: Object, spec: Object, before: Object, dry: bool) -> None:
        kind = spec.get("type")
        if kind not in ("NodePort", "LoadBalancer"):
            return
        known = {_name(port): port.get("nodePort") for port in before.get("ports") or ()}
        given: dict[object, object] = {}  # by the port inside: another protocol of the same shares what is outside
        wanted = kind == "NodePort" or spec.get("allocateLoadBalancerNodePorts") is not False
        for index, port in enumerate(spec.get("ports") or ()):
            asked = port.get("nodePort") or known.get(_name(port))
            if asked:
                why = ""
                if asked not in PORTS and dry:
                    pass  # a dry run looks only at who holds it (``portallocator.dryRunRange``)
                elif asked not in PORTS and asked != known.get(_name(port)):
                    why = f"provided port is not in the valid range. The range of valid ports is {PORTS[0]}-{PORTS[-1]}"
                elif not self._take(service, asked) or (not before and _twice(given, port, asked)):
                    why = "provided port is already allocated"
                if why:
                    why = f"Invalid value: {asked}: {why}"
                    raise _invalid(service, f"spec.ports[{index}].nodePort", why)
                port["nodePort"] = asked
            elif wanted:
                port["nodePort"] = self._free_port(service)

    def _networks(self) -> list[Network]:
        """The first range, and those that people have added since, once they are ready."""
        found: list[Network] = [NETWORK]
        for _, _, entry in self._ranges.scan():
            meta, status = entry.obj["metadata"], entry.obj.get("status") or {}
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
            if ready and not meta.get("deletionTimestamp"):
                networks = map(ipaddress.ip_network, entry.obj["spec"].get("cidrs") or ())
                found += (network for network in networks if network.version == 4 and network != NETWORK)
        return found

    def _free_ip(self, service: Object) -> str:
        for _ in range(NETWORK.num_addresses - _FIRST):
            candidate = str(NETWORK[self._next_ip])
            self._next_ip = self._next_ip + 1 if self._next_ip + 2 < NETWORK.num_addresses else _FIRST
            if candidate not in self._holders and self._take(service, candidate):
                return candidate
        for network in self._networks()[1:]:
            for host in network.hosts():
                if str(host) not in self._holders and self._take(service, str(host)):
                    return str(host)
        raise _invalid(service, "spec.clusterIPs", "failed to allocate a serviceIP: range is full")

    def _free_port(self, service: Object) -> int:
        for _ in PORTS:
            candidate = PORTS[self._next_port % len(PORTS)]
            self._next_port += 1
            if candidate not in self._holders and self._take(service, candidate):
                return candidate
        raise _invalid(service, "spec.ports", "failed to allocate a nodePort: range is full")


def _twice(given: dict[object, object], port: Object, asked: object) -> bool:
    """Whether a new Service asks for one node port for two ports of its own."""
    if given.get(port.get("port")) == asked:
        return False
    again = asked in given.values()
    given.setdefault(port.get("port"), asked)
    return again


def _of(service: Object) -> Iterator[Thing]:
    spec = service.get("spec") or {}
    yield from (ip for ip in spec.get("clusterIPs") or () if ip != "None")
    yield from (port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort"))
    if spec.get("healthCheckNodePort"):
        yield spec["healthCheckNodePort"]


def _name(port: Object) -> tuple[object, object, object]:
    return port.get("name"), port.get("port"), port.get("protocol")


def _invalid(service: Object, field: str, text: str) -> Invalid:
    return _refused(service, [Cause("FieldValueInvalid", text, field)])


def _refused(service: Object, causes: list[Cause]) -> Invalid:
    name, texts = service["metadata"].get("name") or "", [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return Invalid(
        f'Service "{name}" is invalid: {text}',
        causes=causes,
        details={**({"name": name} if name else {}), "kind": "Service"},
    )
