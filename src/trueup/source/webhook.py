"""Push notifications: who pushed what where, if the sender proves itself. Pure.

Called by the HTTP route that receives webhooks; the answer's URLs go to ``GitFetcher.forget`` and wake whoever follows
these repositories. Headers and a body come in, a `Push` leaves, None for an event that is no push.

Source: GitHub's and GitLab's webhook documentation (Gitea and Forgejo send GitHub's form), and Flux's ``generic-hmac``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

LARGEST = 5 * 1024 * 1024
"""GitHub cuts payloads off at 25 MB; a push that names this many commits is not worth reading whole."""


class Forged(Exception):
    """The sender did not prove itself: answer 401 and do nothing."""


class Malformed(Exception):
    """No payload that could be read: answer 400."""


@dataclass(frozen=True, slots=True)
class Push:
    """One push: the addresses of the repository, the ref that moved, its new commit (empty when deleted or unknown)."""

    urls: tuple[str, ...]
    ref: str = ""
    revision: str = ""


def read(headers: Mapping[str, str], body: bytes, secret: str | bytes = b"") -> Push | None:
    """Raises `Forged` or `Malformed`. An empty secret accepts everybody: a push only makes trueup look again."""
    known = {name.lower(): value for name, value in headers.items()}
    if len(body) > LARGEST:
        raise Malformed(f"larger than {LARGEST} bytes")
    key = secret.encode() if isinstance(secret, str) else secret
    if "x-gitlab-event" in known:
        _check_token(known.get("x-gitlab-token", ""), key)
        return _gitlab(known["x-gitlab-event"], _json(body))
    if "x-github-event" in known or "x-gitea-event" in known:
        _check_signature(known.get("x-hub-signature-256") or known.get("x-gitea-signature", ""), body, key)
        return _github(known.get("x-github-event") or known["x-gitea-event"], _json(body))
    if "x-signature" in known:
        _check_signature(known["x-signature"], body, key)
    else:
        _check_token(known.get("authorization", "").removeprefix("Bearer "), key)
    return _generic(_json(body))


def _check_token(token: str, secret: bytes) -> None:
    if secret and not hmac.compare_digest(token.encode(), secret):
        raise Forged("the token is not the configured one")


def _check_signature(signature: str, body: bytes, secret: bytes) -> None:
    """``sha256=<hex>``, or the hex alone as Gitea sends it. Weaker digests are not accepted."""
    if not secret:
        return
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.removeprefix("sha256=").lower().encode(), expected.encode()):
        raise Forged("the signature does not match the payload")


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Malformed(f"the payload is not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise Malformed("the payload is not a JSON object")
    return value


def _github(event: str, payload: dict[str, Any]) -> Push | None:
    if event not in ("push", "create", "delete"):
        return None
    repository = _object(payload, "repository")
    urls = _texts(repository, ("clone_url", "ssh_url", "git_url", "html_url", "svn_url"))
    return Push(urls, _text(payload, "ref"), _commit(_text(payload, "after")))


def _gitlab(event: str, payload: dict[str, Any]) -> Push | None:
    if event not in ("Push Hook", "Tag Push Hook", "System Hook"):
        return None
    project = _object(payload, "project")
    urls = _texts(project, ("git_http_url", "git_ssh_url", "http_url", "ssh_url", "web_url"))
    return Push(urls, _text(payload, "ref"), _commit(_text(payload, "checkout_sha") or _text(payload, "after")))


def _generic(payload: dict[str, Any]) -> Push | None:
    """``{"url": …}`` or ``{"urls": [...]}``, with ``ref`` and ``revision`` where the sender knows them."""
    many = payload.get("urls")
    urls = [url for url in many if isinstance(url, str)] if isinstance(many, list) else []
    urls += _texts(payload, ("url",))
    if not urls:
        raise Malformed('the payload names no repository: "url" or "urls" is missing')
    return Push(tuple(urls), _text(payload, "ref"), _commit(_text(payload, "revision")))


def _object(payload: dict[str, Any], name: str) -> dict[str, Any]:
    value = payload.get(name)
    if not isinstance(value, dict):
        raise Malformed(f"the payload has no {name!r}")
    return value


def _texts(payload: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for name in names if (text := _text(payload, name))))


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def _commit(text: str) -> str:
    return "" if set(text) <= {"0"} else text
