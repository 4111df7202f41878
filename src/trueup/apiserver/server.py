"""The engine under the wire: granian in this process, TLS, HTTP/1.1 and HTTP/2. A thin adapter, so that it can be replaced."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server as Engine

from trueup.apiserver.asgi import Application

_ALIVE = 30_000
"""Milliseconds between pings, so that the watches of a client whose network is gone are ended."""


class Server:
    """A running server. ``url`` is where it answers."""

    def __init__(
        self, application: Application, engine: Engine, task: asyncio.Task[None], host: str, port: int
    ) -> None:
        self._application, self._engine, self._task = application, engine, task
        self.host, self.port = host, port
        shown = f"[{host}]" if ":" in host else host
        self.url = f"https://{shown}:{port}"

    async def stop(self) -> None:
        """Close the door and let go of those inside: the engine waits for answers under way, so watches are ended."""
        await self._application.hang_up()
        self._engine.stop()  # type: ignore[no-untyped-call]
        await self._task


async def serve(application: Application, host: str, port: int, certificate: Path, key: Path) -> Server:
    """Serve an ASGI application; port 0 takes a free one. Raises ``OSError`` when the address is taken."""
    chosen = port or _free_port(host)
    if port:
        _check_free(host, port)
    engine = Engine(
        application,
        address=host,
        port=chosen,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        backlog=1024,
        backpressure=100_000,
        http1_settings=HTTP1Settings(keep_alive=True),
        http2_settings=HTTP2Settings(max_concurrent_streams=20_000, keep_alive_interval=_ALIVE),
        ssl_cert=certificate,
        ssl_key=key,
        log_enabled=False,
        websockets=False,
    )
    task = asyncio.create_task(_run(engine))
    await _answers(host, chosen, task)
    return Server(application, engine, task, host, chosen)


async def _run(engine: Engine) -> None:
    await engine.serve()


async def _answers(host: str, port: int, task: asyncio.Task[None]) -> None:
    """Wait until the port takes connections; the engine's own failure is raised."""
    while True:
        if task.done():
            task.result()
            raise OSError(f"the server on {host}:{port} ended at once")
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
            continue
        writer.close()
        return


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise OSError(f"{host}:{port} cannot be listened on: {problem.strerror}; choose another --listen") from None
