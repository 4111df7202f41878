"""The part of a file that SOPS writes for itself: which keys open it, and which values are encrypted. Pure.

Called by `editing.py` with the value of ``sops``; flat formats hand in what `flat.py` has folded. Source: SOPS, ``stores``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trueup.sops.problems import Malformed
from trueup.sops.selecting import CHOICES, Rules

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
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)", re.ASCII)
_WRITTEN_IN_GROUPS = ("age", "hc_vault")
"""Lists that stand in a key group even when they are empty."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A key that opens the data key, or this group's part of it. ``enc``: what it opens; empty when nothing is sealed yet."""

    service: str
    name: str
    enc: str
    fields: Mapping[str, Any] = field(hash=False)

    def __str__(self) -> str:
        return f"{SERVICES[self.service][0]} {self.name}"

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two entries the same key: a fingerprint, an ARN with role and context, an address with a path."""
        told = [str(self.fields.get(part) or "") for part in _TOLD.get(self.service, ())]
        context = self.fields.get("context")
        if isinstance(context, Mapping):
            told += [f"{key}:{value}" for key, value in sorted(context.items())]
        return self.service, "|".join([self.name, *told])

    def sealed(self, enc: str, now: str) -> MasterKey:
        """The same key with a new data key under it."""
        dated = {} if self.service == "age" else {"created_at": now}
        return replace(self, enc=enc, fields={**self.fields, **dated, "enc": enc})


_TOLD: Mapping[str, tuple[str, ...]] = {
    "kms": ("role", "aws_profile"),
    "azure_kv": ("vault_url", "version"),
    "hc_vault": ("vault_address", "engine_path"),
}
Groups = tuple[tuple[MasterKey, ...], ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What ``sops`` holds."""

    groups: Groups
    threshold: int = 0
    mac: str = ""
    last_modified: str = ""
    only_encrypted: bool = False
    rules: Rules = field(default_factory=Rules)
    version: str = ""

    @classmethod
    def parse(cls, written: object) -> Metadata:
        """As written, in any version since 1.0."""
        if not isinstance(written, Mapping):
            raise Malformed("the file holds no metadata of SOPS")
        listed = written.get("key_groups") or ()
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            raise Malformed("sops.key_groups is not a list")
        modified = str(written.get("lastmodified") or "")
        if modified and not _MOMENT.fullmatch(modified):
            raise Malformed("sops.lastmodified is no time as RFC 3339 has it: 2026-01-31T12:00:00Z")
        return cls(
            groups=tuple(_keys(group) for group in listed) if listed else (_keys(written),),
            threshold=_number(written.get("shamir_threshold")),
            mac=str(written.get("mac") or ""),
            last_modified=modified,
            only_encrypted=str(written.get("mac_only_encrypted") or "").lower() == "true",
            rules=Rules.parse(written),
            version=str(written.get("version") or ""),
        )

    @property
    def needed(self) -> int:
        """How many groups must be opened."""
        return (self.threshold or len(self.groups)) if len(self.groups) > 1 else 1

    def keys(self) -> Iterator[MasterKey]:
        """Of all groups."""
        for group in self.groups:
            yield from group

    def dumped(self) -> dict[str, Any]:
        """As SOPS writes it: keys in order, nothing that is empty."""
        out: dict[str, Any] = {}
        if len(self.groups) == 1:
            out |= _listed(self.groups[0])
        else:
            out["key_groups"] = [
                dict(sorted(({name: [] for name in _WRITTEN_IN_GROUPS} | _listed(group)).items()))
                for group in self.groups
            ]
        out |= {
            "lastmodified": self.last_modified,
            "mac": self.mac,
            "mac_only_encrypted": self.only_encrypted,
            "shamir_threshold": self.threshold,
            "version": self.version,
            **self.rules.written,
        }
        return {key: out[key] for key in sorted(out) if out[key] or key in ("lastmodified", "mac", "version")}


def _listed(group: Sequence[MasterKey]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for key in group:
        fields = {**key.fields, "enc": key.enc}
        if key.service == "kms":
            fields.setdefault("aws_profile", "")
        kept = {name: fields[name] for name in sorted(fields) if fields[name] not in (None, {})}
        out.setdefault(key.service, []).append(kept)
    return out


def _number(value: object) -> int:
    try:
        return int(str(value)) if value else 0
    except ValueError as problem:
        raise Malformed("sops.shamir_threshold is not a number") from problem


def _keys(group: object) -> tuple[MasterKey, ...]:
    if not isinstance(group, Mapping):
        raise Malformed("a group in sops.key_groups is not a mapping")
    return tuple(_key(service, key) for service in SERVICES for key in _entries(group, service))


def _entries(group: Mapping[str, Any], service: str) -> Sequence[Any]:
    entries = group.get(service) or ()
    if not isinstance(entries, (list, tuple)):
        raise Malformed(f"sops.{service} is not a list")
    return entries


def _key(service: str, written: object) -> MasterKey:
    if not isinstance(written, Mapping):
        raise Malformed(f"an entry of sops.{service} is not a mapping")
    fields = {str(key): value for key, value in written.items() if isinstance(key, str)}
    return MasterKey(service, str(written.get(SERVICES[service][1]) or ""), str(written.get("enc") or ""), fields)


__all__ = ["CHOICES", "SERVICES", "Groups", "MasterKey", "Metadata", "Rules"]
