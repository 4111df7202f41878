"""The wire: an ASGI application over the hub's verbs. Dispatch is on the path alone, for it is on every request's way."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl

from trueup.apiserver import answers, deadline, fresh, resources
from trueup.apiserver.attributes import attributes_of
from trueup.apiserver.audit.recorder import Audit, Record
from trueup.apiserver.auth import Authenticator
from trueup.apiserver.client_certificates import Bearer
from trueup.apiserver.flows import Flows
from trueup.apiserver.hub import Hub
from trueup.apiserver.impersonation import CONSTRAINED_SINCE, Impersonation
from trueup.apiserver.path import Target, parse, unwatched
from trueup.apiserver.rbac import Attributes, Authorizer
from trueup.apiserver.request import NOWHERE, Request, Response
from trueup.apiserver.users import User
from trueup.apiserver.wire import MAX_BODY, TOO_DEEP
from trueup.kube.problems import ApiProblem, BadRequest, InternalError, Timeout, TooLarge, Unauthorized, Unavailable
from trueup.kube.query import Query

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Route = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger("trueup.apiserver")
BODY_SECONDS = 60.0
"""That a body may take to come. Source: kube-apiserver ``--request-timeout``."""
LINGER = 1.0
"""Seconds that a client may go on sending what was refused: if it were cut off at once, it would not hear why."""
_GZIP_FROM = 128 * 1024
_NO_FLOW: Mapping[str, str] = {}
"""Of who is nobody: nothing is told of the priority of the request."""
_PATIENCE = 2.0
"""Seconds that the ends of watches may take when the server stops."""


@runtime_checkable
class Stream(Protocol):
    """An answer that goes on, and ends by itself when it is told to."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def end(self, *_: object) -> None: ...


class Application:
    """Authenticate, authorize, answer. ``routes``: what is no resource, by longest path prefix."""

    def __init__(self, hub: Hub, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self.hub, self.authenticator, self.authorizer = hub, authenticator, authorizer
        self._flows = Flows(hub.store)
        self._impersonation = Impersonation(authorizer, constrained=hub.types.minor >= CONSTRAINED_SINCE)
        self.routes: dict[str, Route] = {}
        self.open_paths = frozenset({"/healthz", "/livez", "/readyz", "/version"})
        self.pages: Callable[[Any, Receive, Send], Awaitable[None]] | None = None
        """Another ASGI application for whatever is not Kubernetes' API: the web UI, webhooks."""
        self.audit: Audit | None = None
        """Where requests are told of; nowhere, as a rule."""
        self._open: set[asyncio.Task[Any]] = set()
        """Answers that may go on for long."""
        self._followed: set[Stream] = set()
        """Those that end by themselves when they are told to."""
        self._last = asyncio.Event()
        """Set when the last of them has ended, once all were told."""
        self._hung_up = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if self.pages is not None and not self._hung_up and not _is_api(path):
            await self._long(self.pages(scope, receive, send))
            return
        if "/watch/" in path:
            path, scope["query_string"] = unwatched(path, scope["query_string"])
            scope["path"] = path
        began, counts = time.perf_counter(), self.hub.counts
        headers, query, target = _headers(scope["headers"]), _query(scope), parse(path)
        series = counts.series(scope["method"], path, target, query, headers)
        counts.inflight[series.mutating] += 1
        try:
            response, record = await self._respond(scope, receive, send, headers, query, target)
        finally:
            counts.inflight[series.mutating] -= 1
        if isinstance(response.body, bytes):
            series.answered(response.status, time.perf_counter() - began)
            return
        opening = _opening(scope, response)
        if record is None:
            scope.pop("headers")  # nothing is kept of a request that may have to wait for days
        del headers, query, target
        series.longrunning += 1
        try:
            if isinstance(response.body, Stream):
                await self._follow(response, response.body, opening, receive, send)
            else:
                await self._long(_stream(response, response.body, opening, receive, send))
        finally:
            series.longrunning -= 1
            series.answered(response.status, time.perf_counter() - began)
            await _close(response.body)
            if record is not None:
                record.ended(response)

    async def _respond(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        target: Target | None,
    ) -> tuple[Response, Record | None]:
        """The answer: sent, unless it is one that goes on."""
        record = Record(self.audit, scope, headers) if self.audit is not None else None
        body: bytes | ApiProblem = b""
        try:
            body = await _body(scope, headers, receive)
            response = await self._answer(scope, headers, query, target, body, record)
        except ApiProblem as problem:
            response = _failure(problem, scope, headers)
        except Exception as bug:  # it is logged and answered with 500; the server goes on
            response = _failure(_bug(bug, scope), scope, headers)
            if record is not None:
                record.panicked(response)
        if self._hung_up and not isinstance(response.body, bytes):
            await _close(response.body)
            response = _failure(Unavailable("the server is stopping"), scope, headers)
        flow = scope.pop("flow", _NO_FLOW)
        if record is not None:
            response = record.answered(response)
            response = replace(response, headers={**response.headers, **flow})
        else:
            response = replace(response, headers={**response.headers, "audit-id": _identity(headers), **flow})
        if isinstance(response.body, bytes):
            unread = receive if isinstance(body, ApiProblem) else None
            await _send(response, response.body, headers, send, bare=scope["method"] == "HEAD", unread=unread)
        return response, record

    async def _follow(self, response: Response, body: Stream, opening: bytes, receive: Receive, send: Send) -> None:
        """Send pieces as they come, until there are no more or the client is gone: with as little beside as can be, for
        there may be thousands of these."""
        await send({"type": "http.response.start", "status": response.status, "headers": _own_headers(response)})
        await send({"type": "http.response.body", "body": opening, "more_body": True})
        self._followed.add(body)
        gone = asyncio.ensure_future(receive())  # the body is read, so the next thing to come is the client's end
        gone.add_done_callback(body.end)
        try:
            async for piece in body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            self._followed.discard(body)
            if self._hung_up and not self._followed:
                self._last.set()

    async def _long(self, answer: Awaitable[None]) -> None:
        """Carry out what ``hang_up`` may end."""
        task = asyncio.ensure_future(answer)
        self._open.add(task)
        try:
            await asyncio.wait((task,))
        finally:
            self._open.discard(task)
            task.cancel()
        if not task.cancelled():
            task.result()

    async def hang_up(self) -> None:
        """End every answer that goes on, and begin no other: the server is being stopped."""
        self._hung_up = True
        going = tuple(self._open)
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        for stream in tuple(self._followed):
            stream.end()
        if self._followed:
            with suppress(TimeoutError):  # who does not read what was sent before does not hear of the end either
                await asyncio.wait_for(self._last.wait(), _PATIENCE)

    async def _answer(
        self,
        scope: MutableMapping[str, Any],
        headers: Mapping[str, str],
        query: Mapping[str, str],
        target: Target | None,
        body: bytes | ApiProblem,
        record: Record | None,
    ) -> Response:
        path = scope["path"]
        seconds = deadline.of(query, target)
        bearer = scope.get("bearer")
        if record is None:
            real = self.authenticator.authenticate(headers, bearer)
        else:
            wanted = attributes_of(scope["method"], path, query, target)
            real = self._told(record, headers, bearer, wanted, target)
        user = self._impersonation.user(real, headers, lambda: attributes_of(scope["method"], path, query, target))
        scope["flow"] = self._flows.headers(user, scope["method"], path, query, target)
        if isinstance(body, ApiProblem):
            raise body
        request = Request(scope["method"], path, query, headers, body, user)
        if record is not None:
            record.decided(request, real, *self.authorizer.decide(user, wanted))
        if target is not None:
            answering = resources.answer(self.hub, self.authorizer, request, target)
            return await (deadline.within(seconds, answering) if seconds else answering)
        self.authorizer.authorize_path(user, request.method, path)
        route = self._route(path)
        if route is None:
            return NOWHERE
        return await route(request)

    def _told(
        self,
        record: Record,
        headers: Mapping[str, str],
        bearer: Bearer | None,
        wanted: Attributes,
        target: Target | None,
    ) -> User:
        """Who asks, which the audit log hears of either way."""
        try:
            user = self.authenticator.authenticate(headers, bearer)
        except Unauthorized:
            record.received(None, wanted, target)
            raise
        record.received(user, wanted, target)
        return user

    def _route(self, path: str) -> Route | None:
        while path:
            found = self.routes.get(path)
            if found is not None:
                return found
            path = path.rpartition("/")[0]
        return self.routes.get("/")


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """By name in lower case; a header that comes more than once has its values joined, as HTTP has it."""
    out: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        between = "\n" if name.startswith("impersonate-") else ", "  # a group's name may hold a comma
        out[name] = f"{out[name]}{between}{text}" if name in out else text
    return out


_API = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz", "/metrics", "/.well-known", "/openid")


def _is_api(path: str) -> bool:
    return path.startswith(tuple(f"{prefix}/" for prefix in _API)) or path in _API


async def _body(scope: Mapping[str, Any], headers: Mapping[str, str], receive: Receive) -> bytes | ApiProblem:
    """A body that is too large, or does not come, is refused once it is known who sends it."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY:
        return TooLarge(f"Request entity too large: limit is {MAX_BODY}")
    if length in ("", "0") and scope.get("http_version") != "2" and "transfer-encoding" not in headers:
        return await _whole(receive)  # nothing comes
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(receive)
    except TimeoutError:
        return Timeout("the body of the request did not come in time")


async def _whole(receive: Receive) -> bytes | ApiProblem:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return BadRequest("unexpected EOF")
        piece = message.get("body") or b""
        size += len(piece)
        if size > MAX_BODY:
            return TooLarge(f"Request entity too large: limit is {MAX_BODY}")
        if piece:
            parts.append(piece)
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _bug(bug: Exception, scope: Mapping[str, Any]) -> ApiProblem:
    """Its insides are for the log. An object may grow too deep while patches are put together: that is nobody's bug."""
    if isinstance(bug, RecursionError) or TOO_DEEP in str(bug):
        return BadRequest("the object is nested too deeply")
    _log.exception("request failed: %s %s", scope["method"], scope["path"], exc_info=bug)
    return InternalError(f"internal error: {type(bug).__name__}")


def _failure(problem: ApiProblem, scope: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    return answers.failure(problem, headers, _query(scope))


def _query(scope: Mapping[str, Any]) -> dict[str, str]:
    return Query(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def _identity(headers: Mapping[str, str]) -> str:
    """``Audit-Id``: the client's, or a new one; there whether or not anything is logged."""
    return headers.get("audit-id", "")[:64] or fresh.uid()


def _own_headers(response: Response) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", response.content_type.encode())]
    if "cache-control" not in response.headers:
        headers.append((b"cache-control", b"no-cache, private"))
    headers += [(name.encode(), value.encode()) for name, value in response.headers.items()]
    for text in response.warnings:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        headers.append((b"warning", f'299 - "{quoted}"'.encode("latin-1", "replace")))
    return headers


async def _send(
    response: Response,
    body: bytes,
    asked: Mapping[str, str],
    send: Send,
    *,
    bare: bool,
    unread: Receive | None = None,
) -> None:
    """``bare``: the headers alone are wanted; HTTP/2 breaks off an answer to HEAD that has a body.

    ``unread``: from where the rest of a body still comes that was refused; while it does, its sender can read why.
    """
    headers = _own_headers(response)
    if len(body) >= _GZIP_FROM and _takes_gzip(asked.get("accept-encoding", "")):
        body = await asyncio.to_thread(gzip.compress, body, 1)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bare else body, "more_body": unread is not None})
    if unread is not None:
        with suppress(TimeoutError):  # who sends for longer than that is cut off
            async with asyncio.timeout(LINGER):
                while (await unread()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _takes_gzip(accepted: str) -> bool:
    """Whether it is named, and nothing else said of it. Source: ``negotiateContentEncoding``, ``responsewriters/writers.go``."""
    return "gzip" in accepted and any(each.strip() == "gzip" for each in accepted.split(","))


def _opening(scope: Mapping[str, Any], response: Response) -> bytes:
    """The first piece of a stream: headers leave with it, so it may not wait for something to happen.

    An empty one is no more than that in HTTP/1.1. In HTTP/2 it is a frame, and clients that count empty frames as an
    attack (CVE-2019-9518; Rust's h2 from 0.4.16 on) hang up after a few hundred watches: there it has to hold something.
    """
    return response.opening if scope.get("http_version") == "2" else b""


async def _stream(response: Response, body: AsyncIterable[bytes], opening: bytes, receive: Receive, send: Send) -> None:
    """Send pieces as they come, until there are no more or the client is gone."""
    await send({"type": "http.response.start", "status": response.status, "headers": _own_headers(response)})
    await send({"type": "http.response.body", "body": opening, "more_body": True})
    pump = asyncio.ensure_future(_pump(body, send))
    gone = asyncio.ensure_future(receive())  # the body is read, so the next thing to come is the client's end
    try:
        await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        there = not gone.done()
        gone.cancel()
        pump.cancel()
        await asyncio.wait((pump, gone))
        if there and (pump.cancelled() or pump.exception() is None):  # an answer that failed is broken off instead
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    if not pump.cancelled():
        pump.result()


async def _pump(body: AsyncIterable[bytes], send: Send) -> None:
    async for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _close(body: AsyncIterable[bytes]) -> None:
    """Whether it was read to its end, a little, or not at all."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
