"""The cluster's own certificates and keys, in the state folder. Called by the `app` room when a cluster starts.

A certificate authority, a server certificate for the names it is reached by, a key to sign tokens with, the
administrator's token. Files are the owner's alone. Made once; a certificate that is about to end is made again.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = 10
_RENEW = datetime.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pki:
    """Where everything is."""

    ca: Path
    ca_key: ec.EllipticCurvePrivateKey
    certificate: Path
    key: Path
    token_key: ec.EllipticCurvePrivateKey
    admin_token: str


def prepare(folder: Path, hosts: Sequence[str], now: float) -> Pki:
    """All that a cluster needs, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    ca_key = _key(folder / "ca.key")
    ca = _certificate(folder / "ca.crt", moment, ()) or _make_ca(folder / "ca.crt", ca_key, moment)
    server_key = _key(folder / "server.key")
    if _certificate(folder / "server.crt", moment, hosts, ca) is None:
        _make_server(folder / "server.crt", server_key, ca, ca_key, hosts, moment)
    token_path = folder / "admin.token"
    if not token_path.exists():
        _write(token_path, secrets.token_urlsafe(32).encode())
    return Pki(
        ca=folder / "ca.crt",
        ca_key=ca_key,
        certificate=folder / "server.crt",
        key=folder / "server.key",
        token_key=_key(folder / "token.key"),
        admin_token=token_path.read_text().strip(),
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    if path.exists():
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded
    made = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    _write(path, made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return made


def _certificate(
    path: Path, now: datetime.datetime, hosts: Sequence[str], ca: x509.Certificate | None = None
) -> x509.Certificate | None:
    """The certificate in a file, if it is good for a while, for all of the hosts, and signed by the authority."""
    if not path.exists():
        return None
    found = x509.load_pem_x509_certificate(path.read_bytes())
    if found.not_valid_after_utc < now + _RENEW:
        return None
    if ca is not None and not _signed_by(found, ca):
        return None
    if hosts:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = {str(name.value) for name in names}
        if not set(hosts) <= known:
            return None
    return found


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, InvalidSignature):
        return False
    return True


def _make_ca(path: Path, key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trueup")])
    made = (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(path, made.public_bytes(serialization.Encoding.PEM))
    return made


def _make_server(
    path: Path,
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    now: datetime.datetime,
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    made = (
        _builder(name, ca.subject, key, now)
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(path, made.public_bytes(serialization.Encoding.PEM))


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes) -> None:
    """A file for the owner alone, whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    part.replace(path)
