"""How the data key of a file is had from the keys that are written in it, and written for them. Pure but for the services.

Called by `editing.py`. A key service is a small port: `age.py` is one, those that must run a program or ask a server are handed
in. Source: SOPS, ``sops.go`` (``GetDataKeyWithKeyServices``, ``UpdateMasterKeysWithKeyServices``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from trueup.sops import shamir
from trueup.sops.cipher import Entropy
from trueup.sops.metadata import SERVICES, Groups, MasterKey, Metadata
from trueup.sops.problems import NoKey, SopsProblem


class KeyService(Protocol):
    """Opens what was encrypted to one kind of key, and encrypts to it."""

    def open(self, key: MasterKey) -> bytes:
        """The data key, or a part of it; `NoKey` says why not."""

    def seal(self, key: MasterKey, part: bytes) -> str:
        """What is written for the key; `SopsProblem` says why not."""


Keys = Mapping[str, KeyService]
"""A key service for each of the names in `metadata.SERVICES` that can be asked."""
DECRYPTION_ORDER = ("age", "pgp")
"""Kinds of keys that are tried first: they are at hand, or not."""


def data_key(metadata: Metadata, keys: Keys, order: Sequence[str] = DECRYPTION_ORDER) -> bytes:
    """The key that all values are encrypted with: from any key of the only group, or from enough groups."""
    parts: list[bytes] = []
    refused: list[str] = []
    needed = metadata.needed
    for group in metadata.groups:
        for key in sorted(group, key=lambda key: order.index(key.service) if key.service in order else len(order)):
            try:
                parts.append(_service(key, keys).open(key))
                break
            except NoKey as problem:
                refused.append(f"{key}: {problem}")
        if len(parts) == needed:
            return parts[0] if len(metadata.groups) == 1 else shamir.combine(parts)
    of = (
        f"{len(parts)} of {needed} key groups that are needed could be opened"
        if needed > 1
        else "no key opens the file"
    )
    raise NoKey(f"{of}: {'; '.join(refused) or 'it names none'}")


def wrapped(groups: Groups, threshold: int, data_key: bytes, keys: Keys, now: str, entropy: Entropy) -> Groups:
    """The same groups with the data key, or each group's part of it, encrypted to every key."""
    if not groups or not all(groups):
        raise SopsProblem("there is no key to encrypt to" if not any(groups) else "a key group has no keys")
    parts = [data_key] if len(groups) == 1 else shamir.split(data_key, len(groups), threshold or len(groups), entropy)
    return tuple(
        tuple(key.sealed(_sealed(key, part, keys), now) for key in group)
        for group, part in zip(groups, parts, strict=True)
    )


def _sealed(key: MasterKey, part: bytes, keys: Keys) -> str:
    try:
        return _service(key, keys).seal(key, part)
    except SopsProblem as problem:
        raise type(problem)(f"{key}: {problem}") from problem


def _service(key: MasterKey, keys: Keys) -> KeyService:
    service = keys.get(key.service)
    if service is None:
        raise NoKey(f"no key service for {SERVICES[key.service][0]} is at hand")
    return service
