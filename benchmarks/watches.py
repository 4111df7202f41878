"""5,000 watches held at once over one HTTP/2 connection: the server's memory, and what one write to all of them costs.

The promise is less than 150 MB for the whole process. What an event costs beside is told against the same write with
nobody who watches.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import orjson

from benchmarks.api import MAPS, config, revision
from benchmarks.report import Row, show
from benchmarks.serving import Serving, serving
from benchmarks.wire import Lane, Streams

WATCHES = 5_000
WRITES = 20
PROMISED = 150.0
"""MB."""


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        async with serving(Path(temporary), "--no-simulate") as server:
            show("watches", await measured(server))


async def measured(server: Serving) -> list[Row]:
    """Alone first, then with all who watch."""
    alone, alone_cpu, _ = await writes(server, "alone", 0)
    before = server.memory()
    path = f"{MAPS}?watch=true&resourceVersion={await revision(server.access)}"
    heard = Heard()
    began = time.monotonic()
    streams = await Streams.open(server.access, heard.hear)
    await streams.follow([path] * WATCHES)
    opened = time.monotonic() - began
    told, cpu, last = await writes(server, "told", WATCHES, heard)
    after = server.memory()
    streams.close()
    return [
        Row(f"memory with {WATCHES} watches", f"{after:.0f} MB", after / PROMISED, f"the promised {PROMISED:.0f} MB"),
        Row("  each", f"{1000 * (after - before) / WATCHES:.1f} kB", None, f"{before:.0f} MB before"),
        Row("all begun after", f"{opened:.2f} s"),
        Row("a write answered after", f"{1000 * told:.0f} ms", told / alone, f"{1000 * alone:.1f} ms with no watch"),
        Row("heard by the last after", f"{1000 * last:.0f} ms", None,
            f"{1e6 * (cpu - alone_cpu) / WATCHES:.1f} us CPU of the server a watch"),
    ]  # fmt: skip


class Heard:
    """Counts the lines of events that came on all streams."""

    def __init__(self) -> None:
        self._left, self._done = 0, asyncio.Event()

    def want(self, count: int) -> asyncio.Event:
        """Set when so many more have come."""
        self._left, self._done = count, asyncio.Event()
        if not count:
            self._done.set()
        return self._done

    def hear(self, stream: int, piece: bytes) -> None:
        """What came on a stream."""
        self._left -= piece.count(b"\n")
        if self._left <= 0:
            self._done.set()


async def writes(server: Serving, name: str, watches: int, heard: Heard | None = None) -> tuple[float, float, float]:
    """Of one write: (seconds until it was answered, the server's CPU seconds, seconds until the last watch had it)."""
    lane, heard = await Lane.open(server.access), heard or Heard()
    used, answered, told = server.cpu(), [], []
    for n in range(WRITES):
        everybody, began = heard.want(watches), time.monotonic()
        status, body = await lane.ask("POST", MAPS, orjson.dumps(config(f"{name}-{n}")))
        assert status == 201, body
        answered.append(time.monotonic() - began)
        async with asyncio.timeout(60):
            await everybody.wait()
        told.append(time.monotonic() - began)
    lane.close()
    return sorted(answered)[WRITES // 2], (server.cpu() - used) / WRITES, sorted(told)[WRITES // 2]


if __name__ == "__main__":
    asyncio.run(main())
