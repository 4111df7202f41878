"""The connections from outside: TLS with a certificate of the client where it has one, in front of an engine that speaks
plain HTTP on loopback. Put together by `server`.

Every connection outside has one inside, opened with its first byte, and the engine knows who asks by the port that it
comes from. Nothing is read of what passes. Who is slow slows down whoever sends to it, and nobody else.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from trueup.apiserver.client_certificates import Authorities, Bearer

LOOPBACK = "127.0.0.1"
HANDSHAKE = 10.0
"""Seconds from connecting to the first byte of a request; who takes longer is hung up on."""
LINGER = 1.0
"""Seconds that a client may go on sending what nobody reads any more."""
FLUSH = 30.0
"""Seconds that what is left to send may take once one side has ended."""
_PIECE = 1 << 16
_RECORD = 1 << 14


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    address: tuple[str, int]
    bearer: Bearer | None


def context(certificate: Path, key: Path, authorities: Authorities | None) -> SSL.Context:
    """TLS 1.2 or newer. Clients are asked for a certificate where somebody's are believed, and need not have one.

    What they show is judged after the handshake, by `Authorities`, whatever it is: for that to see all of it there are no
    sessions to resume.
    """
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_cipher_list(b"ECDHE+AESGCM:ECDHE+CHACHA20")
    made.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION)
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    made.set_mode(SSL.MODE_RELEASE_BUFFERS)
    made.use_certificate_chain_file(str(certificate))
    made.use_privatekey_file(str(key))
    made.set_alpn_select_callback(_protocol)
    if authorities is not None:
        for each in authorities.certificates:
            made.add_client_ca(each)
        made.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    return made


def _protocol(_: SSL.Connection, offered: list[bytes]) -> Any:
    for known in (b"h2", b"http/1.1"):
        if known in offered:
            return known
    return SSL.NO_OVERLAPPING_PROTOCOLS


class Front:
    """What the connections have in common."""

    def __init__(self, tls: SSL.Context, authorities: Authorities | None, most: int) -> None:
        self.tls, self.authorities = tls, authorities
        self.port = 0
        """Where the engine listens."""
        self.most = most
        """How many connections there may be; one more is hung up on."""
        self.peers: dict[str, Peer] = {}
        """By the port that their connection inside comes from, as the engine writes it."""
        self.open: set[Outside] = set()
        self.buffer = memoryview(bytearray(_PIECE))
        """What was read last, by whichever connection: it is dealt with before anything else is read."""

    def connection(self) -> Outside:
        """One from outside."""
        return Outside(self)

    def close(self) -> None:
        """Hang up on everybody who is left."""
        for each in tuple(self.open):
            each.abort()


class Outside(asyncio.BufferedProtocol):
    """A client's connection."""

    __slots__ = (
        "_bearer",
        "_begun",
        "_buffer",
        "_front",
        "_inside",
        "_late",
        "_out",
        "_over",
        "_shaken",
        "_tls",
        "_waiting",
    )
    _out: asyncio.Transport

    def __init__(self, front: Front) -> None:
        self._front = front
        self._buffer = front.buffer
        self._tls = SSL.Connection(front.tls, None)
        self._tls.set_accept_state()
        self._shaken = self._begun = self._over = False
        self._bearer: Bearer | None = None
        self._inside: Inside | None = None
        self._waiting = b""
        """What came before the connection inside was there."""
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport
        if len(self._front.open) >= self._front.most:
            transport.abort()
            return
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._front.open.add(self)
        self._late = asyncio.get_running_loop().call_later(HANDSHAKE, transport.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._over:
            return
        try:
            self._tls.bio_write(self._buffer[:nbytes])
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
                self._bearer = self._shown()
                self._flush()
            if not self._read():
                self._flush()  # it was TLS's own, and may want an answer
        except SSL.WantReadError:
            self._flush()
        except SSL.Error:  # no TLS, or broken: OpenSSL has said so in an alert
            self._flush()
            self._leave()

    def _shown(self) -> Bearer | None:
        authorities = self._front.authorities
        leaf = self._tls.get_peer_certificate() if authorities is not None else None
        if leaf is None or authorities is None:
            return None
        return authorities.bearer(leaf, self._tls.get_peer_cert_chain() or ())

    def _read(self) -> bool:
        """Hand on what was decrypted; False when nothing was. Raises ``SSL.Error``."""
        pieces = []
        try:
            while True:
                pieces.append(self._tls.recv(_RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:  # there is nothing more to come
            self._leave()
        if not pieces:
            return False
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._inside is not None:
            self._inside.write(piece)
        else:
            self._begin(piece)
        return True

    def _begin(self, piece: bytes) -> None:
        self._waiting += piece
        if self._begun:
            return
        self._begun = True
        if self._late is not None:
            self._late.cancel()
        self._out.pause_reading()
        task = asyncio.get_running_loop().create_task(self._connect(), name="connection inside")
        _CONNECTING.add(task)
        task.add_done_callback(_CONNECTING.discard)

    async def _connect(self) -> None:
        address = self._out.get_extra_info("peername") or ("", 0)
        peer = Peer((address[0], address[1]), self._bearer)
        inside = Inside(self, self._buffer, self._front.peers, peer)
        try:
            await asyncio.get_running_loop().create_connection(lambda: inside, LOOPBACK, self._front.port)
        except OSError:  # no port or no file is left
            self._out.abort()
            return
        if self._out.is_closing():
            inside.leave()
            return
        self._inside = inside
        inside.write(self._waiting)
        self._waiting = b""
        self._out.resume_reading()

    def write(self, data: memoryview) -> None:
        """Encrypt and send."""
        if self._out.is_closing() or self._over:
            return
        at, size = 0, len(data)
        while at < size:
            at += self._tls.send(data[at : at + _RECORD])
        self._flush()

    def _flush(self) -> None:
        pieces = []
        try:
            while True:
                pieces.append(self._tls.bio_read(_PIECE))
                if len(pieces[-1]) < _PIECE:
                    break
        except SSL.WantReadError:
            pass
        if pieces and not self._out.is_closing():
            self._out.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _leave(self) -> None:
        """The client has ended, or is at fault."""
        if self._inside is not None:
            self._inside.leave()
        else:
            self._out.close()

    def end(self, *, early: bool) -> None:
        """The engine has ended: what it said is sent, and it was all.

        When it had not read all that the client sent, the client gets time to hear why: a socket that is closed with
        something unread resets the connection, and the answer may be lost. Source: Go's ``net/http``, ``closeWriteAndWait``.
        """
        if self._out.is_closing() or self._over:
            return
        with suppress(SSL.Error):  # the handshake was never finished: there is nothing to say goodbye to
            self._tls.shutdown()
        self._flush()
        self._over = True
        if early:
            self._out.write_eof()
            self.pause(False)
            self._late = asyncio.get_running_loop().call_later(LINGER, self._out.abort)
            return
        self._out.close()
        if self._out.get_write_buffer_size():
            self._late = asyncio.get_running_loop().call_later(FLUSH, self._out.abort)

    def abort(self) -> None:
        """Hang up at once."""
        self._out.abort()

    def connection_lost(self, problem: Exception | None) -> None:
        self._front.open.discard(self)
        if self._late is not None:
            self._late.cancel()
        if self._inside is not None:
            self._inside.leave()

    def pause_writing(self) -> None:
        if self._inside is not None:
            self._inside.pause(True)

    def resume_writing(self) -> None:
        if self._inside is not None:
            self._inside.pause(False)

    def pause(self, wanted: bool) -> None:
        """Read on, or not, from the client."""
        if not self._out.is_closing():
            (self._out.pause_reading if wanted else self._out.resume_reading)()


_CONNECTING: set[asyncio.Task[None]] = set()
"""Held here until they are done: the loop itself forgets tasks."""


class Inside(asyncio.BufferedProtocol):
    """Its other half, to the engine.

    Its port says who asks, so that nobody else may have it while the engine deals with what came from it: when the client
    has gone the engine is told, and ends the connection itself.
    """

    __slots__ = ("_buffer", "_in", "_late", "_left", "_outside", "_peer", "_peers", "_port")

    def __init__(self, outside: Outside, buffer: memoryview, peers: dict[str, Peer], peer: Peer) -> None:
        self._outside, self._buffer, self._peers, self._peer = outside, buffer, peers, peer
        self._in: asyncio.Transport | None = None
        self._port, self._left = "", False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._in = transport
        self._port = str(transport.get_extra_info("sockname")[1])
        self._peers[self._port] = self._peer

    def write(self, data: bytes) -> None:
        """To the engine."""
        if self._in is not None and not self._left:
            self._in.write(data)

    def leave(self) -> None:
        """Nothing more comes from the client."""
        if self._in is None or self._left or self._in.is_closing():
            return
        self._left = True
        self.pause(False)
        self._in.write_eof()
        self._late = asyncio.get_running_loop().call_later(FLUSH, self._in.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._outside.write(self._buffer[:nbytes])

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, problem: Exception | None) -> None:
        self._peers.pop(self._port, None)
        if self._late is not None:
            self._late.cancel()
        self._outside.end(early=problem is not None)

    def pause_writing(self) -> None:
        self._outside.pause(True)

    def resume_writing(self) -> None:
        self._outside.pause(False)

    def pause(self, wanted: bool) -> None:
        """Read on, or not, from the engine."""
        if self._in is not None and not self._in.is_closing():
            (self._in.pause_reading if wanted else self._in.resume_reading)()
