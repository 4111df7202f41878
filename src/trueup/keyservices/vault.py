"""Vault's and OpenBao's transit engine as a key service.

Called through `services.py`. Where a key is, the file says; the token is sent nowhere but where the allow-list
(``SOPS_HC_VAULT_ALLOWLIST``) lets it go. Sources: Vault's HTTP API (transit), SOPS ``hcvault``.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from trueup.keyservices.web import Answer, ask_json
from trueup.sops import MasterKey, NoKey


@dataclass(frozen=True, slots=True)
class Vault:
    """``allowed``: addresses that the token may be sent to, each with a slash at its end; None: all."""

    token: str
    namespace: str = ""
    allowed: tuple[str, ...] | None = None
    tls: ssl.SSLContext | None = None

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        said = self._ask(key, "decrypt", {"ciphertext": key.enc}).get("plaintext")
        try:
            return base64.b64decode(str(said or ""), validate=True)
        except binascii.Error as problem:
            raise NoKey("what Vault decrypted is not valid base64") from problem

    def seal(self, key: MasterKey, part: bytes) -> str:
        """What Vault writes for its key."""
        said = self._ask(key, "encrypt", {"plaintext": base64.b64encode(part).decode()}).get("ciphertext")
        if not isinstance(said, str) or not said:
            raise NoKey("Vault gave no ciphertext")
        return said

    def _ask(self, key: MasterKey, verb: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        address = str(key.fields.get("vault_address") or "").rstrip("/")
        engine = str(key.fields.get("engine_path") or "transit").strip("/")
        if not address:
            raise NoKey("sops.hc_vault names no vault_address")
        if self.allowed is not None and not any(f"{address}/".startswith(one) for one in self.allowed):
            raise NoKey(f"SOPS_HC_VAULT_ALLOWLIST does not allow {address}")
        if not self.token:
            raise NoKey("there is no Vault token: set VAULT_TOKEN or log in with `vault login`")
        headers = {"X-Vault-Token": self.token, "X-Vault-Request": "true"}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        url = f"{address}/v1/{quote(engine)}/{verb}/{quote(key.name, safe='')}"
        answer = ask_json("PUT", url, body, headers=headers, tls=self.tls)
        if not answer.ok:
            raise NoKey(f"{address} refused to {verb} with {engine}/{key.name}: {_why(answer)}")
        found = answer.json().get("data")
        return found if isinstance(found, dict) else {}


def _why(answer: Answer) -> str:
    said = answer.json().get("errors")
    words = "; ".join(str(one) for one in said) if isinstance(said, list) else ""
    return f"{answer.status} {' '.join(words.split())[:300]}".rstrip()
