"""HTTP connections to one cluster: TLS, proxies, HTTP/2, pools for calls and for watches. Called by `http.py`.

In come `Call` values and headers; out come status, headers and bytes, or chunks. Network failures leave as
``kube.problems.Unavailable`` and ``Timeout``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from urllib.parse import urlsplit, urlunsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, ConnectError, PyreqwestError, RequestTimeoutError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import Response

from trueup.client.access import AccessProblem, ClusterAccess
from trueup.client.requests import Call
from trueup.kube.problems import ApiProblem, Timeout, Unavailable

Headers = tuple[tuple[str, str], ...]
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_CONNECT = timedelta(seconds=10)
_CALL = timedelta(seconds=60)  # kube-apiserver ends requests of its own after as long
_ALIVE = timedelta(seconds=30)  # client-go's HTTP/2 health check: a dead peer is noticed on a quiet watch
_ALIVE_ANSWER = timedelta(seconds=15)
_WATCHES = 80
"""Watches per connection. kube-apiserver takes 100 streams on one; what is more would wait behind them for ever."""
_WINDOW = 4 << 20


class NotSent(Unavailable):
    """The connection could not be made: nothing has reached the server, so even a write may be tried again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered."""

    status: int
    body: bytes
    retry_after: int | None = None
    etag: str = ""


class Transport:
    """The connections of one access with one client certificate."""

    def __init__(self, access: ClusterAccess, certificate: bytes, key: bytes) -> None:
        self._access, self._certificate, self._key = access, certificate, key
        self._prefix = _prefix(access)
        self._calls = self._build()
        self._watchers: list[tuple[Client, list[int]]] = []

    async def send(self, call: Call, headers: Headers) -> Reply:
        """One call, answered whole."""
        request = self._calls.request(call.method, self._prefix + call.path).headers(headers)
        if call.body is not None:
            request = request.header("content-type", call.content_type).body_bytes(call.body)
        try:
            response = await request.timeout(_CALL).build().send()
            return await _reply(response)
        except PyreqwestError as error:
            raise self._wrap(error) from error

    @asynccontextmanager
    async def stream(self, call: Call, headers: Headers) -> AsyncIterator[Response]:
        """One call whose answer comes in chunks."""
        client, open_watches = self._watcher()
        open_watches[0] += 1
        try:
            request = client.request(call.method, self._prefix + call.path).headers(headers)
            async with request.streamed_read_buffer_limit(0).build_streamed() as response:
                yield response
        except PyreqwestError as error:
            raise self._wrap(error) from error
        finally:
            open_watches[0] -= 1

    async def refusal(self, response: Response) -> Reply:
        """The whole of a streamed answer that turned out to be an error."""
        return await _reply(response)

    async def close(self) -> None:
        """Lets go of all connections."""
        for client in (self._calls, *(client for client, _ in self._watchers)):
            await client.close()

    def _watcher(self) -> tuple[Client, list[int]]:
        for watcher in self._watchers:
            if watcher[1][0] < _WATCHES:
                return watcher
        self._watchers.append((self._build(), [0]))
        return self._watchers[-1]

    def _build(self) -> Client:
        access = self._access
        builder = (
            ClientBuilder()
            .user_agent(f"trueup/{version('trueup')}")
            .connect_timeout(_CONNECT)
            .http2(True)
            .http2_keep_alive_interval(_ALIVE)
            .http2_keep_alive_timeout(_ALIVE_ANSWER)
            .http2_keep_alive_while_idle(False)
            .http2_initial_stream_window_size(_WINDOW)
            .http2_initial_connection_window_size(4 * _WINDOW)
            .tcp_keepalive(_ALIVE)
            .tcp_nodelay(True)
            .gzip(True)
            .follow_redirects(False)
        )
        try:
            for certificate in _CERTIFICATE.findall(access.ca):
                builder = builder.add_root_certificate_pem(certificate)
            if access.insecure:
                builder = builder.danger_accept_invalid_certs(True)
            if self._certificate and self._key:
                builder = builder.identity_pem(self._key.rstrip() + b"\n" + self._certificate)
            builder = _proxied(_renamed(builder, access), access)
            return builder.build()
        except (BuilderError, ValueError) as error:
            raise AccessProblem(f"{access.server}: {error}") from error

    def _wrap(self, error: PyreqwestError) -> ApiProblem:
        details = getattr(error, "details", None) or {}
        causes = [cause["message"] for cause in details.get("causes") or ()]
        why = causes[-1] if causes else error.message
        message = f"{self._access.server}: {why}"
        # pyreqwest calls a reset in the middle of an exchange a connect error too; its cause tells them apart.
        if isinstance(error, ConnectError) and "client error (Connect)" in causes:
            return NotSent(message)
        if isinstance(error, RequestTimeoutError):
            return Timeout(f"{self._access.server}: no answer in time ({why})")
        return Unavailable(message)


async def _reply(response: Response) -> Reply:
    after = response.get_header("retry-after")
    return Reply(
        response.status,
        bytes(await response.bytes()),
        int(after) if after is not None and after.isdigit() else None,
        response.get_header("etag") or "",
    )


def _prefix(access: ClusterAccess) -> str:
    """The URL that paths are appended to; under another TLS name the host is that name, resolved by ourselves."""
    parts = urlsplit(access.server if "://" in access.server else f"https://{access.server}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AccessProblem(f"server {access.server} is no URL")
    if access.tls_server_name and access.tls_server_name != parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        parts = parts._replace(netloc=f"{access.tls_server_name}:{port}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _renamed(builder: ClientBuilder, access: ClusterAccess) -> ClientBuilder:
    """``tls-server-name``: connect to the server's address under the name that its certificate has."""
    parts = urlsplit(access.server)
    if not access.tls_server_name or not parts.hostname or access.tls_server_name == parts.hostname:
        return builder
    port = parts.port or 443
    try:
        address = str(ipaddress.ip_address(parts.hostname))
    except ValueError:
        try:
            address = str(socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)[0][4][0])
        except OSError as problem:
            raise AccessProblem(f"{parts.hostname}: {problem}") from problem
    return builder.resolve(access.tls_server_name, address, port)


def _proxied(builder: ClientBuilder, access: ClusterAccess) -> ClientBuilder:
    if access.proxy_url:
        return builder.proxy(ProxyBuilder.all(access.proxy_url))
    if _is_loopback(urlsplit(access.server).hostname or ""):
        return builder.no_proxy()  # as Go's ProxyFromEnvironment: this machine is never behind a proxy
    return builder


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
