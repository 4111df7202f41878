"""A plain file or object in, the encrypted one out. Pure: what is random and what time it is come from the caller.

Called by whoever writes encrypted files. Sources: SOPS, ``sops.go`` (``Encrypt``), ``aes/cipher.go``, ``stores``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyrage
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trueup.kube.names import Object
from trueup.sops.cipher import Moment, told
from trueup.sops.flat import flattened
from trueup.sops.formats import Format, read, write
from trueup.sops.metadata import Metadata
from trueup.sops.problems import Malformed, SopsProblem
from trueup.sops.walk import Comment

VERSION = "3.9.0"
"""The version of the format that is written."""
Entropy = Callable[[int], bytes]
"""So many random bytes (``secrets.token_bytes``)."""


def encrypt(
    data: bytes,
    form: Format,
    *,
    recipients: Sequence[str],
    now: str,
    entropy: Entropy,
    rules: Mapping[str, str] | None = None,
) -> bytes:
    """A file that the identities of these age recipients open. ``rules``: ``encrypted_regex`` and its kin."""
    if form == "binary":
        documents: list[Any] = [{"data": data.decode("utf-8", "surrogateescape")}]
    else:
        plain = read(data, form)
        if plain.metadata is not None:
            raise SopsProblem("the file is encrypted already")
        documents = plain.documents
    sealed, metadata = _sealed(documents, recipients, now, entropy, rules)
    if form == "dotenv":
        sealed[0] |= {f"sops_{key}": value for key, value in flattened(metadata).items()}
    elif form == "ini":
        sealed[0]["sops"] = {key: value.replace("\n", "\\n") for key, value in flattened(metadata).items()}
    else:
        for document in sealed:
            document["sops"] = metadata
    return write(sealed, "json" if form == "binary" else form)


def encrypt_object(
    obj: Object, *, recipients: Sequence[str], now: str, entropy: Entropy, rules: Mapping[str, str] | None = None
) -> Object:
    """A Kubernetes object with ``sops`` in it. ``now`` is RFC 3339."""
    if "sops" in obj:
        raise SopsProblem("the object is encrypted already")
    sealed, metadata = _sealed([obj], recipients, now, entropy, rules)
    found: Object = sealed[0]
    return {**found, "sops": metadata}


def _sealed(
    documents: Sequence[Any], recipients: Sequence[str], now: str, entropy: Entropy, rules: Mapping[str, str] | None
) -> tuple[list[Any], dict[str, Any]]:
    if not recipients:
        raise SopsProblem("there is no key to encrypt to")
    written = dict(rules or {"unencrypted_suffix": "_unencrypted"})
    data_key = entropy(32)
    sealer = _Sealer(Metadata.parse({**written, "age": []}), data_key, entropy)
    sealed = [sealer.value(document, []) for document in documents]
    return sealed, {
        "age": [{"recipient": to, "enc": _to(to, data_key)} for to in recipients],
        "lastmodified": now,
        "mac": sealer.write(sealer.hash.hexdigest().upper(), now),
        **written,
        "version": VERSION,
    }


def _to(recipient: str, data_key: bytes) -> str:
    try:
        to = (pyrage.ssh if recipient.startswith("ssh-") else pyrage.x25519).Recipient.from_str(recipient)
    except pyrage.RecipientError as problem:
        raise Malformed(f"{recipient!r} is no recipient of age") from problem
    return bytes(pyrage.encrypt(data_key, [to], armored=True)).decode()


class _Sealer:
    """One pass over a file's documents."""

    __slots__ = ("_aes", "_entropy", "_rules", "hash")

    def __init__(self, metadata: Metadata, data_key: bytes, entropy: Entropy) -> None:
        self._rules, self._aes, self._entropy = metadata.rules, AESGCM(data_key), entropy
        self.hash = hashlib.sha512()

    def value(self, value: Any, path: list[str]) -> Any:
        """A value with all below it encrypted, where the rules say so."""
        if isinstance(value, dict):
            return dict(self._item(key, below, path) for key, below in value.items())
        if isinstance(value, list):
            return [self.value(below, path) for below in value]
        if value is None:
            return None
        self.hash.update(told(value))
        return self.write(value, ":".join(path) + ":") if self._rules.encrypted(path) else value

    def _item(self, key: Any, value: Any, path: list[str]) -> tuple[Any, Any]:
        if isinstance(key, Comment):
            sealed = self._rules.encrypted(path)
            return (Comment(self.write(key.text, ":".join(path) + ":", "comment")) if sealed else key), None
        if not isinstance(key, str):
            raise Malformed("a key is not a string: only string keys are supported")
        return key, self.value(value, [*path, key])

    def write(self, value: Any, path: str, kind: str = "") -> str:
        """``ENC[…]``; an empty string stays empty."""
        if value == "":
            return ""
        iv = self._entropy(32)
        out = self._aes.encrypt(iv, told(value), path.encode())
        parts = (base64.b64encode(part).decode() for part in (out[:-16], iv, out[-16:]))
        return "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{}]".format(*parts, kind or _kind(value))


def _kind(value: object) -> str:
    if isinstance(value, Moment):
        return "time"
    if isinstance(value, bool):
        return "bool"
    return {int: "int", float: "float"}.get(type(value), "str")
