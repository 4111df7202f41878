"""Keys as people write them, on a command line or in a rules file: fingerprints, ARNs, addresses. Pure.

Called by `creation.py` and the command. Sources: SOPS, the ``NewMasterKeyFrom…`` of each key service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from trueup.sops.metadata import SERVICES, MasterKey
from trueup.sops.problems import Malformed

_AZURE = re.compile(r"(https://[^/]+)/keys/([^/]+)(?:/([^/]*))?")
_VAULT = re.compile(r"/v\d+/(.+)/[^/]+/([^/]+)")
_GCP = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_HUAWEI = re.compile(r"[^:]+:[0-9A-Za-z-]+")


def key(service: str, name: str, **fields: object) -> MasterKey:
    """A key by its parts."""
    return MasterKey(service, name, "", {SERVICES[service][1]: name, **{k: v for k, v in fields.items() if v}})


def age(text: str) -> MasterKey:
    """A recipient: native, post-quantum, or an SSH public key."""
    name = text.strip()
    if not name.startswith(("age1", "ssh-")):
        raise Malformed(f"{name!r} is no recipient of age: it begins with age1 or ssh-")
    if name.startswith("age1") and not name.startswith("age1pq1") and name.count("1") > 1:
        raise Malformed(f"{name!r} is of an age plugin, and plugins are not supported: use a native recipient")
    return key("age", name)


def pgp(text: str) -> MasterKey:
    """A fingerprint."""
    return key("pgp", text.replace(" ", ""))


def kms(text: str, context: Mapping[str, str] | None = None, profile: str = "") -> MasterKey:
    """An ARN, with ``+`` and the ARN of a role where one is to be taken."""
    arn, plus, role = text.replace(" ", "").partition("+arn:")
    return key("kms", arn, role=f"arn:{role}" if plus else "", context=dict(context or {}), aws_profile=profile)


def gcp(text: str) -> MasterKey:
    """A resource ID."""
    name = text.replace(" ", "")
    if not _GCP.fullmatch(name):
        raise Malformed(
            f"{name!r} is no resource ID of Cloud KMS: projects/…/locations/…/keyRings/…/cryptoKeys/… is one"
        )
    return key("gcp_kms", name)


def azure(text: str) -> MasterKey:
    """A key's address; without a version the newest is meant, and looked up before anything is encrypted."""
    found = _AZURE.fullmatch(text.strip())
    if not found:
        raise Malformed(
            f"{text.strip()!r} is no address of a key: https://NAME.vault.azure.net/keys/KEY/VERSION is one"
        )
    return key("azure_kv", found[2], vault_url=found[1], version=found[3] or "")


def vault(text: str) -> MasterKey:
    """A key's address."""
    example = "https://vault.example.com:8200/v1/transit/keys/NAME is one"
    parts = urlsplit(text.strip())
    found = _VAULT.fullmatch(parts.path.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or not found:
        raise Malformed(f"{text.strip()!r} is no address of a key of Vault's transit engine: {example}")
    return key("hc_vault", found[2], vault_address=f"{parts.scheme}://{parts.netloc}", engine_path=found[1])


def huawei(text: str) -> MasterKey:
    """``REGION:ID``."""
    if not _HUAWEI.fullmatch(text.strip()):
        raise Malformed(f"{text.strip()!r} is no key of Huawei Cloud KMS: REGION:ID is one")
    return key("hckms", text.strip())


NAMED: Mapping[str, Callable[[str], MasterKey]] = {
    "kms": kms, "gcp_kms": gcp, "hckms": huawei, "azure_kv": azure, "pgp": pgp, "hc_vault": vault, "age": age,
}  # fmt: skip
"""How each kind of key is read, in the order in which SOPS lists them."""


def listed(service: str, text: str) -> Iterator[MasterKey]:
    """Keys with commas between them."""
    for one in text.split(","):
        if one.strip():
            yield NAMED[service](one)


def context_of(text: str) -> dict[str, str]:
    """KMS's encryption context: ``name:value`` with commas between them."""
    found: dict[str, str] = {}
    for pair in text.split(",") if text else ():
        name, colon, value = pair.partition(":")
        if not colon or ":" in value:
            raise Malformed(f"{pair!r} is no pair of an encryption context: name:value is one")
        found[name] = value
    return found
