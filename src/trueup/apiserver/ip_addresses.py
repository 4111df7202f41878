"""Keeps an IPAddress object for each cluster address that a Service holds. Runs beside the hub.

Source: ``pkg/registry/core/service/ipallocator`` (KEP-1880). Who holds what is decided by `admission.addresses`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from trueup.apiserver.bootstrap.seed import plant
from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.store.state import Event

KIND = Kind("networking.k8s.io", "v1", "IPAddress")
_LABELS = "ipaddress.kubernetes.io/"
Key = tuple[str, str]
"""A Service by namespace and name."""


class IPAddresses:
    """Takes up addresses when Services take them and let them go."""

    def __init__(self, hub: Hub, served: Served) -> None:
        self._hub, self._served = hub, served
        self._addresses = hub.store.bucket(served.storage)
        self._work = Following("bringing the object of an address up to date", self._settle)
        self.run = self._work.run
        self._holders: dict[str, Key] = {}
        services = hub.store.bucket("services")
        services.listeners.append(self._hear)
        for _, name, _ in self._addresses.scan():
            self._work.take(name)
        for space, name, entry in services.scan():
            self._take((space, name), set(_held(entry.obj)), set())

    def _hear(self, event: Event) -> None:
        now = set() if event.type == "DELETED" else set(_held(event.entry.obj))
        before = set(_held(event.before.obj)) if event.before is not None else set()
        self._take((event.namespace, event.name), now, before)

    def _take(self, service: Key, now: set[str], before: set[str]) -> None:
        for address in before - now:
            if self._holders.get(address) == service:
                del self._holders[address]
            self._work.take(address)
        for address in now - before:
            self._holders[address] = service
            self._work.take(address)

    async def _settle(self, address: str) -> None:
        holder, entry = self._holders.get(address), self._addresses.get("", address)
        if holder is not None and entry is None:
            await plant(self._hub, _object(address, *holder))
        elif holder is None and entry is not None and _is_ours(entry.obj):
            try:
                await delete(self._hub, self._served, "", address, DeleteOptions(), Write(manager="kube-apiserver"))
            except NotFound:
                return


def _held(service: Object) -> Iterator[str]:
    for address in (service.get("spec") or {}).get("clusterIPs") or ():
        if address and address != "None":
            yield str(ipaddress.ip_address(address))


def _object(address: str, space: str, name: str) -> Object:
    family = "IPv6" if ":" in address else "IPv4"
    labels = {_LABELS + "ip-family": family, _LABELS + "managed-by": "ipallocator.k8s.io"}
    return {
        "apiVersion": KIND.api_version,
        "kind": KIND.kind,
        "metadata": {"name": address, "labels": labels},
        "spec": {"parentRef": {"name": name, "namespace": space, "resource": "services"}},
    }


def _is_ours(obj: Object) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return labels.get(_LABELS + "managed-by") == "ipallocator.k8s.io"
