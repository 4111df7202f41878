"""Changes as server-sent events: a listener on the live objects, a queue for each open page, a short past for who comes back.

Made by `asgi.py`. Objects go in, lines of an event stream leave. A page says what it has seen (the mark that it was rendered
with, or the id of the last event); it gets what came since, or is told to load itself again when that is forgotten. So nothing
is lost between a page and its stream, nor while a connection is down.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from trueup.family import Unit
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Live, WatchEvent
from trueup.web.pages import row

_BACKLOG = 2_000
_REMEMBERED = 2_000
_HEARTBEAT = 15.0
_AGAIN = b"event: again\ndata: {}\n\n"


@dataclass(eq=False, slots=True)
class _Page:
    """One open page. With ``unit`` it hears of that unit alone, and of the objects in its tree."""

    unit: str
    queue: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    refs: frozenset[Ref] = frozenset()
    uids: set[str] = field(default_factory=set)

    def shows(self, obj: Object, ref: Ref) -> bool:
        """Whether an object is in its tree; one that an object of the tree owns is from now on."""
        meta = obj["metadata"]
        uid = str(meta.get("uid") or "")
        owners = [str(owner.get("uid") or "") for owner in meta.get("ownerReferences") or ()]
        if ref in self.refs or uid in self.uids or any(owner in self.uids for owner in owners):
            self.uids.add(uid)
            return True
        return False


class Changes:
    """Tells every open page what changed."""

    def __init__(self, live: Live, units: Sequence[Unit]) -> None:
        self._live = live
        self._units: dict[Kind, Unit] = {unit.kind: unit for unit in units}
        self._pages: set[_Page] = set()
        self._epoch, self._count = secrets.token_hex(4), 0
        self._past: deque[tuple[int, Ref]] = deque(maxlen=_REMEMBERED)
        live.subscribe(self._heard)

    @property
    def mark(self) -> str:
        """What has been told so far: for a page that is rendered now."""
        return f"{self._epoch}.{self._count}"

    def _heard(self, event: WatchEvent) -> None:
        unit = self._units.get(Kind.of(event.object))
        if unit is not None:
            self._count += 1
            self._past.append((self._count, Ref.of(event.object)))
        if self._pages:
            self._tell(unit, event)

    def _tell(self, unit: Unit | None, event: WatchEvent) -> None:
        ref = Ref.of(event.object)
        id, line = _id(ref), b""
        if unit is not None:
            line = self._line({"gone": event.type == "DELETED", **row(unit, event.object)})
        for page in tuple(self._pages):
            if line and page.unit in ("", id):
                self._put(page, line)
            if page.unit and page.shows(event.object, ref):
                self._put(page, b"event: tree\ndata: {}\n\n")

    def _line(self, data: Object) -> bytes:
        return b"id: %s\ndata: %s\n\n" % (self.mark.encode(), orjson.dumps(data))

    def _put(self, page: _Page, line: bytes) -> None:
        if page.queue.qsize() < _BACKLOG:
            page.queue.put_nowait(line)
        else:
            self._pages.discard(page)  # too slow: the browser comes back and says what it has seen

    async def _since(self, seen: str, unit: str) -> list[bytes]:
        """What came after a mark, as it is by now; the order to load anew when the mark is of another process or too old."""
        epoch, _, count = seen.partition(".")
        first = self._past[0][0] if self._past else self._count + 1
        if epoch != self._epoch or not count.isdigit() or int(count) < first - 1:
            return [_AGAIN]
        changed = {ref for number, ref in self._past if number > int(count) and unit in ("", _id(ref))}
        lines = []
        for ref in sorted(changed):
            obj = await self._live.get(ref)
            gone: Object = {"id": _id(ref), "gone": True}
            lines.append(self._line(gone if obj is None else {"gone": False, **row(self._units[ref.kind], obj)}))
        return lines

    async def stream(
        self,
        *,
        seen: str = "",
        unit: str = "",
        refs: Iterable[Ref] = (),
        uids: Iterable[str] = (),
    ) -> AsyncIterator[bytes]:
        """Lines for one page, until it goes: then this is cancelled, or closed."""
        page = _Page(unit, refs=frozenset(refs), uids=set(uids))
        self._pages.add(page)
        try:
            yield b": hello\n\n"
            for line in await self._since(seen, unit) if seen else ():
                yield line
            while page in self._pages:
                try:
                    async with asyncio.timeout(_HEARTBEAT):
                        yield await page.queue.get()
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._pages.discard(page)


def _id(ref: Ref) -> str:
    return f"{ref.kind.kind.lower()}/{ref.namespace}/{ref.name}"
