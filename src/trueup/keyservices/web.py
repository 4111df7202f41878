"""One question to a key server, and its answer. The shell of this room over HTTP.

Called by `aws.py`, `gcp.py`, `azure.py` and `vault.py`. Redirects are not followed, for credentials would go with them;
no message holds a body, a header or a token: only the address, the status and what the server says is wrong.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from trueup.sops import NoKey

SECONDS = 20.0
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Its body; an empty mapping when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request, waited for. Raises `NoKey` when there is no answer."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoKey(f"{url!r} is no address of a server")
    import asyncio  # only who asks a server pays for reading these

    import aiohttp

    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    try:
        return asyncio.run(_ask(method, url, dict(headers or {}), body, seconds, tls))
    except TimeoutError:
        raise NoKey(f"{where} did not answer within {seconds:g} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        raise NoKey(f"{where} cannot be asked: {_short(problem)}") from None


async def _ask(
    method: str, url: str, headers: dict[str, str], body: bytes | None, seconds: float, tls: ssl.SSLContext | None
) -> Answer:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
        session.request(
            method, url, headers=headers, data=body, allow_redirects=False, ssl=tls if tls is not None else True
        ) as response,
    ):
        data = await response.content.read(_LARGEST)
        return Answer(response.status, data, {key.lower(): value for key, value in response.headers.items()})


def ask_json(
    method: str, url: str, body: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:  # fmt: skip
    """The same with JSON in and out."""
    sent = {"Accept": "application/json", **(headers or {})}
    if body is None:
        return ask(method, url, headers=sent, tls=tls)
    sent["Content-Type"] = "application/json"
    return ask(method, url, headers=sent, body=json.dumps(body).encode(), tls=tls)


def _short(problem: Exception) -> str:
    text = str(problem) or type(problem).__name__
    return text.splitlines()[0][:300]
