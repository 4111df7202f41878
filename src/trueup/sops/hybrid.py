"""age's post-quantum keys (ML-KEM-768 with X25519), which its library for Python does not read yet. Pure.

Called by `age.py`. Only what SOPS writes is opened and written: an armored file of one chunk.
Source: age's format (C2SP) and ``pq.go``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trueup.sops.problems import Malformed, NoKey

PREFIX = "AGE-SECRET-KEY-PQ-1"
RECIPIENT = "age1pq1"
_STANZA = "mlkem768x25519"
_LABEL = b"age-encryption.org/mlkem768x25519"
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHUNK = 64 * 1024


class Hybrid:
    """One such identity."""

    __slots__ = ("_key", "_suite")

    def __init__(self, written: str) -> None:
        seed = _bech32(written)
        try:
            from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
            from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
        except ImportError as problem:
            raise Malformed("a post-quantum identity needs a newer release of cryptography") from problem
        if len(seed) != 32:
            raise Malformed("it has the wrong length")
        parts = hashlib.shake_256(seed).digest(96)
        lattice, curve = MLKEM768PrivateKey.from_seed_bytes(parts[:64]), X25519PrivateKey.from_private_bytes(parts[64:])
        self._key: Any = MLKEM768X25519PrivateKey(lattice, curve)
        self._suite: Any = _suite()

    def open(self, armored: str) -> bytes:
        """What is in a file of age."""
        header, mac, payload = _parts(_bare(armored))
        for sealed in _stanzas(header):
            try:
                file_key = self._suite.decrypt(sealed, self._key, _LABEL)
            except (InvalidTag, ValueError):
                continue  # another identity's
            proof = hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")
            if not hmac.compare_digest(proof, mac):
                raise Malformed("the header of an age file was changed")
            return _payload(file_key, payload)
        raise NoKey("no identity matched any of the recipients")


def sealed(recipient: str, plain: bytes) -> str:
    """An armored file for one such recipient."""
    try:
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey
    except ImportError as problem:
        raise Malformed("a post-quantum recipient needs a newer release of cryptography") from problem
    try:
        parts = _bech32(recipient)
        lattice, curve = (
            MLKEM768PublicKey.from_public_bytes(parts[:-32]),
            X25519PublicKey.from_public_bytes(parts[-32:]),
        )
        key: Any = MLKEM768X25519PublicKey(lattice, curve)
    except (Malformed, ValueError) as problem:
        raise Malformed(f"{recipient[:16]}… is no recipient of age: {problem}") from problem
    file_key, nonce = ChaCha20Poly1305.generate_key()[:16], ChaCha20Poly1305.generate_key()[:16]
    box = _suite().encrypt(file_key, key, _LABEL)
    header = f"age-encryption.org/v1\n-> {_STANZA} {_unpadded(box[:-32])}\n{_unpadded(box[-32:])}\n---".encode()
    mac = _unpadded(hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")).encode()
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(bytes(11) + b"\x01", plain, None)
    armor = base64.b64encode(header + b" " + mac + b"\n" + nonce + payload).decode()
    lines = "\n".join(armor[at : at + 64] for at in range(0, len(armor), 64))
    return f"-----BEGIN AGE ENCRYPTED FILE-----\n{lines}\n-----END AGE ENCRYPTED FILE-----\n"


def _suite() -> Any:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bech32(written: str) -> bytes:
    kind, _, data = written.lower().rpartition("1")
    try:
        values = [_LETTERS.index(letter) for letter in data]
    except ValueError:
        raise Malformed("a letter has no place in it") from None
    check = 1
    for value in (*(ord(c) >> 5 for c in kind), 0, *(ord(c) & 31 for c in kind), *values):
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    if check != 1:
        raise Malformed("its checksum is wrong")
    bits = "".join(f"{value:05b}" for value in values[:-6])
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


def _bare(armored: str) -> bytes:
    lines = armored.strip().splitlines()
    if len(lines) < 3 or not (lines[0].startswith("-----BEGIN AGE") and lines[-1].startswith("-----END AGE")):
        raise Malformed("it is no armored age file")
    return _base64("".join(lines[1:-1]))


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as problem:
        raise Malformed("an age file is not valid base64") from problem


def _parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    at = data.find(b"\n--- ")
    end = data.find(b"\n", at + 1)
    if not data.startswith(b"age-encryption.org/v1\n") or at < 0 or end < 0:
        raise Malformed("it is no age file")
    return data[: at + 4], _base64(data[at + 5 : end].decode("ascii", "replace")), data[end + 1 :]


def _stanzas(header: bytes) -> Iterator[bytes]:
    """Of each hybrid recipient: what the key is encapsulated in, and the file's key."""
    for stanza in header.decode("ascii", "replace").split("\n-> ")[1:]:
        first, *body = stanza.removesuffix("\n---").split("\n")
        kind, *arguments = first.split(" ")
        if kind == _STANZA and len(arguments) == 1:
            yield _base64(arguments[0]) + _base64("".join(body))


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _payload(file_key: bytes, payload: bytes) -> bytes:
    nonce, chunk = payload[:16], payload[16:]
    if len(chunk) > _CHUNK:
        raise Malformed("an age file is longer than any key")
    try:
        return ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).decrypt(bytes(11) + b"\x01", chunk, None)
    except (InvalidTag, ValueError) as problem:
        raise Malformed("an age file was changed") from problem
