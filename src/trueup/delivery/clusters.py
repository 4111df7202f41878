"""Which clusters there are to deliver to: the one that holds the units, those in Argo CD's cluster Secrets, and
kubeconfigs. Implements `ports.Clusters`; the `app` room hands in how to connect and how to let go.

Source: Argo CD operator manual, "Declarative Setup", clusters; Flux ``spec.kubeConfig``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.ports import Clock, Cluster

SECRET = Kind("", "v1", "Secret")
_TYPE = "argocd.argoproj.io/secret-type"
_HOME = "argocd"
"""Where cluster Secrets are heeded: one in a tenant's namespace could take the name of a cluster and be sent its objects."""
_UNUSED = 3600.0
"""Seconds after which a kubeconfig that nobody asks for is let go when another comes: tokens in kubeconfigs are renewed, and
each renewal is a cluster of its own here."""


@dataclass(frozen=True, slots=True)
class Access:
    """What connects to a cluster: a kubeconfig, or the fields of a cluster Secret."""

    kubeconfig: bytes = b""
    server: str = ""
    config: str = ""


Connect = Callable[[str, Access], Awaitable[Cluster]]
"""(name, access) -> the cluster. Raises ``ApiProblem``."""


Disconnect = Callable[[Cluster], Awaitable[None]]


@dataclass(slots=True)
class _Made:
    """A connection, what it was made from, when it was last asked for."""

    digest: str
    cluster: Cluster
    used: float
    passing: bool
    """Made from a kubeconfig, whose name is its content: nothing tells when it is replaced."""


class KnownClusters:
    """Connections are made once and kept while what they were made from stays the same."""

    def __init__(self, local: Cluster, connect: Connect, disconnect: Disconnect, clock: Clock) -> None:
        self._local, self._connect, self._disconnect, self._clock = local, connect, disconnect, clock
        self._made: dict[str, _Made] = {}
        self._connecting = asyncio.Lock()

    async def of(self, server: str = "", name: str = "", kubeconfig: bytes = b"") -> Cluster:
        """By kubeconfig, server or name; the local one when all are empty."""
        if kubeconfig:
            digest = hashlib.sha256(kubeconfig).hexdigest()
            return await self._kept(digest[:12], digest, Access(kubeconfig=kubeconfig))
        if not server and not name:
            return self._local
        secret = await self._secret(server, name)
        data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        access = Access(server=data.get("server", ""), config=data.get("config", ""))
        digest = hashlib.sha256(f"{access.server}\0{access.config}".encode()).hexdigest()
        return await self._kept(data.get("name") or access.server, digest, access)

    async def _secret(self, server: str, name: str) -> Object:
        for secret in await self._local.live.list(SECRET, _HOME):
            if (secret["metadata"].get("labels") or {}).get(_TYPE) != "cluster":
                continue
            data: Mapping[str, str] = secret.get("data") or {}
            known_server = base64.b64decode(data.get("server", "")).decode().rstrip("/")
            known_name = base64.b64decode(data.get("name", "")).decode()
            if (server and known_server == server.rstrip("/")) or (name and known_name == name):
                return secret
        raise NotFound(
            f"there is no cluster {server or name!r}: add a Secret with the label {_TYPE}: cluster to the namespace "
            f"{_HOME}, or deliver to https://kubernetes.default.svc"
        )

    async def close(self) -> None:
        """Let go of all connections but the local one, which is its owner's."""
        for name in list(self._made):
            await self._disconnect(self._made.pop(name).cluster)

    async def _kept(self, name: str, digest: str, access: Access) -> Cluster:
        async with self._connecting:  # two units that ask at once get one connection
            now, known = self._clock.now(), self._made.get(name)
            if known is None or known.digest != digest:
                cluster = await self._connect(name, access)
                self._made[name] = _Made(digest, cluster, now, bool(access.kubeconfig))
                await self._let_go(known, now)
                return cluster
            known.used = now
            return known.cluster

    async def _let_go(self, replaced: _Made | None, now: float) -> None:
        """End what the new connection replaces, and kubeconfigs that nobody asks for any more."""
        if replaced is not None:
            await self._disconnect(replaced.cluster)
        for name, made in list(self._made.items()):
            if made.passing and now - made.used > _UNUSED:
                del self._made[name]
                await self._disconnect(made.cluster)
