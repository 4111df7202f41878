"""Who is it: bearer tokens and service-account tokens. Nobody is anonymous. Called by `asgi` on every request.

Source: Kubernetes documentation, "Authenticating"; TokenRequest (authentication.k8s.io/v1).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from trueup.apiserver.users import User
from trueup.kube.names import Object
from trueup.kube.problems import Cause, Invalid, Unauthorized
from trueup.store.state import Bucket
from trueup.timing.rfc3339 import format_time

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCES = (ISSUER,)
"""Whom a token has to be for, to open anything here."""
_SHORTEST, _LONGEST = 600, 1 << 32


class Tokens:
    """Signs and checks service-account tokens (JWT, ES256) with the cluster's own key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, accounts: Bucket) -> None:
        self._key, self._accounts = key, accounts

    def request(self, account: Object, wanted: Object, now: float) -> Object:
        """Answer a TokenRequest."""
        spec = dict(wanted.get("spec") or {})
        seconds = spec.get("expirationSeconds")
        seconds = 3600 if seconds is None else seconds
        causes = list(_wrong(spec, seconds))
        if causes:
            text = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
            raise Invalid(f'TokenRequest.authentication.k8s.io "" is invalid: {text}', causes=causes)
        audiences = list(spec.get("audiences") or AUDIENCES)
        meta = account["metadata"]
        claims = {
            "aud": audiences,
            "exp": int(now) + seconds,
            "iat": int(now),
            "nbf": int(now),
            "iss": ISSUER,
            "kubernetes.io": {
                "namespace": meta["namespace"],
                "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
            },
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "creationTimestamp": format_time(now)},
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {"token": self._sign(claims), "expirationTimestamp": format_time(now + seconds)},
        }

    def _sign(self, claims: Object) -> str:
        head = _b64(orjson.dumps({"alg": "ES256", "typ": "JWT"}))
        text = f"{head}.{_b64(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def user(self, token: str, now: float) -> User | None:
        """Whose token it is; None when it is no valid token, for this cluster, of a service account that exists."""
        found = self.review(token, now, AUDIENCES)
        return found[0] if found is not None else None

    def review(self, token: str, now: float, audiences: Sequence[str]) -> tuple[User, list[str]] | None:
        """Whose token it is, and which of the audiences it is for."""
        claims = self._claims(token)
        if claims is None or claims.get("iss") != ISSUER or not claims.get("nbf", 0) - 5 <= now < claims.get("exp", 0):
            return None
        matching = [each for each in audiences if each in (claims.get("aud") or ())]
        held = claims.get("kubernetes.io") or {}
        namespace, account = held.get("namespace") or "", held.get("serviceaccount") or {}
        entry = self._accounts.get(namespace, account.get("name") or "")
        if not matching or entry is None or entry.obj["metadata"]["uid"] != account.get("uid"):
            return None
        return service_account_user(namespace, account["name"], account["uid"]), matching

    def _claims(self, token: str) -> dict[str, Any] | None:
        parts = token.split(".")
        if len(parts) != 3:
            return None
        try:
            signature = _unb64(parts[2])
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            signed = f"{parts[0]}.{parts[1]}".encode()
            self._key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
            found = orjson.loads(_unb64(parts[1]))
        except (InvalidSignature, ValueError):
            return None
        return found if isinstance(found, dict) else None


def _wrong(spec: Object, seconds: Any) -> Iterator[Cause]:
    field = "spec.expirationSeconds"
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        yield Cause("FieldValueInvalid", f"Invalid value: {seconds!r}: must be a whole number", field)
    elif seconds < _SHORTEST:
        text = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        yield Cause("FieldValueInvalid", text, field)
    elif seconds > _LONGEST:
        text = f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds"
        yield Cause("FieldValueInvalid", text, field)
    if spec.get("boundObjectRef"):
        text = "Forbidden: tokens that end with a pod, a node or a secret are not issued by this version of trueup"
        yield Cause("FieldValueForbidden", text, "spec.boundObjectRef")


def service_account_user(namespace: str, name: str, uid: str = "") -> User:
    """The user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


class Authenticator:
    """Bearer tokens: those of the state folder, then service accounts'."""

    def __init__(self, static: Mapping[str, User], tokens: Tokens | None, now: Any) -> None:
        self._static, self._tokens, self._now = dict(static), tokens, now

    def authenticate(self, headers: Mapping[str, str]) -> User:
        """The user of a request. Raises ``Unauthorized``."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            user = self.user(token.strip())
            if user is not None:
                return user
        raise Unauthorized("Unauthorized")

    def user(self, token: str) -> User | None:
        """Whose token it is."""
        for known, user in self._static.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        return self._tokens.user(token, self._now()) if self._tokens is not None else None

    def review(self, token: str, audiences: Sequence[str]) -> tuple[User, list[str]] | None:
        """Whose token it is, and which of the audiences it is for. Static tokens are for this cluster alone."""
        wanted = audiences or AUDIENCES
        user = self.user(token) if ISSUER in wanted else None
        if user is not None:
            return user, [ISSUER]
        return self._tokens.review(token, self._now(), wanted) if self._tokens is not None else None


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
