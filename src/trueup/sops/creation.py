"""``.sops.yaml``: by which keys a new file is encrypted, and which of its values. Pure.

Called by the command, which finds and reads it. Source: SOPS, ``config/config.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.patterns import BadPattern, pattern
from trueup.sops import naming
from trueup.sops.editing import Wish
from trueup.sops.formats import USUAL, Style
from trueup.sops.metadata import Groups, MasterKey
from trueup.sops.problems import Malformed
from trueup.sops.selecting import Rules
from trueup.sops.yaml_reading import documents

NAMES = (".sops.yaml", ".sops.yml")
"""How the file is called; by the second name it is told of, and not used."""
_KINDS = {
    "age": "age", "pgp": "pgp", "kms": "kms", "gcp_kms": "gcp_kms", "hckms": "hckms", "azure_keyvault": "azure_kv",
    "hc_vault_transit_uri": "hc_vault",
}  # fmt: skip
"""Fields of a rule that name keys, in the order in which they are tried."""
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Config:
    """A rules file."""

    rules: tuple[Mapping[str, Any], ...]
    style: Style

    def wish(self, path: str, context: Mapping[str, str] | None = None) -> Wish | None:
        """How a file is to be encrypted, by the first rule that speaks of its path from the rules file; None: there are no
        rules. ``context``: KMS's, for keys that stand in no group."""
        if not self.rules:
            return None
        for number, rule in enumerate(self.rules):
            if _speaks(rule, path, number):
                return _wish(rule, context or {}, f"creation_rules[{number}]")
        raise Malformed(f"no rule of creation_rules speaks of {path}: add one, or one without path_regex at the end")


def read(text: str) -> Config:
    """A rules file. Raises `Malformed`, naming the field."""
    found = documents(text)
    top = found[0] if found else {}
    rules = top.get("creation_rules") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in _bare(rules)):
        raise Malformed("creation_rules is not a list of rules")
    return Config(tuple(_bare(rules)), _style(top.get("stores") or {}))


def _bare(listed: Sequence[Any]) -> list[Any]:
    return [one for one in listed if isinstance(one, (dict, str))]


def _style(stores: object) -> Style:
    if not isinstance(stores, dict):
        raise Malformed("stores is not a mapping")

    def spaces(store: str, usual: int) -> int:
        given = (stores.get(store) or {}).get("indent", usual) if isinstance(stores.get(store) or {}, dict) else None
        if not isinstance(given, int) or not usual <= given <= 16:
            raise Malformed(f"stores.{store}.indent is no number of spaces up to 16")
        return given

    return Style(spaces("yaml", USUAL.yaml), spaces("json", USUAL.json))


def _speaks(rule: Mapping[str, Any], path: str, number: int) -> bool:
    written = str(rule.get("path_regex") or "")
    if not written:
        return True
    if len(written) > _LONGEST:
        raise Malformed(f"creation_rules[{number}].path_regex has more than {_LONGEST} characters")
    try:
        return pattern(written).found(path)
    except BadPattern as problem:
        raise Malformed(f"creation_rules[{number}].path_regex: {problem}") from None


def _wish(rule: Mapping[str, Any], context: Mapping[str, str], where: str) -> Wish:
    groups = rule.get("key_groups") or ()
    if not isinstance(groups, (list, tuple)):
        raise Malformed(f"{where}.key_groups is not a list")
    found: Groups
    if groups:
        found = tuple(
            _once(_group(group, f"{where}.key_groups[{number}]")) for number, group in enumerate(_bare(groups))
        )
    else:
        found = (tuple(_plain(rule, context, where)),)
    threshold = rule.get("shamir_threshold") or 0
    if not isinstance(threshold, int):
        raise Malformed(f"{where}.shamir_threshold is not a number")
    return Wish(found, threshold, Rules.parse(rule), rule.get("mac_only_encrypted") is True)


def _plain(rule: Mapping[str, Any], context: Mapping[str, str], where: str) -> Iterator[MasterKey]:
    """The keys of a rule without groups."""
    profile = str(rule.get("aws_profile") or "")
    for field, service in _KINDS.items():
        for text in _texts(rule.get(field), f"{where}.{field}"):
            yield naming.kms(text, context, profile) if service == "kms" else naming.NAMED[service](text)


def _texts(written: object, where: str) -> list[str]:
    if written is None:
        return []
    if isinstance(written, str):
        return [one.strip() for one in written.split(",") if one.strip()]
    if isinstance(written, list) and all(isinstance(one, str) for one in _known(written)):
        return [str(one) for one in _known(written)]
    raise Malformed(f"{where} is neither a text nor a list of texts")


def _known(listed: list[Any]) -> list[Any]:
    """Without comments."""
    return [one for one in listed if isinstance(one, (str, int, float, dict, list)) or one is None]


def _group(written: object, where: str) -> Iterator[MasterKey]:
    if not isinstance(written, Mapping):
        raise Malformed(f"{where} is not a mapping")
    for number, merged in enumerate(_known(written.get("merge") or [])):
        yield from _group(merged, f"{where}.merge[{number}]")
    for recipient in _texts(written.get("age"), f"{where}.age"):
        yield from naming.listed("age", recipient)
    for fingerprint in _texts(written.get("pgp"), f"{where}.pgp"):
        yield naming.pgp(fingerprint)
    for entry in _entries(written, "kms", where):
        context = entry.get("context") or {}
        yield naming.key(
            "kms", str(entry.get("arn") or ""), role=entry.get("role"), aws_profile=entry.get("aws_profile"),
            context={str(name): str(value) for name, value in context.items() if isinstance(name, str)},
        )  # fmt: skip
    for entry in _entries(written, "gcp_kms", where):
        yield naming.gcp(str(entry.get("resource_id") or ""))
    for entry in _entries(written, "hckms", where):
        yield naming.huawei(str(entry.get("key_id") or ""))
    for entry in _entries(written, "azure_keyvault", where):
        vault, name = str(entry.get("vaultUrl") or "").rstrip("/"), str(entry.get("key") or "")
        yield naming.key("azure_kv", name, vault_url=vault, version=str(entry.get("version") or ""))
    for address in _texts(written.get("hc_vault"), f"{where}.hc_vault"):
        yield naming.vault(address)


def _entries(group: Mapping[str, Any], field: str, where: str) -> Iterator[Mapping[str, Any]]:
    written = group.get(field) or []
    if not isinstance(written, list):
        raise Malformed(f"{where}.{field} is not a list")
    for entry in _known(written):
        if not isinstance(entry, Mapping):
            raise Malformed(f"an entry of {where}.{field} is not a mapping")
        yield entry


def _once(keys: Iterator[MasterKey]) -> tuple[MasterKey, ...]:
    return tuple({key.identity: key for key in keys}.values())
