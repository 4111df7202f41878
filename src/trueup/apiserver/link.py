"""One connection from outside: TLS on its socket, a certificate of the client where it has one, and bytes both ways with
back-pressure. Made by `front`; who deals with what comes is a `Reader`: `http1` or, for HTTP/2, `relay`.

OpenSSL reads and writes the socket itself, watched by the event loop: nothing is copied on the way, and a small request
costs two calls of the system.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from OpenSSL import SSL

from trueup.apiserver.client_certificates import Bearer

HANDSHAKE = 10.0
"""Seconds from connecting to the first byte of a request; who takes longer is hung up on."""
LINGER = 1.0
"""Seconds that a client may go on sending what nobody reads any more."""
FLUSH = 30.0
"""Seconds that what is left to send may take once one side has ended."""
STALL = 60.0
"""Seconds that a client may take nothing of what waits for it; who reads slowly is another matter."""
_RECORD = 1 << 14
_PIECE = 1 << 16
_FULL = 1 << 16
"""Unsent bytes from which on whoever writes is to wait."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    address: tuple[str, int]
    bearer: Bearer | None


class Reader(Protocol):
    """Deals with what a client sends."""

    def received(self, data: bytes) -> None:
        """The next bytes."""

    def ended(self) -> None:
        """Nothing more comes; an answer may still be sent."""

    def lost(self) -> None:
        """The connection is gone."""

    def hold(self) -> None:
        """What was written waits to be sent: write no more."""

    def go_on(self) -> None:
        """It has been sent."""

    def stop(self) -> None:
        """Close the link as soon as nothing is under way: the server stops."""


class Link:
    """A client's connection."""

    __slots__ = (
        "_closing", "_ended", "_full", "_gone", "_lingers", "_loop", "_lost", "_opened", "_sent", "_socket", "_tls",
        "_unsent", "_waiting", "deadline", "reader", "stalled",
    )  # fmt: skip

    def __init__(
        self,
        tls: SSL.Context,
        taken: socket.socket,
        opened: Callable[[Link, SSL.Connection], Reader],
        lost: Callable[[Link], None],
    ) -> None:
        """``opened`` says who reads once the handshake is done, ``lost`` hears of the end."""
        self._loop = asyncio.get_running_loop()
        self._socket, self._opened, self._lost = taken, opened, lost
        self._tls = SSL.Connection(tls, taken)
        self._tls.set_accept_state()
        self._unsent: deque[bytes] = deque()
        self._sent = 0
        """How much of the first of them."""
        self._waiting = 0
        """Bytes of all."""
        self._closing = self._ended = self._full = self._gone = self._lingers = False
        self.reader: Reader | None = None
        self.deadline = self._loop.time() + HANDSHAKE
        """When it is to be hung up on, by the loop's clock: see `Front`."""
        self.stalled = float("inf")
        """The same, for a client that takes nothing."""
        self._loop.add_reader(taken, self._shake)

    def address(self) -> tuple[str, int]:
        """Host and port of the client."""
        try:
            name = self._socket.getpeername()
        except OSError:  # gone already
            return ("", 0)
        return (name[0], name[1])

    def within(self, seconds: float) -> None:
        """Hang up unless something else is said within so many seconds."""
        self.deadline = self._loop.time() + seconds

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except (SSL.WantReadError, SSL.WantWriteError):  # what a handshake writes fits into a socket's buffer
            return
        except SSL.Error:  # no TLS, or broken: OpenSSL has said so in an alert
            self.abort()
            return
        self.reader = self._opened(self, self._tls)
        self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        assert self.reader is not None
        try:
            data = self._tls.recv(_RECORD)
        except SSL.WantReadError:  # it was TLS's own
            return
        except (SSL.ZeroReturnError, SSL.SysCallError):  # said goodbye, or did not
            self._ended = True
            self._loop.remove_reader(self._socket)
            self.within(FLUSH)
            self.reader.ended()
            return
        except SSL.Error:
            self.abort()
            return
        self.reader.received(data)

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""
        if not (self._ended or self._closing or self._gone):
            self._loop.remove_reader(self._socket)

    def resume_reading(self) -> None:
        """Read on."""
        if not (self._ended or self._closing or self._gone):
            self._loop.add_reader(self._socket, self._readable)

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the client takes it."""
        if self._gone or self._closing:
            return
        sent = 0 if self._unsent else self._send(data, 0)
        if sent == len(data) or self._gone:
            return
        if not self._unsent:
            self._sent = sent
            self.stalled = self._loop.time() + STALL
            self._loop.add_writer(self._socket, self._writable)
        self._unsent.append(data)
        self._waiting += len(data) - sent
        if self._waiting > _FULL and not self._full and self.reader is not None:
            self._full = True
            self.reader.hold()

    def _send(self, data: bytes, sent: int) -> int:
        """How far it got."""
        try:
            if not sent:
                sent = self._tls.send(data)  # a record at a time
            while sent < len(data):
                sent += self._tls.send(memoryview(data)[sent:])
        except (SSL.WantWriteError, SSL.WantReadError):
            pass
        except SSL.Error:
            self.abort()
        return sent

    def _writable(self) -> None:
        self.stalled = self._loop.time() + STALL
        while self._unsent:
            first = self._unsent[0]
            sent = self._send(first, self._sent)
            if self._gone:
                return
            self._waiting -= sent - self._sent
            self._sent = sent
            if sent < len(first):
                break
            self._unsent.popleft()
            self._sent = 0
        if not self._unsent:
            self._loop.remove_writer(self._socket)
            self.stalled = float("inf")
            if self._closing:
                self._goodbye()
                return
        if self._full and not self._waiting and self.reader is not None:
            self._full = False
            self.reader.go_on()

    def close(self, *, early: bool = False) -> None:
        """Send what is left, then hang up.

        ``early``: not all that the client sends was read. It gets time to hear why: a socket that is closed with something
        unread resets the connection, and the answer may be lost. Source: Go's ``net/http``, ``closeWriteAndWait``.
        """
        if self._gone or self._closing:
            return
        self._loop.remove_reader(self._socket)
        self._closing, self._lingers = True, early and not self._ended
        if self._unsent:
            self.within(FLUSH)
        else:
            self._goodbye()

    def _goodbye(self) -> None:
        with suppress(SSL.Error):  # the other end may be gone
            self._tls.shutdown()
        if not self._lingers:
            self.abort()
            return
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self.within(LINGER)
        self._loop.add_reader(self._socket, self._discard)

    def _discard(self) -> None:
        try:
            if self._socket.recv(_PIECE):
                return
        except BlockingIOError:
            return
        except OSError:  # reset: there is nobody left to hear
            pass
        self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        if self._gone:
            return
        self._gone = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._unsent.clear()
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.lost()
        self._lost(self)
