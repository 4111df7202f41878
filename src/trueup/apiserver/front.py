"""The door: connections from outside, each with TLS on it, and who deals with what they send. Put together by `server`.

HTTP/1.1 is answered here and now (`http1`); HTTP/2 goes on to an engine that speaks it in the clear on loopback (`relay`).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from trueup.apiserver.client_certificates import Authorities, Bearer
from trueup.apiserver.http1 import Conversation, Serving
from trueup.apiserver.link import Link, Peer, Reader
from trueup.apiserver.relay import Relay

_log = logging.getLogger("trueup.apiserver")
_AT_ONCE = 64
"""Connections that are taken before others are heard."""
_LOOK = 1.0
"""Seconds between looks at who is late; and before the next connection is taken when there is no file left for one."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


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
    """Takes connections, and watches over them."""

    def __init__(self, tls: SSL.Context, authorities: Authorities | None, most: int, serving: Serving) -> None:
        self._tls, self._authorities, self._serving = tls, authorities, serving
        self.port = 0
        """Where the engine listens."""
        self.most = most
        """How many connections there may be; one more is hung up on."""
        self.peers: dict[str, Peer] = {}
        """By the port that their connection inside comes from, as the engine writes it."""
        self.open: set[Link] = set()
        self._buffer = memoryview(bytearray(1 << 16))
        """What a relay read last, whichever: it is dealt with before anything else is read."""
        self._loop = asyncio.get_running_loop()
        self._door: socket.socket | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._left = asyncio.Event()
        """Set when the last has gone, once all were told to."""

    def listen(self, door: socket.socket) -> None:
        """Take whoever comes to this socket from now on."""
        door.setblocking(False)
        self._door = door
        self._loop.add_reader(door, self._take, door)

    def _take(self, door: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                taken, _address = door.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as problem:
                if problem.errno not in _EXHAUSTED:
                    raise
                _log.error("a connection cannot be taken: %s", problem.strerror)
                self._loop.remove_reader(door)
                self._loop.call_later(_LOOK, self._take_again, door)
                return
            if len(self.open) >= self.most:
                taken.close()
                continue
            taken.setblocking(False)
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.add(Link(self._tls, taken, self._opened, self._lost))
            if self._looking is None:
                self._looking = self._loop.call_later(_LOOK, self._look)

    def _take_again(self, door: socket.socket) -> None:
        if self._door is door:
            self._loop.add_reader(door, self._take, door)

    def _look(self) -> None:
        """Hang up on who is late."""
        now = self._loop.time()
        for each in [link for link in self.open if link.deadline <= now or link.stalled <= now]:
            each.abort()
        self._looking = self._loop.call_later(_LOOK, self._look) if self.open else None

    def _opened(self, link: Link, tls: SSL.Connection) -> Reader:
        peer = Peer(link.address(), self._shown(tls))
        if tls.get_alpn_proto_negotiated() == b"h2":
            return Relay(link, peer, self.peers, self.port, self._buffer)
        return Conversation(link, peer, self._serving)

    def _shown(self, tls: SSL.Connection) -> Bearer | None:
        leaf = tls.get_peer_certificate() if self._authorities is not None else None
        if leaf is None or self._authorities is None:
            return None
        return self._authorities.bearer(leaf, tls.get_peer_cert_chain() or ())

    def _lost(self, link: Link) -> None:
        self.open.discard(link)
        if self._door is None and not self.open:
            self._left.set()

    def close_door(self) -> None:
        """Take nobody any more."""
        if self._door is not None:
            self._loop.remove_reader(self._door)
            self._door.close()
            self._door = None

    async def stop(self, patience: float) -> None:
        """Let answers under way end, for so many seconds at most, and hang up."""
        self.close_door()
        for each in tuple(self.open):
            if each.reader is None:
                each.abort()
            else:
                each.reader.stop()
        if self.open:
            try:
                await asyncio.wait_for(self._left.wait(), patience)
            except TimeoutError:  # answers that nobody reads
                for each in tuple(self.open):
                    each.abort()
        if self._looking is not None:
            self._looking.cancel()
        if self._serving.tasks:  # they have been told that nobody hears them
            await asyncio.wait(self._serving.tasks, timeout=patience)
