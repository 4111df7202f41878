"""One value, as SOPS writes it: AES-256-GCM, with the value's path as additional data. Pure.

Called by `walk.py` and, for the message authentication code, by `opening.py`. Source: SOPS, ``aes/cipher.go``.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trueup.sops.problems import Malformed, SopsProblem

_WRITTEN = re.compile(r"ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]", re.DOTALL)
_TRUE, _FALSE = (
    frozenset(("1", "t", "T", "TRUE", "true", "True")),
    frozenset(("0", "f", "F", "FALSE", "false", "False")),
)
_TIME = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[Tt ](\d\d?):(\d\d?):(\d\d?)(\.\d+)?([Zz]|[-+]\d\d:\d\d)?)?", re.ASCII)
_EXACT = 2.0**53


class Moment(str):
    """A timestamp: as text, and as SOPS counts it towards the message authentication code."""

    __slots__ = ()


class Cipher:
    """Opens the values of one file."""

    __slots__ = ("_aes",)

    def __init__(self, data_key: bytes) -> None:
        if len(data_key) != 32:
            raise Malformed(f"the data key has {len(data_key)} bytes instead of 32")
        self._aes = AESGCM(data_key)

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
        return typed(plain, found[4])


def typed(plain: bytes, kind: str) -> Any:
    """The value of the type that was written with it."""
    try:
        if kind in ("str", "comment", "bytes"):
            return plain.decode("utf-8", "surrogateescape")
        text = plain.decode()
        if kind == "int":
            return int(text)
        if kind == "float":
            number = float(text)
            return (
                int(number) if number.is_integer() and abs(number) < _EXACT else number
            )  # JSON has one kind of number
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
        return _moment(value).encode()
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, int):
        return str(value).encode()
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text).encode()
    raise Malformed(f"a value of type {type(value).__name__} has no place in a file of SOPS")


def _moment(written: str) -> str:
    """RFC 3339, as Go prints a time: two digits each, no zeros after a fraction, UTC when no zone is told."""
    found = _TIME.fullmatch(written)
    if not found:
        return written
    year, month, day, hour, minute, second, fraction, zone = (part or "" for part in found.groups())
    fraction = (fraction or "").rstrip("0").rstrip(".")
    return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}{fraction}{zone.upper() or 'Z'}"
