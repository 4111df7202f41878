"""HTTP connections to one cluster: TLS, proxies, pools for calls and for watches. Called by `http.py`.

In come `Call` values and headers; out come status, headers and bytes, or chunks. Network failures leave as
``kube.problems.Unavailable`` and ``Timeout``.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiohttp import (
    AddrInfoType,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError
from yarl import URL

from trueup.client.access import AccessProblem, ClusterAccess
from trueup.client.requests import Call
from trueup.kube.problems import ApiProblem, Timeout, Unavailable

Headers = tuple[tuple[str, str], ...]
_CONNECT = 10.0
_CALL = 60.0  # kube-apiserver ends requests of its own after as long
_CALLS = 32
"""Connections for calls. Watches have connections of their own, one each, and so never wait behind calls."""
_IDLE = 30.0
"""Seconds that an idle connection is kept: less than the 90 after which kube-apiserver and most proxies close it."""
_ALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)) if os.name == "posix" else ()
"""A dead peer is noticed on a quiet watch after 45 s, as client-go's health check of HTTP/2 does."""
_BUFFER = 1 << 20
_NOT_CONNECTED = (ClientConnectorError, ConnectionTimeoutError, ProxyError, ProxyConnectionError, ProxyTimeoutError)
_FAILURES = (*_NOT_CONNECTED, ClientError, OSError, TimeoutError)


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
    """The connections of one access with one client certificate. Made within the event loop that uses it."""

    def __init__(self, access: ClusterAccess, certificate: bytes, key: bytes) -> None:
        self._access = access
        self._prefix = _prefix(access)
        self._name = access.tls_server_name or None
        self._trust = _trust(access, certificate, key) if self._prefix.startswith("https:") else False
        self._proxy = None if _socks(access) else _proxy(access, self._prefix)
        self._calls = self._session(_CALLS, ClientTimeout(total=_CALL, sock_connect=_CONNECT))
        self._watches = self._session(0, ClientTimeout(total=None, sock_connect=_CONNECT))

    async def send(self, call: Call, headers: Headers) -> Reply:
        """One call, answered whole."""
        if call.body is not None:
            headers = (*headers, ("content-type", call.content_type))
        try:
            async with self._calls.request(
                call.method, self._url(call), headers=headers, data=call.body,
                allow_redirects=False, proxy=self._proxy, server_hostname=self._name,
            ) as response:  # fmt: skip
                return await _reply(response)
        except _FAILURES as error:
            raise self._wrap(error) from error

    @asynccontextmanager
    async def stream(self, call: Call, headers: Headers) -> AsyncIterator[ClientResponse]:
        """One call whose answer comes in chunks."""
        try:
            async with self._watches.request(
                call.method, self._url(call), headers=headers,
                allow_redirects=False, proxy=self._proxy, server_hostname=self._name,
            ) as response:  # fmt: skip
                yield response
        except _FAILURES as error:
            raise self._wrap(error) from error

    async def refusal(self, response: ClientResponse) -> Reply:
        """The whole of a streamed answer that turned out to be an error."""
        return await _reply(response)

    async def close(self) -> None:
        """Lets go of all connections."""
        await self._calls.close()
        await self._watches.close()

    def _url(self, call: Call) -> URL:
        return URL(self._prefix + call.path, encoded=True)

    def _session(self, connections: int, timeout: ClientTimeout) -> ClientSession:
        trust = self._trust if self._trust is not False else True
        if _socks(self._access):
            connector = _socks_connector(self._access, ssl=trust, limit=connections, keepalive_timeout=_IDLE)
        else:
            connector = TCPConnector(
                ssl=trust, limit=connections, keepalive_timeout=_IDLE, socket_factory=_socket, happy_eyeballs_delay=0.25
            )
        return ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=DummyCookieJar(),
            read_bufsize=_BUFFER,
            headers={"user-agent": f"trueup/{version('trueup')}"},
        )

    def _wrap(self, error: Exception) -> ApiProblem:
        message = f"{self._access.server}: {_why(error)}"
        if isinstance(error, _NOT_CONNECTED):
            return NotSent(message)
        if isinstance(error, TimeoutError):
            return Timeout(f"{self._access.server}: no answer in time")
        return Unavailable(message)


def _why(error: Exception) -> str:
    """The cause in a few words, without how the library words it."""
    if isinstance(error, ConnectionTimeoutError):
        return f"no connection within {_CONNECT:.0f} s"
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if type(cause).__module__ == "builtins" and isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return str(cause) or type(cause).__name__


async def _reply(response: ClientResponse) -> Reply:
    after = response.headers.get("retry-after")
    return Reply(
        response.status,
        await response.read(),
        int(after) if after is not None and after.isdigit() else None,
        response.headers.get("etag") or "",
    )


def _prefix(access: ClusterAccess) -> str:
    """The URL that paths are appended to."""
    parts = urlsplit(access.server if "://" in access.server else f"https://{access.server}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AccessProblem(f"server {access.server} is no URL")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _trust(access: ClusterAccess, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """Whom to believe, and what to show of ourselves."""
    try:
        context = ssl.create_default_context(cadata=access.ca.decode() if access.ca else None)
        # Go does not ask of authorities what RFC 5280 asks and OpenSSL's strict mode, newer Pythons' default, insists on.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate and key:
            _show(context, certificate, key)
    except (ssl.SSLError, ValueError) as problem:
        raise AccessProblem(f"{access.server}: its certificates cannot be read: {problem}") from problem
    return context


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads pairs of certificate and key from files only: one that nobody else can read, for a moment."""
    with tempfile.NamedTemporaryFile(prefix="trueup-", suffix=".pem") as pair:
        pair.write(certificate.rstrip() + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name, password=_no_password)


def _no_password() -> str:
    raise ValueError("the key of the client certificate is encrypted, which kubeconfig files have no password for")


def _socket(address: AddrInfoType) -> socket.socket:
    """A connection whose silence is looked into."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ALIVE:
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def _socks(access: ClusterAccess) -> bool:
    return access.proxy_url.startswith("socks5")


def _socks_connector(access: ClusterAccess, **options: Any) -> TCPConnector:
    if access.tls_server_name:
        raise AccessProblem(f"{access.server}: tls-server-name together with a socks5 proxy-url is not supported yet")
    try:
        return ProxyConnector.from_url(access.proxy_url.replace("socks5h://", "socks5://", 1), rdns=True, **options)
    except ValueError as problem:
        raise AccessProblem(f"{access.server}: proxy-url: {problem}") from problem


def _proxy(access: ClusterAccess, server: str) -> str | None:
    """The proxy for this server, as Go's ProxyFromEnvironment: this machine is never behind one."""
    if access.proxy_url:
        if urlsplit(access.proxy_url).scheme not in ("http", "https"):
            raise AccessProblem(f"{access.server}: proxy-url {access.proxy_url} is neither http, https nor socks5")
        return access.proxy_url
    parts = urlsplit(server)
    if _is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
