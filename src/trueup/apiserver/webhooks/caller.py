"""Calls of webhooks over HTTPS. The one place that speaks to the network here; decides nothing about answers.

A ``clientConfig``, a body and a time limit in; status, content type and bytes out, or `Uncallable` in the words that
Go's HTTP client has for the failure. Source: apiserver ``pkg/util/webhook/client.go``; Go's ``net``, ``crypto/x509``.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import ipaddress
import posixpath
import re
import socket
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from trueup.apiserver.webhooks.resolving import Unroutable, resolve
from trueup.store.state import Store

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_CONTEXTS = 200
"""Trust stores that are kept, as many as Kubernetes keeps clients."""
_LARGEST = 64 << 20
"""Bytes of an answer that are read."""
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, */*"}
_CONNECTING: Mapping[int | None, str] = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ENETUNREACH: "connect: network is unreachable",
    errno.ECONNRESET: "read: connection reset by peer",
}
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
_OTHER_NAME, _OTHER_ADDRESS = 62, 64
"""OpenSSL's ``X509_V_ERR_HOSTNAME_MISMATCH`` and ``…_IP_ADDRESS_MISMATCH``."""


class Uncallable(Exception):
    """The webhook could not be reached or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a webhook is: ``shown`` as it is named, ``url`` as it is connected to."""

    shown: str
    url: URL
    name: str
    host: str


class Caller:
    """The connections to all webhooks of one cluster."""

    def __init__(self, store: Store, agent: str = "kube-apiserver-admission") -> None:
        self._store, self._agent = store, agent
        self._session: aiohttp.ClientSession | None = None
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    async def post(self, client: Mapping[str, Any], body: bytes, seconds: int) -> Reply:
        """One call. Raises ``Uncallable``."""
        import aiohttp  # here and below: most clusters have no webhooks, and it costs a fifth of a start

        shown = f'Post "{_shown(client, seconds)}"'
        try:
            place = self._place(client, seconds)
        except Unroutable as why:
            raise Uncallable(f"{shown}: {why}") from None
        bundle = str(client.get("caBundle") or "")
        context = self._context(bundle)
        session = self._opened()
        try:
            async with asyncio.timeout(seconds):
                async with session.post(
                    place.url, data=body, ssl=context, server_hostname=place.name, allow_redirects=False,
                    headers={**_HEADERS, "User-Agent": self._agent, "Host": place.host},
                ) as response:  # fmt: skip
                    content = bytearray()
                    async for piece in response.content.iter_any():
                        content += piece
                        if len(content) > _LARGEST:
                            raise Uncallable(f"{shown}: the answer is larger than {_LARGEST} bytes")
                    return Reply(response.status, response.headers.get("content-type", ""), bytes(content))
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            raise Uncallable(f"{shown}: {await _words(problem, place, bundle)}") from problem

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    def _context(self, bundle: str) -> ssl.SSLContext:
        found = self._contexts.get(bundle)
        if found is None:
            found = trusting(bundle)
            self._contexts[bundle] = found
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        else:
            self._contexts.move_to_end(bundle)
        return found

    def _place(self, client: Mapping[str, Any], seconds: int) -> _Place:
        from yarl import URL

        shown = _shown(client, seconds)
        service = client.get("service")
        if not service:
            parts = urlsplit(shown)
            return _Place(shown, URL(shown, encoded=True), parts.hostname or "", parts.netloc)
        name, space, port = str(service.get("name")), str(service.get("namespace")), int(service.get("port") or 443)
        host, number = resolve(self._store, space, name, port)
        at = f"[{host}]" if ":" in host else host
        parts = urlsplit(shown)
        url = URL(f"https://{at}:{number}{parts.path}?{parts.query}", encoded=True)
        return _Place(shown, url, parts.hostname or "", parts.netloc)


def trusting(bundle: str) -> ssl.SSLContext:
    """A context that trusts a ``caBundle``, or what the system trusts where there is none."""
    if not bundle:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with suppress(ssl.SSLError, ValueError):  # what holds no certificate lets nobody be trusted
            # What stands between the certificates may be in any language.
            context.load_verify_locations(cadata=base64.b64decode(bundle).decode("ascii", "ignore"))
    context.hostname_checks_common_name = False
    # A certificate of the bundle is trusted as it is, and need not be an authority's of the strictest form.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    return context


def _shown(client: Mapping[str, Any], seconds: int) -> str:
    """The address as errors name it: the Service's own name, the path made plain, the time limit behind it."""
    service = client.get("service")
    if service:
        base = f"https://{service.get('name')}.{service.get('namespace')}.svc:{service.get('port') or 443}"
        path = str(service.get("path") or "")
    else:
        parts = urlsplit(str(client.get("url") or ""))
        base, path = f"{parts.scheme}://{parts.netloc}", unquote(parts.path)
    clean = posixpath.normpath("/" + path)
    return f"{base}{quote(re.sub('^//+', '/', clean), safe=_UNESCAPED)}?timeout={seconds}s"


_UNESCAPED = "/$&+,:;=@-_.~"
"""Signs that Go writes as they are in paths."""


async def _words(problem: BaseException, place: _Place, bundle: str) -> str:
    """A failure as Go words it."""
    import aiohttp

    if isinstance(problem, TimeoutError):
        return "context deadline exceeded"
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        why = problem.certificate_error
        told = await _mistrust(why, place, bundle) if isinstance(why, ssl.SSLCertVerificationError) else str(why)
        return f"tls: failed to verify certificate: x509: {told}"
    if isinstance(problem, aiohttp.ClientConnectorSSLError):
        reason = str(getattr(problem.os_error, "reason", "") or "")
        plain = reason in _NO_TLS
        return "http: server gave HTTP response to HTTPS client" if plain else f"remote error: tls: {reason.lower()}"
    if isinstance(problem, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {place.url.host}: no such host"
    if isinstance(problem, aiohttp.ClientConnectorError):
        code = problem.os_error.errno
        if code is None:  # hung up on in the middle of the handshake
            return "EOF"
        at = f"[{place.url.host}]" if ":" in str(place.url.host) else place.url.host
        return (
            f"dial tcp {at}:{place.url.port}: {_CONNECTING.get(code) or problem.os_error.strerror or problem.os_error}"
        )
    if isinstance(problem, aiohttp.ServerDisconnectedError):
        return "EOF"
    code = problem.errno if isinstance(problem, OSError) else None
    return _CONNECTING.get(code) or str(problem) or "EOF"


async def _mistrust(why: ssl.SSLCertVerificationError, place: _Place, bundle: str) -> str:
    if why.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return _misnamed(await _names(place, bundle), place.name)
    if why.verify_message == "certificate has expired" or why.verify_message == "certificate is not yet valid":
        return "certificate has expired or is not yet valid"
    return "certificate signed by unknown authority"


def _misnamed(names: Mapping[str, list[str]], wanted: str) -> str:
    """What is wrong with a certificate's names. Source: Go ``x509.HostnameError``."""
    addresses, hosts = names.get("IP Address", []), names.get("DNS", [])
    with suppress(ValueError):  # no address, so a name
        ipaddress.ip_address(wanted)
        if not addresses:
            return f"cannot validate certificate for {wanted} because it doesn't contain any IP SANs"
        return f"certificate is valid for {', '.join(addresses)}, not {wanted}"
    if not hosts and not addresses:
        return "certificate relies on legacy Common Name field, use SANs instead"
    if not hosts:
        return f"certificate is not valid for any names, but wanted to match {wanted}"
    return f"certificate is valid for {', '.join(hosts)}, not {wanted}"


async def _names(place: _Place, bundle: str) -> Mapping[str, list[str]]:
    """The names in the certificate that was refused for them: it has to be asked for again to be read."""
    lenient = trusting(bundle)
    lenient.check_hostname = False
    found: dict[str, list[str]] = {}
    with suppress(OSError, TimeoutError):  # the call has failed already; this only finds better words for it
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(
                place.url.host, place.url.port, ssl=lenient, server_hostname=place.name, family=socket.AF_UNSPEC
            )
            certificate = writer.get_extra_info("peercert") or {}
            writer.close()
        for kind, name in certificate.get("subjectAltName", ()):
            found.setdefault(kind, []).append(name)
    return found
