"""`trueup run` over HTTP: N applications of 20 objects each from nothing to synced, against bare applies.

    python -m benchmarks.cluster [--kubeconfig FILE] [--apps 100]

The floor is the same objects applied by the same client to the same server, as many at once. Without ``--kubeconfig`` the
server is `trueup apiserver` without controllers, in a process of its own. CPU and memory are those of this process and
its renderers, never the server's. What was made is deleted at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import fleet
from benchmarks.report import Row, show
from trueup.app.run import running
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, NotFound
from trueup.ports import Client
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings

APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
NAMESPACE = Kind("", "v1", "Namespace")
LANES = 16
_SCOPE = "argocd"


async def main(kubeconfig: Path, count: int) -> None:
    """Measure, print, clean up."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        names = fleet.write(root / "repo", count, f"app-{uuid.uuid4().hex[:6]}")
        access = load(kubeconfig)
        client = await HttpClient.connect(access)
        try:
            await floor_and_full(client, kubeconfig, root, names)
        finally:
            await clean(client, names)
            await client.close()


async def floor_and_full(client: Client, kubeconfig: Path, root: Path, names: list[str]) -> None:
    """Both, one after the other, on one server."""
    counted: Counter[str] = Counter()
    seconds, spent = await bare(kubeconfig, [f"bare-{name}" for name in names], counted)
    metrics = Metrics()
    settings = Settings(state=root / "state", mapping={fleet.URL: root / "repo"}, families=("argocd", "flux"))
    async with running(settings, kubeconfig, "", lambda line: None, install_kinds=True, metrics=metrics):
        with suppress(AlreadyExists):
            await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SCOPE}})
        await project(client)
        before, began = cpu(), time.monotonic()
        calls = requests(metrics)
        await asyncio.gather(*(client.create(fleet.application(name)) for name in names))
        synced = await until_synced(client, names, began)
        used = cpu() - before
        made = requests(metrics) - calls
        await asyncio.sleep(5)
        before, settled, began = cpu(), requests(metrics), time.monotonic()
        await asyncio.sleep(20)
        idle = 100 * (cpu() - before) / (time.monotonic() - began)
        quiet = requests(metrics) - settled
    floor = f"bare applies {seconds:.1f} s"
    rows = [
        Row(f"{len(names)} apps synced", f"{synced:.1f} s", synced / seconds, floor),
        Row("CPU of our own", f"{used:.1f} s", used / spent, f"bare applies {spent:.1f} s"),
        Row("memory", f"{memory():.0f} MB", None, "peak of the process"),
        Row("requests", f"{made.total()}", made.total() / counted.total(), f"bare applies {counted.total()}"),
        *(Row(f"  {verb}", f"{number}") for verb, number in made.most_common()),
        Row("idle", f"{idle:.1f} %", None, f"of a core, {quiet.total()} requests in 20 s"),
    ]
    show(f"cluster (Kubernetes {await client.version()})", rows)


async def bare(kubeconfig: Path, spaces: list[str], counted: Counter[str]) -> tuple[float, float]:
    """The floor: wall and CPU seconds of applying the objects, with no controller."""

    def observe(verb: str, status: int, seconds: float) -> None:
        counted[verb] += 1

    client = await HttpClient.connect(load(kubeconfig), observe=observe)
    try:
        await client.resources()
        before, began = cpu(), time.monotonic()
        lanes = asyncio.Semaphore(LANES)

        async def apply(obj: Object) -> None:
            async with lanes:
                await client.apply(obj, manager="bench")

        async def one(space: str) -> None:
            await apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
            placed = ({**obj, "metadata": {**obj["metadata"], "namespace": space}} for obj in fleet.objects_of(space))
            await asyncio.gather(*map(apply, placed))

        await asyncio.gather(*map(one, spaces))
        return time.monotonic() - began, cpu() - before
    finally:
        await client.close()


async def project(client: Client) -> None:
    """The project that allows everything, as a fresh Argo CD has it."""
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    meta = {"name": "default", "namespace": _SCOPE}
    obj = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}
    async with asyncio.timeout(30):
        while True:  # a kind that was just defined is served a moment later
            try:
                await client.apply(obj, manager="bench")
                return
            except NotFound:
                await asyncio.sleep(0.1)


async def until_synced(client: Client, names: list[str], began: float) -> float:
    """Seconds until every app is synced; changes are watched, nothing is polled."""

    def synced(obj: Object) -> bool:
        return bool((obj.get("status") or {}).get("sync", {}).get("status") == "Synced")

    listing = await client.list(APPLICATION, _SCOPE)
    missing = set(names) - {obj["metadata"]["name"] for obj in listing.items if synced(obj)}
    async with asyncio.timeout(600):
        if missing:
            async for event in client.watch(APPLICATION, _SCOPE, revision=listing.revision):
                if event.type == "MODIFIED" and synced(event.object):
                    missing.discard(event.object["metadata"]["name"])
                    if not missing:
                        break
    return time.monotonic() - began


async def clean(client: Client, names: list[str]) -> None:
    """Delete the apps (nothing follows: they have no finalizer) and all namespaces."""
    wanted = [Ref(APPLICATION, _SCOPE, name) for name in names]
    wanted += [Ref(NAMESPACE, "", space) for name in names for space in (name, f"bare-{name}")]
    lanes = asyncio.Semaphore(LANES)

    async def one(ref: Ref) -> None:
        async with lanes:
            with suppress(NotFound):
                await client.delete(ref, propagation="Background")

    await asyncio.gather(*map(one, wanted))


def requests(metrics: Metrics) -> Counter[str]:
    """Requests so far, by verb."""
    found: Counter[str] = Counter()
    for family in metrics.registry.collect():
        if family.name == "trueup_api_request_duration_seconds":
            for sample in family.samples:
                if sample.name.endswith("_count"):
                    found[sample.labels["verb"]] += int(sample.value)
    return found


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """`trueup apiserver` in a process of its own; its kubeconfig."""
    kubeconfig = folder / "kubeconfig"
    command = [
        sys.executable,
        "-m",
        "trueup.cli.main",
        "apiserver",
        "--memory",
        "--no-simulate",
        "--listen",
        "127.0.0.1:0",
    ]
    command += ["--kubeconfig-out", str(kubeconfig)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not any(line.startswith("stop") for line in iter(process.stdout.readline, "")):
            raise RuntimeError(f"the server ended with {process.wait()}")
        yield kubeconfig
    finally:
        process.terminate()
        process.wait()


def cpu() -> float:
    """CPU seconds of this process and its ended children."""
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


def memory() -> float:
    """Peak memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def begin(arguments: Sequence[str]) -> None:
    """Read the arguments, start a server if none is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that may be written to; else one is started")
    parser.add_argument("--apps", type=int, default=100)
    chosen = parser.parse_args(arguments)
    if chosen.kubeconfig is not None:
        asyncio.run(main(chosen.kubeconfig, chosen.apps))
        return
    with tempfile.TemporaryDirectory() as temporary, server(Path(temporary)) as kubeconfig:
        asyncio.run(main(kubeconfig, chosen.apps))


if __name__ == "__main__":
    begin(sys.argv[1:])
