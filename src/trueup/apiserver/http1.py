"""HTTP/1.1 on a `link`, for the ASGI application: requests are read by llhttp (`httptools`) and answered one after the other,
in the order they came. Made by `front`.

Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import httptools

from trueup.apiserver.exchange import Exchange, Message
from trueup.apiserver.link import Link, Peer

_log = logging.getLogger("trueup.apiserver")
HEADERS = 32.0
"""Seconds that a request's headers may take. Source: ``ReadHeaderTimeout``, ``genericapiserver/secure_serving.go``."""
IDLE = 90.0
"""Seconds that a connection may stay without a request. Source: ``IdleTimeout``, ``genericapiserver/secure_serving.go``."""
HEADER_BYTES = 1 << 20
"""Source: ``DefaultMaxHeaderBytes``, Go's ``net/http``."""
_FOREVER = float("inf")
_ASGI = {"version": "3.0", "spec_version": "2.3"}

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class Serving:
    """What all conversations share."""

    application: Callable[[Message, Receive, Send], Awaitable[None]]
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """Held here until they are done: the loop itself forgets tasks."""


class Conversation:
    """The requests of one connection: a link's reader, and the parser's listener."""

    __slots__ = (
        "_current", "_expects", "_headers", "_latest", "_link", "_loop", "_over", "_parser", "_peer", "_queue", "_serving",
        "_unread", "_url",
    )  # fmt: skip

    def __init__(self, link: Link, peer: Peer, serving: Serving) -> None:
        self._link, self._peer, self._serving = link, peer, serving
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects = False
        self._unread = 0
        """Bytes that came since there was last something whole: of a head, as a rule."""
        self._latest: Exchange | None = None
        """Whose request is being read."""
        self._current: Exchange | None = None
        """Whose answer is under way."""
        self._queue: deque[Exchange] = deque()
        self._over = False
        """No other request is answered on this connection."""

    def received(self, data: bytes) -> None:
        began = not self._unread
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # it is answered as if that had not been asked
            pass
        except httptools.HttpParserError:
            self._refuse(b"400 Bad Request")
            return
        if self._unread > HEADER_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._unread and began and self._current is None:
            self._link.within(HEADERS)

    def on_message_begin(self) -> None:
        self._url, self._headers, self._expects, self._latest = b"", [], False, None

    def on_url(self, piece: bytes) -> None:
        self._url += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._latest is not None:
            return  # after a body: nobody asks for these
        name = name.lower()
        if name == b"expect":
            self._expects = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._unread = 0
        parser = self._parser
        raw, _, query = self._url.partition(b"#")[0].partition(b"?")
        if raw[:1] != b"/" and raw != b"*":
            url = httptools.parse_url(self._url)  # whatever is none ends in an error of the parser's
            raw, query = url.path or b"/", url.query or b""
        path = unquote_to_bytes(raw) if b"%" in raw else raw
        scope: Message = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": parser.get_http_version(),
            "method": parser.get_method().decode("latin-1"),
            "scheme": "https",
            "path": path.decode("utf-8", "replace"),
            "raw_path": raw,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._peer.address,
            "server": None,
            "bearer": self._peer.bearer,
        }
        made = Exchange(self._link, scope, keep=parser.should_keep_alive(), expects=self._expects)
        self._latest = made
        if self._current is None:
            self._answer(made)
        else:  # one is answered after the other
            self._queue.append(made)
            self._link.pause_reading()

    def on_body(self, piece: bytes) -> None:
        self._unread = 0
        if self._latest is not None:
            self._latest.fed(piece)

    def on_message_complete(self) -> None:
        self._unread = 0
        if self._latest is not None:
            self._latest.end()

    def _answer(self, exchange: Exchange) -> None:
        self._current = exchange
        self._link.deadline = _FOREVER
        task = self._loop.create_task(self._carry_out(exchange))
        self._serving.tasks.add(task)
        task.add_done_callback(self._serving.tasks.discard)

    async def _carry_out(self, exchange: Exchange) -> None:
        try:
            await self._serving.application(exchange.scope, exchange.receive, exchange.send)
        except Exception as bug:  # it is logged, and its request alone is lost
            _log.exception("request failed: %s %s", exchange.scope["method"], exchange.scope["path"], exc_info=bug)
        finally:
            self._carried_out(exchange)

    def _carried_out(self, exchange: Exchange) -> None:
        if not exchange.answered and exchange.started:
            self._link.abort()  # for the client to see that it is not all
            return
        if not exchange.answered:
            self._say(b"500 Internal Server Error")
        self._current = None
        if self._over or not exchange.keep or not exchange.whole or not exchange.answered:
            self._link.close(early=self._over or not exchange.whole or bool(self._queue))
        elif self._queue:
            self._answer(self._queue.popleft())
            if not self._queue:
                self._link.resume_reading()
        else:
            self._link.within(HEADERS if self._unread else IDLE)

    def _refuse(self, status: bytes) -> None:
        """What came is no request, and what follows cannot be told from it."""
        self._over = True
        self._link.pause_reading()
        if self._current is not None and self._current.whole:
            return  # it is answered first
        if self._current is None or not self._current.started:
            self._say(status)
        self._link.close(early=True)

    def _say(self, status: bytes) -> None:
        self._link.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)

    def ended(self) -> None:
        self._over = True
        if self._current is not None:
            self._current.leave()
        else:
            self._link.close()

    def lost(self) -> None:
        self._over = True
        self._queue.clear()
        if self._current is not None:
            self._current.leave()
        del self._parser  # it holds this, and this it

    def stop(self) -> None:
        self._over = True
        if self._current is None:
            self._link.close()

    def hold(self) -> None:
        if self._current is not None:
            self._current.hold()

    def go_on(self) -> None:
        if self._current is not None:
            self._current.go_on()
