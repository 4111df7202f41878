"""Which clusters there are to deliver to: the one that holds the units, those in Argo CD's cluster Secrets, and
kubeconfigs. Implements `ports.Clusters`; `app.py` hands in how to connect.

Source: Argo CD operator manual, "Declarative Setup", clusters; Flux ``spec.kubeConfig``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.ports import Cluster

SECRET = Kind("", "v1", "Secret")
_TYPE = "argocd.argoproj.io/secret-type"


@dataclass(frozen=True, slots=True)
class Access:
    """What connects to a cluster: a kubeconfig, or the fields of a cluster Secret."""

    kubeconfig: bytes = b""
    server: str = ""
    config: str = ""


Connect = Callable[[str, Access], Awaitable[Cluster]]
"""(name, access) -> the cluster. Raises ``ApiProblem``."""


class KnownClusters:
    """Connections are made once and kept while what they were made from stays the same."""

    def __init__(self, local: Cluster, connect: Connect) -> None:
        self._local, self._connect = local, connect
        self._made: dict[str, tuple[str, Cluster]] = {}

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
        for secret in await self._local.live.list(SECRET):
            if (secret["metadata"].get("labels") or {}).get(_TYPE) != "cluster":
                continue
            data: Mapping[str, str] = secret.get("data") or {}
            known_server = base64.b64decode(data.get("server", "")).decode().rstrip("/")
            known_name = base64.b64decode(data.get("name", "")).decode()
            if (server and known_server == server.rstrip("/")) or (name and known_name == name):
                return secret
        raise NotFound(
            f"there is no cluster {server or name!r}: add a Secret with the label {_TYPE}: cluster, or deliver to "
            "https://kubernetes.default.svc"
        )

    async def _kept(self, name: str, digest: str, access: Access) -> Cluster:
        known = self._made.get(name)
        if known is None or known[0] != digest:
            known = self._made[name] = (digest, await self._connect(name, access))
        return known[1]
