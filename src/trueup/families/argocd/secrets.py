"""Credentials of repositories, from Secrets labelled as Argo CD labels them. Pure but for the cache that it reads.

Source: Argo CD operator manual, "Declarative Setup", repositories and credential templates.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from trueup.kube.names import Kind, Object
from trueup.ports import Cache

SECRET = Kind("", "v1", "Secret")
SECRET_TYPE = "argocd.argoproj.io/secret-type"  # noqa: S105 - a label's name
_NAMES = {
    "username": "username",
    "password": "password",
    "bearerToken": "bearerToken",
    "sshPrivateKey": "identity",
    "tlsClientCertData": "tls.crt",
    "tlsClientCertKey": "tls.key",
}


def repository_secret(cache: Callable[[Kind], Cache], namespace: str, url: str) -> Mapping[str, bytes]:
    """The credentials for a URL: its own repository Secret, else the longest credential template that is its prefix."""
    best: tuple[int, Object] | None = None
    for secret in cache(SECRET).list(namespace):
        what = (secret["metadata"].get("labels") or {}).get(SECRET_TYPE)
        data = secret.get("data") or {}
        known = _plain(data, "url")
        if what == "repository" and _normal(known) == _normal(url):
            if any(data.get(name) for name in _NAMES):
                return _credentials(data)
        elif (
            what == "repo-creds"
            and known
            and _normal(url).startswith(_normal(known))
            and (best is None or len(known) > best[0])
        ):
            best = (len(known), data)
    return _credentials(best[1]) if best else {}


def _credentials(data: Object) -> Mapping[str, bytes]:
    return {ours: base64.b64decode(data[theirs]) for theirs, ours in _NAMES.items() if data.get(theirs)}


def _plain(data: Object, name: str) -> str:
    return base64.b64decode(data.get(name) or "").decode(errors="replace")


def _normal(url: str) -> str:
    return url.removesuffix("/").removesuffix(".git").lower()
