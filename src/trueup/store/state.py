"""The present and the recent past in memory, made durable by a log. Called by the API server's verbs.

A write is checked against the newest state, those still on their way to disk included; it is acknowledged, read and
watched only when it is on disk. Writes that arrive together share one commit. A commit that fails takes back every
write that was waiting for it.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import orjson

from trueup.kube.names import Object
from trueup.store.commits import Commits
from trueup.store.history import Entry, Event, EventType, Gone, History
from trueup.store.listeners import Listeners, Turns
from trueup.store.log import Log, Row, StoreProblem

_log = logging.getLogger("trueup.store")


class Stale(Exception):
    """The object is not at the revision that the writer expected; ``current`` is what it is at (None: absent)."""

    def __init__(self, current: Entry | None) -> None:
        super().__init__("stale")
        self.current = current


Listener = Callable[[Event], None]
_Write = tuple[Event, "Bucket", asyncio.Future[None]]
"""On its way to the log: what changes, where, and who waits for it."""


class Bucket:
    """All objects of one stored resource."""

    def __init__(self, name: str, forgotten: int = 0) -> None:
        self.name = name
        self.spaces: dict[str, dict[str, Entry]] = {}
        self._names: dict[str, list[str]] = {}
        """The sorted names of the namespaces that have been listed."""
        self.head: dict[tuple[str, str], tuple[int, Entry | None]] = {}
        """Writes on their way to disk, by key: the newest revision and what it makes of the object."""
        self.history = History(forgotten)
        self.listeners: Listeners[Listener] = Listeners()

    def get(self, namespace: str, name: str) -> Entry | None:
        """What can be read."""
        space = self.spaces.get(namespace)
        return space.get(name) if space else None

    def newest(self, namespace: str, name: str) -> Entry | None:
        """What a write builds on: writes on their way to disk count."""
        key = (namespace, name)
        pending = self.head.get(key)
        return pending[1] if pending is not None else self.get(namespace, name)

    def scan(self, namespace: str = "", after: tuple[str, str] | None = None) -> Iterator[tuple[str, str, Entry]]:
        """In the order of namespaces and names, from behind ``after`` on."""
        for space in [namespace] if namespace else sorted(self.spaces):
            if after is not None and space < after[0]:
                continue
            names = self._sorted(space)
            start = bisect_right(names, after[1]) if after is not None and space == after[0] else 0
            entries = self.spaces.get(space) or {}
            for name in names[start:]:
                yield space, name, entries[name]

    def scan_at(
        self, revision: int, namespace: str = "", after: tuple[str, str] | None = None
    ) -> Iterator[tuple[str, str, Entry]]:
        """The same as it was at a revision. Raises ``Gone`` when that is forgotten."""
        undone: dict[tuple[str, str], Entry | None] = {}
        for event in reversed(self.since(revision)):
            if not namespace or event.namespace == namespace:
                undone[(event.namespace, event.name)] = event.before
        if not undone:
            yield from self.scan(namespace, after)
            return
        then = {(space, name): entry for space, name, entry in self.scan(namespace)}
        for key, before in undone.items():
            if before is None:
                then.pop(key, None)
            else:
                then[key] = before
        for key in sorted(then):
            if after is None or key > after:
                yield *key, then[key]

    def _sorted(self, space: str) -> list[str]:
        names = self._names.get(space)
        if names is None:
            names = self._names[space] = sorted(self.spaces.get(space) or ())
        return names

    def count(self, namespace: str = "") -> int:
        """How many objects there are."""
        return len(self.spaces.get(namespace) or ()) if namespace else sum(map(len, self.spaces.values()))

    def since(self, revision: int) -> list[Event]:
        """Events after a revision. Raises ``Gone`` when some are forgotten."""
        return self.history.since(revision)

    def publish(self, event: Event) -> None:
        """Make a committed change readable and tell the listeners."""
        self._place(event)
        key = (event.namespace, event.name)
        pending = self.head.get(key)
        if pending is not None and pending[0] == event.revision:
            del self.head[key]
        self.history.add(event)
        for listener in self.listeners:
            listener(event)

    def _place(self, event: Event) -> None:
        space, name = self.spaces.setdefault(event.namespace, {}), event.name
        names = self._names.get(event.namespace)
        if event.type == "DELETED":
            if space.pop(name, None) is not None and names is not None:
                del names[bisect_left(names, name)]
            if not space:
                self.spaces.pop(event.namespace, None)
                self._names.pop(event.namespace, None)
            return
        if names is not None and name not in space:
            insort(names, name)
        space[name] = event.entry


class Store:
    """All buckets over one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.buckets: dict[str, Bucket] = {}
        self.turns = Turns()
        """Wakes those who wait for changes."""
        self.revision = log.last_revision()
        """The newest revision that can be read."""
        self._given = self.revision
        self._commits = Commits(log, _row, self._settle)
        self._trouble = ""
        """Why writes fail, while they do."""
        self._start = self.revision
        for row in log.load():
            assert row.value is not None
            bucket = self.bucket(row.bucket)
            bucket.spaces.setdefault(row.namespace, {})[row.name] = Entry(row.revision, row.value)

    def bucket(self, name: str) -> Bucket:
        """The bucket of a stored resource, made when first asked for."""
        found = self.buckets.get(name)
        if found is None:
            found = self.buckets[name] = Bucket(name, self._start)
        return found

    async def put(self, bucket: Bucket, namespace: str, name: str, obj: Object, expect: int) -> Entry:
        """Write an object that is at revision ``expect`` now (0: absent); its own revision is put into its metadata.

        Takes ``obj`` over: the caller must not change it afterwards. Raises ``Stale``, ``StoreProblem``.
        """
        current = bucket.newest(namespace, name)
        if (current.revision if current is not None else 0) != expect:
            raise Stale(current)
        self._given += 1
        revision = self._given
        obj["metadata"]["resourceVersion"] = str(revision)
        entry = Entry(revision, orjson.dumps(obj), obj)
        event = Event("MODIFIED" if current is not None else "ADDED", revision, namespace, name, entry, current)
        bucket.head[(namespace, name)] = (revision, entry)
        await self._commit([(event, bucket)])
        return entry

    async def add(self, objects: Iterable[tuple[Bucket, Object]]) -> None:
        """Write many new objects in one commit; what is there already is left as it is. Takes them over, as ``put`` does.

        Raises ``StoreProblem``.
        """
        events: list[tuple[Event, Bucket]] = []
        for bucket, obj in objects:
            meta = obj["metadata"]
            key = (meta.get("namespace") or "", meta["name"])
            if bucket.newest(*key) is None:
                self._given += 1
                meta["resourceVersion"] = str(self._given)
                entry = Entry(self._given, orjson.dumps(obj), obj)
                bucket.head[key] = (self._given, entry)
                events.append((Event("ADDED", self._given, *key, entry, None), bucket))
        await self._commit(events)

    async def remove(self, bucket: Bucket, namespace: str, name: str, expect: int, last: Object) -> Entry:
        """Delete an object that is at revision ``expect``; ``last`` is its final state, as watches will see it."""
        current = bucket.newest(namespace, name)
        if current is None or current.revision != expect:
            raise Stale(current)
        self._given += 1
        revision = self._given
        obj = {**last, "metadata": {**last["metadata"], "resourceVersion": str(revision)}}
        event = Event("DELETED", revision, namespace, name, Entry(revision, None, obj, current.size), current)
        bucket.head[(namespace, name)] = (revision, None)
        await self._commit([(event, bucket)])
        return event.entry

    async def _commit(self, events: Sequence[tuple[Event, Bucket]]) -> None:
        if not self._log.durable:
            for event, bucket in events:
                self._publish(event, bucket)
            return
        if not events:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commits.add([(event, bucket, done) for event, bucket in events])
        await done

    def _settle(self, writes: Sequence[_Write], problem: StoreProblem | None) -> None:
        """These are stored, in this order, or none of them is."""
        self._tell(str(problem) if problem is not None else "")
        for event, bucket, done in writes:
            if problem is not None:
                bucket.head.pop((event.namespace, event.name), None)  # what can be read was never touched
            else:
                self._publish(event, bucket)
            if done.done():
                continue
            if problem is not None:
                done.set_exception(problem)
            else:
                done.set_result(None)

    def _tell(self, trouble: str) -> None:
        """Log that writes fail, or work again: once, not for every write."""
        if trouble and trouble != self._trouble:
            _log.error("writes are refused, reads go on: %s", trouble)
        elif self._trouble and not trouble:
            _log.warning("writes are stored again")
        self._trouble = trouble

    def _publish(self, event: Event, bucket: Bucket) -> None:
        self.revision = event.revision
        bucket.publish(event)

    async def close(self) -> None:
        """Finish what is on its way, then let the file go."""
        await self._commits.close()
        self._log.close()

    def sizes(self) -> Mapping[str, int]:
        """How many objects each bucket holds."""
        return {name: bucket.count() for name, bucket in self.buckets.items()}


def _row(write: _Write) -> Row:
    event, bucket, _ = write
    value = None if event.type == "DELETED" else event.entry.raw
    replaces = event.before.revision if event.before is not None else 0
    return Row(event.revision, bucket.name, event.namespace, event.name, value, replaces)


__all__ = ["Bucket", "Entry", "Event", "EventType", "Gone", "Stale", "Store", "StoreProblem"]
