"""Several `trueup run` share the units of one cluster by Leases; what one leaves behind, the others take over.

Over an embedded cluster always, over a genuine Kubernetes where ``--kubeconfig`` names one.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from tests.system.world import APPLICATION, NAMESPACE, PROJECT, World, namespace, pytest_generate_tests, world
from trueup.kube.names import Object, Ref
from trueup.kube.problems import NotFound
from trueup.ports import Client
from trueup.runtime.lease import LEASE, VIEW

__all__ = ["pytest_generate_tests", "world"]

pytestmark = pytest.mark.system

SPACE = "trueup-system"


class Replica:
    """A `trueup run` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, identity: str, metrics: str) -> None:
        self.process, self.identity, self.metrics = process, identity, metrics

    @classmethod
    async def start(cls, name: str, world: World, *options: str) -> Replica:
        """Started, and told where it answers."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trueup.cli.main", "run", "--kubeconfig", str(world.kubeconfig),
            "--families", "argocd", "--map", f"{world.url}={world.repository.folder}",
            "--lease-seconds", "2", "--metrics-listen", "127.0.0.1:0", *options,
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


class Shops:
    """Twelve Applications."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.names = [f"{world.name}-{number}" for number in range(12)]

    async def create(self) -> None:
        """Each with a namespace of its own."""
        await self.world.begin(namespace("argocd"), PROJECT)
        for name in self.names:
            app = self.world.application(name)
            app["spec"]["destination"]["namespace"] = name
            await self.world.begin(app)

    async def synced(self, revision: str) -> None:
        """All are at that commit."""

        def holds(apps: dict[str, Object]) -> bool:
            syncs = [apps[name].get("status", {}).get("sync", {}) for name in self.names if name in apps]
            return [(sync.get("status"), sync.get("revision")) for sync in syncs] == [("Synced", revision)] * 12

        await until(self.world.client, APPLICATION, "argocd", holds)


@pytest.fixture
async def shops(world: World) -> AsyncIterator[Shops]:
    """Gone at the end."""
    made = Shops(world)
    yield made
    for name in made.names:
        for ref in (Ref(APPLICATION, "argocd", name), Ref(NAMESPACE, "", name)):
            with suppress(NotFound):
                await world.client.delete(ref, propagation="Background")


async def test_replicas_share_and_take_over(world: World, shops: Shops) -> None:
    """Both work; when one is killed the other does all; who is told to stop leaves at once, and cleanly."""
    client = world.client
    one = await Replica.start("one", world)
    async with replicas(one):
        two = await Replica.start("two", world)
        async with replicas(two):
            await until(client, LEASE, SPACE, view("one", "two"))
            await shops.create()
            await shops.synced(world.repository.git("rev-parse", "HEAD"))
            assert await one.reconciles() > 0
            assert await two.reconciles() > 0
            assert await two.ask("/readyz") == (200, "ok\n")

            one.process.kill()
            await shops.synced(world.repository.commit("second"))
            assert "trueup_replicas 1.0" in (await two.ask("/metrics"))[1]

            three = await Replica.start("three", world)
            async with replicas(three):
                await until(client, LEASE, SPACE, view("two", "three"))
                assert await two.stop() == 0
                left = [lease["spec"]["holderIdentity"] for lease in (await client.list(LEASE, SPACE)).items]
                assert "two" not in left
                await shops.synced(world.repository.commit("third"))
                assert await three.stop() == 0


async def test_one_of_two_stands_by(world: World, shops: Shops) -> None:
    """With ``--shards 1`` the first does all, the second takes over when it goes."""
    one = await Replica.start("one", world, "--shards", "1")
    async with replicas(one):
        two = await Replica.start("two", world, "--shards", "1")
        async with replicas(two):
            await shops.create()
            await shops.synced(world.repository.git("rev-parse", "HEAD"))
            assert await two.reconciles() == 0
            assert await one.stop() == 0
            await shops.synced(world.repository.commit("second"))
            assert await two.stop() == 0
