"""age as a key service: native keys (post-quantum ones too) and those of SSH.

Called by whoever holds identities (Flux: the entries ``*.agekey`` of a Secret). Sources: age's format (C2SP), SOPS, ``age``.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pyrage

from trueup.sops.hybrid import PREFIX, RECIPIENT, Hybrid, sealed
from trueup.sops.metadata import MasterKey
from trueup.sops.problems import Malformed, NoKey


class Age:
    """Identities in the form of the files that ``age-keygen`` or ``ssh-keygen`` write."""

    __slots__ = ("_identities",)

    def __init__(self, files: Iterable[str] = ()) -> None:
        self._identities: list[Any] = [identity for text in files for identity in _identities(text)]

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        if not self._identities:
            raise NoKey("there is no age identity")
        hybrid = [identity for identity in self._identities if isinstance(identity, Hybrid)]
        others = [identity for identity in self._identities if not isinstance(identity, Hybrid)]
        for identity in hybrid:
            with suppress(NoKey, Malformed):  # another identity may fit
                return identity.open(key.enc)
        try:
            return bytes(pyrage.decrypt(key.enc.encode(), others))
        except pyrage.DecryptError as problem:
            raise NoKey("no identity matched any of the recipients") from problem

    def seal(self, key: MasterKey, part: bytes) -> str:
        """An armored file for the recipient."""
        if key.name.startswith(RECIPIENT):
            return sealed(key.name, part)
        kind = pyrage.ssh if key.name.startswith("ssh-") else pyrage.x25519
        try:
            to = kind.Recipient.from_str(key.name)
        except pyrage.RecipientError as problem:
            raise Malformed(f"{key.name!r} is no recipient of age") from problem
        return bytes(pyrage.encrypt(part, [to], armored=True)).decode()


def _identities(text: str) -> list[Any]:
    if text.lstrip().startswith("-----BEGIN"):
        try:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        except pyrage.IdentityError as problem:
            raise Malformed("the SSH key cannot be read: RSA and Ed25519 keys without a passphrase can be") from problem
    found: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        if written.startswith(PREFIX):
            found.append(_hybrid(written, number))
            continue
        try:
            found.append(pyrage.x25519.Identity.from_str(written))
        except pyrage.IdentityError:
            raise Malformed(f"line {number} is no age identity") from None  # the library's message may hold it
    return found


def _hybrid(written: str, number: int) -> Hybrid:
    try:
        return Hybrid(written)
    except Malformed as problem:
        raise Malformed(f"line {number} is no age identity: {problem}") from None
