"""A file of SOPS opened, changed and sealed again. Pure but for the key services, the entropy and the time that are handed in.

Called by the families that decrypt and by the command. Sources: SOPS, ``decrypt/decrypt.go``, ``cmd/sops`` (``encrypt.go``,
``edit.go``, ``rotate.go``), ``cmd/sops/common``.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueup.kube.names import Object
from trueup.sops.cipher import Cipher, Entropy
from trueup.sops.formats import USUAL, Format, Style, bare, read, read_plain, write, write_encrypted
from trueup.sops.keys import DECRYPTION_ORDER, Keys, data_key, wrapped
from trueup.sops.metadata import Groups, MasterKey, Metadata
from trueup.sops.problems import MacMismatch, Malformed, SopsProblem
from trueup.sops.selecting import DEFAULT_SUFFIX, Rules
from trueup.sops.walk import Opened, Sealed

LARGEST = 5 << 20
"""The largest file that is decrypted unless told otherwise, as in Flux."""
VERSION = "3.13.0"
"""The version of the format that is written."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What an encrypted file is, once it is open."""

    documents: list[Any]
    metadata: Metadata
    data_key: bytes
    cipher: Cipher

    def sealed(self, documents: list[Any], now: str) -> tuple[list[Any], Metadata]:
        """Documents in place of those that were there, under the same keys; what did not change is written as it was."""
        return _sealed(documents, replace(self.metadata, version=_newer(self.metadata.version)), self.cipher, now)


def opened(
    data: bytes,
    form: Format,
    keys: Keys,
    *,
    verify: bool = True,
    order: Sequence[str] = DECRYPTION_ORDER,
    entropy: Entropy | None = None,
    largest: int = LARGEST,
) -> Opening:
    """An encrypted file. ``entropy`` for those who will seal it again."""
    if len(data) > largest:
        raise Malformed(f"the file has {len(data)} bytes: no more than {largest} are decrypted")
    file = read(data, form)
    return _opened(file.documents, file.metadata, keys, verify, order, entropy)


def decrypt(
    data: bytes, form: Format, keys: Keys, *, into: Format | None = None, verify: bool = True, style: Style = USUAL
) -> bytes:
    """A file's plain text, in the same format or another one."""
    return write(opened(data, form, keys, verify=verify).documents, into or form, style)


def decrypt_object(obj: Object, keys: Keys, *, verify: bool = True) -> Object:
    """A Kubernetes object with ``sops`` in it. What others have added to it since changes the authentication code: whoever
    decrypts after a build cannot verify."""
    plain = {key: value for key, value in obj.items() if key != "sops"}
    found: Object = bare(_opened([plain], obj.get("sops"), keys, verify, DECRYPTION_ORDER, None).documents[0])
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """How a file is to be encrypted: a creation rule, with what the caller chose himself."""

    groups: Groups
    threshold: int = 0
    rules: Rules | None = None
    only_encrypted: bool = False


def encrypted(
    data: bytes, form: Format, wish: Wish, keys: Keys, *, now: str, entropy: Entropy, into: Format | None = None,
    style: Style = USUAL,
) -> bytes:  # fmt: skip
    """A plain file, encrypted."""
    documents, metadata = sealed_anew(read_plain(data, form), wish, keys, now, entropy, single=form == "binary")
    return write_encrypted(documents, metadata.dumped(), into or form, style)


def sealed_anew(
    documents: list[Any], wish: Wish, keys: Keys, now: str, entropy: Entropy, *, single: bool = False
) -> tuple[list[Any], Metadata]:
    """Documents under a new data key. ``single``: the whole file is one value, of which no rule speaks."""
    key = entropy(32)
    groups = wrapped(wish.groups, wish.threshold, key, keys, now, entropy)
    threshold = wish.threshold or (len(groups) if len(groups) > 1 else 0)
    rules = wish.rules if wish.rules is not None and wish.rules.choice else Rules("unencrypted_suffix", DEFAULT_SUFFIX)
    metadata = Metadata(
        groups=groups,
        threshold=threshold,
        only_encrypted=wish.only_encrypted and not single,
        rules=Rules() if single else rules,
        version=VERSION,
    )
    return _sealed(documents, metadata, Cipher(key, entropy), now)


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
    return encrypted(data, form, *_for_age(recipients, rules), now=now, entropy=entropy)


def encrypt_object(
    obj: Object, *, recipients: Sequence[str], now: str, entropy: Entropy, rules: Mapping[str, str] | None = None
) -> Object:
    """A Kubernetes object with ``sops`` in it. ``now`` is RFC 3339."""
    if "sops" in obj:
        raise SopsProblem("the object is encrypted already")
    wish, keys = _for_age(recipients, rules)
    documents, metadata = sealed_anew([obj], wish, keys, now, entropy)
    found: Object = documents[0]
    return {**found, "sops": metadata.dumped()}


def _for_age(recipients: Sequence[str], rules: Mapping[str, str] | None) -> tuple[Wish, Keys]:
    from trueup.sops.age import Age

    group = tuple(MasterKey("age", to, "", {"recipient": to}) for to in recipients)
    return Wish((group,), rules=Rules.parse(rules or {})), {"age": Age()}


def rotated(opening: Opening, keys: Keys, now: str, entropy: Entropy) -> tuple[list[Any], Metadata]:
    """The same documents and keys under a new data key, all values encrypted anew."""
    key = entropy(32)
    groups = wrapped(opening.metadata.groups, opening.metadata.threshold, key, keys, now, entropy)
    metadata = replace(opening.metadata, groups=groups, version=_newer(opening.metadata.version))
    return _sealed(opening.documents, metadata, Cipher(key, entropy), now)


def rekeyed(metadata: Metadata, keys: Keys, key: bytes, now: str, entropy: Entropy) -> Metadata:
    """The same data key, encrypted to the groups that the metadata now names; no value changes."""
    if len(metadata.groups) > 1 and metadata.needed > len(metadata.groups):
        raise SopsProblem(
            f"the threshold of {metadata.needed} key groups cannot be met by {len(metadata.groups)}: "
            "give a lower one with --shamir-secret-sharing-threshold"
        )
    return replace(metadata, groups=wrapped(metadata.groups, metadata.threshold, key, keys, now, entropy))


def _sealed(documents: list[Any], metadata: Metadata, cipher: Cipher, now: str) -> tuple[list[Any], Metadata]:
    sealed = Sealed(documents, metadata, cipher)
    return sealed.documents, replace(metadata, mac=cipher.seal(sealed.mac, now), last_modified=now)


def _opened(
    documents: list[Any], written: Any, keys: Keys, verify: bool, order: Sequence[str], entropy: Entropy | None
) -> Opening:
    metadata = Metadata.parse(written)
    key = data_key(metadata, keys, order)
    cipher = Cipher(key, entropy)
    found = Opened(documents, metadata, cipher)
    if verify:
        mac = cipher.open(metadata.mac, metadata.last_modified) if metadata.mac else ""
        if not hmac.compare_digest(str(mac), found.mac):
            raise MacMismatch(_which(mac))
    return Opening(found.documents, metadata, key, cipher)


def _which(written: str) -> str:
    """In ``sops.mac``."""
    why = "its authentication code (sops.mac) does not match" if written else "it has no authentication code (sops.mac)"
    return f"the file was changed after it was encrypted: {why}"


def _newer(version: str) -> str:
    return max(version, VERSION, key=lambda text: [int(part) if part.isdigit() else 0 for part in text.split(".")])
