"""N applications of 20 objects: from nothing to synced and healthy, in the embedded cluster, against bare applies.

The floor is the same objects applied through the same API without any controller. Prints seconds, CPU seconds, memory,
idle CPU afterwards, drift to repair, and push to applied.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks import fleet
from benchmarks.report import Row, show
from trueup.app.process import collect_rarely
from trueup.app.up import running
from trueup.kube.names import Kind, Ref
from trueup.kube.problems import AlreadyExists
from trueup.ports import Client
from trueup.settings import Settings

APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
DEPLOYMENT = Kind("apps", "v1", "Deployment")


async def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        names = fleet.write(root / "repo", count)
        floor = await bare(root, names)
        await full(root, names, floor)


async def bare(root: Path, names: list[str]) -> float:
    """The floor: the same objects, applied 16 at a time, no controllers; seconds."""
    from trueup.app.embedded import embedded
    from trueup.runtime.clock import SystemClock

    async with embedded(Settings(state=root / "bare", port=0), SystemClock()) as cluster:
        for name in names:
            await cluster.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        started = time.monotonic()
        lanes = asyncio.Semaphore(16)

        async def one(name: str) -> None:
            async with lanes:
                for obj in fleet.objects_of(name):
                    placed = {**obj, "metadata": {**obj["metadata"], "namespace": name}}
                    await cluster.client.apply(placed, manager="bench")

        await asyncio.gather(*(one(name) for name in names))
        return time.monotonic() - started


async def full(root: Path, names: list[str], floor: float) -> None:
    """All controllers and simulated workloads."""
    settings = Settings(state=root / "state", port=0, mapping={fleet.URL: root / "repo"})
    collect_rarely()
    async with running(settings, lambda line: None) as now:
        client = now.cluster.client
        with suppress(AlreadyExists):
            await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
        before = cpu()
        started = time.monotonic()
        await asyncio.gather(*(client.create(fleet.application(name)) for name in names))
        synced = await until(client, names, lambda s: s.get("sync", {}).get("status") == "Synced", started)
        healthy = await until(client, names, lambda s: s.get("health", {}).get("status") == "Healthy", started)
        spent = cpu() - before
        rows = [
            Row(f"{len(names)} apps synced", f"{synced:.1f} s", synced / floor, f"bare applies {floor:.1f} s"),
            Row("and healthy", f"{healthy:.1f} s", healthy / floor, "bare applies"),
            Row("CPU", f"{spent:.1f} s", None, ""),
            Row("memory", f"{memory():.0f} MB", None, "peak of the process"),
        ]
        await asyncio.sleep(5)
        before, started = cpu(), time.monotonic()
        await asyncio.sleep(20)
        rows.append(Row("idle", f"{100 * (cpu() - before) / (time.monotonic() - started):.1f} %", None, "of a core"))
        rows.append(Row("drift to repair", f"{1000 * await drift(client, names[0]):.0f} ms", None, ""))
        rows.append(Row("push to applied", f"{1000 * await push(client, root / 'repo', names[0]):.0f} ms", None, ""))
        show("converge", rows)


async def until(client: Client, names: list[str], good: object, started: float) -> float:
    """Seconds until every app's status is good; each change is looked at, nothing is polled."""
    assert callable(good)
    missing = set(names)
    listing = await client.list(APPLICATION, "argocd")
    missing -= {obj["metadata"]["name"] for obj in listing.items if good(obj.get("status") or {})}
    if missing:
        async for event in client.watch(APPLICATION, "argocd", revision=listing.revision):
            if event.type in ("ADDED", "MODIFIED") and good(event.object.get("status") or {}):
                missing.discard(event.object["metadata"]["name"])
                if not missing:
                    break
    return time.monotonic() - started


async def drift(client: Client, app: str) -> float:
    """Seconds from a hand-made change to its repair."""
    ref = Ref(DEPLOYMENT, app, "web")
    changed = await client.patch(ref, {"spec": {"replicas": 3}}, "merge", manager="hand")
    started = time.monotonic()
    revision = changed["metadata"]["resourceVersion"]
    async for event in client.watch(DEPLOYMENT, app, revision=revision):
        if event.object["spec"]["replicas"] == 1:
            break
    return time.monotonic() - started


async def push(client: Client, repository: Path, app: str) -> float:
    """Seconds from a commit to the changed object."""
    kind = Kind("", "v1", "ConfigMap")
    file = repository / "apps" / app / "all.yaml"
    text = await asyncio.to_thread(file.read_text)
    await asyncio.to_thread(file.write_text, text.replace("value 0 of", "pushed"))
    revision = (await client.list(kind, app)).revision
    await asyncio.to_thread(fleet.commit, repository, "change")
    started = time.monotonic()
    async for event in client.watch(kind, app, revision=revision):
        if "pushed" in str(event.object.get("data")):
            break
    return time.monotonic() - started


def cpu() -> float:
    """CPU seconds of this process and its children."""
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


def memory() -> float:
    """Peak memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
