"""Versions of objects and the recent past of a bucket: bounded in number and in bytes. Used by `state`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import orjson

from trueup.kube.names import Object

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
WINDOW = 8_192
"""Events that each bucket remembers for watches that come back and for lists that are read page by page..."""
WINDOW_BYTES = 16 << 20
"""...as long as what they hold is no more JSON than this: a thousand versions of an object of 16 kB."""
FRESH = 256
"""Of these, so many are kept parsed, for watches with selectors look at them now; older ones are kept as JSON alone."""
FRESH_BYTES = 4 << 20
"""Parsed objects take several times the memory of their JSON, so large ones are let go earlier."""


class Gone(Exception):
    """A watch asked for events older than those remembered."""


class Entry:
    """One version of one object: as JSON until it is first read, parsed from then on, shared and never changed."""

    __slots__ = ("_obj", "_packed", "_raw", "revision", "size")

    def __init__(self, revision: int, raw: bytes | None, obj: Object | None = None, size: int = 0) -> None:
        self.revision = revision
        self._raw = raw
        self._obj = obj
        self._packed = False
        self.size = len(raw) if raw is not None else size
        """Bytes of its JSON, or an estimate."""

    @property
    def obj(self) -> Object:
        """Parsed; shared by all readers. The JSON is let go, for it can be made again."""
        found = self._obj
        if found is None:
            assert self._raw is not None
            found = orjson.loads(self._raw)
            if not self._packed:
                self._obj, self._raw = found, None
        return found

    @property
    def raw(self) -> bytes:
        """As JSON."""
        return self._raw if self._raw is not None else orjson.dumps(self._obj)

    def slim(self) -> None:
        """Let the JSON go where the parsed form is there too."""
        if self._obj is not None:
            self._raw = None

    def pack(self) -> None:
        """An old version: keep the JSON alone, a fraction of the parsed form's memory."""
        self._raw, self._obj, self._packed = self.raw, None, True


@dataclass(slots=True)
class Event:
    """One change, in order. ``before`` is the version that it replaced."""

    type: EventType
    revision: int
    namespace: str
    name: str
    entry: Entry
    before: Entry | None
    line: bytes | None = None
    """The event as a watch sends it, encoded once for all of them while it is fresh."""
    frame: bytes | None = None
    """The same in protobuf, once somebody watches in it."""
    fresh: bool = True

    @property
    def size(self) -> int:
        """Bytes of JSON that are remembered for its sake: what it replaced, and what it took away."""
        size = self.before.size if self.before is not None else 0
        return size + self.entry.size if self.type == "DELETED" else size

    def pack(self) -> None:
        """Few will ask for it again: keep what it replaced, or took away, as JSON."""
        self.fresh, self.line, self.frame = False, None, None
        if self.before is not None:
            self.before.pack()
        if self.type == "DELETED":
            self.entry.pack()
        else:
            self.entry.slim()


class History:
    """The newest events of a bucket."""

    __slots__ = ("_fresh", "_fresh_size", "_size", "events", "forgotten")

    def __init__(self, forgotten: int = 0) -> None:
        self.events: deque[Event] = deque()
        self.forgotten = forgotten
        """Events up to this revision may be forgotten."""
        self._size = self._fresh = self._fresh_size = 0

    def add(self, event: Event) -> None:
        """The next event; as many of the oldest are packed, and forgotten, as the bounds ask for."""
        events, size = self.events, event.size
        events.append(event)
        self._size += size
        self._fresh += 1
        self._fresh_size += size
        while self._fresh > FRESH or (self._fresh_size > FRESH_BYTES and self._fresh > 1):
            stale = events[-self._fresh]
            self._fresh -= 1
            self._fresh_size -= stale.size
            stale.pack()
        while len(events) > WINDOW or (self._size > WINDOW_BYTES and len(events) > self._fresh):
            oldest = events.popleft()
            self._size -= oldest.size
            self.forgotten = oldest.revision
            if oldest.fresh:
                self._fresh -= 1
                self._fresh_size -= oldest.size

    def since(self, revision: int) -> list[Event]:
        """Events after a revision. Raises ``Gone`` when some are forgotten."""
        if revision < self.forgotten:
            raise Gone
        out = []
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            out.append(event)
        out.reverse()
        return out
