"""Changes of units as server-sent events: one listener on the live objects, a queue for each open page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import orjson

from trueup.family import Unit
from trueup.kube.names import Kind
from trueup.ports import Live, WatchEvent
from trueup.web.pages import row

_BACKLOG = 2_000
_HEARTBEAT = 15.0


class Changes:
    """Tells every open page what changed."""

    def __init__(self, live: Live, units: Sequence[Unit]) -> None:
        self._units: dict[Kind, Unit] = {unit.kind: unit for unit in units}
        self._pages: set[asyncio.Queue[bytes]] = set()
        live.subscribe(self._heard)

    def _heard(self, event: WatchEvent) -> None:
        unit = self._units.get(Kind.of(event.object))
        if unit is None or not self._pages:
            return
        data = {"gone": event.type == "DELETED", **row(unit, event.object)}
        line = b"data: " + orjson.dumps(data) + b"\n\n"
        for page in tuple(self._pages):
            if page.qsize() < _BACKLOG:
                page.put_nowait(line)
            else:
                self._pages.discard(page)  # too slow: the browser comes back and reads everything anew

    async def stream(self, gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """Lines for one page, until it goes."""
        page: asyncio.Queue[bytes] = asyncio.Queue()
        self._pages.add(page)
        try:
            yield b": hello\n\n"
            while page in self._pages and not await gone():
                try:
                    async with asyncio.timeout(_HEARTBEAT):
                        yield await page.get()
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._pages.discard(page)
