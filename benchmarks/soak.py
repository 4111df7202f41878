"""Many requests a second for minutes: is every one answered rightly, and does the server's memory stay where it is?

    python -m benchmarks.soak [SECONDS] [--rate 1000] [--up]

Eight reads, four lists and eight writes in twenty, over TLS, sent at fixed times whether or not earlier ones are answered
late (latency counts from when a request was due). Each lane owns its objects, so every read has one right answer, and a
watch on each lane's namespace counts what its lane wrote. Server and load share this machine's cores; ``--up`` is against
`trueup up`, with all controllers, instead of `trueup apiserver`. What the server remembers of the past fills up for two
minutes or so; the second half shows whether anything else grows. Exit code 1 when an answer was wrong, an event was lost,
or the rate was not held.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks import fleet
from benchmarks.report import Row, show
from benchmarks.serving import Serving, serving
from benchmarks.wire import Lane
from trueup.client.access import ClusterAccess
from trueup.kube.names import Object

LANES = 16
OBJECTS = 25
WARM_UP = 10.0
"""Seconds before the first look at memory: the interpreter's own first growth is no leak."""
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


@dataclass
class Seen:
    """What all lanes saw."""

    latencies: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    writes: int = 0


class Worker:
    """One connection with objects of its own."""

    def __init__(self, number: int, lane: Lane, seen: Seen) -> None:
        self.space, self.lane, self.seen = f"soak-{number}", lane, seen
        self.maps = f"/api/v1/namespaces/{self.space}/configmaps"
        self.deployments = f"/apis/apps/v1/namespaces/{self.space}/deployments"
        self.versions: dict[str, str] = {}
        """The resource version that each config map has to have."""
        self.told = self.written = 0
        self.count = 0

    async def prepare(self, access: ClusterAccess) -> Lane:
        """The namespace, its objects, and a watch on them (its connection)."""
        body = orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space}})
        await self._ask(201, "POST", "/api/v1/namespaces", body)
        watch = await Lane.open(access)
        await watch.follow(f"{self.maps}?watch=true&fieldSelector=metadata.name!=kube-root-ca.crt", self._hear)
        for n in range(OBJECTS):
            await self.create(f"map-{n}")
        await self.apply_deployment()
        return watch

    def _hear(self, piece: bytes) -> None:
        self.told += piece.count(b"\n")

    async def one(self) -> None:
        """The next request of the mix."""
        self.count += 1
        step, name = self.count % 20, f"map-{self.count // 20 % OBJECTS}"
        if step < 8:
            await self.read(f"map-{self.count % OBJECTS}")
        elif step < 12:
            found = await self._ask(200, "GET", f"{self.maps}?limit=10&labelSelector=part%3Done")
            self._expect(found is not None and len(found["items"]) > 0, "list")
        elif step in (12, 13):
            await self.write("PUT", name, {**config(name, self.space), "data": {"count": str(self.count)}})
        elif step in (14, 15):
            await self.write("PATCH", name, {"data": {f"key-{step}": str(self.count)}}, _MERGE)
        elif step == 16:
            await self.write("PATCH", name, config(name, self.space, str(self.count)), _APPLY)
        elif step == 17:
            await self.apply_deployment()
        elif step == 18:
            await self.create("passing")
        else:
            self.written += await self._ask(200, "DELETE", f"{self.maps}/passing") is not None

    async def read(self, name: str) -> None:
        found = await self._ask(200, "GET", f"{self.maps}/{name}")
        self._expect(found is not None and found["metadata"]["resourceVersion"] == self.versions[name], "read")

    async def create(self, name: str) -> None:
        self._wrote(name, await self._ask(201, "POST", self.maps, orjson.dumps(config(name, self.space))))

    async def write(self, method: str, name: str, obj: Object, content_type: str = "application/json") -> None:
        query = "?fieldManager=soak&force=true" if content_type == _APPLY else ""
        path = f"{self.maps}/{name}{query}"
        self._wrote(name, await self._ask(200, method, path, orjson.dumps(obj), content_type))

    async def apply_deployment(self) -> None:
        obj = fleet.objects_of(self.space)[0]
        meta = {**obj["metadata"], "namespace": self.space, "annotations": {"count": str(self.count)}}
        path = f"{self.deployments}/web?fieldManager=soak&force=true"
        body = orjson.dumps({**obj, "metadata": meta})
        await self._ask(200 if self.count else 201, "PATCH", path, body, _APPLY)

    def _wrote(self, name: str, obj: Any) -> None:
        if obj is not None:
            self.written += obj["metadata"]["resourceVersion"] != self.versions.get(name)
            self.versions[name] = obj["metadata"]["resourceVersion"]

    async def _ask(self, expected: int, method: str, path: str, body: bytes = b"", content_type: str = "") -> Any:
        status, answer = await self.lane.ask(method, path, body, content_type or "application/json")
        self.seen.writes += method != "GET"
        if status != expected:
            self.seen.wrong[f"{method} answered {status}: {answer[:200].decode(errors='replace')}"] += 1
            return None
        return orjson.loads(answer)

    def _expect(self, right: bool, what: str) -> None:
        if not right:
            self.seen.wrong[f"{what}: not what was written"] += 1


def config(name: str, space: str, count: str = "0") -> Object:
    """A ConfigMap of about 1 kB."""
    meta = {"name": name, "namespace": space, "labels": {"part": "one"}}
    data = {"count": count, **{f"key-{i}": "value " * 10 for i in range(12)}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def main(seconds: float, rate: int, verb: str) -> int:
    """Measure and print; the exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        async with serving(Path(temporary), verb=verb) as server:
            code = await soak(server, seconds, rate)
    return code


async def soak(server: Serving, seconds: float, rate: int) -> int:
    """All lanes against one server."""
    seen = Seen()
    workers = [Worker(n, await Lane.open(server.access), seen) for n in range(LANES)]
    watches = [await worker.prepare(server.access) for worker in workers]
    gc.freeze()
    seen.writes = 0
    looks: list[tuple[float, float, float]] = []
    used, began = server.cpu(), time.monotonic()
    ends = began + seconds

    async def run(worker: Worker, offset: float) -> None:
        due = began + offset
        while due < ends:
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            try:
                await worker.one()
            except Exception as problem:
                seen.wrong[f"{type(problem).__name__}: {problem}"] += 1
                return
            seen.latencies.append(time.monotonic() - due)
            due += LANES / rate

    async def look() -> None:
        """Memory and disk at the start, in the middle and at the end."""
        for moment in (min(WARM_UP, seconds / 10), seconds / 2, seconds):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            looks.append((len(seen.latencies), server.memory(), server.disk()))

    await asyncio.gather(look(), *(run(worker, n / rate) for n, worker in enumerate(workers)))
    took, used = time.monotonic() - began, server.cpu() - used
    await _told(workers, seen)
    for lane in (*watches, *(worker.lane for worker in workers)):
        lane.close()
    report(seen, looks, took, used)
    held = len(seen.latencies) / took > 0.98 * rate
    for what, count in seen.wrong.most_common(10):
        print(f"  {count} x {what}")
    return 0 if held and not seen.wrong else 1


async def _told(workers: list[Worker], seen: Seen) -> None:
    """Every write has to reach its watch."""
    ends = time.monotonic() + 10
    while any(worker.told < worker.written for worker in workers) and time.monotonic() < ends:
        await workers[0].lane.ask("GET", "/readyz")  # what it was told before comes before the answer, or soon after
    for worker in workers:
        if worker.told != worker.written:
            seen.wrong[f"watch: {worker.told} events of {worker.written} writes"] += 1


def report(seen: Seen, looks: list[tuple[float, float, float]], took: float, used: float) -> None:
    """Print the figures."""
    sent = sorted(seen.latencies)
    count = len(sent)
    (first, start, disk), (_, middle, between), (last, end, full) = looks
    growth = (end - start) / max(last - first, 1) * 1e6
    late = (end - middle) / max(last - looks[1][0], 1) * 1e6
    rows = [
        Row("requests", f"{count}", None, f"{seen.writes} writes, {took:.0f} s"),
        Row("rate", f"{count / took:.0f}/s"),
        Row("wrong answers", f"{seen.wrong.total()}"),
        Row("latency p50", f"{1000 * sent[count // 2]:.1f} ms"),
        Row("latency p99", f"{1000 * sent[count * 99 // 100]:.1f} ms", None, f"longest {1000 * sent[-1]:.0f} ms"),
        Row("CPU of the server", f"{1e6 * used / count:.0f} us", None, "a request"),
        Row("memory", f"{end:.0f} MB", end / start, f"start {start:.0f}, middle {middle:.0f}"),
        Row("growth a million requests", f"{growth:.1f} MB", None, f"second half {late:.1f} MB"),
        Row("disk", f"{full:.0f} MB", None, f"start {disk:.0f}, middle {between:.0f}"),
    ]
    show("soak", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float, default=300.0)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--up", action="store_const", const="up", default="apiserver")
    chosen = parser.parse_args()
    sys.exit(asyncio.run(main(chosen.seconds, chosen.rate, chosen.up)))
