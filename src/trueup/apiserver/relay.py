"""HTTP/2: what a client sends goes to the engine as it is, over a connection of its own on loopback. Chosen by `front`.

The engine knows who asks by the port that the connection comes from, so that nobody else may have it while the engine deals
with what came from it: when the client has gone the engine is told, and ends the connection itself. Who is slow slows down
whoever sends to it, and nobody else.
"""

from __future__ import annotations

import asyncio

from trueup.apiserver.link import FLUSH, Link, Peer

LOOPBACK = "127.0.0.1"
_PIECE = 1 << 16


class Relay(asyncio.BufferedProtocol):
    """A link's reader, and the engine's client."""

    __slots__ = (
        "_begun", "_buffer", "_connecting", "_in", "_late", "_left", "_link", "_peer", "_peers", "_port", "_waiting",
    )  # fmt: skip

    def __init__(self, link: Link, peer: Peer, peers: dict[str, Peer], port: int, buffer: memoryview) -> None:
        """``port``: the engine's. ``peers`` is told who asks, by the port of the connection inside. ``buffer``: for what is
        dealt with at once."""
        self._link, self._peer, self._peers, self._buffer = link, peer, peers, buffer
        self._port = port
        self._in: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._begun = self._left = False
        self._waiting = b""
        """What came before the connection inside was there."""
        self._late: asyncio.TimerHandle | None = None

    def received(self, data: bytes) -> None:
        if self._in is not None:
            if not self._left:
                self._in.write(data)
            return
        self._waiting += data
        if not self._begun:
            self._begun = True
            self._link.deadline = float("inf")
            self._link.pause_reading()
            self._connecting = asyncio.get_running_loop().create_task(self._connect(), name="connection inside")

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, LOOPBACK, self._port)
        except OSError:  # no port or no file is left
            self._link.abort()
        self._connecting = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._in = transport
        self._port = transport.get_extra_info("sockname")[1]
        self._peers[str(self._port)] = self._peer
        if self._left:  # the client has gone meanwhile
            self._left = False
            self._leave()
            return
        transport.write(self._waiting)
        self._waiting = b""
        self._link.resume_reading()

    def ended(self) -> None:
        self._leave()

    def lost(self) -> None:
        self._leave()

    def stop(self) -> None:
        """The engine says goodbye on its own, once all streams have ended."""

    def _leave(self) -> None:
        """Nothing more comes from the client."""
        if self._left:
            return
        self._left = True
        if self._in is None:
            if not self._begun:
                self._link.close()
            return
        if self._in.is_closing():
            return
        self.go_on()
        self._in.write_eof()
        self._late = asyncio.get_running_loop().call_later(FLUSH, self._in.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._link.write(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, problem: Exception | None) -> None:
        self._peers.pop(str(self._port), None)
        if self._late is not None:
            self._late.cancel()
        self._link.close(early=problem is not None)

    def pause_writing(self) -> None:
        """The engine is slow."""
        self._link.pause_reading()

    def resume_writing(self) -> None:
        self._link.resume_reading()

    def hold(self) -> None:
        if self._in is not None and not self._in.is_closing():
            self._in.pause_reading()

    def go_on(self) -> None:
        if self._in is not None and not self._in.is_closing():
            self._in.resume_reading()
