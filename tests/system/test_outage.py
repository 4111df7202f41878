"""`trueup run` outlives the API server that it works on: when that is back, work goes on where it was."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.program import Repository
from tests.system.world import APPLICATION, PROJECT, World, namespace, settings_map
from trueup.app.run import running
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.settings import Settings

pytestmark = pytest.mark.system


class Server:
    """`trueup apiserver` in a process of its own, on one port and one state."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.state, self.kubeconfig = folder / "cluster", folder / "kubeconfig"

    async def start(self) -> None:
        """Returns when it answers."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trueup.cli.main", "apiserver", "--no-simulate", "--state", str(self.state),
            "--listen", f"127.0.0.1:{self.port}", "--kubeconfig-out", str(self.kubeconfig),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while line := await self.process.stdout.readline():
                if line.startswith(b"stop"):
                    return
        raise AssertionError(f"it ended with {await self.process.wait()}")

    async def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        await self.process.communicate()


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what nobody tells."""
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def test_an_outage_of_the_server_is_waited_out(tmp_path: Path) -> None:
    """A commit during the outage arrives after it, drift is healed again, the Lease is held again, nothing else is done."""
    server = Server(tmp_path)
    await server.start()
    repository = Repository.of(tmp_path / "repo")
    repository.write("shop/one.yaml", settings_map("one"))
    first = repository.commit("one")
    client = await HttpClient.connect(load(server.kubeconfig))
    world = World(client, server.kubeconfig, repository, "shop", tmp_path / "run")
    settings = Settings(
        state=world.state,
        mapping={world.url: repository.folder},
        families=("argocd",),
        replicas=0,
        lease_seconds=3,
    )
    try:
        async with running(settings, server.kubeconfig, "", lambda line: None, install_kinds=True) as now:
            await world.begin(namespace("argocd"), PROJECT, world.application(selfHeal=True))
            await world.synced(first)
            replicas = now.replicas
            assert replicas is not None

            await server.kill()
            repository.write("shop/two.yaml", settings_map("two"))
            second = repository.commit("two")
            await until(lambda: not replicas.held)  # by its own clock alone
            await server.start()

            await world.synced(second)
            assert await world.maps() == ["one", "two"]
            await until(lambda: replicas.held)
            assert not now.failed.done()
            app = await world.until(APPLICATION, "argocd", "shop", lambda obj: len(obj["status"]["history"]) > 1)
            assert [entry["revision"] for entry in app["status"]["history"]] == [first, second]
    finally:
        await client.close()
        await server.kill()
