"""One kind, kept in memory by list and watch, with indexes; shared by all who read that kind. Called by `live.py`.

In comes a client; out come reads without a call (`ports.Cache`) and a call of each listener per change. Source: client-go
reflector and shared informer (pages, bookmarks, 410 relists and tells the difference, back-off); KEP-5504 (resource
versions of one resource are comparable numbers).
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from trueup.kube.names import Key, Kind, Object
from trueup.kube.problems import ApiProblem, Expired, MethodNotAllowed, NotFound
from trueup.ports import Client, Clock, WatchEvent
from trueup.runtime.metrics import Metrics
from trueup.timing.backoff import Backoff

log = logging.getLogger("trueup.runtime.informer")

PAGE = 500  # as client-go's reflector
_RETRY = Backoff(base=0.25, cap=30.0, jitter=0.5)

Change = Literal["ADDED", "MODIFIED", "DELETED"]
Listener = Callable[[Change, Object, Object | None], None]
"""Called with what happened, the object, and the one that it replaced. Must not block."""
Values = Callable[[Object], Iterable[str]]


class Informer:
    """The live objects of one kind."""

    def __init__(
        self,
        client: Client,
        kind: Kind,
        clock: Clock,
        *,
        namespace: str = "",
        metrics: Metrics | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.kind = kind
        self._client, self._clock, self._namespace = client, clock, namespace
        self._metrics, self._chance = metrics, chance
        self._spaces: dict[str, dict[str, Object]] = {}
        self._indexes: dict[str, tuple[Values, dict[str, dict[Key, Object]]]] = {}
        self._listeners: list[Listener] = []
        self._revision = ""
        self._seen = 0
        self._failures = 0
        self._attempt: asyncio.Future[None] | None = None
        self._pausing: asyncio.Task[None] | None = None
        self._nudged = False
        self.synced = False
        """The first listing is in."""
        self.problem: ApiProblem | None = None
        """Why the watch stands still now; None while it runs."""

    # --- reading ---

    def get(self, key: Key) -> Object | None:
        """The object of that key; never the caller's to change."""
        return self._spaces.get(key.namespace, {}).get(key.name)

    def list(self, namespace: str = "") -> Sequence[Object]:
        """The objects of a namespace, of all when empty."""
        if namespace:
            return tuple(self._spaces.get(namespace, {}).values())
        return tuple(obj for space in self._spaces.values() for obj in space.values())

    def by_index(self, index: str, value: str) -> Sequence[Object]:
        """The objects that an index lists under a value. Raises ``KeyError`` for an unknown index."""
        return tuple(self._indexes[index][1].get(value, {}).values())

    def __len__(self) -> int:
        return sum(map(len, self._spaces.values()))

    # --- wiring ---

    def add_index(self, name: str, values: Values) -> None:
        """List objects under what ``values`` reads from them; one name stands for one function."""
        if name in self._indexes:
            return
        self._indexes[name] = (values, {})
        for obj in self.list():
            self._file(name, obj)

    def listen(self, listener: Listener) -> None:
        """``listener`` hears every change, and all that is there already as added."""
        self._listeners.append(listener)
        for obj in self.list():
            self._call(listener, "ADDED", obj, None)

    async def wait(self) -> None:
        """Waits for the first listing; raises the problem when listing fails, while it is retried behind the scenes."""
        while not self.synced:
            if self.problem is not None:
                raise self.problem
            if self._attempt is None:
                self._attempt = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._attempt)

    def nudge(self) -> None:
        """Try again now instead of after the pause: something happened that may have mended it."""
        self._nudged = True
        if self._pausing is not None:
            self.problem = None  # who asks now waits for the new attempt
            self._pausing.cancel()

    async def pause(self, seconds: float) -> None:
        """Sleep until nudged; not at all when nudged since the last pause."""
        if not self._nudged:
            self._pausing = asyncio.create_task(self._clock.sleep(seconds), name=f"informer/{self.kind}/pause")
            try:
                await asyncio.wait((self._pausing,))
            finally:
                self._pausing.cancel()
                self._pausing = None
        self._nudged = False

    def note(self, obj: Object) -> None:
        """Take in the answer to a write, unless the watch is past it."""
        if _number(obj) <= self._seen:
            return  # the watch has told of it, or of what became of it
        key = Key.of(obj)
        old = self.get(key)
        if old is None or _number(old) < _number(obj):
            self._put(key, _lean(obj), old)  # listeners hear of it from the watch

    # --- list and watch ---

    async def run(self) -> None:
        """Lists and watches until cancelled, or until the kind is not served (any more): then it answers."""
        while True:
            try:
                if not self._revision:
                    await self._list()
                await self._watch()
            except Expired:
                self._revision = ""
                self._count("expired")
            except NotFound as problem:
                self._seen, self._revision, self.synced = sys.maxsize, "", False
                self._replace({})
                self._seen = 0
                self._stand(problem)
                return
            except MethodNotAllowed as problem:  # listed at most, never watched (e.g. an aggregated API)
                self._stand(problem)
                log.warning("%s cannot be watched: %s", self.kind, problem)
                return
            except ApiProblem as problem:
                await self._pause(problem)
            except Exception as problem:  # a body that is no Kubernetes object, a bug: this kind alone stands still
                log.exception("%s: unexpected", self.kind)
                await self._pause(ApiProblem(f"{type(problem).__name__}: {problem}"))

    async def _list(self) -> None:
        try:
            items, revision = await self._pages()
        except Expired:  # the pages took longer than the server keeps them: all in one then
            listing = await self._client.list(self.kind, self._namespace)
            items, revision = listing.items, listing.revision
        self._seen = max(self._seen, _revision_number(revision))
        self._replace({Key.of(obj): obj for obj in items})
        self._revision = revision
        self._stand(None)

    async def _pages(self) -> tuple[Sequence[Object], str]:
        listing = await self._client.list(self.kind, self._namespace, limit=PAGE)
        items = listing.items
        while listing.next_page:
            listing = await self._client.list(self.kind, self._namespace, limit=PAGE, page=listing.next_page)
            items = [*items, *listing.items]
        return items, listing.revision

    async def _watch(self) -> None:
        """One watch to its end; servers end them now and then."""
        started, events = self._clock.now(), 0
        stream = self._client.watch(self.kind, self._namespace, revision=self._revision)
        try:
            async for event in stream:
                self._hear(event)
                events += 1
        finally:  # here and now, not when the garbage collector comes by
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        self._count("ended")
        if not events and self._clock.now() - started < 1.0:
            # A server that ends watches at once would be asked without end.
            await self._pause(ApiProblem(f"the watch of {self.kind} ended at once"), quiet=True)

    def _hear(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK":
            self._revision = str(event.object["metadata"]["resourceVersion"])
            self._seen = max(self._seen, _revision_number(self._revision))
        else:
            self._take(event.type, event.object)
        if self._failures or self.problem:
            self._stand(None)

    def _take(self, type: Literal["ADDED", "MODIFIED", "DELETED"], obj: Object) -> None:
        key = Key.of(obj)
        old = self.get(key)
        self._revision = str(obj["metadata"]["resourceVersion"])
        number = _number(obj)
        self._seen = max(self._seen, number)
        if self._metrics is not None:
            self._metrics.watched(self.kind.kind, type)
        if old is not None and 0 < number < _number(old):
            self._tell("MODIFIED", old, old)  # an own write, noted before, is newer: listeners hear of what is there
        elif type == "DELETED":
            self._remove(key, _lean(obj), old)
        else:
            new = _lean(obj)
            self._put(key, new, old)
            self._tell("ADDED" if old is None else "MODIFIED", new, old)

    def _replace(self, found: dict[Key, Object]) -> None:
        """What a listing says, told as the difference to what was there."""
        for old in self.list():
            key = Key.of(old)
            if key not in found and _number(old) <= self._seen:
                self._remove(key, old, old)
        for key, obj in found.items():
            old_one = self.get(key)
            if old_one is not None and _number(old_one) >= _number(obj) > 0 and _uid(old_one) == _uid(obj):
                continue
            new = _lean(obj)
            self._put(key, new, old_one)
            self._tell("ADDED" if old_one is None else "MODIFIED", new, old_one)

    # --- troubles ---

    def _stand(self, problem: ApiProblem | None) -> None:
        """How it stands now; who waits for the first listing hears of it."""
        self.problem = problem
        if problem is None:
            self._failures = 0
            self.synced = True
        attempt, self._attempt = self._attempt, None
        if attempt is not None and not attempt.done():
            attempt.set_result(None)

    async def _pause(self, problem: ApiProblem, *, quiet: bool = False) -> None:
        self._failures += 1
        delay = max(_RETRY.delay(self._failures, self._chance()), float(problem.retry_after or 0))
        if not quiet:
            if self._failures == 1:
                log.warning("%s: %s; trying again", self.kind, problem)
            self._count(problem.reason)
            self._stand(problem)
        await self.pause(delay)

    def _count(self, reason: str) -> None:
        if self._metrics is not None:
            self._metrics.rewatched(self.kind.kind, reason)

    # --- keeping ---

    def _put(self, key: Key, new: Object, old: Object | None) -> None:
        if old is not None:
            self._unfile(key, old)
        self._spaces.setdefault(key.namespace, {})[key.name] = new
        for index in self._indexes:
            self._file(index, new)

    def _remove(self, key: Key, last: Object, old: Object | None) -> None:
        if old is None:
            return
        self._unfile(key, old)
        space = self._spaces[key.namespace]
        del space[key.name]
        if not space:
            del self._spaces[key.namespace]
        self._tell("DELETED", last, old)

    def _file(self, index: str, obj: Object) -> None:
        values, entries = self._indexes[index]
        for value in self._values(index, values, obj):
            entries.setdefault(value, {})[Key.of(obj)] = obj

    def _unfile(self, key: Key, obj: Object) -> None:
        for index, (values, entries) in self._indexes.items():
            for value in self._values(index, values, obj):
                listed = entries.get(value)
                if listed is not None:
                    listed.pop(key, None)
                    if not listed:
                        del entries[value]

    def _values(self, index: str, values: Values, obj: Object) -> Iterable[str]:
        try:
            return set(values(obj))
        except Exception:  # a family's function met an object that it did not foresee: that object alone is not listed
            log.exception("index %s cannot read %s %s", index, self.kind, Key.of(obj))
            return ()

    def _tell(self, type: Change, obj: Object, old: Object | None) -> None:
        for listener in self._listeners:
            self._call(listener, type, obj, old)

    def _call(self, listener: Listener, type: Change, obj: Object, old: Object | None) -> None:
        try:
            listener(type, obj, old)
        except Exception:  # one listener's bug must not stop the watch that all others live on
            log.exception("a listener failed on %s %s", self.kind, Key.of(obj))


def _lean(obj: Object) -> Object:
    """Without managedFields, sharing all else: what the in-process client hands out is shared with the store."""
    metadata = obj["metadata"]
    if "managedFields" not in metadata:
        return obj
    metadata = metadata.copy()
    del metadata["managedFields"]
    return {**obj, "metadata": metadata}


def _number(obj: Object) -> int:
    return _revision_number(obj["metadata"].get("resourceVersion") or "")


def _revision_number(revision: str) -> int:
    """An aggregated API may number otherwise; 0 then, and nothing is held to be older than anything."""
    return int(revision) if revision.isdigit() else 0


def _uid(obj: Object) -> str:
    return str(obj["metadata"].get("uid") or "")
