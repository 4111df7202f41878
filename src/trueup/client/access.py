"""How a cluster is reached and who asks: one frozen value, from a kubeconfig, a service account or a Secret.

Made by `kubeconfig.py` and `incluster.py`, read by `http.py` and `credentials.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class AccessProblem(ValueError):
    """A kubeconfig that cannot be used, or a credential that cannot be had: says which entry and what to do."""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that prints credentials. Source: Kubernetes documentation, "client-go credential plugins"."""

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    hint: str = ""
    """``installHint``: what to tell when the program is not there."""
    cluster: Mapping[str, Any] | None = None
    """What the program is told of the cluster (``provideClusterInfo``)."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """On whose behalf calls are made."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """One cluster and one identity. Secrets do not show in its ``repr``."""

    server: str
    """The URL, a path prefix included (Rancher)."""
    ca: bytes = field(default=b"", repr=False)
    """PEM certificates of those who may have signed the server's."""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Read again now and then: mounted tokens are renewed. Wins over ``token``."""
    username: str = ""
    password: str = field(default="", repr=False)
    exec: ExecPlugin | None = None
    impersonation: Impersonation = Impersonation()
    namespace: str = "default"
    context: str = ""
