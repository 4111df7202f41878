"""One value, as SOPS writes it: AES-256-GCM, with the value's path as additional data. Pure.

Called by `walk.py` and, for the message authentication code, by `editing.py`. Source: SOPS, ``aes/cipher.go``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trueup.sops.problems import Malformed, SopsProblem

_WRITTEN = re.compile(r"ENC\[AES256_GCM,data:([^,]+),iv:([^,]+),tag:([^,]+),type:([^\]]+)\]")
_TRUE, _FALSE = (
    frozenset(("1", "t", "T", "TRUE", "true", "True")),
    frozenset(("0", "f", "F", "FALSE", "false", "False")),
)
_TIME = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[Tt ](\d\d?):(\d\d?):(\d\d?)(\.\d+)?([Zz]|[-+]\d\d:\d\d)?)?", re.ASCII)
_LEAST, _MOST = -(2**63), 2**63 - 1


class Moment(str):
    """A timestamp: as text, and as SOPS counts it towards the message authentication code."""

    __slots__ = ()


class Comment:
    """A comment, in the place of a key or of an entry: by itself, for two may say the same. ``inline``: after its value."""

    __slots__ = ("inline", "text")

    def __init__(self, text: str, inline: bool = False) -> None:
        self.text, self.inline = text, inline


Entropy = Callable[[int], bytes]
"""So many random bytes (``secrets.token_bytes``)."""


class Cipher:
    """Opens and seals the values of one file. What was opened and is sealed again unchanged is written as it was."""

    __slots__ = ("_aes", "_entropy", "_vectors")

    def __init__(self, data_key: bytes, entropy: Entropy | None = None) -> None:
        if len(data_key) != 32:
            raise Malformed(f"the data key has {len(data_key)} bytes instead of 32")
        self._aes, self._entropy = AESGCM(data_key), entropy
        self._vectors: dict[tuple[str, str, bytes], bytes] = {}

    def open(self, written: str, path: str) -> Any:
        """The value behind ``ENC[…]``; an empty string is never encrypted."""
        if not written:
            return ""
        found = _WRITTEN.match(written)
        if not found:
            raise Malformed(f"the value of {path.rstrip(':')!r} is not encrypted, and the file's rules say that it is")
        try:
            data, iv, tag = (base64.b64decode(part, validate=True) for part in found.groups()[:3])
        except binascii.Error as problem:
            raise Malformed(f"the value of {path.rstrip(':')!r} is not valid base64") from problem
        try:
            plain = self._aes.decrypt(iv, data + tag, path.encode())
        except (InvalidTag, ValueError) as problem:
            raise SopsProblem(
                f"the value of {path.rstrip(':')!r} cannot be decrypted: it was changed or moved"
            ) from problem
        if self._entropy is not None:
            self._vectors[path, found[4], plain] = iv
        return typed(plain, found[4])

    def seal(self, value: Any, path: str) -> str:
        """``ENC[…]``; an empty string stays empty."""
        plain = told(value)
        if not plain and isinstance(value, (str, Comment)):
            return ""
        assert self._entropy is not None, "what seals has entropy"
        kind = _kind(value)
        iv = self._vectors.get((path, kind, plain)) or self._entropy(32)
        out = self._aes.encrypt(iv, plain, path.encode())
        parts = (base64.b64encode(part).decode() for part in (out[:-16], iv, out[-16:]))
        return "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{}]".format(*parts, kind)


def _kind(value: object) -> str:
    if isinstance(value, Moment):
        return "time"
    if isinstance(value, Comment):
        return "comment"
    if isinstance(value, bool):
        return "bool"
    return {int: "int", float: "float"}.get(type(value), "str")


def typed(plain: bytes, kind: str) -> Any:
    """The value of the type that was written with it."""
    try:
        if kind in ("str", "bytes"):
            return plain.decode("utf-8", "surrogateescape")
        if kind == "comment":
            return Comment(plain.decode("utf-8", "surrogateescape"))
        text = plain.decode()
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "bool" and text in _TRUE | _FALSE:
            return text in _TRUE
        if kind == "time":
            return Moment(text)
    except ValueError:
        pass  # told below, without the value
    raise Malformed(f"a value is not of the type that is written with it: {kind}")


def told(value: object) -> bytes:
    """A value as it counts towards the message authentication code, and as it is encrypted."""
    if isinstance(value, Moment):
        return moment(value).encode()
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, Comment):
        return value.text.encode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise Malformed("a number is beyond 64 bits: write it in quotes")
        return str(value).encode()
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text).encode()
    raise Malformed(f"a value of type {type(value).__name__} has no place in a file of SOPS")


def moment(written: str) -> str:
    """RFC 3339, as Go prints a time: two digits each, no zeros after a fraction, UTC when no zone is told."""
    found = _TIME.fullmatch(written)
    if not found:
        return written
    year, month, day, hour, minute, second, fraction, zone = (part or "" for part in found.groups())
    fraction = (fraction or "").rstrip("0").rstrip(".")
    return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}{fraction}{zone.upper() or 'Z'}"
