"""The floors of `benchmarks.api`, in a process of their own: what the same answers cost with nothing behind them.

    python -m benchmarks.floor CERTIFICATE KEY READY

Two servers over TLS. One is the same engine, answering every request from a table: POST stores the answer that GET gives.
The other is a bare socket: who asks GET follows, and what somebody POSTs is written to all who follow. When both answer,
their ports are in the file READY.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trueup.apiserver.server import serve


class Echo:
    """An ASGI application that answers what it was told last."""

    def __init__(self) -> None:
        self._answer = b"{}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body") or b""
            if not message.get("more_body"):
                break
        self._answer = body or self._answer
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self._answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._answer})

    async def hang_up(self) -> None:
        """Nothing goes on."""


class Spread(asyncio.Protocol):
    """One connection of the bare fan-out."""

    def __init__(self, following: list[asyncio.WriteTransport]) -> None:
        self._following, self._buffer = following, b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if head.startswith(b"GET"):
            self._following.append(self._transport)
            self._transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        elif len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return
        else:
            chunk = b"%x\r\n%b\r\n" % (len(body), body)
            for transport in self._following:
                transport.write(chunk)
            self._transport.write(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        self._buffer = b""

    def connection_lost(self, problem: Exception | None) -> None:
        if self._transport in self._following:
            self._following.remove(self._transport)


async def main(certificate: Path, key: Path, ready: Callable[[str], object]) -> None:
    """Serve until killed."""
    engine = await serve(Echo(), "127.0.0.1", 0, certificate, key)  # type: ignore[arg-type]
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate, key)
    following: list[asyncio.WriteTransport] = []
    loop = asyncio.get_running_loop()
    bare = await loop.create_server(lambda: Spread(following), "127.0.0.1", 0, ssl=own, backlog=1024)
    ready(f"{engine.port} {bare.sockets[0].getsockname()[1]}")
    await bare.serve_forever()


if __name__ == "__main__":
    certificate, key, ready = map(Path, sys.argv[1:])
    asyncio.run(main(certificate, key, ready.write_text))
