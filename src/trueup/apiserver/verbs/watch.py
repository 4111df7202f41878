"""Watches: what was, what is, and every change from then on. Source: Kubernetes API concepts, "Efficient detection of
changes"; KEP-3157 (watch-list)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass

from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.verbs.read import check_fields, find, selected_form
from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Cause, Expired, Invalid
from trueup.store.state import Bucket, Entry, Event, EventType, Gone

BACKLOG = 5_000
"""Events that a watcher may be behind; one that is slower is cut off and has to come back."""
INITIAL_END = "k8s.io/initial-events-end"
BOOKMARK_EVERY = 60.0


@dataclass(slots=True)
class Change:
    """One event as one watcher sees it: an object may enter or leave its selection by changing."""

    type: EventType
    entry: Entry
    event: Event | None = None
    """The stored event, when it is sent as it is."""


class Watcher:
    """One watch. Listens while it is entered; ``changes`` yields until it is too slow or its resource is served no more.

    There may be thousands that hear nothing for long, so what one of them holds is counted in bytes.
    """

    __slots__ = (
        "_bell", "_over", "_queue", "_seen_revision", "_waiter", "bucket", "field_text", "fields", "hub", "label_text",
        "labels", "namespace", "served",
    )  # fmt: skip

    def __init__(self, hub: Hub, served: Served, namespace: str, labels: str = "", fields: str = "") -> None:
        self.hub, self.served, self.namespace = hub, served, namespace
        self.labels = selectors.labels(labels) if labels else None
        self.fields = selectors.fields(fields) if fields else None
        if self.fields is not None:
            check_fields(served, self.fields)
        self.label_text, self.field_text = labels, fields
        self.bucket: Bucket = hub.store.bucket(served.storage)
        self._queue: deque[Event] | None = None
        """None when it is empty."""
        self._waiter: asyncio.Future[None] | None = None
        self._bell: asyncio.TimerHandle | None = None
        self._over = False
        self._seen_revision = hub.store.revision

    @property
    def revision(self) -> int:
        """Everything up to this revision has been yielded; a watch from here on misses nothing."""
        return self._seen_revision if self._queue is not None else max(self._seen_revision, self.hub.store.revision)

    def __enter__(self) -> Watcher:
        self.bucket.listeners.append(self._hear)
        self.hub.registry.changed.append(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        self.bucket.listeners.remove(self._hear)
        self.hub.registry.changed.remove(self._look)
        if self._bell is not None:
            self._bell.cancel()

    def _hear(self, event: Event) -> None:
        if self.namespace and event.namespace != self.namespace:
            return
        queue = self._queue
        if queue is not None and (len(queue) >= BACKLOG or queue[0].revision <= self.bucket.history.forgotten):
            self._over = True  # what it keeps back is then no more than what the bucket remembers anyway
            self._queue = None
        elif queue is not None:
            queue.append(event)
            return  # it was woken by the first of these
        elif not self._over:
            self._queue = deque((event,))
        if self._waiter is not None and not self._waiter.done():
            self.hub.store.turns.wake(self._waiter)

    def wake(self) -> None:
        """End a ``wait``."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self._over and self._queue is None

    @property
    def lost(self) -> bool:
        """It was too slow, and what it did not see is forgotten: its client has to list again."""
        return self._over and self._seen_revision < self.bucket.history.forgotten

    def _look(self) -> None:
        """What is served has changed: a watch of what is served no more ends."""
        if self.hub.registry.get(self.served.resource) is None:
            self._over = True
            self.wake()

    async def prime(self, revision: str, *, initial: bool = False) -> None:
        """Make ready what ``past`` will look at, where a webhook has to be asked how it looks."""
        if not self.served.converts:
            return
        stored = [entry.obj for *_, entry in self.bucket.scan(self.namespace)]
        if not initial and revision.isdigit() and int(revision):
            with suppress(Gone):  # the watch itself is refused with it in a moment
                stored += _objects(self.bucket.since(int(revision)))
        await self.hub.prepare(self.served, stored)

    def past(self, revision: str, *, initial: bool = False) -> list[Change]:
        """What comes before the first live change. Raises ``Expired`` when the revision is forgotten."""
        if initial or revision in ("", "0"):
            found = find(self.hub, self.served, self.namespace, labels=self.label_text, fields=self.field_text)
            return [Change("ADDED", self._shown(entry)) for entry in found.entries]
        if not revision.isdigit():
            raise BadRequest(f'invalid resource version "{revision}"')
        if int(revision) > self.hub.store.revision:  # of another life of this cluster: the client has to list again
            raise Expired(f"too large resource version: {revision}, current: {self.hub.store.revision}")
        try:
            missed = self.bucket.since(int(revision))
        except Gone:
            raise Expired(f"too old resource version: {revision} ({self.bucket.history.forgotten})") from None
        seen = [self._seen(event) for event in missed if not self.namespace or event.namespace == self.namespace]
        return [change for change in seen if change is not None]

    async def changes(self, idle: float | None = None) -> AsyncGenerator[Change | None]:
        """Live changes; None every ``idle`` seconds (time for a bookmark)."""
        now = asyncio.get_running_loop().time
        told = now() + idle if idle is not None else None
        while True:
            if self.served.converts:
                await self.ready()
            change = self.next()
            if change is not None:
                yield change
            elif self.over:
                return
            elif told is not None and idle is not None and now() >= told:
                told = now() + idle
                yield None
            else:
                await self.wait(told)

    async def wait(self, until: float | None) -> None:
        """Return when there is something new, or at a time by the loop's clock.

        The bell for that time is set once, and rings whether somebody waits or not: events come more often than it does.
        """
        loop = asyncio.get_running_loop()
        if until is not None and (self._bell is None or self._bell.when() != until or self._bell.when() <= loop.time()):
            if self._bell is not None:
                self._bell.cancel()
            self._bell = loop.call_at(until, self.wake)
        if self._queue is not None or self._over:
            return
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def ready(self) -> None:
        """The same for what has come since."""
        if self._queue is not None:
            await self.hub.prepare(self.served, _objects(self._queue))

    def _shown(self, entry: Entry) -> Entry:
        """An entry as this watch shows it, where that takes more than a name."""
        if not self.served.converts:
            return entry
        obj = self.hub.as_version(self.served, entry.obj)
        return entry if obj is entry.obj else Entry(entry.revision, None, obj)

    def next(self) -> Change | None:
        """The next live change, when there is one already."""
        while self._queue is not None:
            event = self._queue.popleft()
            if not self._queue:
                self._queue = None
            self._seen_revision = event.revision
            change = self._seen(event)
            if change is not None:
                return change
        return None

    def _seen(self, event: Event) -> Change | None:
        if self.served.converts:
            return self._changed(event, self._shown(event.entry), event.before and self._shown(event.before))
        if self.labels is None and self.fields is None:
            return Change(event.type, event.entry, event)
        return self._changed(event, event.entry, event.before)

    def _changed(self, event: Event, entry: Entry, last: Entry | None) -> Change | None:
        """What an event, of an object as this watch shows it, is to its selection."""
        same = event if entry is event.entry else None
        now = event.type != "DELETED" and self._selects(entry.obj)
        before = last is not None and self._selects(last.obj)
        if now and before:
            return Change("MODIFIED", entry, same if event.type == "MODIFIED" else None)
        if now:
            return Change("ADDED", entry, same if event.type == "ADDED" else None)
        if before and event.type == "DELETED":
            return Change("DELETED", entry, same)
        return Change("DELETED", _left(event, last)) if before and last is not None else None

    def _selects(self, obj: Object) -> bool:
        if self.labels is not None and not self.labels.matches(obj["metadata"].get("labels")):
            return False
        return self.fields is None or self.fields.matches(selected_form(self.served, obj))


def _left(event: Event, last: Entry) -> Entry:
    """An object that left a selection, as it last was in it, at the revision of its leaving."""
    meta = {**last.obj["metadata"], "resourceVersion": str(event.revision)}
    return Entry(event.revision, None, {**last.obj, "metadata": meta})


def _objects(events: Iterable[Event]) -> list[Object]:
    """All that some events are about."""
    return [entry.obj for event in events for entry in (event.entry, event.before) if entry is not None]


def bookmark(served: Served, revision: int, *, initial_end: bool = False) -> Object:
    """An object that says nothing but how far the watch has come."""
    meta: Object = {"resourceVersion": str(revision)}
    if initial_end:
        meta["annotations"] = {INITIAL_END: "true"}
    return {"kind": served.kind.kind, "apiVersion": served.kind.api_version, "metadata": meta}


def check_initial(revision_match: str, initial: bool) -> None:
    """``sendInitialEvents`` and ``resourceVersionMatch`` come together. Source: ``ValidateListOptions`` for watches."""
    text = ""
    if initial and revision_match != "NotOlderThan":
        text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        if revision_match:
            text = f'Unsupported value: "{revision_match}": supported values: "NotOlderThan"'
    elif revision_match and not initial:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    if text:
        cause = Cause("FieldValueForbidden", text, "resourceVersionMatch")
        raise Invalid(f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {text}', causes=[cause])
