"""What an API server says of itself in its own cluster: Service ``kubernetes`` and who stands behind it, its range of
addresses, whom to trust. Called by `app` once the server listens.

Source: ``pkg/controlplane/controller/kubernetesservice``, ``.../clusterauthenticationtrust``, ``.../defaultservicecidr``.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import logging

from trueup.apiserver import fresh
from trueup.apiserver.admission.addresses import NETWORK
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.create import create
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem
from trueup.store.state import StoreProblem
from trueup.timing.rfc3339 import format_micro, format_time

_log = logging.getLogger("trueup.apiserver")
_MANAGER = "kube-apiserver"
_LASTS, _RENEW = 3600, 1200.0
"""Seconds. Kubernetes renews far more often than the lease needs, which would keep a quiet disk busy."""
_NOWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737): endpoints may not be on loopback, and workloads here have no network anyway."""


async def publish(hub: Hub, host: str, port: int, ca: str) -> None:
    """Write what is missing or differs; a restarted server may listen elsewhere."""
    address = _NOWHERE
    try:
        found = ipaddress.ip_address(host)
        address = host if not (found.is_loopback or found.is_unspecified) else _NOWHERE
    except ValueError:  # a name
        pass
    for obj in _objects(address, port, ca):
        await _put(hub, obj)
    tracking = _once(hub.clock.now())
    if hub.store.bucket("configmaps").get("kube-system", tracking["metadata"]["name"]) is None:
        await _put(hub, tracking)


def _objects(address: str, port: int, ca: str) -> list[Object]:
    about = {"name": "kubernetes", "namespace": "default"}
    skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    https = {"name": "https", "port": port, "protocol": "TCP"}
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "ServiceCIDR",
            "metadata": {"name": "kubernetes", "finalizers": ["networking.k8s.io/service-cidr-finalizer"]},
            "spec": {"cidrs": [str(NETWORK)]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**about, "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {
                "clusterIP": str(NETWORK[1]),
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {**about, "labels": skip},
            "subsets": [{"addresses": [{"ip": address}], "ports": [https]}],
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**about, "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv6" if ":" in address else "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [https],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
            "data": {"client-ca-file": ca},
        },
    ]


def _once(now: float) -> Object:
    """Since when uses of token Secrets are written down. Source: ``controller/legacytokentracking``."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-apiserver-legacy-service-account-token-tracking", "namespace": "kube-system"},
        "data": {"since": format_time(now)[:10]},
    }


class Identity:
    """The Lease by which this server says that it is there. Source: ``pkg/controlplane/controller/leasegc``, ``instance.go``."""

    def __init__(self, hub: Hub, host: str) -> None:
        digest = hashlib.sha256(host.encode()).digest()[:16]
        self._hub = hub
        self._name = "apiserver-" + base64.b32encode(digest).decode().lower().rstrip("=")
        self._labels = {"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": host}
        self._holder = f"{self._name}_{fresh.uid()}"

    async def run(self) -> None:
        """Renew it until cancelled."""
        while True:
            try:
                await self.renew()
            except (ApiProblem, StoreProblem) as problem:
                _log.warning("the lease of this server was not renewed: %s", problem)
            await self._hub.clock.sleep(_RENEW)

    async def renew(self) -> None:
        """Say once more that it is there."""
        hub, write = self._hub, Write(manager=_MANAGER)
        served, now = hub.serves(Kind("coordination.k8s.io", "v1", "Lease")), format_micro(hub.clock.now())
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": _LASTS, "renewTime": now}
        if hub.store.bucket(served.storage).get("kube-system", self._name) is None:
            meta = {"name": self._name, "namespace": "kube-system", "labels": self._labels}
            await create(hub, served, "kube-system", {"metadata": meta, "spec": spec}, write)
            return

        def renewed(stored: Object) -> tuple[Object, bool]:
            return {**prepare.copy(stored), "spec": spec}, False

        await change(hub, served, "kube-system", self._name, renewed, write)


async def _put(hub: Hub, obj: Object) -> None:
    kind, meta = Kind.of(obj), obj["metadata"]
    served, write = hub.registry.of_kind(kind), Write(manager=_MANAGER, reviewed=False)
    if served is None:  # not in this version of Kubernetes
        return
    space = meta.get("namespace") or ""
    if hub.store.bucket(served.storage).get(space, meta["name"]) is None:
        await create(hub, served, space, prepare.copy(obj), write)
    if kind.kind == "ServiceCIDR":
        await _ready(hub, meta["name"])
        return

    def renewed(stored: Object) -> tuple[Object, bool]:
        new = prepare.copy({**stored, **{part: value for part, value in obj.items() if part != "metadata"}})
        if kind.kind == "Service":  # all but the port is as it was given
            new["spec"] = {**prepare.copy(stored["spec"]), "ports": prepare.copy(obj["spec"]["ports"])}
        return new, False

    await change(hub, served, space, meta["name"], renewed, write)


async def _ready(hub: Hub, name: str) -> None:
    """The default range is Ready from the start."""
    message = "Kubernetes Service CIDR is ready"

    def marked(stored: Object) -> tuple[Object, bool]:
        if (stored.get("status") or {}).get("conditions"):
            return prepare.copy(stored), False
        said = {"type": "Ready", "status": "True", "reason": "", "message": message, "lastTransitionTime": hub.now()}
        return {**prepare.copy(stored), "status": {"conditions": [said]}}, False

    served = hub.serves(Kind("networking.k8s.io", "v1", "ServiceCIDR"))
    await change(hub, served, "", name, marked, Write(manager=_MANAGER, reviewed=False, subresource="status"))
