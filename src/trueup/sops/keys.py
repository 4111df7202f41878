"""How the data key of a file is had from the keys that are written in it.

Called by `opening.py`. A key service is a small port: `age.py` is one, those that must run a program or ask a server are handed
in. Source: SOPS, ``sops.go`` (``GetDataKeyWithKeyServices``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from trueup.sops import shamir
from trueup.sops.metadata import SERVICES, MasterKey, Metadata
from trueup.sops.problems import NoKey


class KeyService(Protocol):
    """Opens what was encrypted to one kind of key."""

    def open(self, key: MasterKey) -> bytes:
        """The data key, or a part of it; `NoKey` says why not."""


Keys = Mapping[str, KeyService]
"""A key service for each of the names in `metadata.SERVICES` that can be asked."""


def data_key(metadata: Metadata, keys: Keys) -> bytes:
    """The key that all values are encrypted with: from any key of the only group, or from enough groups."""
    parts: list[bytes] = []
    refused: list[str] = []
    needed = metadata.threshold if len(metadata.groups) > 1 else 1
    for group in metadata.groups:
        for key in group:
            try:
                parts.append(_open(key, keys))
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


def _open(key: MasterKey, keys: Keys) -> bytes:
    service = keys.get(key.service)
    if service is None:
        raise NoKey(f"no key service for {SERVICES[key.service][0]} is at hand")
    return service.open(key)
