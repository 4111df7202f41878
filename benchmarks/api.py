"""The API server over TLS: requests, durable writes and applies a second, and events told to 1,000 watches.

Floors measured in the same run, with the same client: the same engine answering the same bytes with nothing behind it,
SQLite committing the same rows in batches as large, and a bare socket that writes the same bytes to as many connections.
Client and servers share this machine's cores; the CPU of the server alone is told beside.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson

from benchmarks import fleet
from benchmarks.report import Row, show
from benchmarks.serving import Serving, serving
from benchmarks.wire import Lane, Streams
from trueup.client.access import ClusterAccess
from trueup.kube.names import Object

MAPS = "/api/v1/namespaces/default/configmaps"
LANES = 64
SECONDS = 3.0
WATCHES = 1_000
STREAMS = 250
"""Watches on one HTTP/2 connection."""
BURST = 50
_APPLY = "application/apply-patch+yaml"

Ask = Callable[[Lane, int], "asyncio.Future[tuple[int, bytes]]"]


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        commits = sqlite_floor(root / "floor.sqlite")
        async with serving(root, "--no-simulate") as server, floors(server, root) as (engine, socket):
            rows = [Row("ready after start", f"{1000 * server.ready:.0f} ms")]
            rows += await requests(server, engine, commits)
            rows += await fan_out(server, socket)
            rows.append(
                Row("memory of the server", f"{server.memory():.0f} MB", None, f"{server.disk():.0f} MB on disk")
            )
        show("api", rows)


@asynccontextmanager
async def floors(server: Serving, root: Path) -> AsyncIterator[tuple[ClusterAccess, ClusterAccess]]:
    """How the floors' two servers are reached."""
    ready, pki = root / "ready", server.state / "pki"
    command = [sys.executable, "-m", "benchmarks.floor", str(pki / "server.crt"), str(pki / "server.key"), str(ready)]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        while not ready.exists() or not ready.read_text():
            assert process.returncode is None
            await asyncio.sleep(0.005)
        engine, socket = ready.read_text().split()
        yield (
            replace(server.access, server=f"https://127.0.0.1:{engine}"),
            replace(server.access, server=f"https://127.0.0.1:{socket}"),
        )
    finally:
        process.terminate()
        await process.wait()


async def requests(server: Serving, engine: ClusterAccess, commits: float) -> list[Row]:
    """Requests a second, by what they do."""
    lanes, bare = [[await Lane.open(access) for _ in range(LANES)] for access in (server.access, engine)]
    deployment = fleet.objects_of("bench")[0]
    first = orjson.dumps(config("read"))
    status, stored = await lanes[0].ask("POST", MAPS, first)
    assert status == 201, stored
    await bare[0].ask("POST", "/", stored)

    def apply(n: int) -> bytes:
        meta = {
            **deployment["metadata"],
            "name": f"web-{n % 200}",
            "namespace": "default",
            "annotations": {"n": str(n)},
        }
        return orjson.dumps({**deployment, "metadata": meta})

    def path(n: int) -> str:
        return f"/apis/apps/v1/namespaces/default/deployments/web-{n % 200}?fieldManager=bench"

    floor, _ = await rate(bare, lambda lane, n: lane.ask("GET", "/"), server)
    gets, cost = await rate(lanes, lambda lane, n: lane.ask("GET", f"{MAPS}/read"), server)
    rows = [_row("gets", gets, floor, f"the engine alone {floor:.0f}/s", cost)]
    posts, _ = await rate(bare, lambda lane, n: lane.ask("POST", "/", stored), server)
    made, cost = await rate(lanes, lambda lane, n: lane.ask("POST", MAPS, orjson.dumps(config(f"n{n}"))), server)
    rows.append(_row("durable creates", made, posts, f"the engine alone {posts:.0f}/s", cost))
    rows.append(Row("", "", made / commits, f"SQLite alone {commits:.0f}/s"))
    applied, cost = await rate(lanes, lambda lane, n: lane.ask("PATCH", path(n), apply(n), _APPLY), server)
    rows.append(_row("server-side applies", applied, made, "durable creates", cost))
    started = time.monotonic()
    _, listed = await lanes[0].ask("GET", MAPS)
    rows.append(
        Row(f"list of {listed.count(b'creationTimestamp')}", f"{1000 * (time.monotonic() - started):.0f} ms", None,
            f"{len(listed) / 1e6:.1f} MB")
    )  # fmt: skip
    for lane in (*lanes, *bare):
        lane.close()
    return rows


def _row(what: str, figure: float, floor: float, against: str, cost: float) -> Row:
    return Row(what, f"{figure:.0f}/s", figure / floor, f"{against}; {cost:.0f} us CPU of the server each")


async def rate(lanes: Sequence[Lane], ask: object, server: Serving) -> tuple[float, float]:
    """(requests a second over all lanes, the server's CPU microseconds each)."""
    assert callable(ask)
    count = 0
    used, began = server.cpu(), time.monotonic()
    ends = began + SECONDS

    async def run(lane: Lane) -> None:
        nonlocal count
        while time.monotonic() < ends:
            number, count = count, count + 1
            status, body = await ask(lane, number)
            assert status in (200, 201), body

    await asyncio.gather(*map(run, lanes))
    return count / (time.monotonic() - began), 1e6 * (server.cpu() - used) / count


class Ears:
    """Counts what watches heard."""

    def __init__(self) -> None:
        self.heard: Counter[int] = Counter()
        self._left: asyncio.Future[None] | None = None
        self._wanted = 0

    def hear(self, number: int, piece: bytes) -> None:
        """What came on one watch."""
        lines = piece.count(b"\n")
        self.heard[number] += lines
        self._wanted -= lines
        if self._wanted == 0 and self._left is not None:
            self._left.set_result(None)

    def want(self, count: int) -> asyncio.Future[None]:
        """Done when so many more have been heard."""
        self._wanted, self._left = count, asyncio.get_running_loop().create_future()
        return self._left


async def fan_out(server: Serving, socket: ClusterAccess) -> list[Row]:
    """One event, and many, to a thousand watches: of connections of their own, of a few, and of bare sockets."""
    body = orjson.dumps({"type": "ADDED", "object": config("told")}) + b"\n"
    bare = await told(socket, "/", lambda n: ("/", body), server)
    rows = []
    query = f"{MAPS}?watch=true&resourceVersion={await revision(server.access)}"
    one = await told(server.access, query, lambda n: (MAPS, orjson.dumps(config(f"one-{n}"))), server)
    rows += _told(f"{WATCHES} watches", one, bare)
    query = f"{MAPS}?watch=true&resourceVersion={await revision(server.access)}"
    few = await told(server.access, query, lambda n: (MAPS, orjson.dumps(config(f"few-{n}"))), server, shared=True)
    rows += _told(f"{WATCHES} on {WATCHES // STREAMS} of HTTP/2", few, bare)
    return rows


def _told(what: str, got: tuple[float, float, float], bare: tuple[float, float, float]) -> list[Row]:
    latency, events, cost = got
    return [
        Row(f"{what}: latency", f"{1000 * latency:.0f} ms", latency / bare[0], f"bare sockets {1000 * bare[0]:.0f} ms"),
        Row("  events", f"{events:.0f}/s", events / bare[1],
            f"bare sockets {bare[1]:.0f}/s; {cost:.1f} us CPU of the server each"),
    ]  # fmt: skip


async def told(
    access: ClusterAccess,
    path: str,
    write: Callable[[int], tuple[str, bytes]],
    server: Serving,
    *,
    shared: bool = False,
) -> tuple[float, float, float]:
    """(seconds until the last has heard one event (median of nine), events a second in a burst, server CPU us each)."""
    ears, writer = Ears(), await Lane.open(access)
    watches = await (_shared if shared else _own)(access, path, ears)
    times = []
    for n in range(9):
        heard, began = ears.want(WATCHES), time.monotonic()
        status, answer = await writer.ask("POST", *write(n))
        assert status == 201, answer
        await asyncio.wait_for(heard, 30)
        times.append(time.monotonic() - began)
    heard, used, began = ears.want(WATCHES * BURST), server.cpu(), time.monotonic()
    for n in range(BURST):
        await writer.ask("POST", *write(100 + n))
    await asyncio.wait_for(heard, 60)
    took, used = time.monotonic() - began, server.cpu() - used
    assert set(ears.heard.values()) == {9 + BURST}, "every watch has to hear everything, once"
    for watch in (*watches, writer):
        watch.close()
    return sorted(times)[4], WATCHES * BURST / took, 1e6 * used / (WATCHES * BURST)


async def _own(access: ClusterAccess, path: str, ears: Ears) -> Sequence[Lane | Streams]:
    """A connection for each watch."""
    watches = []
    for number in range(WATCHES):
        watches.append(await Lane.open(access))
        await watches[-1].follow(path, lambda piece, number=number: ears.hear(number, piece))  # type: ignore[misc]
    return watches


async def _shared(access: ClusterAccess, path: str, ears: Ears) -> Sequence[Lane | Streams]:
    """A few connections for all."""
    watches = []
    for first in range(0, WATCHES, STREAMS):
        watches.append(
            await Streams.open(access, lambda stream, piece, first=first: ears.hear(first + stream // 2, piece))  # type: ignore[misc]
        )
        await watches[-1].follow([path] * STREAMS)
    return watches


async def revision(access: ClusterAccess) -> str:
    """From where a watch hears what happens next."""
    lane = await Lane.open(access)
    _, body = await lane.ask("GET", f"{MAPS}?limit=1")
    lane.close()
    return str(orjson.loads(body)["metadata"]["resourceVersion"])


def config(name: str) -> Object:
    """A ConfigMap of about 2 kB."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {f"key-{i}": "value " * 15 for i in range(20)},
    }


def sqlite_floor(path: Path) -> float:
    """Rows of the same size a second, committed in batches of as many as there are lanes."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB)")
    value = orjson.dumps(config("floor"))
    count, started = 0, time.monotonic()
    while time.monotonic() < started + 1.5:
        database.execute("BEGIN")
        database.executemany("INSERT INTO t (value) VALUES (?)", [(value,)] * LANES)
        database.execute("COMMIT")
        count += LANES
    database.close()
    return count / (time.monotonic() - started)


if __name__ == "__main__":
    asyncio.run(main())
