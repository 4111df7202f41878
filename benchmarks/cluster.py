"""`trueup run` over HTTP: N units of 20 objects each from nothing to synced, against bare applies.

    python -m benchmarks.cluster [--kubeconfig FILE] [--apps 100] [--dialect argocd|flux]

The floor is the same objects applied by the same client to the same server, before and after, as many at once. Without
``--kubeconfig`` the server is `trueup apiserver` without controllers, in a process of its own. CPU and memory are those of the
process of `trueup run` and the programs that it starts, never the server's. What was made is deleted at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks import fleet
from benchmarks.report import Row, show
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, NotFound
from trueup.ports import Client

APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
REPOSITORY = Kind("source.toolkit.fluxcd.io", "v1", "GitRepository")
NAMESPACE = Kind("", "v1", "Namespace")
LANES = 16
IDLE = 20.0
"""Seconds that idleness is measured over."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family's way to say what is to be delivered."""

    kind: Kind
    space: str

    def unit(self, name: str) -> Object:
        """One unit."""
        return fleet.application(name) if self.kind is APPLICATION else fleet.kustomization(name, self.space)

    def done(self, obj: Object) -> bool:
        """Whether a unit says that all is applied."""
        status = obj.get("status") or {}
        if self.kind is APPLICATION:
            return bool(status.get("sync", {}).get("status") == "Synced")
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())

    async def prepare(self, client: Client, names: Sequence[str]) -> None:
        """What is there before the units are: the project that allows everything; the source and the namespaces."""
        with suppress(AlreadyExists):
            await client.create(_space(self.space))
        if self.kind is APPLICATION:
            await patiently(client, fleet.project(self.space))
            return
        await patiently(client, fleet.repository(self.space))
        await asyncio.gather(*(client.create(_space(name)) for name in names))

    async def clean(self, client: Client, names: Sequence[str]) -> None:
        """Delete the units and all namespaces."""
        wanted = [Ref(self.kind, self.space, name) for name in names]
        wanted += [Ref(NAMESPACE, "", space) for name in names for space in (name, *_bare(name))]
        if self.kind is KUSTOMIZATION:
            wanted.append(Ref(REPOSITORY, self.space, "fleet"))
        lanes = asyncio.Semaphore(LANES)

        async def one(ref: Ref) -> None:
            async with lanes:
                with suppress(NotFound):
                    if ref.kind is KUSTOMIZATION:  # nobody is left to take the objects along
                        await client.patch(ref, {"metadata": {"finalizers": None}}, "merge")
                    await client.delete(ref, propagation="Background")

        await asyncio.gather(*map(one, wanted))


DIALECTS = {"argocd": Dialect(APPLICATION, "argocd"), "flux": Dialect(KUSTOMIZATION, "flux-system")}


async def main(kubeconfig: Path, count: int, dialect: Dialect) -> None:
    """Measure, print, clean up."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        names = fleet.write(root / "repo", count, f"app-{uuid.uuid4().hex[:6]}")
        client = await HttpClient.connect(load(kubeconfig))
        try:
            await floor_and_full(client, kubeconfig, root, names, dialect)
        finally:
            await dialect.clean(client, names)
            await client.close()


async def floor_and_full(client: Client, kubeconfig: Path, root: Path, names: list[str], dialect: Dialect) -> None:
    """The floor, the whole, the floor again, on one server."""
    await warm(client, kubeconfig, root, dialect)
    counted: Counter[str] = Counter()
    floors = [await bare(kubeconfig, [_bare(name)[0] for name in names], counted)]
    async with Program.of(kubeconfig, root) as program:
        await dialect.prepare(client, names)
        await program.ready()
        before, calls = program.cpu(), await program.requests()
        listing = await client.list(dialect.kind, dialect.space)
        began = time.monotonic()
        await asyncio.gather(*(client.create(dialect.unit(name)) for name in names))
        await until_done(client, dialect, names, listing.revision)
        synced = time.monotonic() - began
        await asyncio.sleep(5)  # events and last looks
        used, made = program.cpu() - before, await program.requests() - calls
        before, settled = program.cpu(), await program.requests()
        await asyncio.sleep(IDLE)
        idle, quiet = 100 * (program.cpu() - before) / IDLE, await program.requests() - settled
        memory, start = program.memory(), program.start
    floors.append(await bare(kubeconfig, [_bare(name)[1] for name in names], Counter()))
    seconds, spent = (sum(column) / 2 for column in zip(*floors, strict=True))
    floor = f"bare applies {seconds:.1f} s ({' and '.join(f'{floor[0]:.1f}' for floor in floors)})"
    objects = 20 * len(names)
    rows = [
        Row(f"{len(names)} units synced", f"{synced:.1f} s", synced / seconds, floor),
        Row("CPU of our own", f"{used:.1f} s", used / spent, f"bare applies {spent:.1f} s"),
        Row("CPU of the start", f"{start:.1f} s", None, "modules, definitions"),
        Row("memory", f"{memory:.0f} MB", None, "peak of the process"),
        Row("requests", f"{made.total()}", made.total() / counted.total(), f"bare applies {counted.total()}"),
        Row("requests an object", f"{made.total() / objects:.2f}"),
        *(Row(f"  {verb}", f"{number}") for verb, number in made.most_common()),
        Row("idle", f"{idle:.1f} %", None, f"of a core, {quiet.total()} requests in {IDLE:.0f} s"),
    ]
    show(f"cluster (Kubernetes {await client.version()}, {dialect.kind.kind}s)", rows)


async def warm(client: Client, kubeconfig: Path, root: Path, dialect: Dialect) -> None:
    """Have the kinds served: a genuine API server is busy for seconds after it learned of them, and holds up first writes."""
    name = f"warm-{uuid.uuid4().hex[:6]}"
    unit = dialect.unit(name)
    async with Program.of(kubeconfig, root) as program:
        await program.ready()
        with suppress(AlreadyExists):
            await client.create(_space(dialect.space))
        await patiently(client, {**unit, "metadata": {**unit["metadata"], "annotations": {"about": "to be deleted"}}})
        await client.delete(Ref.of(unit))
    await asyncio.sleep(5)


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
            await apply(_space(space))
            placed = ({**obj, "metadata": {**obj["metadata"], "namespace": space}} for obj in fleet.objects_of(space))
            await asyncio.gather(*map(apply, placed))

        await asyncio.gather(*map(one, spaces))
        return time.monotonic() - began, cpu() - before
    finally:
        await client.close()


class Program:
    """`trueup run` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str, session: aiohttp.ClientSession) -> None:
        self._process, self._url, self._session = process, url, session
        self.start = 0.0

    @classmethod
    def of(cls, kubeconfig: Path, root: Path) -> _Started:
        """Started as people start it."""
        command = [sys.executable, "-m", "trueup.cli.main", "run", "--kubeconfig", str(kubeconfig)]
        command += [
            "--families",
            "argocd,flux",
            "--map",
            f"{fleet.URL}={root / 'repo'}",
            "--state",
            str(root / "state"),
        ]
        return _Started([*command, "--metrics-listen", "127.0.0.1:0"])

    async def ready(self) -> None:
        """All listings are in."""
        async with asyncio.timeout(60):
            while True:
                async with self._session.get(f"{self._url}/readyz") as answer:
                    if answer.status == 200:
                        self.start = self.cpu()
                        return
                await asyncio.sleep(0.1)

    async def requests(self) -> Counter[str]:
        """Requests so far, by verb; those that only hold the Lease apart."""
        async with self._session.get(f"{self._url}/metrics") as answer:
            text = await answer.text()
        found: Counter[str] = Counter()
        pattern = r'^trueup_api_request_duration_seconds_count\{code="[^"]*",verb="([^"]*)"\} (\S+)$'
        for verb, number in re.findall(pattern, text, re.M):
            found[verb] += int(float(number))
        return found

    def cpu(self) -> float:
        """CPU seconds of the process and of its ended children."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Peak memory in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


class _Started:
    """A program while a block runs."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    async def __aenter__(self) -> Program:
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the program
        self._process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop yet
            self._command, stdout=self._output, text=True, env=env
        )
        self._session = aiohttp.ClientSession()
        async with asyncio.timeout(60):
            while not (url := re.search(r"^metrics +(\S+)/metrics$", self._said(), re.M)):
                if self._process.poll() is not None:
                    raise RuntimeError(f"trueup run ended with {self._process.returncode}")
                await asyncio.sleep(0.05)
        return Program(self._process, url[1], self._session)

    async def __aexit__(self, *failure: object) -> None:
        await self._session.close()
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)
        self._output.close()

    def _said(self) -> str:
        return os.pread(self._output.fileno(), 1 << 16, 0).decode()


async def patiently(client: Client, obj: Object) -> None:
    """Apply an object whose kind was just defined: it is served a moment later."""
    async with asyncio.timeout(30):
        while True:
            try:
                await client.apply(obj, manager="bench")
                return
            except NotFound:
                await asyncio.sleep(0.1)


async def until_done(client: Client, dialect: Dialect, names: list[str], revision: str) -> None:
    """Returns when every unit is done; changes are watched, nothing is polled."""
    missing = set(names)
    async with asyncio.timeout(600):
        async for event in client.watch(dialect.kind, dialect.space, revision=revision):
            if event.type == "MODIFIED" and dialect.done(event.object):
                missing.discard(event.object["metadata"]["name"])
                if not missing:
                    return
    raise RuntimeError("the watch ended")


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """`trueup apiserver` in a process of its own; its kubeconfig."""
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "trueup.cli.main", "apiserver", "--memory", "--no-simulate"]
    command += ["--listen", "127.0.0.1:0", "--kubeconfig-out", str(kubeconfig)]
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
    """CPU seconds of this process."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def _space(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _bare(name: str) -> tuple[str, str]:
    """The namespaces of the floor, before and after."""
    return f"before-{name}", f"after-{name}"


def begin(arguments: Sequence[str]) -> None:
    """Read the arguments, start a server if none is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that may be written to; else one is started")
    parser.add_argument("--apps", type=int, default=100)
    parser.add_argument("--dialect", choices=[*DIALECTS, "all"], default="all")
    chosen = parser.parse_args(arguments)
    dialects = list(DIALECTS.values()) if chosen.dialect == "all" else [DIALECTS[chosen.dialect]]
    for dialect in dialects:
        if chosen.kubeconfig is not None:
            asyncio.run(main(chosen.kubeconfig, chosen.apps, dialect))
            continue
        with tempfile.TemporaryDirectory() as temporary, server(Path(temporary)) as kubeconfig:
            asyncio.run(main(kubeconfig, chosen.apps, dialect))


if __name__ == "__main__":
    begin(sys.argv[1:])
