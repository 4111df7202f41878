"""The API server without its wire: store, registry, verbs' seams. HTTP and in-process clients call the same verbs.

Put together by `opening`; everything that a verb needs besides its own request stands here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Protocol

from trueup.apiserver import crds
from trueup.apiserver.admission.plugin import Admission, Settling
from trueup.apiserver.auth import Authenticator
from trueup.apiserver.converting import Conversions
from trueup.apiserver.counting import Counts
from trueup.apiserver.rbac import Authorizer
from trueup.apiserver.registry import Registry, Served
from trueup.apiserver.request import Write
from trueup.apiserver.strategy import Moment
from trueup.apiserver.tokens import Tokens
from trueup.apiserver.versions import convert
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound, Unavailable
from trueup.kube.schema import prune_unknown
from trueup.kube.types import Types
from trueup.ports import Clock
from trueup.store.log import StoreFull
from trueup.store.state import Bucket, Entry, Store, StoreProblem
from trueup.timing.rfc3339 import format_time

_log = logging.getLogger("trueup.apiserver")


class NotStored(Unavailable, StoreProblem):
    """The store failed, so the write did not happen: to clients 507 when the disk is full and 500 otherwise (without
    ``Retry-After``, on which clients would try silently for long), to whoever runs the store its own problem."""

    def __init__(self, what: str, problem: StoreProblem) -> None:
        super().__init__(f"{what} was not stored: {problem}")
        self.code = 507 if isinstance(problem, StoreFull) else 500


class PodLogs(Protocol):
    """Who answers for the lines that a pod's container would have printed."""

    def __call__(self, pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]: ...


class Hub:
    """One embedded cluster's API."""

    def __init__(self, store: Store, types: Types, clock: Clock) -> None:
        self.store, self.types, self.clock = store, types, clock
        self.registry = Registry()
        self.counts = Counts(store, self.registry)
        self.conversions = Conversions(self.registry)
        self.registry.changed.append(self.conversions.forget)
        self.mutating: list[Admission] = []
        self.allocating: list[Admission] = []
        """What is given to objects once they have their names: addresses, ports."""
        self.validating: list[Admission] = []
        self.reviewing: list[Admission] = []
        """Who reviews parts of objects that are made and not kept: bindings, evictions, requests for tokens."""
        self.settling: list[Settling] = []
        self.hooked: Callable[[], bool] = bool
        """Whether webhooks review writes, of those that change nothing too; they see deletions before these are judged."""
        self.pod_logs: PodLogs | None = None
        self.tokens: Tokens | None = None
        """Signs service-account tokens, where the cluster has a key."""
        self.authenticator: Authenticator | None = None
        self.authorizer = Authorizer(store)
        self._beside: list[asyncio.Task[None]] = []
        self.closing: list[Callable[[], Awaitable[None]]] = []

    def now(self) -> str:
        """The time, as objects hold it."""
        return format_time(self.clock.now())

    def serves(self, kind: Kind) -> Served:
        """What is served of a kind. Raises ``NotFound``."""
        served = self.registry.of_kind(kind)
        if served is None:
            raise NotFound(f'no matches for kind "{kind.kind}" in version "{kind.api_version}"')
        return served

    def as_version(self, served: Served, obj: Object) -> Object:
        """The object as this version shows it; stored versions differ in name alone, but where a kind says more.

        Where a webhook says how, stored objects have to be made ready before: ``prepare``.
        """
        if served.converts and obj.get("apiVersion") != served.kind.api_version:
            return self.conversions.known(served, obj)
        stored_at = obj["metadata"].get("resourceVersion")  # a dry run stores nothing
        if served.defaults_from and stored_at is not None and int(stored_at) < served.defaults_from:
            obj = crds.with_defaults(served, obj)
        if obj.get("apiVersion") == served.kind.api_version:
            return obj
        if served.crd is not None:
            return {**obj, "apiVersion": served.kind.api_version}
        return convert(obj, served.kind.api_version)

    async def converted(self, served: Served, obj: Object) -> Object:
        """The object, stored or not, as this version shows it, by whoever knows how."""
        if served.converts and obj.get("apiVersion") != served.kind.api_version:
            return (await self.conversions.convert(served, [obj]))[0]
        return self.as_version(served, obj)

    async def to_store(self, served: Served, obj: Object) -> Object:
        """The object as it is stored."""
        storage = served if not served.converts else self._storage(served)
        return obj if storage is served else await self.converted(storage, obj)

    def is_stored_so(self, served: Served, obj: Object) -> bool:
        """Whether a stored object is of the version that is stored now."""
        return bool(obj.get("apiVersion") == self._storage(served).kind.api_version)

    def prune(self, served: Served, obj: Object) -> None:
        """Take out, in place, what the version that is stored does not know, where versions differ in name alone."""
        if served.crd is None or served.converts or len(served.crd["spec"]["versions"]) == 1:
            return
        storage = self._storage(served)
        if storage is not served:
            prune_unknown(obj, storage.shape)

    def _storage(self, served: Served) -> Served:
        """The version that is stored."""
        assert served.crd is not None
        name = next(each["name"] for each in served.crd["spec"]["versions"] if each.get("storage"))
        if name == served.kind.version:
            return served
        kind = Kind(served.kind.group, name, served.kind.kind)
        return self.registry.of_kind(kind) or crds.of_version(served.crd, name, self.types)

    async def prepare(self, served: Served, stored: Iterable[Object]) -> None:
        """Let ``as_version`` show stored objects, until the caller waits for something else. Raises ``ApiProblem``."""
        if served.converts:
            await self.conversions.prepare(served, stored)

    async def mutate(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """What may change a write before its kind's strategy sees it; in place."""
        for admit in self.mutating:
            await admit(served, operation, obj, old, write)

    async def allocate(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """What a write takes of what there is only so much of; in place."""
        for admit in self.allocating:
            await admit(served, operation, obj, old, write)

    async def review(
        self, served: Served, namespace: str, name: str, part: Object, write: Write, operation: str = "CREATE"
    ) -> None:
        """What is never stored is made, such as a part of an object: reviewers may refuse it, or change it in place."""
        kind, meta = served.kind, part.get("metadata") or {}
        if write.subresource:
            kind = served.subresources[write.subresource].kind
        where = {"name": name, "namespace": namespace}
        given = {**part, "metadata": {**meta, **{key: value for key, value in where.items() if value}}}
        part.clear()
        part.update({"kind": kind.kind, "apiVersion": kind.api_version, **given})
        for admit in self.reviewing:
            await admit(served, operation, part, None, write)

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """What stands between a valid write and the store."""
        for admit in self.validating:
            await admit(served, operation, obj, old, write)

    def moment(self, served: Served, write: Write) -> Moment:
        """What a strategy may know of a write."""
        stored = self.store.bucket(served.storage)
        return Moment(self.now(), write.subresource, lambda: (e.obj for *_, e in stored.scan()), write.user)

    async def put(self, bucket: Bucket, obj: Object, expect: int) -> Entry:
        """Store an object that is at revision ``expect`` (0: absent). Raises ``Stale`` and ``NotStored``."""
        meta = obj["metadata"]
        try:
            return await self.store.put(bucket, meta.get("namespace") or "", meta["name"], obj, expect)
        except StoreProblem as problem:
            raise NotStored("the write", problem) from problem

    async def remove(self, bucket: Bucket, last: Object, expect: int) -> Entry:
        """Let an object go that is at revision ``expect``. Raises ``Stale`` and ``NotStored``."""
        meta = last["metadata"]
        try:
            return await self.store.remove(bucket, meta.get("namespace") or "", meta["name"], expect, last)
        except StoreProblem as problem:
            raise NotStored("the deletion", problem) from problem

    def settle(self, served: Served, obj: Object) -> None:
        """A write of the object succeeded or failed: what it reserved and does not hold now is free again."""
        for plugin in self.settling:
            plugin.settle(served, obj)

    def start(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run something beside the verbs until the hub is closed; when it ends before, that is told."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_ended)
        self._beside.append(task)

    async def close(self) -> None:
        """Finish what is on its way to the store and let it go."""
        for close in self.closing:
            await close()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.store.close()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        _log.error("the part of the API server that is %s has ended", task.get_name(), exc_info=task.exception())
