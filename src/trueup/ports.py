"""The outside world on one page: what the inner rooms may ask of clusters, sources, renderers and the clock.

Pure declarations. IO rooms implement them, the `app` room wires them, `delivery` and the families see nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from trueup.kube.names import Key, Kind, Object, Ref, Resource

if TYPE_CHECKING:
    from trueup.sops import Keys  # who decrypts nothing does not pay for reading it

# --- a cluster ---------------------------------------------------------------------------------------------------

PatchType = Literal["json", "merge", "strategic", "apply"]
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """What discovery says of one served resource."""

    resource: Resource
    kind: Kind
    namespaced: bool
    verbs: frozenset[str]
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects at one resource version; ``next_page`` is the continue token, empty at the end."""

    items: list[Object]
    revision: str
    next_page: str = ""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. ``object`` is never the receiver's to modify."""

    type: EventType
    object: Object


class Client(Protocol):
    """One cluster's Kubernetes API. Every method raises ``kube.problems.ApiProblem`` for an API failure.

    Objects handed out may be shared: a receiver copies before it changes. Objects handed in are not kept.
    Kinds are resolved to resources by discovery; an unserved kind is ``NotFound``.
    """

    async def get(self, ref: Ref) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
    ) -> Listing: ...

    def watch(
        self, kind: Kind, namespace: str = "", *, revision: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[WatchEvent]:
        """Changes after ``revision``, bookmarks included; raises ``Expired`` when the version is too old."""
        ...

    async def create(self, obj: Object, *, manager: str = "", dry_run: bool = False) -> Object: ...

    async def update(
        self, obj: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False
    ) -> Object: ...

    async def patch(
        self,
        ref: Ref,
        body: object,
        how: PatchType,
        *,
        subresource: str = "",
        manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object: ...

    async def apply(
        self, obj: Object, *, manager: str, force: bool = True, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """Server-side apply."""
        ...

    async def delete(
        self,
        ref: Ref,
        *,
        propagation: Propagation | None = None,
        grace: int | None = None,
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> None: ...

    async def resources(self) -> Sequence[ResourceInfo]:
        """All that discovery lists, preferred version of a group first. Cached; refreshed on a miss."""
        ...

    async def version(self) -> str:
        """The server's ``gitVersion``, e.g. ``v1.36.3``."""
        ...

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        """The same cluster under another identity (impersonation)."""
        ...


class Cache(Protocol):
    """An informer's view of one kind: kept current by a watch, read without a call. Objects are read-only."""

    def get(self, key: Key) -> Object | None: ...

    def list(self, namespace: str = "") -> Sequence[Object]: ...

    def by_index(self, index: str, value: str) -> Sequence[Object]: ...


class Live(Protocol):
    """What is live in one cluster: every kind is watched from the moment it is first asked for, and read without a call.

    Objects are read-only, without ``managedFields``; values of Secrets are there, for they must be compared.
    """

    async def get(self, ref: Ref) -> Object | None:
        """The live object, or None; waits for the first listing of its kind. An unserved kind is ``NotFound``."""
        ...

    async def list(self, kind: Kind, namespace: str = "") -> Sequence[Object]: ...

    def owned(self, uid: str) -> Sequence[Object]:
        """Objects of the watched kinds whose ``ownerReferences`` name ``uid``."""
        ...

    def note(self, obj: Object) -> None:
        """Take in the answer to a write of one's own, so that the next read shows it."""
        ...

    def subscribe(self, listener: Callable[[WatchEvent], None]) -> None:
        """``listener`` hears every change of every watched kind; it must not block."""
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """One destination: its name as people know it, its API, its live objects."""

    name: str
    client: Client
    live: Live
    server: str = ""
    """Its URL, as objects name it."""


class Clusters(Protocol):
    """The clusters that units may be delivered to."""

    async def of(self, server: str = "", name: str = "", kubeconfig: bytes = b"") -> Cluster:
        """By server URL, by name, or by a kubeconfig out of a Secret; all empty: the cluster that holds the unit.

        Raises ``ApiProblem`` naming the cluster when it is unknown or cannot be reached.
        """
        ...


# --- sources -----------------------------------------------------------------------------------------------------


class Tree(Protocol):
    """The files of one artifact, immutable. Paths are relative, ``/``-separated, never leave the tree.

    Synchronous: pure renderers read it from a worker thread. A missing path raises ``FileNotFoundError``.
    """

    def read(self, path: str) -> bytes: ...

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        """What stands at a path, symlinks inside followed; one that leaves the tree raises ``PermissionError``."""
        ...

    def list(self, path: str) -> Sequence[str]:
        """The sorted names in a folder."""
        ...

    def digest(self, path: str) -> str:
        """A content hash of the file or folder at a path (Git's blob or tree id where the tree has one)."""
        ...


@dataclass(frozen=True, slots=True)
class GitSpec:
    """Where to fetch from. ``ref`` is a branch, tag, commit, ``refs/…`` name or ``HEAD``; ``semver`` a tag range."""

    url: str
    ref: str = "HEAD"
    semver: str = ""
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """``username`` and ``password``, ``bearerToken``, ``identity`` and ``known_hosts``, ``ca.crt``."""


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """Which chart of which repository. ``version`` is exact or a range of versions; empty: the newest stable one.

    ``url`` is a Helm repository (``https://…``) or a place in a registry (``oci://host/path``). Without ``chart`` a
    registry's URL is that of the artifact itself, whose ``version`` may be any tag or a digest.
    """

    url: str
    chart: str = ""
    version: str = ""
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """``username`` and ``password``, ``bearerToken``, ``ca.crt``, ``tls.crt`` and ``tls.key``; ``insecure`` (no questions
    about its certificate) and ``plainHTTP`` (a registry without TLS) where they are ``true``."""
    pass_credentials: bool = False
    """Whether another host that the repository's index names may see the credentials."""
    keyring: bytes = b""
    """Public PGP keys; where there are any, the chart must be signed by one of them."""


Spec = GitSpec | ChartSpec


@dataclass(frozen=True, slots=True)
class Artifact:
    """One immutable revision of a source."""

    revision: str
    """The full commit id; of a chart its version, of a registry's artifact its digest."""
    name: str
    """What it was found by: branch or tag; empty for a bare commit."""
    tree: Tree
    author: str = ""
    message: str = ""
    date: str = ""


class Fetcher(Protocol):
    """Fetches sources into immutable artifacts. Raises ``SourceProblem``."""

    async def resolve(self, spec: Spec) -> str:
        """The commit, version or digest that a spec names now, by the cheapest remote question."""
        ...

    async def fetch(self, spec: Spec, revision: str = "") -> Artifact:
        """The artifact of a revision (of what ``spec`` names when empty); nothing is fetched that is there already."""
        ...

    async def read(self, url: str) -> bytes:
        """What stands at a URL of the web, small and shown without credentials."""
        ...

    def forget(self, addresses: Iterable[str]) -> None:
        """Ask these remotes anew at the next question: a person or a webhook says that there is news."""
        ...

    def mapped(self, url: str) -> object | None:
        """What on this machine answers for a URL, so that nobody has to show credentials; None when its remote does."""
        ...


class SourceProblem(Exception):
    """A source could not be had; ``reason`` is one CamelCase word; ``retry`` says whether time may mend it."""

    def __init__(self, reason: str, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry = retry


# --- rendering ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object came from: file, line (1-based; 0 unknown), and by which tool."""

    path: str
    line: int = 0
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a source renders to. ``objects`` and ``origins`` run in parallel; ``files``: each path read, its digest.

    ``absent``: paths that were looked for and are not there; ``folders``: those whose names were listed. Both are part of
    what it depends on: a file that comes there may change it.
    """

    objects: list[Object]
    origins: list[Origin]
    files: Mapping[str, str]
    warnings: Sequence[str] = ()
    absent: Sequence[str] = ()
    folders: Sequence[str] = ()


class RenderProblem(Exception):
    """A source does not render: says file, line and field where known, and the remedy."""

    def __init__(self, message: str, *, path: str = "", line: int = 0, field: str = "") -> None:
        where = f"{path}:{line}: " if path and line else f"{path}: " if path else ""
        super().__init__(where + message)
        self.message, self.path, self.line, self.field = message, path, line, field


@dataclass(frozen=True, slots=True)
class Target:
    """What a renderer may know of the cluster that it renders for."""

    kubernetes_version: str
    api_versions: tuple[str, ...] = ()
    namespace: str = ""


class Charts(Protocol):
    """Charts that another one needs, asked for from a render's thread. Raises ``SourceProblem``."""

    def repository(self, named: str) -> str:
        """The URL of a repository, which a chart may name by ``@alias`` instead."""
        ...

    def fetch(self, repository: str, name: str, version: str) -> tuple[str, Tree]:
        """The version that is the highest in a range, and its files."""
        ...


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One source folder and how to turn it into objects.

    ``tool``: ``kustomize``, ``helm``, ``directory``, ``jsonnet``, or ``""`` to detect as Argo CD does (Chart.yaml,
    then a kustomization, then a plain folder). ``options`` are the tool's own, as JSON: see ``render/<tool>.py``.
    ``others`` are further trees that values files may be read from, by reference name.
    """

    tree: Tree
    path: str
    target: Target
    tool: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    others: Mapping[str, Tree] = field(default_factory=dict)
    lookup: Callable[[str, str, str, str], Object | None] | None = None
    """``lookup(apiVersion, kind, namespace, name)`` answered from the target API, where allowed."""
    remote: Callable[[str, str], Tree] | None = None
    """``remote(repository, ref)``: the tree of a remote base, asked for from a render's thread. Raises ``SourceProblem``."""
    charts: Charts | None = None
    urls: Callable[[str], bytes] | None = None
    """``urls(url)``: what stands there, where values files may come from the web; asked and refused as ``remote``."""


class Renderer(Protocol):
    async def render(self, request: RenderRequest) -> Rendered: ...


# --- the rest ----------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Wall time as seconds since the epoch, and waiting. Tests hand in a virtual one."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Events(Protocol):
    """Records a Kubernetes Event about an object; repeats are counted, not multiplied."""

    def record(
        self,
        about: Object,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        annotations: Mapping[str, str] | None = None,
        component: str = "",
        field_path: str = "",
    ) -> None:
        """``component``: who says so, where it is not the program as a whole; ``field_path``: of which part of the object."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One thing that happened to a unit. ``unit`` is ``Kind/namespace/name``; ``time`` is RFC 3339."""

    unit: str
    time: str
    revision: str
    actor: str
    action: str
    outcome: str
    message: str = ""
    changes: Sequence[Mapping[str, str]] = ()


class Ledger(Protocol):
    """Append-only record of what was applied, when, from which commit and by whom."""

    async def append(self, entry: LedgerEntry) -> int: ...

    async def of(self, unit: str, *, limit: int = 50) -> Sequence[LedgerEntry]: ...


# --- keys of encrypted files ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """What a Secret holds to open encrypted files with; never told."""

    age: tuple[str, ...] = field(default=(), repr=False)
    """Files of identities."""
    pgp: tuple[bytes, ...] = field(default=(), repr=False)
    """Armored secret keys."""
    aws: tuple[str, str, str] | None = field(default=None, repr=False)
    """An access key, its secret, and a session token or nothing."""
    gcp: str = field(default="", repr=False)
    """A key file, as JSON."""
    azure: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By the names of Azure's environment variables."""
    vault_token: str = field(default="", repr=False)
    workload_identity: str = ""
    """Why clouds cannot be asked with the process's own credentials; empty: they can."""


class KeyServices(Protocol):
    """Opens encrypted files with what a Secret holds. Its services wait for others: threads call them."""

    def of(self, material: KeyMaterial) -> AbstractContextManager[Keys]:
        """The services, until they are let go of. Raises `NoKey` for keys that cannot be read."""
