"""Keeps an IPAddress object for each cluster address that a Service holds. Runs beside the hub.

Source: ``pkg/registry/core/service/ipallocator`` (KEP-1880). Who holds what is decided by `admission.addresses`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterator

from trueup.apiserver.bootstrap.seed import plant
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem, NotFound
from trueup.store.state import Event, StoreProblem

KIND = Kind("networking.k8s.io", "v1", "IPAddress")
_LABELS = "ipaddress.kubernetes.io/"
_log = logging.getLogger("trueup.apiserver")


class IPAddresses:
    """Woken by Services."""

    def __init__(self, hub: Hub, served: Served) -> None:
        self._hub, self._served = hub, served
        self._services, self._addresses = hub.store.bucket("services"), hub.store.bucket(served.storage)
        self._wake = asyncio.Event()
        self._due: set[str] = set()
        self._services.listeners.append(self._hear)
        for _, name, _ in self._addresses.scan():
            self._due.add(name)
        for _, _, entry in self._services.scan():
            self._due.update(_held(entry.obj))
        if self._due:
            self._wake.set()

    def _hear(self, event: Event) -> None:
        now = set() if event.type == "DELETED" else set(_held(event.entry.obj))
        before = set(_held(event.before.obj)) if event.before is not None else set()
        if now != before:
            self._due |= now | before
            self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            holders = {
                address: (space, name) for space, name, entry in self._services.scan() for address in _held(entry.obj)
            }
            while self._due:
                address = self._due.pop()
                try:
                    await self._settle(address, holders.get(address))
                except (ApiProblem, StoreProblem) as problem:
                    _log.warning("the object of address %s was not brought up to date: %s", address, problem)

    async def _settle(self, address: str, holder: tuple[str, str] | None) -> None:
        entry = self._addresses.get("", address)
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
