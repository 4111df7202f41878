"""Several `trueup run` share the units of one cluster by Leases; what one leaves behind, the others take over."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.system.program import URL, Repository
from tests.system.test_run import APPLICATION, PROJECT, SHOP, settings_map
from trueup.app.embedded import embedded
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Object
from trueup.ports import Client
from trueup.runtime.clock import SystemClock
from trueup.runtime.lease import LEASE, VIEW
from trueup.settings import Settings

pytestmark = pytest.mark.system

SPACE = "trueup-system"
SHOPS = [f"shop-{number}" for number in range(12)]


class Replica:
    """A `trueup run` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, identity: str, metrics: str) -> None:
        self.process, self.identity, self.metrics = process, identity, metrics

    @classmethod
    async def start(cls, name: str, kubeconfig: Path, folder: Path, *options: str) -> Replica:
        """Started, and told where it answers."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trueup.cli.main", "run", "--kubeconfig", str(kubeconfig), "--families", "argocd",
            "--map", f"{URL}={folder}", "--lease-seconds", "2", "--metrics-listen", "127.0.0.1:0", *options,
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "POD_NAME": name, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        said: dict[str, str] = {}
        async with asyncio.timeout(30):
            while "stop" not in said:
                line = (await process.stdout.readline()).decode()
                assert line, f"{name} ended with {await process.wait()}"
                word, _, rest = line.partition(" ")
                said[word] = rest.strip()
        return cls(process, said["replica"].partition(",")[0], said["metrics"].removesuffix("/metrics"))

    async def ask(self, path: str) -> tuple[int, str]:
        """What it answers to a probe."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics + path) as answer:
            return answer.status, await answer.text()

    async def reconciles(self) -> int:
        """How many runs of Applications it did."""
        _, text = await self.ask("/metrics")
        found = re.findall(r'^trueup_reconcile_total\{controller="[^"]*application",result="done"\} (\S+)', text, re.M)
        return int(sum(map(float, found)))

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        async with asyncio.timeout(30):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[Client, Path]]:
    """A cluster without controllers, reached over HTTP."""
    async with embedded(Settings(state=tmp_path / "cluster", port=0), SystemClock()) as made:
        client = await HttpClient.connect(load(made.kubeconfig))
        try:
            await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
            yield client, made.kubeconfig
        finally:
            await client.close()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One ConfigMap."""
    made = Repository.of(tmp_path / "repo")
    made.write("shop/one.yaml", settings_map("one"))
    return made


@asynccontextmanager
async def replicas(*started: Replica) -> AsyncIterator[None]:
    """Ended at the end, whatever happened."""
    try:
        yield
    finally:
        for replica in started:
            with suppress(ProcessLookupError):
                replica.process.kill()
            await replica.process.communicate()


async def until(client: Client, kind: object, space: str, holds: Callable[[dict[str, Object]], bool]) -> None:
    """Waits, watching, until the objects of a namespace are as wanted."""
    listing = await client.list(kind, space)  # type: ignore[arg-type]
    found = {obj["metadata"]["name"]: obj for obj in listing.items}
    async with asyncio.timeout(30):
        if holds(found):
            return
        async for event in client.watch(kind, space, revision=listing.revision):  # type: ignore[arg-type]
            if event.type == "BOOKMARK":
                continue
            name = event.object["metadata"]["name"]
            found[name] = event.object
            if event.type == "DELETED":
                del found[name]
            if holds(found):
                return
    raise AssertionError("the watch ended")


def view(*names: str) -> Callable[[dict[str, Object]], bool]:
    """All of these replicas, and no other, act on the view that they are who shares the work."""
    wanted = ",".join(sorted(names))

    def holds(leases: dict[str, Object]) -> bool:
        views = {obj["spec"]["holderIdentity"]: obj["metadata"]["annotations"][VIEW] for obj in leases.values()}
        return {name: views.get(name) for name in names} == dict.fromkeys(names, wanted)

    return holds


def synced(revision: str) -> Callable[[dict[str, Object]], bool]:
    """Every Application is at that commit."""

    def holds(apps: dict[str, Object]) -> bool:
        syncs = [apps[name].get("status", {}).get("sync", {}) for name in SHOPS if name in apps]
        return [(sync.get("status"), sync.get("revision")) for sync in syncs] == [("Synced", revision)] * len(SHOPS)

    return holds


async def create_apps(client: Client) -> None:
    """Twelve."""
    await client.create(PROJECT)
    for name in SHOPS:
        spec = {**SHOP["spec"], "destination": {**SHOP["spec"]["destination"], "namespace": name}}
        await client.create({**SHOP, "metadata": {"name": name, "namespace": "argocd"}, "spec": spec})


async def test_replicas_share_and_take_over(
    tmp_path: Path, cluster: tuple[Client, Path], repository: Repository
) -> None:
    """Both work; when one is killed the other does all; who is told to stop leaves at once, and cleanly."""
    client, kubeconfig = cluster
    first = repository.commit("first")
    one = await Replica.start("one", kubeconfig, repository.folder)
    async with replicas(one):
        two = await Replica.start("two", kubeconfig, repository.folder)
        async with replicas(two):
            await until(client, LEASE, SPACE, view("one", "two"))
            await create_apps(client)
            await until(client, APPLICATION, "argocd", synced(first))
            assert await one.reconciles() > 0
            assert await two.reconciles() > 0
            assert await two.ask("/readyz") == (200, "ok\n")

            one.process.kill()
            second = repository.commit("second")
            await until(client, APPLICATION, "argocd", synced(second))
            assert "trueup_replicas 1.0" in (await two.ask("/metrics"))[1]

            three = await Replica.start("three", kubeconfig, repository.folder)
            async with replicas(three):
                await until(client, LEASE, SPACE, lambda leases: view("two", "three")(leases))
                assert await two.stop() == 0
                left = [lease["spec"]["holderIdentity"] for lease in (await client.list(LEASE, SPACE)).items]
                assert "two" not in left
                third = repository.commit("third")
                await until(client, APPLICATION, "argocd", synced(third))
                assert await three.stop() == 0


async def test_one_of_two_stands_by(cluster: tuple[Client, Path], repository: Repository) -> None:
    """With ``--shards 1`` the first does all, the second takes over when it goes."""
    client, kubeconfig = cluster
    first = repository.commit("first")
    one = await Replica.start("one", kubeconfig, repository.folder, "--shards", "1")
    async with replicas(one):
        two = await Replica.start("two", kubeconfig, repository.folder, "--shards", "1")
        async with replicas(two):
            await create_apps(client)
            await until(client, APPLICATION, "argocd", synced(first))
            assert await two.reconciles() == 0
            assert await one.stop() == 0
            second = repository.commit("second")
            await until(client, APPLICATION, "argocd", synced(second))
            assert await two.stop() == 0
