"""Google Cloud KMS as a key service, by its REST API.

Called through `services.py`. Sources: Cloud KMS v1 (``cryptoKeys.encrypt``, ``.decrypt``), OAuth 2.0 for service accounts (a JWT
signed with their key, RFC 7523) and for users (a refresh token), SOPS ``gcpkms``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from trueup.keyservices.web import Answer, ask, ask_json
from trueup.sops import MasterKey, NoKey

ENDPOINT = "https://cloudkms.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address, no token
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/?#]+")
_METADATA_SECONDS = 2.0


@dataclass(slots=True)
class Gcp:
    """``credentials``: a service account's or a user's key file; ``token``: an access token in its place;
    ``metadata``: the machine's metadata server, asked when there is neither; empty: not at all."""

    credentials: Mapping[str, Any] | None = None
    token: str = ""
    metadata: str = ""
    endpoint: str = ENDPOINT
    clock: Callable[[], float] = time.time
    _had: tuple[str, float] = field(default=("", 0.0), init=False, repr=False)

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        said = self._ask(key, "decrypt", {"ciphertext": key.enc}).get("plaintext")
        try:
            return base64.b64decode(str(said or ""), validate=True)
        except binascii.Error as problem:
            raise NoKey("what Cloud KMS decrypted is not valid base64") from problem

    def seal(self, key: MasterKey, part: bytes) -> str:
        """What Cloud KMS writes for its key."""
        said = self._ask(key, "encrypt", {"plaintext": base64.b64encode(part).decode()}).get("ciphertext")
        if not isinstance(said, str) or not said:
            raise NoKey("Cloud KMS gave no ciphertext")
        return said

    def _ask(self, key: MasterKey, verb: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        if not _NAME.fullmatch(key.name):
            raise NoKey(
                "it is no resource ID: projects/…/locations/…/keyRings/…/cryptoKeys/… is one (sops.gcp_kms.resource_id)"
            )
        headers = {"Authorization": f"Bearer {self._access()}"}
        answer = ask_json("POST", f"{self.endpoint.rstrip('/')}/v1/{key.name}:{verb}", body, headers=headers)
        if not answer.ok:
            raise NoKey(f"Cloud KMS refused to {verb}: {_why(answer)}")
        return answer.json()

    def _access(self) -> str:
        if self.token:
            return self.token
        token, until = self._had
        if not token or until < self.clock() + 60:
            answer = self._granted()
            found = answer.json()
            token, until = str(found.get("access_token") or ""), self.clock() + float(found.get("expires_in") or 0)
            if not answer.ok or not token:
                raise NoKey(f"Google gave no access token: {_why(answer)}")
            self._had = token, until
        return token

    def _granted(self) -> Answer:
        """An access token for the credentials at hand."""
        given = self.credentials
        if given is None:
            if not self.metadata:
                raise NoKey("there are no Google credentials: set GOOGLE_CREDENTIALS or GOOGLE_APPLICATION_CREDENTIALS")
            url = f"{self.metadata.rstrip('/')}{_METADATA}"
            return ask("GET", url, headers={"Metadata-Flavor": "Google"}, seconds=_METADATA_SECONDS)
        kind = str(given.get("type") or "")
        if kind == "service_account":
            grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion(given)}
        elif kind == "authorized_user":
            grant = {
                "grant_type": "refresh_token",
                **{name: str(given.get(name) or "") for name in ("client_id", "client_secret", "refresh_token")},
            }
        else:
            raise NoKey(f"Google credentials of type {kind!r} are not supported: use a service account's key")
        url = str(given.get("token_uri") or _TOKEN_URL)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return ask("POST", url, headers=headers, body=urlencode(grant).encode())

    def _assertion(self, given: Mapping[str, Any]) -> str:
        now = int(self.clock())
        claims = {
            "iss": given.get("client_email"),
            "scope": _SCOPE,
            "aud": given.get("token_uri") or _TOKEN_URL,
            "iat": now,
            "exp": now + 3600,
        }
        head = {"alg": "RS256", "typ": "JWT", "kid": given.get("private_key_id")}
        signed = f"{_part(head)}.{_part(claims)}"
        try:
            private = serialization.load_pem_private_key(str(given.get("private_key") or "").encode(), None)
        except (ValueError, TypeError) as problem:
            raise NoKey("the private_key of the Google credentials cannot be read") from problem
        if not isinstance(private, rsa.RSAPrivateKey):
            raise NoKey("the private_key of the Google credentials is no RSA key")
        signature = private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def read_credentials(text: str) -> Mapping[str, Any]:
    """A key file. Raises `NoKey`."""
    try:
        found = json.loads(text.strip("\n"))
    except ValueError:
        raise NoKey("the Google credentials are no JSON") from None  # the library's message may hold them
    if not isinstance(found, dict):
        raise NoKey("the Google credentials are no JSON object")
    return found


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _why(answer: Answer) -> str:
    found = answer.json()
    error = found.get("error")
    said = error.get("message") if isinstance(error, dict) else found.get("error_description") or error
    return f"{answer.status} {' '.join(str(said or '').split())[:300]}".rstrip()
