"""Clients that cost next to nothing: keep-alive HTTP/1.1 over TLS, one request at a time on each connection, and streams
that go on over HTTP/2.

Used by the benchmarks that share their cores with the server that they measure. What they do not need of the protocols
they do not read.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from urllib.parse import urlsplit

from trueup.client.access import ClusterAccess


class Broken(Exception):
    """The connection ended in the middle of an answer."""


class Lane(asyncio.Protocol):
    """One connection. ``ask`` for whole answers, or ``follow`` for the pieces of one that goes on."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._buffer = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None
        self._need = 0
        """Bytes of the buffer that the answer under way takes; 0 while its head is incomplete."""
        self._start = 0
        self._piece: Callable[[bytes], None] | None = None

    @classmethod
    async def open(cls, access: ClusterAccess) -> Lane:
        """Connect. Raises ``OSError``."""
        name, host, port = _address(access)
        trust = ssl.create_default_context(cadata=access.ca.decode())
        head = f"host: {name}\r\nauthorization: Bearer {access.token}\r\n".encode()
        _, lane = await asyncio.get_running_loop().create_connection(lambda: cls(head), host, port, ssl=trust)
        return lane

    async def ask(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """One request; status and body of its answer. Raises ``Broken``."""
        self._answer = asyncio.get_running_loop().create_future()
        self._send(method, path, body, content_type)
        return await self._answer

    async def follow(self, path: str, piece: Callable[[bytes], None]) -> None:
        """A request whose answer goes on: returns when it has begun, ``piece`` is called with each chunk from then on."""
        self._piece = piece
        status, body = await self.ask("GET", path)
        assert status == 200, body

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def _send(self, method: str, path: str, body: bytes, content_type: str) -> None:
        assert self._transport is not None
        own = f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n" if body else ""
        self._transport.write(f"{method} {path} HTTP/1.1\r\n{own}".encode() + self._head + b"\r\n" + body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, problem: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Broken(str(problem or "the server hung up")))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._answer is None or self._answer.done():
            self._chunks()
            return
        if not self._need and not self._headed():
            return
        if len(self._buffer) >= self._need:
            body = bytes(self._buffer[self._start : self._need])
            status = int(self._buffer[9:12])
            del self._buffer[: self._need]
            self._need = 0
            self._answer.set_result((status, body))
            if self._piece is not None:
                self._chunks()

    def _headed(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        self._start = self._need = end + 4
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            self._need += int(head[at + 17 :].split(b"\r\n", 1)[0])
        return True

    def _chunks(self) -> None:
        """Hand on every chunk that is there whole."""
        while self._piece is not None:
            line = self._buffer.find(b"\r\n")
            if line < 0:
                return
            size = int(self._buffer[:line], 16)
            if len(self._buffer) < line + 4 + size:
                return
            if size:
                self._piece(bytes(self._buffer[line + 2 : line + 2 + size]))
            del self._buffer[: line + 4 + size]


def _address(access: ClusterAccess) -> tuple[str, str, int]:
    """(as a request names it, host, port)."""
    parts = urlsplit(access.server)
    assert parts.hostname, access.server
    return parts.netloc, parts.hostname, parts.port or 443


class Streams(asyncio.Protocol):
    """One HTTP/2 connection of many answers that go on. Source: RFC 9113, RFC 7541."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access, self._buffer = access, bytearray()
        self._transport: asyncio.Transport | None = None
        self._begun: dict[int, asyncio.Future[None]] = {}
        self._piece: Callable[[int, bytes], None] = lambda stream, piece: None

    @classmethod
    async def open(cls, access: ClusterAccess, piece: Callable[[int, bytes], None]) -> Streams:
        """Connect; ``piece`` is called with each stream's number and what came on it."""
        _, host, port = _address(access)
        trust = ssl.create_default_context(cadata=access.ca.decode())
        trust.set_alpn_protocols(["h2"])
        _, made = await asyncio.get_running_loop().create_connection(lambda: cls(access), host, port, ssl=trust)
        made._piece = piece
        return made

    async def follow(self, paths: list[str]) -> None:
        """Ask for all of these at once; returns when every answer has begun."""
        assert self._transport is not None
        for path in paths:
            stream = 2 * len(self._begun) + 1
            self._begun[stream] = asyncio.get_running_loop().create_future()
            self._transport.write(_frame(_HEADERS, 0x5, stream, self._fields(path)))
        await asyncio.gather(*self._begun.values())

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def _fields(self, path: str) -> bytes:
        """Method GET and scheme https by their numbers, the others as plain literals."""
        fields = {4: path, 1: _address(self._access)[0], 23: f"Bearer {self._access.token}"}
        return b"\x82\x87" + b"".join(_literal(name, value.encode()) for name, value in fields.items())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        windows = struct.pack(">HI", 4, _WINDOW)
        transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, windows)
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - 65_535))
        )

    def connection_lost(self, problem: Exception | None) -> None:
        for begun in self._begun.values():
            if not begun.done():
                begun.set_exception(Broken(str(problem or "the server hung up")))

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        buffer = self._buffer
        buffer += data
        at = took = 0
        while len(buffer) - at >= 9:
            size = int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) - at < 9 + size:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            body = bytes(buffer[at + 9 : at + 9 + size])
            at += 9 + size
            if kind == _DATA:
                took += size
                self._piece(stream, body)
            elif kind == _HEADERS and not self._begun[stream].done():
                if body[:1] == _STATUS_200:
                    self._begun[stream].set_result(None)
                else:
                    self._begun[stream].set_exception(Broken(f"stream {stream} was refused"))
            elif kind == _PING and not flags & 1:
                self._transport.write(_frame(_PING, 1, 0, body))
            elif kind == _SETTINGS and not flags & 1:
                self._transport.write(_frame(_SETTINGS, 1, 0, b""))
        del buffer[:at]
        if took:
            self._transport.write(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", took)))


_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_STATUS_200 = b"\x88"
_WINDOW = 1 << 30
"""So large that a stream's own window is never used up by what a benchmark sends on it."""


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def _literal(name: int, value: bytes) -> bytes:
    """A field of the static table's name and a value that is not to be remembered, without Huffman's code."""
    return _number(name, 4) + _number(len(value), 7) + value


def _number(value: int, bits: int) -> bytes:
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((value,))
    out, value = bytearray((limit,)), value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes((*out, value))
