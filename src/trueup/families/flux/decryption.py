"""``spec.decryption``: what SOPS encrypted in the source, opened after the build and before variables are replaced.

Called by `inputs.py`. Nothing that is opened here is rendered, cached or told: messages name objects, keys and files alone.
Source: kustomize-controller, ``internal/decryptor``, ``internal/sops``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from trueup.families.flux.types import DECRYPT
from trueup.kube.documents import YamlProblem, parse_one
from trueup.kube.names import Object, Ref
from trueup.ports import KeyMaterial, KeyServices
from trueup.sops import Age, Format, Keys, Malformed, SopsProblem, decrypt, decrypt_object, format_of, marked

AGE_ENDING, PGP_ENDING = ".agekey", ".asc"
_VAULT, _AWS, _AZURE, _GCP = "sops.vault-token", "sops.aws-kms", "sops.azure-kv", "sops.gcp-kms"
_AWS_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_AZURE_NAMES = {
    "tenantId": "AZURE_TENANT_ID",
    "clientId": "AZURE_CLIENT_ID",
    "clientSecret": "AZURE_CLIENT_SECRET",
    "clientCertificate": "AZURE_CLIENT_CERTIFICATE",
    "clientCertificatePassword": "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "authorityHost": "AZURE_AUTHORITY_HOST",
}
_PRINCIPAL = {"tenant": "AZURE_TENANT_ID", "appId": "AZURE_CLIENT_ID", "password": "AZURE_CLIENT_SECRET"}
"""As the command ``az`` writes a service principal."""
_LINE = 70
_DOCKER = ".dockerconfigjson"
_ENV_MARK = "sops_mac"


class Decryption:
    """What opens the objects of one Kustomization, or why nothing does."""

    __slots__ = ("_keys", "_material", "_why")

    def __init__(self, keys: Keys | None = None, why: str = "", material: KeyMaterial | None = None) -> None:
        self._keys: Keys = keys or {}
        self._why, self._material = why, material

    @contextmanager
    def at_hand(self, services: KeyServices | None) -> Iterator[Decryption]:
        """The same with all keys that need a program or a server, until the end of the block. In a thread: it waits for them."""
        if self._why or self._material is None or services is None:
            yield self
            return
        with ExitStack() as stack:
            try:
                found = Decryption(stack.enter_context(services.of(self._material)))
            except SopsProblem as problem:
                found = Decryption(why=f"failed to import keys from the Secret of spec.decryption.secretRef: {problem}")
            yield found

    def open(self, obj: Object) -> Object:
        """The object with everything in it decrypted, or itself when nothing is encrypted. Raises `SopsProblem`.

        The authentication code is not verified, as in Flux: kustomize has changed the object since it was encrypted.
        """
        if not encrypted(obj):
            return obj
        if self._why:
            raise SopsProblem(self._why)
        if _whole(obj):
            return decrypt_object(obj, self._keys, verify=False)
        data: Mapping[str, str] = obj["data"]
        if _from_env(data):
            return {**obj, "data": self._env(data)}
        return {**obj, "data": {key: self._entry(key, value) for key, value in data.items()}}

    def _entry(self, key: str, value: str) -> str:
        found = _marked(value)
        if found is None:
            return value
        into: Format = "json" if key.endswith(_DOCKER) else format_of(key)
        return _encoded(decrypt(_decoded(value), found, self._keys, into=into, verify=False))

    def _env(self, data: Mapping[str, str]) -> dict[str, str]:
        """A Secret generated from an encrypted dotenv file: its lines, each of them an entry."""
        lines = b"".join(key.encode() + b"=" + _decoded(value) + b"\n" for key, value in data.items())
        plain = decrypt(lines, "dotenv", self._keys, verify=False).decode("utf-8", "surrogateescape")
        pairs = (line.partition("=") for line in plain.splitlines())
        return {key: _encoded(value.encode("utf-8", "surrogateescape")) for key, _, value in pairs}


def encrypted(obj: Object) -> bool:
    """Whether an object, or an entry of a Secret, is encrypted and meant to be opened."""
    if str(((obj.get("metadata") or {}).get("annotations") or {}).get(DECRYPT) or "").lower() == "disabled":
        return False
    if _whole(obj):
        return True
    data = obj.get("data")
    if obj.get("kind") != "Secret" or not isinstance(data, dict):
        return False
    return _from_env(data) or any(_marked(value) for value in data.values())


def keys_of(secret: Object | None, ref: Ref | None = None, account: str = "") -> Decryption:
    """What the Secret that ``secretRef`` names holds: each kind of key by its entry's name. ``account``:
    ``serviceAccountName``, by which clouds would know a workload."""
    found: dict[str, Any] = {"age": [], "pgp": []}
    for name, value in sorted(((secret or {}).get("data") or {}).items()):
        if (read := _entry_reader(name)) is None:
            continue
        try:
            read(found, _decoded(value))
        except (SopsProblem, YamlProblem, UnicodeDecodeError) as problem:
            what = str(problem) if isinstance(problem, SopsProblem) else "it is no text as it should be"
            where = f"sops decryption Secret '{ref.namespace}/{ref.name}'" if ref else "the Secret"
            return Decryption(why=f"failed to import '{name}' data from {where}: {what}")
    if account:
        found["workload_identity"] = (
            f"workload identity (spec.decryption.serviceAccountName: {account}) is not supported: give credentials by "
            "spec.decryption.secretRef"
        )
    material = KeyMaterial(**{**found, "age": tuple(found["age"]), "pgp": tuple(found["pgp"])})
    return Decryption({"age": Age(material.age)}, material=material)


def _entry_reader(name: str) -> Callable[[dict[str, Any], bytes], None] | None:
    if name.endswith(AGE_ENDING):
        return _read_age
    if name.endswith(PGP_ENDING):
        return lambda found, value: found["pgp"].append(value)
    return {_VAULT: _read_vault, _AWS: _read_aws, _AZURE: _read_azure, _GCP: _read_gcp}.get(name)


def _read_age(found: dict[str, Any], value: bytes) -> None:
    Age([text := value.decode()])
    found["age"].append(text)


def _read_vault(found: dict[str, Any], value: bytes) -> None:
    found["vault_token"] = value.decode().strip()


def _read_aws(found: dict[str, Any], value: bytes) -> None:
    given = _mapping(value.decode())
    access, secret, session = (str(given.get(name) or "") for name in _AWS_NAMES)
    if not access or not secret:
        raise Malformed("aws_access_key_id and aws_secret_access_key are needed")
    found["aws"] = access, secret, session


def _read_azure(found: dict[str, Any], value: bytes) -> None:
    text = value.decode("utf-16" if value[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    given = _mapping(text)
    names = _AZURE_NAMES if given.get("clientId") else {**_PRINCIPAL, "authorityHost": "AZURE_AUTHORITY_HOST"}
    known = {variable: str(given[name]) for name, variable in names.items() if given.get(name)}
    if not known.get("AZURE_CLIENT_ID"):
        raise Malformed(
            "tenantId, clientId and clientSecret, tenantId, clientId and clientCertificate, or clientId are needed"
        )
    found["azure"] = known


def _read_gcp(found: dict[str, Any], value: bytes) -> None:
    text = value.decode()
    try:
        given = json.loads(text)
    except ValueError:
        given = None  # told without its words: they may hold the key
    if not isinstance(given, dict) or not given.get("type"):
        raise Malformed("it is no JSON object with a type")
    found["gcp"] = text


def _mapping(text: str) -> Mapping[str, Any]:
    given = parse_one(text.encode())
    if not isinstance(given, dict):
        raise Malformed("it is no mapping")
    return given


def _whole(obj: Object) -> bool:
    return isinstance(obj.get("sops"), dict) and bool(obj["sops"].get("mac"))


def _from_env(data: Mapping[str, Any]) -> bool:
    return str(data.get(_ENV_MARK) or "").startswith("RU5DW")  # ENC[, as the data of a Secret is written


def _marked(value: object) -> Format | None:
    try:
        return marked(_decoded(value)) if isinstance(value, str) else None
    except Malformed:
        return None  # for the API to refuse


def _decoded(value: str) -> bytes:
    """kustomize breaks long texts into lines, and Go reads over line breaks."""
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Malformed("it is not valid base64") from problem


def _encoded(value: bytes) -> str:
    """As kustomize writes it: the hash in a generated name goes by it."""
    text = base64.b64encode(value).decode()
    if len(text) < _LINE:
        return text
    return "".join(f"{text[at : at + _LINE]}\n" for at in range(0, len(text), _LINE))
