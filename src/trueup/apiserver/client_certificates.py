"""Who the client certificate of a connection says its bearer is. Called by `front` once for each connection that has one.

Sources: ``k8s.io/apiserver/pkg/authentication/request/x509`` (the common name is the user, organizations are the groups);
RFC 5280. As there, a certificate that proves nothing is no reason to end the connection: a token may say who it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from OpenSSL import crypto

from trueup.apiserver.policy import AUTHENTICATED
from trueup.apiserver.users import User
from trueup.timing.rfc3339 import format_time

_UID = ObjectIdentifier("1.3.6.1.4.1.57683.2")
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_UNKNOWN = "x509: certificate signed by unknown authority"
_USAGE = "x509: certificate specifies an incompatible key usage"
_TIME = "x509: certificate has expired or is not yet valid: current time {} is {}"
_NO_CHECK_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME``: a connection lives longer than one look at the clock."""
_DEEPEST = 10
"""Certificates of a chain that are looked at."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """``user`` None: the certificate proves nothing, and ``problem`` says why."""

    user: User | None
    begins: float = 0.0
    ends: float = 0.0
    problem: str = ""

    def wrong(self, now: float) -> str:
        """Why it proves nothing at this time; empty when it does."""
        if self.user is None:
            return self.problem
        if now > self.ends:
            return _TIME.format(format_time(now), f"after {format_time(self.ends)}")
        if now < self.begins:
            return _TIME.format(format_time(now), f"before {format_time(self.begins)}")
        return ""


class Authorities:
    """Whose client certificates are believed."""

    def __init__(self, bundle: bytes) -> None:
        """Certificates in PEM. Raises ``ValueError`` when there are none."""
        self.certificates = tuple(x509.load_pem_x509_certificates(bundle))
        self._store = crypto.X509Store()
        self._store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN | _NO_CHECK_TIME)
        for each in self.certificates:
            self._store.add_cert(crypto.X509.from_cryptography(each))

    def bearer(self, leaf: crypto.X509, chain: Sequence[crypto.X509]) -> Bearer:
        """Whoever holds the key of the leaf, which the TLS handshake has proved."""
        try:
            verified = crypto.X509StoreContext(self._store, leaf, chain[:_DEEPEST]).get_verified_chain()
        except crypto.X509StoreContextError:
            return Bearer(None, problem=_UNKNOWN)
        try:
            return _bearer([each.to_cryptography() for each in verified])
        except ValueError as problem:  # what OpenSSL can read and the stricter parser cannot
            return Bearer(None, problem=f"x509: malformed certificate: {problem}")


def _bearer(chain: Sequence[x509.Certificate]) -> Bearer:
    leaf = chain[0]
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
            return Bearer(None, problem=_USAGE)
    except x509.ExtensionNotFound:  # good for everything
        pass
    names = _values(leaf, NameOID.COMMON_NAME)
    if not names or not names[-1]:
        return Bearer(None, problem="the certificate has no common name")
    uids = _values(leaf, _UID)
    user = User(
        names[-1],
        tuple(dict.fromkeys((*_values(leaf, NameOID.ORGANIZATION_NAME), AUTHENTICATED))),
        uids[0] if uids else "",
        {_CREDENTIAL: (f"X509SHA256={hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()}",)},
    )
    begins = max(each.not_valid_before_utc.timestamp() for each in chain)
    return Bearer(user, begins, min(each.not_valid_after_utc.timestamp() for each in chain))


def _values(leaf: x509.Certificate, which: ObjectIdentifier) -> list[str]:
    return [str(one.value) for one in leaf.subject.get_attributes_for_oid(which)]
