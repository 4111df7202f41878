"""An embedded cluster in the test's own process, served over TLS, and genuine kubectl to talk to it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from trueup.apiserver import kubeconfig, pki
from trueup.apiserver.asgi import Application
from trueup.apiserver.auth import Authenticator
from trueup.apiserver.discovery import Discovery
from trueup.apiserver.hub import Hub
from trueup.apiserver.openapi import OpenApi
from trueup.apiserver.opening import open_hub
from trueup.apiserver.rbac import Authorizer
from trueup.apiserver.server import Server, serve
from trueup.apiserver.tokens import Tokens
from trueup.apiserver.users import ADMIN
from trueup.kube.types import load
from trueup.store.log import MemoryLog
from trueup.store.state import Store

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")


class WallClock:
    """`ports.Clock`: the real time, for real clients look at it."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kubeconfig, and a home for who uses it."""

    config: Path
    home: Path

    async def run(
        self, *args: str, given: str = "", env: dict[str, str] | None = None, program: str = "kubectl"
    ) -> Ran:
        """Run kubectl to its end."""
        process = await asyncio.create_subprocess_exec(
            program,
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.env(env),
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(given.encode())
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def kubectl(
        self, *args: str, given: str = "", env: dict[str, str] | None = None, program: str = "kubectl"
    ) -> str:
        """What kubectl prints; the test fails when kubectl does."""
        ran = await self.run(*args, given=given, env=env, program=program)
        assert ran.code == 0, f"kubectl {' '.join(args)}: {ran.err or ran.out}"
        return ran.out

    def env(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of a client: its own home, our kubeconfig, nothing of the machine's."""
        path = shutil.which("kubectl") or ""
        return {
            "PATH": f"{Path(path).parent}:/usr/bin:/bin",
            "HOME": str(self.home),
            "KUBECONFIG": str(self.config),
            **(more or {}),
        }


@dataclass(frozen=True, slots=True)
class Served(Cluster):
    """A cluster of our own."""

    hub: Hub
    server: Server


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Served]:
    """A cluster that keeps nothing, on a port of its own."""
    clock = WallClock()
    hub = await open_hub(Store(MemoryLog()), load(), clock)
    keys = pki.prepare(folder / "pki", ["localhost", "127.0.0.1"], clock.now())
    hub.tokens = Tokens(keys.token_key, hub.store)
    hub.authenticator = Authenticator({keys.admin_token: ADMIN}, hub.tokens, clock.now)
    application = Application(hub, hub.authenticator, Authorizer(hub.store))
    Discovery(hub).add_to(application)
    OpenApi(hub).add_to(application)
    server = await serve(application, "127.0.0.1", 0, keys.certificate, keys.key)
    config = folder / "kubeconfig"
    kubeconfig.write(config, url=server.url, ca=keys.ca.read_bytes(), token=keys.admin_token)
    try:
        yield Served(config, folder, hub, server)
    finally:
        await server.stop()
        await hub.close()
