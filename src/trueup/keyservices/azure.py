"""Azure Key Vault as a key service, by its REST API.

Called through `services.py`. A token is asked for the cloud that the vault's address belongs to, and sent over TLS alone.
Sources: Key Vault REST API 7.4 (``encrypt``, ``decrypt``, ``get-key``), Microsoft identity platform (client credentials with a
secret, a certificate or a federated token; managed identities), SOPS ``azkv``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from trueup.keyservices.web import Answer, ask, ask_json
from trueup.sops import MasterKey, NoKey

AUTHORITY = "https://login.microsoftonline.com"
METADATA = "http://169.254.169.254"
_VERSION = "7.4"
_ALGORITHM = "RSA-OAEP-256"
_METADATA_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a service principal by its secret, its certificate or a federated token; or a managed identity."""

    tenant: str = ""
    client: str = ""
    secret: str = field(default="", repr=False)
    certificate: Callable[[], str] | None = None
    password: str = field(default="", repr=False)
    federated: Callable[[], str] | None = None
    authority: str = AUTHORITY
    metadata: str = ""
    """The machine's metadata server, for managed identities; empty: it is not asked."""


@dataclass(slots=True)
class Azure:
    """``endpoint``: where all vaults are asked instead of at their own address."""

    identity: Identity
    endpoint: str = ""
    clock: Callable[[], float] = time.time
    _had: dict[str, tuple[str, float]] = field(default_factory=dict, init=False, repr=False)

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        said = self._ask(key, "decrypt", key.enc)
        try:
            return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))
        except binascii.Error as problem:
            raise NoKey("what Key Vault decrypted is not valid base64") from problem

    def seal(self, key: MasterKey, part: bytes) -> str:
        """What Key Vault writes for its key."""
        return self._ask(key, "encrypt", base64.urlsafe_b64encode(part).decode().rstrip("="))

    def version(self, vault: str, name: str) -> str:
        """The newest version of a key: a file names the one that it was encrypted with."""
        answer = ask_json(
            "GET", f"{self._at(vault)}/keys/{quote(name)}?api-version={_VERSION}", headers=self._auth(vault)
        )
        kid = str((answer.json().get("key") or {}).get("kid") or "")
        if not answer.ok or not kid:
            raise NoKey(f"Key Vault does not tell the version of {vault}/keys/{name}: {_why(answer)}")
        return kid.rstrip("/").rpartition("/")[2]

    def _ask(self, key: MasterKey, verb: str, value: str) -> str:
        vault, version = str(key.fields.get("vault_url") or ""), str(key.fields.get("version") or "")
        path = f"/keys/{quote(key.name)}/{quote(version)}/{verb}" if version else f"/keys/{quote(key.name)}/{verb}"
        body = {"alg": _ALGORITHM, "value": value}
        answer = ask_json("POST", f"{self._at(vault)}{path}?api-version={_VERSION}", body, headers=self._auth(vault))
        found = answer.json().get("value")
        if not answer.ok or not isinstance(found, str):
            raise NoKey(f"Key Vault refused to {verb}: {_why(answer)}")
        return found

    def _at(self, vault: str) -> str:
        if not vault.startswith("https://"):
            raise NoKey(f"{vault!r} is no address of a vault: it must begin with https:// (sops.azure_kv.vault_url)")
        return (self.endpoint or vault).rstrip("/")

    def _auth(self, vault: str) -> dict[str, str]:
        cloud = (urlsplit(vault).hostname or "").partition(".")[2]  # vault.azure.net, or another cloud's
        scope = f"https://{cloud}"
        token, until = self._had.get(scope, ("", 0.0))
        if not token or until < self.clock() + 60:
            answer = self._granted(scope)
            found = answer.json()
            token = str(found.get("access_token") or "")
            if not answer.ok or not token:
                raise NoKey(f"Azure gave no access token: {_why(answer)}")
            self._had[scope] = token, self.clock() + float(found.get("expires_in") or 0)
        return {"Authorization": f"Bearer {token}"}

    def _granted(self, scope: str) -> Answer:
        who = self.identity
        grant = {"grant_type": "client_credentials", "client_id": who.client, "scope": f"{scope}/.default"}
        if not (who.tenant and who.client and (who.secret or who.certificate or who.federated)):
            return self._managed(scope)
        url = f"{who.authority.rstrip('/')}/{quote(who.tenant)}/oauth2/v2.0/token"
        if who.secret:
            grant["client_secret"] = who.secret
        else:
            grant["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            grant["client_assertion"] = who.federated() if who.federated else self._assertion(url)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return ask("POST", url, headers=headers, body=urlencode(grant).encode())

    def _managed(self, scope: str) -> Answer:
        who = self.identity
        if not who.metadata:
            raise NoKey("there are no Azure credentials: set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET")
        query = {"api-version": "2018-02-01", "resource": scope} | ({"client_id": who.client} if who.client else {})
        url = f"{who.metadata.rstrip('/')}/metadata/identity/oauth2/token?{urlencode(query)}"
        return ask("GET", url, headers={"Metadata": "true"}, seconds=_METADATA_SECONDS)

    def _assertion(self, audience: str) -> str:
        who = self.identity
        assert who.certificate is not None, "who has neither secret nor token has one"
        pem = who.certificate().encode()
        try:
            private = serialization.load_pem_private_key(pem, who.password.encode() or None)
            certificate = x509.load_pem_x509_certificate(pem)
        except (ValueError, TypeError) as problem:
            raise NoKey("the certificate of the Azure credentials cannot be read") from problem
        if not isinstance(private, rsa.RSAPrivateKey):
            raise NoKey("the certificate of the Azure credentials has no RSA key")
        print_ = hashlib.sha1(certificate.public_bytes(serialization.Encoding.DER), usedforsecurity=False).digest()
        now = int(self.clock())
        head = {"alg": "RS256", "typ": "JWT", "x5t": base64.urlsafe_b64encode(print_).decode().rstrip("=")}
        claims = {
            "aud": audience, "iss": who.client, "sub": who.client, "jti": str(uuid.uuid4()), "nbf": now, "exp": now + 600,
        }  # fmt: skip
        signed = f"{_part(head)}.{_part(claims)}"
        signature = private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _why(answer: Answer) -> str:
    found = answer.json()
    error = found.get("error")
    said = error.get("message") if isinstance(error, dict) else found.get("error_description") or error
    return f"{answer.status} {' '.join(str(said or '').split())[:300]}".rstrip()
