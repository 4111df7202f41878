"""The part of a file that SOPS writes for itself: which keys open it, and which values are encrypted. Pure.

Called by `opening.py` with the value of ``sops``; flat formats hand in what `flat.py` has folded. Source: SOPS, ``stores``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.patterns import BadPattern, Pattern, pattern
from trueup.sops.problems import Malformed

SERVICES: Mapping[str, tuple[str, str]] = {
    "age": ("age", "recipient"),
    "pgp": ("PGP", "fp"),
    "kms": ("AWS KMS", "arn"),
    "gcp_kms": ("GCP KMS", "resource_id"),
    "hckms": ("Huawei Cloud KMS", "key_id"),
    "azure_kv": ("Azure Key Vault", "name"),
    "hc_vault": ("Vault", "key_name"),
}
"""Key services in the order in which they are tried: as they are written, how they are called, what names a key."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A key that opens the data key, or this group's part of it."""

    service: str
    name: str
    enc: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{SERVICES[self.service][0]} {self.name}"


@dataclass(frozen=True, slots=True)
class Rules:
    """Which values are encrypted, by the keys on their path."""

    unencrypted_suffix: str = ""
    encrypted_suffix: str = ""
    unencrypted_regex: Pattern | None = None
    encrypted_regex: Pattern | None = None

    def encrypted(self, path: Sequence[str]) -> bool:
        """SOPS lets only one of them be written; were there more, the later one here decides, as there."""
        encrypted = True
        if self.unencrypted_suffix:
            encrypted = not any(key.endswith(self.unencrypted_suffix) for key in path)
        if self.encrypted_suffix:
            encrypted = any(key.endswith(self.encrypted_suffix) for key in path)
        if self.unencrypted_regex and any(self.unencrypted_regex.found(key) for key in path):
            encrypted = False
        if self.encrypted_regex:
            encrypted = any(self.encrypted_regex.found(key) for key in path)
        return encrypted


@dataclass(frozen=True, slots=True)
class Metadata:
    """What ``sops`` holds."""

    groups: tuple[tuple[MasterKey, ...], ...]
    threshold: int
    mac: str
    last_modified: str
    only_encrypted: bool
    rules: Rules
    version: str

    @classmethod
    def parse(cls, written: object) -> Metadata:
        """As written, in any version since 1.0."""
        if not isinstance(written, Mapping):
            raise Malformed("the file holds no metadata of SOPS")
        for unsupported in ("unencrypted_comment_regex", "encrypted_comment_regex"):
            if written.get(unsupported):
                raise Malformed(f"{unsupported} is not supported yet")
        listed = written.get("key_groups") or ()
        groups = tuple(_keys(group) for group in listed) if listed else (_keys(written),)
        return cls(
            groups=groups,
            threshold=_number(written.get("shamir_threshold")) or len(groups),
            mac=str(written.get("mac") or ""),
            last_modified=str(written.get("lastmodified") or ""),
            only_encrypted=str(written.get("mac_only_encrypted") or "").lower() == "true",
            rules=_rules(written),
            version=str(written.get("version") or ""),
        )


def _number(value: object) -> int:
    try:
        return int(str(value)) if value else 0
    except ValueError as problem:
        raise Malformed("shamir_threshold is not a number") from problem


def _keys(group: object) -> tuple[MasterKey, ...]:
    if not isinstance(group, Mapping):
        raise Malformed("a key group is not a mapping")
    return tuple(
        MasterKey(service, str(key.get(naming) or ""), str(key.get("enc") or ""), key)
        for service, (_, naming) in SERVICES.items()
        for key in group.get(service) or ()
        if isinstance(key, Mapping)
    )


def _rules(written: Mapping[str, Any]) -> Rules:
    return Rules(
        unencrypted_suffix=str(written.get("unencrypted_suffix") or ""),
        encrypted_suffix=str(written.get("encrypted_suffix") or ""),
        unencrypted_regex=_pattern("unencrypted_regex", written.get("unencrypted_regex")),
        encrypted_regex=_pattern("encrypted_regex", written.get("encrypted_regex")),
    )


def _pattern(name: str, written: object) -> Pattern | None:
    if not written:
        return None
    try:
        return pattern(str(written))
    except BadPattern as problem:
        raise Malformed(f"{name}: {problem}") from None
