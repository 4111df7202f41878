"""Servers that hold keys, as far as encrypting a data key goes: Vault's transit engine, AWS KMS and STS, Google Cloud KMS with
its token endpoint, Azure Key Vault with its own. Written from the vendors' API references; genuine clients talk to them, too."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "s.token-of-vault"
ACCESS, SECRET, SESSION = "AKIDEXAMPLE", "secret-of-aws", "session-of-a-role"
GOOGLE_TOKEN, AZURE_TOKEN, AZURE_SECRET = "token-of-google", "token-of-azure", "secret-of-azure"
ARN = "arn:aws:kms:eu-west-1:123456789012:key/4c1a2b3d-0000-4000-8000-000000000001"
ROLE = "arn:aws:iam::123456789012:role/opener"
GCP_KEY = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
AZURE_VAULT, AZURE_NAME, AZURE_VERSION = "https://vault.vault.azure.net", "name", "0123456789abcdef"


class KeyServer:
    """All of them at one address. ``asked`` are the requests so far: method, path and headers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.refusing = False
        self._box = AESGCM(hashlib.sha256(b"the master key").digest())
        self.google = rsa.generate_private_key(65537, 2048)
        self._azure = rsa.generate_private_key(65537, 2048)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """As the server that the path or the headers speak of."""
        self.asked.append((method, path, headers))
        url = urlsplit(path)
        if url.path.startswith("/v1/transit/"):
            return self._vault(url.path, headers, json.loads(body))
        if headers.get("x-amz-target"):
            return self._kms(headers, body)
        if b"Action=AssumeRole" in body:
            return self._sts(headers, body)
        if url.path.startswith("/v1/projects/"):
            return self._gcp(url.path, headers, json.loads(body))
        if url.path == "/token":
            return self._google_token(parse_qs(body.decode()))
        if url.path.endswith("/oauth2/v2.0/token"):
            return self._azure_token(url.path, parse_qs(body.decode()))
        if url.path.startswith("/keys/"):
            return self._key_vault(method, url.path, headers, body)
        return 404, b"{}"

    def seal(self, plain: bytes, about: bytes = b"") -> bytes:
        nonce = os.urandom(12)
        return nonce + self._box.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes = b"") -> bytes:
        return self._box.decrypt(sealed[:12], sealed[12:], about)

    def _vault(self, path: str, headers: dict[str, str], body: dict[str, str]) -> tuple[int, bytes]:
        if headers.get("x-vault-token") != TOKEN or self.refusing:
            return 403, b'{"errors":["permission denied"]}'
        if path == "/v1/transit/encrypt/dev":
            text = "vault:v1:" + base64.b64encode(self.seal(base64.b64decode(body["plaintext"]))).decode()
            return 200, said({"data": {"ciphertext": text, "key_version": 1}})
        if path == "/v1/transit/decrypt/dev":
            plain = self.open(base64.b64decode(body["ciphertext"].removeprefix("vault:v1:")))
            return 200, said({"data": {"plaintext": base64.b64encode(plain).decode()}})
        return 400, b'{"errors":["encryption key not found"]}'

    def _kms(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not proven(headers, body, "kms") or self.refusing:
            return 400, said({"__type": "AccessDeniedException", "message": "not authorized"})
        asked = json.loads(body)
        about = json.dumps(asked.get("EncryptionContext") or {}, sort_keys=True).encode()
        if asked["KeyId"] != ARN:
            return 400, said({"__type": "NotFoundException", "message": "no such key"})
        if headers["x-amz-target"] == "TrentService.Encrypt":
            sealed = base64.b64encode(self.seal(base64.b64decode(asked["Plaintext"]), about)).decode()
            return 200, said({"CiphertextBlob": sealed, "KeyId": ARN})
        try:
            plain = self.open(base64.b64decode(asked["CiphertextBlob"]), about)
        except Exception:
            return 400, said({"__type": "InvalidCiphertextException"})
        return 200, said({"Plaintext": base64.b64encode(plain).decode(), "KeyId": ARN})

    def _sts(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        asked = parse_qs(body.decode())
        if asked["Action"] == ["AssumeRole"] and (not proven(headers, body, "sts") or asked["RoleArn"] != [ROLE]):
            return 403, b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
        action = asked["Action"][0]
        return 200, (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            f"<AccessKeyId>{ACCESS}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<SessionToken>{SESSION}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            f"</Credentials></{action}Result></{action}Response>"
        ).encode()

    def _gcp(self, path: str, headers: dict[str, str], body: dict[str, str]) -> tuple[int, bytes]:
        name, _, verb = path.removeprefix("/v1/").partition(":")
        if headers.get("authorization") != f"Bearer {GOOGLE_TOKEN}" or self.refusing:
            return 403, said({"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}})
        if name != GCP_KEY:
            return 404, said({"error": {"code": 404, "message": "CryptoKey not found", "status": "NOT_FOUND"}})
        if verb == "encrypt":
            sealed = base64.b64encode(self.seal(base64.b64decode(body["plaintext"]))).decode()
            return 200, said({"name": f"{name}/cryptoKeyVersions/1", "ciphertext": sealed})
        plain = base64.b64encode(self.open(base64.b64decode(body["ciphertext"]))).decode()
        return 200, said({"plaintext": plain})

    def _google_token(self, asked: dict[str, list[str]]) -> tuple[int, bytes]:
        if asked["grant_type"] == ["refresh_token"]:
            right = asked["refresh_token"] == ["refresh"]
        else:
            signed, _, proof = asked["assertion"][0].rpartition(".")
            self.google.public_key().verify(unpadded(proof), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(unpadded(signed.partition(".")[2]))
            right = claims["iss"] == "me@p.iam.gserviceaccount.com" and claims["exp"] - claims["iat"] == 3600
        if not right:
            return 400, said({"error": "invalid_grant", "error_description": "Bad Request"})
        return 200, said({"access_token": GOOGLE_TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _azure_token(self, path: str, asked: dict[str, list[str]]) -> tuple[int, bytes]:
        right = path == "/tenant/oauth2/v2.0/token" and asked["scope"] == ["https://vault.azure.net/.default"]
        if not right or asked.get("client_secret", [AZURE_SECRET]) != [AZURE_SECRET]:
            return 401, said({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."})
        return 200, said({"access_token": AZURE_TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _key_vault(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if headers.get("authorization") != f"Bearer {AZURE_TOKEN}" or self.refusing:
            return 403, said({"error": {"code": "Forbidden", "message": "The policy does not allow it."}})
        kid = f"{AZURE_VAULT}/keys/{AZURE_NAME}/{AZURE_VERSION}"
        if method == "GET":
            return 200, said({"key": {"kid": kid, "kty": "RSA"}})
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        asked, value = json.loads(body), b""
        assert asked["alg"] == "RSA-OAEP-256"
        if path == f"/keys/{AZURE_NAME}/{AZURE_VERSION}/encrypt":
            value = self._azure.public_key().encrypt(unpadded(asked["value"]), oaep)
        elif path == f"/keys/{AZURE_NAME}/{AZURE_VERSION}/decrypt":
            value = self._azure.decrypt(unpadded(asked["value"]), oaep)
        else:
            return 404, said({"error": {"code": "KeyNotFound", "message": "A key with this name was not found."}})
        return 200, said({"kid": kid, "value": base64.urlsafe_b64encode(value).decode().rstrip("=")})


def proven(headers: dict[str, str], body: bytes, service: str) -> bool:
    """Whether a request is signed by Signature Version 4, worked out from what arrived."""
    method, _, fields = headers.get("authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in fields.split(","))
    access, day, region, told, end = parts["Credential"].split("/")
    if method != "AWS4-HMAC-SHA256" or (access, told, end) != (ACCESS, service, "aws4_request"):
        return False
    names = parts["SignedHeaders"].split(";")
    lines = ["POST", "/", "", *(f"{name}:{headers[name].strip()}" for name in names), "", parts["SignedHeaders"]]
    request = "\n".join([*lines, hashlib.sha256(body).hexdigest()])
    key = b"AWS4" + SECRET.encode()
    for step in (day, region, told, end):
        key = hmac.digest(key, step.encode(), "sha256")
    scope = f"{day}/{region}/{told}/{end}"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), parts["Signature"])


def said(value: Any) -> bytes:
    return json.dumps(value).encode()


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """One, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = found.answer(self.command, self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests print what they need."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = KeyServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
