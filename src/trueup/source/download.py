"""One HTTP answer, whole and bounded: what Helm repositories and registries are read by.

Called by `helmrepo` and `registry`. A URL and credentials come in; status, headers and body leave. A server that is slow,
endless or away is a ``SourceProblem`` that names it, without any credentials.

Redirects are followed here, for two reasons: credentials go to the host that they are for and to no other, and no
redirect leads from TLS to none, or to a protocol that is not HTTP.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp

from trueup.ports import SourceProblem
from trueup.source.access import Access
from trueup.source.urls import safe

SECONDS = 120.0
"""For a whole answer. A repository's index may have 20 MB."""
_CONNECT_SECONDS = 10.0
_MOST_REDIRECTS = 10
_MOST_OF_ERROR = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


async def get(
    url: str,
    access: Access,
    *,
    most: int,
    authorization: str = "",
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    seconds: float = SECONDS,
) -> Answer:
    """Ask once, redirects followed. Raises ``SourceProblem`` for everything but an answer; its status is the caller's to read."""
    timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=access.tls or True, force_close=True)
    sent = {"User-Agent": "trueup", "Accept-Encoding": "identity", **(headers or {})}
    try:
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session:
            return await _followed(session, url, sent, authorization, method, most)
    except TimeoutError:
        raise SourceProblem("Timeout", f"{safe(url)} did not answer in full within {seconds:g} seconds") from None
    except aiohttp.ClientConnectorCertificateError as problem:
        cause = problem.certificate_error
        raise SourceProblem("CertificateNotTrusted", f"{safe(url)}: {safe(str(cause))}", retry=False) from None
    except aiohttp.InvalidURL:
        raise SourceProblem("InvalidURL", f"not an address: {safe(url)!r}", retry=False) from None
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as problem:
        raise SourceProblem("NetworkFailed", f"{safe(url)} cannot be read: {safe(_words(problem))}") from None


async def _followed(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], authorization: str, method: str, most: int
) -> Answer:
    for _ in range(_MOST_REDIRECTS + 1):
        sent = {**headers, **({"Authorization": authorization} if authorization else {})}
        async with session.request(
            method, url, headers=sent, allow_redirects=False, proxy=_proxy(url)
        ) as response:  # fmt: skip
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target:
                limit = most if response.status < 300 else _MOST_OF_ERROR
                body = b"" if method == "HEAD" else await _body(response, limit, response.status < 300)
                return Answer(response.status, response.headers, body, url)
            following = urljoin(url, target)
        if not following.startswith("https://") and (url.startswith("https://") or not following.startswith("http://")):
            raise SourceProblem(
                "RedirectRefused", f"{safe(url)} leads to {safe(following)}, which has no TLS", retry=False
            )
        if origin(following) != origin(url):
            authorization = ""
        url = following
    raise SourceProblem("RedirectRefused", f"{safe(url)}: more than {_MOST_REDIRECTS} redirects", retry=False)


async def _body(response: aiohttp.ClientResponse, most: int, whole: bool) -> bytes:
    """Up to the limit; what an error says is cut there, everything else refused."""
    url = safe(str(response.url))
    if whole and (response.content_length or 0) > most:
        raise SourceProblem("TooLarge", f"{url} has {response.content_length} bytes, allowed are {most}", retry=False)
    out = bytearray()
    async for part in response.content.iter_chunked(256 * 1024):
        out += part
        if len(out) > most:
            if not whole:
                return bytes(out[:most])
            raise SourceProblem("TooLarge", f"{url} has more than {most} bytes", retry=False)
    return bytes(out)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: credentials are for all of them together."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names, as for Helm; its file of passwords is not read."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass_environment(parts.netloc.rpartition("@")[2]):  # type: ignore[attr-defined]
        return None
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return None
    return urllib.request.getproxies_environment().get(parts.scheme)


def _words(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__
