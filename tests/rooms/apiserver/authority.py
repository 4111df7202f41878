"""Client certificates of an authority of the test's own."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    def context(self, folder: Path, ca: Path, *more: Pair) -> ssl.SSLContext:
        """TLS of a client that shows it; ``more``: the authorities between."""
        path = folder / f"{self.certificate.serial_number}.pem"
        path.write_bytes(self.pem + b"".join(each.pem for each in more) + self.key_pem)
        made = ssl.create_default_context(cafile=str(ca))
        made.load_cert_chain(path)
        return made


def sign(
    issuer: Pair | None,
    name: str,
    *groups: str,
    now: datetime.datetime,
    days: tuple[float, float] = (-1, 1),
    usage: x509.ObjectIdentifier | None = CLIENT,
    ca: bool = False,
) -> Pair:
    """A certificate of an issuer, or of itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    if name:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    subject = x509.Name(parts)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usage is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Pair(builder.sign(issuer.key if issuer is not None else key, hashes.SHA256()), key)
