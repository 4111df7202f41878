"""How a Helm repository or a registry is entered: credentials and trust, out of a Secret's fields.

Made by `charts`, used by `download` and `registry`. Fields are those of ``ports.ChartSpec.secret``.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from trueup.ports import SourceProblem


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials, and a TLS context that knows whom to trust. ``known_by``: equal for equal credentials, tells none."""

    known_by: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    plain_http: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def of(cls, secret: Mapping[str, bytes], username: str = "", password: str = "") -> Access:
        """``username`` and ``password``: those in the URL itself, for a Secret that has none."""
        pem = (secret.get("ca.crt") or secret.get("caFile") or b"", secret.get("tls.crt") or b"")
        key, insecure = secret.get("tls.key") or b"", _is_set(secret, "insecure")
        total = hashlib.sha256(f"{username}\0{password}\0".encode())
        for name in sorted(secret):
            total.update(name.encode() + b"\0" + hashlib.sha256(secret[name]).digest())
        return cls(
            known_by=total.hexdigest() if secret or username or password else "",
            username=_text(secret, "username") or username,
            password=_text(secret, "password") or password,
            bearer=_text(secret, "bearerToken").strip(),
            plain_http=_is_set(secret, "plainHTTP"),
            tls=_context(*pem, key, insecure),
        )

    @property
    def basic(self) -> str:
        """The value of a header; empty without a user or password."""
        if not self.username and not self.password:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def header(self) -> str:
        """How to say who one is, where nobody has asked yet."""
        return f"Bearer {self.bearer}" if self.bearer else self.basic


def _text(secret: Mapping[str, bytes], name: str) -> str:
    return secret[name].decode("utf-8", "replace") if secret.get(name) else ""


def _is_set(secret: Mapping[str, bytes], name: str) -> bool:
    return _text(secret, name).strip().lower() in ("true", "1")


@lru_cache(maxsize=64)
def _context(authority: bytes, certificate: bytes, key: bytes, insecure: bool) -> ssl.SSLContext:
    """Shared, for reading the system's authorities takes 20 ms."""
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii", "replace") if authority else None)
        if insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate and key:
            with tempfile.NamedTemporaryFile(
                prefix="trueup-"
            ) as pair:  # the ssl module reads only files; this one is private
                pair.write(certificate + b"\n" + key)
                pair.flush()
                context.load_cert_chain(pair.name, password=_no_password)
    except (ssl.SSLError, ValueError) as problem:
        raise SourceProblem("InvalidCertificate", f"the repository's certificates cannot be used: {problem}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key of the client certificate is encrypted")
