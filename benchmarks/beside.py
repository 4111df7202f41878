"""The embedded API server beside kube-apiserver with etcd: the same work on both, in the same run.

    python -m benchmarks.beside [--kube-apiserver PATH] [--etcd PATH] [--operations 2000] [--objects 20000]

Both keep what they answer for on disk. Eight connections ask one after the other; the CPU is the servers' alone, etcd with
kube-apiserver. Without binaries only our own figures are printed, and that. See ``envtest`` for what a test's cluster costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.genuine import Asking, Binaries, arguments, genuine
from benchmarks.report import Row, show
from benchmarks.serving import serving
from benchmarks.wire import Lane
from trueup.client.access import ClusterAccess

LANES = 8
MAPS = "/api/v1/namespaces/default/configmaps"
APPLY = "application/apply-patch+yaml"
Request = Callable[[int], tuple[str, str, bytes, str]]
"""From a number: method, path, body and its type."""


@dataclass(frozen=True, slots=True)
class Side:
    """A server that answers."""

    access: ClusterAccess
    pids: tuple[int, ...]
    ready: float

    def cpu(self) -> float:
        """CPU seconds that its processes have used."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MB of its processes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of work: a second, milliseconds of CPU each, and milliseconds that 99 of 100 were answered within."""

    rate: float
    cpu: float
    late: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one server."""

    ready: float
    work: dict[str, Figure]
    memory: float
    listing: float


@asynccontextmanager
async def own() -> AsyncIterator[Side]:
    """`trueup apiserver` with its state on disk and no controllers."""
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder), "--no-simulate") as server:
            yield Side(server.access, (server.pid,), server.ready)


@asynccontextmanager
async def theirs(binaries: Binaries) -> AsyncIterator[Side]:
    """kube-apiserver with an etcd that syncs."""
    began = time.monotonic()
    with genuine(binaries, durable=True) as running:
        yield Side(running.access, running.pids, time.monotonic() - began)


def _map(name: str, size: int = 256) -> bytes:
    return orjson.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": "x" * size}}
    )


WORK: dict[str, Request] = {
    "create": lambda at: ("POST", MAPS, _map(f"made-{at}"), "application/json"),
    "get": lambda at: ("GET", f"{MAPS}/made-{at}", b"", ""),
    "server-side apply, create": lambda at: ("PATCH", f"{MAPS}/app-{at}?fieldManager=m", _map(f"app-{at}"), APPLY),
    "server-side apply, change": lambda at: ("PATCH", f"{MAPS}/app-{at}?fieldManager=m", _map(f"app-{at}", 300), APPLY),
    "merge patch": lambda at: (
        "PATCH", f"{MAPS}/made-{at}", b'{"data":{"more":"y"}}', "application/merge-patch+json",
    ),
    "delete": lambda at: ("DELETE", f"{MAPS}/made-{at}", b"", ""),
}  # fmt: skip


async def measure(side: Side, operations: int, objects: int) -> Figures:
    """All the work, then so many objects and a list of them."""
    lanes = [await Lane.open(side.access) for _ in range(LANES)]
    await _all(lanes, side, lambda at: ("POST", MAPS, _map(f"warm-{at}"), "application/json"), 200)
    work = {name: await _all(lanes, side, request, operations) for name, request in WORK.items()}
    await _all(lanes, side, lambda at: ("POST", MAPS, _map(f"many-{at}"), "application/json"), objects)
    for lane in lanes:
        lane.close()
    memory = side.memory()
    asking = Asking(side.access)
    times = []
    for _ in range(3):
        began = time.monotonic()
        asking.good("GET", MAPS)
        times.append(time.monotonic() - began)
    return Figures(side.ready, work, memory, min(times))


async def _all(lanes: Sequence[Lane], side: Side, request: Request, count: int) -> Figure:
    numbers, times = iter(range(count)), []

    async def go_on(lane: Lane) -> None:
        for number in numbers:
            began = time.monotonic()
            status, body = await lane.ask(*request(number))
            times.append(time.monotonic() - began)
            assert status in (200, 201), body

    began, used = time.monotonic(), side.cpu()
    await asyncio.gather(*map(go_on, lanes))
    took, used = time.monotonic() - began, side.cpu() - used
    return Figure(count / took, 1e3 * used / count, 1e3 * sorted(times)[int(0.99 * len(times))])


def rows(ours: Figures, others: Figures | None, objects: int) -> Iterator[Row]:
    """Each figure, and how many times as much (or as little) kube-apiserver has."""
    yield _row("ready after", "s", 1, ours.ready, others and others.ready)
    for name, figure in ours.work.items():
        peer = others.work[name] if others is not None else None
        yield _row(name, "/s", 0, figure.rate, peer and peer.rate)
        yield _row("  CPU of each", "ms", 2, figure.cpu, peer and peer.cpu)
        yield _row("  99 of 100 within", "ms", 1, figure.late, peer and peer.late)
    yield _row(f"memory with {objects:,} objects", "MB", 0, ours.memory, others and others.memory)
    yield _row("a list of all", "s", 2, ours.listing, others and others.listing)


def _row(what: str, unit: str, digits: int, mine: float, peer: float | None) -> Row:
    if not peer:
        return Row(what, f"{mine:.{digits}f} {unit}")
    return Row(what, f"{mine:.{digits}f} {unit}", mine / peer, f"of kube-apiserver: {peer:.{digits}f} {unit}")


async def main(wanted: argparse.Namespace) -> None:
    """Measure both, one after the other, and print."""
    binaries = Binaries(wanted.kube_apiserver, wanted.etcd)
    missing, others = binaries.missing(), None
    async with own() as side:
        ours = await measure(side, wanted.operations, wanted.objects)
    if not missing:
        async with theirs(binaries) as side:
            others = await measure(side, wanted.operations, wanted.objects)
    show("beside", list(rows(ours, others, wanted.objects)))
    if missing:
        print(
            f"  not beside kube-apiserver: {missing}; --kube-apiserver and --etcd say where they are", file=sys.stderr
        )


if __name__ == "__main__":
    options = arguments(__doc__ or "")
    options.add_argument("--operations", type=int, default=2000)
    options.add_argument("--objects", type=int, default=20000)
    asyncio.run(main(options.parse_args()))
