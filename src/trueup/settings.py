"""One frozen value for how a process was started. Read once by the command line, handed down by the `app` room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trueup.kube.limits import Limits
from trueup.kube.types import DEFAULT_VERSION

DEFAULT_STATE = Path(".trueup")
DEFAULT_LISTEN = "127.0.0.1:7443"


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Where the API server tells of the requests it gets, and by which policy (None: who, what, when, for everything)."""

    path: str
    """``-`` is standard output."""
    policy: Path | None = None
    max_age: int = 0
    """Days that files set aside are kept; 0: for ever."""
    max_backups: int = 0
    """How many of them are kept; 0: all."""
    max_size: int = 100
    """Megabytes from which on a file is set aside."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``state`` None keeps nothing on disk but a temporary folder."""

    state: Path | None = DEFAULT_STATE
    host: str = "127.0.0.1"
    port: int = 7443
    kubernetes_version: str = DEFAULT_VERSION
    simulate: bool = True
    source: str = ""
    """A working tree, a bare repository or a URL; empty: nothing to bootstrap with."""
    path: str = ""
    """The folder in it to begin with; empty: found by convention."""
    mapping: Mapping[str, Path] = field(default_factory=dict)
    """URLs that are answered from local folders."""
    families: tuple[str, ...] = ()
    """Only these; empty: all."""
    namespace: str = ""
    """Only objects of this namespace."""
    workers: int = 16
    replicas: int | None = None
    """Share the work with other processes by Leases: with so many of them, 0 with all; None: alone, without a Lease."""
    lease_seconds: float = 15.0
    """After how many a silent replica's share goes to the others."""
    metrics: tuple[str, int] | None = None
    """Where metrics and probes answer; None: nowhere."""
    audit: AuditSettings | None = None
    tokens: Path | None = None
    """More users of the API server, by their tokens, as kube-apiserver's ``--token-auth-file`` has them."""
    client_ca: Path | None = None
    """Whose client certificates the API server believes, in PEM; None: those that the cluster itself signed."""
    limits: Limits = field(default_factory=Limits)
    """What one render may take."""
    render_cache: Path | None = None
    """Where replicas have their renders in common, and the next start finds them; None: each process has its own."""


def parse_listen(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``:PORT`` or ``PORT``. Raises ``ValueError`` naming the text."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no address: write HOST:PORT, e.g. {DEFAULT_LISTEN}")
    return host.strip("[]") or "127.0.0.1", int(port)


def parse_shards(text: str) -> int | None:
    """``auto`` (0), ``off`` (None) or how many. Raises ``ValueError`` naming the text."""
    if text == "off":
        return None
    if text != "auto" and not (text.isdigit() and int(text) > 0):
        raise ValueError(f"--shards {text} is no number: write auto, off, or how many replicas may work, e.g. 3")
    return 0 if text == "auto" else int(text)


def parse_mapping(entries: tuple[str, ...]) -> dict[str, Path]:
    """``URL=DIR`` entries; a folder must exist. Raises ``ValueError`` naming the entry."""
    found: dict[str, Path] = {}
    for entry in entries:
        url, equals, folder = entry.rpartition("=")
        if not equals or not url:
            raise ValueError(f"{entry!r} is no mapping: write URL=DIR")
        if not Path(folder).is_dir():
            raise ValueError(f"{entry!r}: there is no folder {folder}")
        found[url] = Path(folder).resolve()
    return found
