"""The server under the wire: `front` takes connections and answers HTTP/1.1; HTTP/2 is spoken by granian, in this process
behind it. A thin adapter, so that either can be replaced."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Awaitable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

from granian._granian import ListenerSpec
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP2Settings
from granian.server.embed import Server as Engine

from trueup.apiserver.asgi import Receive, Send
from trueup.apiserver.client_certificates import Authorities
from trueup.apiserver.front import Front, context
from trueup.apiserver.http1 import HEADER_BYTES, Serving
from trueup.apiserver.relay import LOOPBACK

_ALIVE = 30_000
"""Milliseconds between pings, so that the watches of a client whose network is gone are ended."""
_PATIENCE = 5.0
"""Seconds that clients may take to hear their answers' end when the server stops."""
_QUEUE = 1024
_FILES_APART, _FILES_EACH = 256, 3
"""Open files: for all but connections, and for one of them (its own socket, and both ends inside)."""


class _Engine(Engine):
    """Listens with one socket, made here, as it does by itself wherever the system is not Linux: it can be looked at."""

    def _init_shared_socket(self) -> None:
        made = ListenerSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._shd, self._sfd = made, made.get_fd()  # type: ignore[assignment]


class Answering(Protocol):
    """An ASGI application that can be told to let go."""

    def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Awaitable[None]: ...

    async def hang_up(self) -> None: ...


class Server:
    """A running server. ``url`` is where it answers."""

    def __init__(
        self,
        application: Answering,
        engine: Engine,
        task: asyncio.Task[None],
        front: Front,
        host: str,
        port: int,
    ) -> None:
        self._application, self._engine, self._task = application, engine, task
        self._front = front
        self.host, self.port = host, port
        shown = f"[{host}]" if ":" in host else host
        self.url = f"https://{shown}:{self.port}"

    async def stop(self) -> None:
        """Close the door and let go of those inside: the engine waits for answers under way, so watches are ended."""
        self._front.close_door()
        await self._application.hang_up()
        self._engine.stop()  # type: ignore[no-untyped-call]
        await self._front.stop(_PATIENCE)
        await self._task


async def serve(
    application: Answering, host: str, port: int, certificate: Path, key: Path, client_ca: bytes = b""
) -> Server:
    """Serve an ASGI application; port 0 takes a free one. ``client_ca``: whose client certificates are believed, in PEM.

    Raises ``OSError`` when the address is taken, and ``ValueError`` for what is no certificate.
    """
    authorities = Authorities(client_ca) if client_ca else None
    tls = context(certificate, key, authorities)
    listening = _listen(host, port)
    front = Front(tls, authorities, (_files() - _FILES_APART) // _FILES_EACH, Serving(application))
    engine = _Engine(
        _from_inside(application, front),
        address=LOOPBACK,
        port=0,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http2,
        backlog=_QUEUE,
        backpressure=100_000,
        http2_settings=HTTP2Settings(
            max_concurrent_streams=20_000, keep_alive_interval=_ALIVE, max_headers_size=HEADER_BYTES
        ),
        log_enabled=False,
        websockets=False,
    )
    task = asyncio.create_task(_run(engine))
    try:
        front.port = await _inside(engine, task)
        front.listen(listening)
    except BaseException:  # whatever keeps it from starting, the port is given back
        listening.close()
        raise
    return Server(application, engine, task, front, host, int(listening.getsockname()[1]))


def _from_inside(application: Answering, front: Front) -> Any:
    """The application as the engine calls it: told who is outside, and hidden from others of this machine."""
    peers = front.peers

    def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        peer = peers.get(scope["client"][1])
        if peer is None:
            return _refuse(scope, send)
        scope["client"], scope["bearer"], scope["scheme"] = peer.address, peer.bearer, "https"
        return application(scope, receive, send)

    return answer


async def _refuse(scope: MutableMapping[str, Any], send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 421, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def _run(engine: Engine) -> None:
    await engine.serve()


async def _inside(engine: _Engine, task: asyncio.Task[None]) -> int:
    """The port that the engine listens on, once it does; its own failure is raised.

    What it accepts there sends at once: in a stream of events, each would wait for the one before to be acknowledged.
    """
    while engine._sfd is None:
        await asyncio.sleep(0)
        if task.done():
            task.result()
            raise OSError("the server ended at once")
    with socket.socket(fileno=os.dup(engine._sfd)) as bound:
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port: int = bound.getsockname()[1]
        return port


def _listen(host: str, port: int) -> socket.socket:
    """One socket, whatever the host's name stands for; connections whose other end is gone are found out."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        made = socket.create_server(address[:2], family=family, backlog=_QUEUE, dualstack_ipv6=both)
    except OSError as problem:
        raise OSError(f"{host}:{port} cannot be listened on: {problem.strerror}; choose another --listen") from None
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _ALIVE // 1000)
    return made


def _files() -> int:
    """How many files may be open; as many as this process can allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 18 if hard == resource.RLIM_INFINITY else min(hard, 1 << 18)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # more than the system allows anybody
        return soft
    return wanted
