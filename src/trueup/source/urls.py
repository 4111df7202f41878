"""Repository addresses: which protocol, which credentials are inside, are two of them the same. Pure.

Called by `git`, `fetcher`, `mapping` and `webhook`. Source of the sameness rules: Argo CD's NormalizeGitURL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from trueup.ports import SourceProblem

PROTOCOLS = frozenset({"https", "http", "ssh", "git", "file"})
_SCP = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+):(?!//)(?P<path>.+)")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL without its credentials, and the credentials that stood in it."""

    url: str
    protocol: str
    host: str = ""
    username: str = ""
    password: str = ""


def parse(url: str, protocols: frozenset[str] = PROTOCOLS) -> Address:
    """Raises ``SourceProblem`` for an address that is none or whose protocol is not allowed."""
    text = url.strip()
    if not text or text.startswith("-") or any(ord(char) < 33 for char in text):
        raise SourceProblem("InvalidURL", f"not a repository address: {safe(text)!r}", retry=False)
    if "://" not in text:
        return _scp(text, protocols)
    parts = urlsplit(text)
    _allowed(parts.scheme, protocols, text)
    if parts.scheme == "file":
        return Address(text, "file")
    if not parts.hostname or parts.hostname.startswith("-"):
        raise SourceProblem("InvalidURL", f"not a repository address: {safe(text)!r}", retry=False)
    userinfo, _, host = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    if parts.scheme == "ssh":
        return Address(text, "ssh", host, unquote(username))  # the user is part of the address, not a secret
    bare = parts._replace(netloc=host).geturl()
    return Address(bare, parts.scheme, host, unquote(username), unquote(password))


def _scp(text: str, protocols: frozenset[str]) -> Address:
    found = _SCP.fullmatch(text)
    if not found or found["host"].startswith("-"):
        raise SourceProblem("InvalidURL", f"not a repository address: {text!r}", retry=False)
    _allowed("ssh", protocols, text)
    return Address(text, "ssh", found["host"], found["user"] or "")


def _allowed(protocol: str, protocols: frozenset[str], text: str) -> None:
    if protocol not in protocols:
        allowed = ", ".join(sorted(protocols))
        message = f"protocol {protocol!r} is not allowed ({allowed} are): {safe(text)}"
        raise SourceProblem("ProtocolNotAllowed", message, retry=False)


def safe(text: str) -> str:
    """A text with the credentials of every URL in it struck out."""
    return _USERINFO.sub("***@", text)


def same(url: str) -> str:
    """A key that is equal for addresses of one repository: whatever protocol, user, case or ``.git`` they are written with."""
    text = url.strip().lower()
    found = None if "://" in text else _SCP.fullmatch(text)
    if found:
        host, path = found["host"], found["path"]
    else:
        parts = urlsplit(text)
        host, path = parts.hostname or "", parts.path
        if parts.port and parts.port not in (22, 80, 443):
            host = f"{host}:{parts.port}"
    return f"{host}/{path.strip('/').removesuffix('.git').strip('/')}"
