"""The API server over the wire: reads, durable writes and applies per second, 1,000 watches told of one change.

The floor of the writes, measured in the same run: SQLite committing the same rows in batches of 64.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from benchmarks import fleet
from benchmarks.report import Row, show
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client

CONFIG = Kind("", "v1", "ConfigMap")
LANES = 8
SECONDS = 3.0
WATCHES = 1_000


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        floor = sqlite_floor(root / "floor.sqlite")
        with (root / "log").open("wb") as log:
            server = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "trueup.cli.main", "apiserver", "--no-simulate", "--state", str(root / "state"),
                "--listen", "127.0.0.1:0", stdout=log, stderr=log,
            )  # fmt: skip
        try:
            path = root / "state" / "kubeconfig"
            started = time.monotonic()
            while not (root / "state" / "up.json").exists():
                assert server.returncode is None, (root / "log").read_text()
                await asyncio.sleep(0.005)
            ready = time.monotonic() - started
            client = await HttpClient.connect(load(path))
            await measure(client, server.pid, floor, ready)
        finally:
            server.terminate()
            await server.wait()


async def measure(client: Client, pid: int, floor: float, ready: float) -> None:
    """All figures of one server."""
    rows = [Row("ready after start", f"{1000 * ready:.0f} ms")]
    creates, cost = await rate(lambda n: client.create(config(f"made-{n}")), pid)
    rows.append(
        Row(
            "durable creates",
            f"{creates:.0f}/s",
            creates / floor,
            f"SQLite alone {floor:.0f}/s, {cost:.0f} us CPU each",
        )
    )
    gets, cost = await rate(lambda n: client.get(Ref(CONFIG, "default", "made-0")), pid)
    rows.append(Row("gets", f"{gets:.0f}/s", gets / creates, f"creates, {cost:.0f} us CPU each"))
    deployment = fleet.objects_of("bench")[0]

    def apply(n: int) -> Awaitable[Object]:
        meta = {**deployment["metadata"], "name": f"web-{n % 200}", "namespace": "default"}
        return client.apply({**deployment, "metadata": {**meta, "annotations": {"n": str(n)}}}, manager="bench")

    applies, cost = await rate(apply, pid)
    rows.append(Row("server-side applies", f"{applies:.0f}/s", applies / creates, f"creates, {cost:.0f} us CPU each"))
    started = time.monotonic()
    listing = await client.list(CONFIG, "default")
    seconds = time.monotonic() - started
    rows.append(Row(f"list of {len(listing.items)}", f"{1000 * seconds:.0f} ms"))
    rows.append(
        Row(f"{WATCHES} watches, one event", f"{1000 * await fan_out(client):.0f} ms", None, "to the last of them")
    )
    rows.append(Row("memory of the server", f"{memory(pid):.0f} MB"))
    show("api", rows)


async def rate(work: Callable[[int], Awaitable[object]], pid: int) -> tuple[float, float]:
    """(operations a second with 8 lanes, server CPU microseconds each)."""
    count = 0
    before, started = cpu(pid), time.monotonic()
    ends = started + SECONDS

    async def lane() -> None:
        nonlocal count
        while time.monotonic() < ends:
            number, count = count, count + 1
            await work(number)

    await asyncio.gather(*(lane() for _ in range(LANES)))
    return count / (time.monotonic() - started), 1e6 * (cpu(pid) - before) / max(count, 1)


async def fan_out(client: Client) -> float:
    """Seconds until the last of many watches has heard of one change."""
    listing = await client.list(CONFIG, "default", limit=1)
    heard = asyncio.Semaphore(0)
    watching = asyncio.Semaphore(0)

    async def watch() -> None:
        events = client.watch(CONFIG, "default", revision=listing.revision)
        watching.release()
        async for event in events:
            if event.object["metadata"]["name"] == "told":
                heard.release()
                return

    tasks = [asyncio.create_task(watch()) for _ in range(WATCHES)]
    for _ in tasks:
        await watching.acquire()
    await asyncio.sleep(3)
    started = time.monotonic()
    await client.create(config("told"))
    for _ in tasks:
        await heard.acquire()
    seconds = time.monotonic() - started
    await asyncio.gather(*tasks)
    return seconds


def config(name: str) -> Object:
    """A ConfigMap of about 2 kB."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {f"key-{i}": "value " * 15 for i in range(20)},
    }


def sqlite_floor(path: Path) -> float:
    """Rows of the same size a second, committed in batches of 64."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB)")
    value = orjson.dumps(config("floor"))
    count, started = 0, time.monotonic()
    while time.monotonic() < started + 1.5:
        database.execute("BEGIN")
        database.executemany("INSERT INTO t (value) VALUES (?)", [(value,)] * 64)
        database.execute("COMMIT")
        count += 64
    database.close()
    return count / (time.monotonic() - started)


def cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident MB of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    asyncio.run(main())
