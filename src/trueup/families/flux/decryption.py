"""``spec.decryption``: what SOPS encrypted in the source, opened after the build and before variables are replaced.

Called by `inputs.py`. Nothing that is opened here is rendered, cached or told: messages name objects, keys and files alone.
Source: kustomize-controller, ``internal/decryptor``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from trueup.families.flux.types import DECRYPT
from trueup.kube.names import Object, Ref
from trueup.sops import Age, Format, Keys, Malformed, SopsProblem, decrypt, decrypt_object, format_of, marked

AGE_ENDING = ".agekey"
_DOCKER = ".dockerconfigjson"
_ENV_MARK = "sops_mac"


class Decryption:
    """What opens the objects of one Kustomization, or why nothing does."""

    __slots__ = ("_keys", "_why")

    def __init__(self, keys: Keys | None = None, why: str = "") -> None:
        self._keys: Keys = keys or {}
        self._why = why

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


def keys_of(secret: Object, ref: Ref) -> Decryption:
    """The keys in the Secret that ``secretRef`` names: age identities are in entries that end in ``.agekey``."""
    files = []
    for name, value in sorted((secret.get("data") or {}).items()):
        if not name.endswith(AGE_ENDING):
            continue
        try:
            Age([text := _decoded(value).decode()])
        except (SopsProblem, UnicodeDecodeError) as problem:
            what = str(problem) if isinstance(problem, SopsProblem) else "it is no text"
            where = f"sops decryption Secret '{ref.namespace}/{ref.name}'"
            return Decryption(why=f"failed to import '{name}' data from {where}: {what}")
        files.append(text)
    return Decryption({"age": Age(files)})


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
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Malformed("it is not valid base64") from problem


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
