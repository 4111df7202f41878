"""One request and its answer over HTTP/1.1, as the ASGI application sees them. Made by `http1`.

Sources: the ASGI specification, "HTTP & WebSocket"; RFC 9112, sections 6 and 7.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from trueup.apiserver.link import Link

Message = MutableMapping[str, Any]

_AHEAD = 1 << 16
"""Bytes of a body that are taken before the application asks for them."""
_TOGETHER = 1 << 16
"""A body up to this size leaves in one piece with its head."""
_STATUS = {code.value: f"HTTP/1.1 {code.value} {code.phrase}\r\n".encode() for code in HTTPStatus}
_BODILESS = frozenset({204, 304})
_CHUNKED = b"transfer-encoding: chunked\r\n"
_CLOSE = b"connection: close\r\n"


class _Date:
    """The header that tells the time, made once a second."""

    second, line = 0, b""

    def now(self) -> bytes:
        now = int(time.time())
        if now != self.second:
            self.second, self.line = now, f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self.line


_date = _Date()


class Exchange:
    """``receive`` and ``send`` are the application's."""

    __slots__ = (
        "_ahead", "_awaited", "_bare", "_chunked", "_expects", "_full", "_gone", "_head", "_link", "_old", "_pieces",
        "_room", "_told", "answered", "keep", "scope", "started", "whole",
    )  # fmt: skip

    def __init__(self, link: Link, scope: Message, *, keep: bool, expects: bool) -> None:
        """``keep``: the connection may go on afterwards. ``expects``: the client waits to hear that its body is wanted."""
        self._link, self.scope, self.keep, self._expects = link, scope, keep, expects
        self._old = scope["http_version"] == "1.0"
        self._bare = scope["method"] == "HEAD"
        self._pieces: list[bytes] = []
        self._ahead = 0
        self._awaited: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._head = b""
        self._chunked = self._full = self._gone = self._told = False
        self.whole = self.started = self.answered = False
        """Whether the request is read to its end, the answer has begun, and has ended."""

    def fed(self, piece: bytes) -> None:
        """The next of the body."""
        self._expects = False
        self._pieces.append(piece)
        self._ahead += len(piece)
        if self._ahead > _AHEAD:
            self._link.pause_reading()
        self._wake()

    def end(self) -> None:
        """Of the request."""
        self.whole = True
        self._wake()

    def leave(self) -> None:
        """The client is gone, or will say nothing more."""
        self._gone = True
        self._wake()
        self.go_on()

    def hold(self) -> None:
        """What was sent waits."""
        self._full = True

    def go_on(self) -> None:
        """It has left."""
        self._full = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    async def receive(self) -> Message:
        """A piece of the body; once it is read, the end of the connection or of the answer."""
        while not self._pieces and (self._told or not self.whole):
            if self._gone or self.answered:
                return {"type": "http.disconnect"}
            if self._expects:
                self._expects = False
                self._link.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._awaited = asyncio.get_running_loop().create_future()
            try:
                await self._awaited
            finally:
                self._awaited = None
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._ahead > _AHEAD:
            self._link.resume_reading()
        self._ahead = 0
        self._told = self.whole
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def send(self, message: Message) -> None:
        """The head of the answer, kept until something follows; then pieces of its body."""
        if message["type"] == "http.response.start":
            self._begin(message["status"], message["headers"])
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        out, self._head = self._head, b""
        if self._bare:
            pass
        elif self._chunked:
            if body:
                out += b"%x\r\n%b\r\n" % (len(body), body)
            if not more:
                out += b"0\r\n\r\n"
        elif len(body) <= _TOGETHER:
            out += body
        else:
            self._link.write(out)
            out = body
        if out:
            self._link.write(out)
        if not more:
            self.answered = True
            self._wake()
        elif self._full and not self._gone:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raises ``ValueError`` for a header that would be two."""
        lines = [_STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status, _date.now()]
        sized = False
        for name, value in headers:
            lines.append(b"%b: %b\r\n" % (name, value))
            sized = sized or name == b"content-length"
        if not sized and not self._bare and status not in _BODILESS:
            if self._old:
                self.keep = False
            else:
                self._chunked = True
                lines.append(_CHUNKED)
        if not self.whole:
            self.keep = False  # where the next request begins is not known
        if not self.keep:
            lines.append(_CLOSE)
        elif self._old:
            lines.append(b"connection: keep-alive\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines):
            raise ValueError("a header of the answer holds the end of a line")
        self._head = head + b"\r\n"
        self.started = True
