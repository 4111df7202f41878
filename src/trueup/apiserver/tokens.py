"""Service accounts' tokens: issued on request, bound to what they are for, checked on every use. Called by `auth`.

Tokens are JWT, signed (ES256) with the cluster's own key, which ``/openid/v1/jwks`` publishes.
Source: TokenRequest (authentication.k8s.io/v1); ``pkg/serviceaccount``, ``registry/core/serviceaccount/storage/token.go``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from trueup.apiserver.users import User, service_account_user
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Cause, Conflict, Invalid, NotFound
from trueup.store.state import Store
from trueup.timing.rfc3339 import format_time, parse_time

ISSUER = "https://kubernetes.default.svc.cluster.local"
LEGACY_ISSUER = "kubernetes/serviceaccount"
AUDIENCES = (ISSUER,)
"""Whom a token has to be for, to open anything here."""
SECRET_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a type, no secret
ACCOUNT_NAME, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_LEGACY = "kubernetes.io/serviceaccount/"
_SHORTEST, _LONGEST = 600, 1 << 32
_LEEWAY = 60
"""Seconds that a token outlives what it is bound to, where that is being deleted."""
_EXTRA = "authentication.kubernetes.io/"


_DETAILS: Object = {"group": "authentication.k8s.io", "kind": "TokenRequest"}


class TokenProblem(Exception):
    """The token opens nothing; why, where that is known."""


class Tokens:
    """Signs and checks service accounts' tokens."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, store: Store) -> None:
        self._key, self._store = key, store
        public = key.public_key()
        spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._head = _b64(orjson.dumps({"alg": "ES256", "kid": _b64(hashlib.sha256(spki).digest())}))
        numbers = public.public_numbers()
        self.jwks: Object = {
            "keys": [
                {
                    "use": "sig",
                    "kty": "EC",
                    "kid": _b64(hashlib.sha256(spki).digest()),
                    "crv": "P-256",
                    "alg": "ES256",
                    "x": _b64(numbers.x.to_bytes(32, "big")),
                    "y": _b64(numbers.y.to_bytes(32, "big")),
                }
            ]
        }
        """The public key, as relying parties read it."""

    def request(self, account: Object, wanted: Object, now: float, annotations: dict[str, str]) -> Object:
        """Answer a TokenRequest; the audit log learns which credential was issued."""
        meta = account["metadata"]
        _check_about(wanted.get("metadata") or {}, meta)
        spec = dict(wanted.get("spec") or {})
        seconds = spec.get("expirationSeconds")
        seconds = 3600 if seconds is None else seconds
        causes = list(_wrong(seconds))
        if causes:
            text = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
            raise Invalid(f'TokenRequest.authentication.k8s.io "" is invalid: {text}', causes=causes, details=_DETAILS)
        audiences = list(spec.get("audiences") or AUDIENCES)
        identity = str(uuid.uuid4())
        held = {
            "namespace": meta["namespace"],
            **self._bound(meta, spec.get("boundObjectRef")),
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        }
        claims = {
            "aud": audiences,
            "exp": int(now) + seconds,
            "iat": int(now),
            "iss": ISSUER,
            "jti": identity,
            "kubernetes.io": dict(sorted(held.items())),
            "nbf": int(now),
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        annotations.setdefault(_EXTRA + "issued-credential-id", f"JTI={identity}")
        about = {name: meta[name] for name in ("name", "namespace", "uid")}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {**about, "creationTimestamp": format_time(now)},
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {"token": self._sign(claims), "expirationTimestamp": format_time(now + seconds)},
        }

    def _bound(self, account: Object, ref: Object | None) -> dict[str, Any]:
        """What the token ends with, as a claim."""
        if not ref:
            return {}
        kind, version, name = ref.get("kind") or "", ref.get("apiVersion") or "", str(ref.get("name") or "")
        group = version.rpartition("/")[0]
        if group or kind not in ("Pod", "Node", "Secret"):
            shown = f"{group}/{version.rpartition('/')[2]}"
            raise BadRequest(f"cannot bind token to object of type {shown}, Kind={kind}")
        if not name:
            raise BadRequest("Name parameter required.")
        plural = f"{kind.lower()}s"
        found = self._object(plural, "" if kind == "Node" else account["namespace"], name)
        if found is None:
            raise NotFound(f'{plural} "{name}" not found', details={"name": name, "kind": plural})
        own = found["metadata"]
        out: dict[str, Any] = {kind.lower(): {"name": name, "uid": own["uid"]}}
        if kind == "Pod":
            if (found["spec"].get("serviceAccountName") or "default") != account["name"]:
                raise BadRequest(
                    f'cannot bind token for serviceaccount "{account["name"]}" to pod running with different '
                    "serviceaccount name."
                )
            if place := found["spec"].get("nodeName"):
                node = self._object("nodes", "", place)
                out["node"] = {"name": place, **({"uid": node["metadata"]["uid"]} if node is not None else {})}
        if ref.get("uid") and ref["uid"] != own["uid"]:
            why = (
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. The object might "
                "have been deleted and then recreated"
            )
            raise Conflict(
                f'Operation cannot be fulfilled on {kind} "{name}": {why}', details={"name": name, "kind": kind}
            )
        return out

    def legacy(self, secret: Object, account: Object) -> str:
        """The token of a Secret of the old type: good for as long as the Secret holds it."""
        meta, own = account["metadata"], secret["metadata"]
        return self._sign(
            {
                "iss": LEGACY_ISSUER,
                _LEGACY + "namespace": own["namespace"],
                _LEGACY + "secret.name": own["name"],
                _LEGACY + "service-account.name": meta["name"],
                _LEGACY + "service-account.uid": meta["uid"],
                "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
            }
        )

    def _sign(self, claims: Object) -> str:
        text = f"{self._head}.{_b64(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def user(self, token: str, now: float) -> User | None:
        """Whose token it is; None when it is no valid token, for this cluster, of a service account that exists."""
        try:
            return self.review(token, now, AUDIENCES)[0]
        except TokenProblem:
            return None

    def review(self, token: str, now: float, audiences: Sequence[str]) -> tuple[User, list[str]]:
        """Whose token it is, and which of the audiences it is for. Raises ``TokenProblem``."""
        claims = self._claims(token)
        if claims is not None and claims.get("iss") == LEGACY_ISSUER:
            meant = [each for each in audiences if each in AUDIENCES]
            if not meant:
                raise TokenProblem(_not_for(AUDIENCES, audiences))
            return self._legacy_user(claims, token), meant
        if claims is None or claims.get("iss") != ISSUER:
            raise TokenProblem
        matching = [each for each in audiences if each in (claims.get("aud") or ())]
        if not matching:
            raise TokenProblem(_not_for(claims.get("aud") or (), audiences))
        if now >= claims.get("exp", 0):
            raise TokenProblem("service account token has expired")
        if now < claims.get("nbf", 0) - 5:
            raise TokenProblem("service account token is not valid yet")
        held = claims.get("kubernetes.io") or {}
        return self._bound_user(held, str(claims.get("jti") or ""), now), matching

    def _bound_user(self, held: Mapping[str, Any], identity: str, now: float) -> User:
        namespace, account = held.get("namespace") or "", held.get("serviceaccount") or {}
        name, uid = account.get("name") or "", account.get("uid") or ""
        self._account(namespace, name, uid)
        extra = {_EXTRA + "credential-id": (f"JTI={identity}",)} if identity else {}
        pod, node = held.get("pod"), held.get("node")
        for plural, ref in (("secrets", held.get("secret")), ("pods", pod), ("nodes", None if pod else node)):
            if ref:
                self._still_there(plural, "" if plural == "nodes" else namespace, ref, now)
        for kind, ref in (("node", node), ("pod", pod)):
            if ref:
                extra[f"{_EXTRA}{kind}-name"] = (ref["name"],)
                if ref.get("uid"):
                    extra[f"{_EXTRA}{kind}-uid"] = (ref["uid"],)
        return service_account_user(namespace, name, uid, extra)

    def _account(self, namespace: str, name: str, uid: str) -> None:
        found = self._object("serviceaccounts", namespace, name)
        if found is None:
            raise TokenProblem(f'serviceaccounts "{name}" not found')
        if found["metadata"]["uid"] != uid:
            raise TokenProblem(f"service account UID ({found['metadata']['uid']}) does not match claim ({uid})")

    def _still_there(self, plural: str, namespace: str, ref: Mapping[str, Any], now: float) -> None:
        found = self._object(plural, namespace, ref.get("name") or "")
        if found is None:
            raise TokenProblem("service account token has been invalidated")
        uid, gone = found["metadata"]["uid"], found["metadata"].get("deletionTimestamp")
        if uid != ref.get("uid"):
            kind = plural[:-1]
            raise TokenProblem(f"{kind} UID ({uid}) does not match service account {kind} ref claim ({ref.get('uid')})")
        if gone and parse_time(gone) < now - _LEEWAY:
            raise TokenProblem("service account token has been invalidated")

    def _legacy_user(self, claims: Mapping[str, Any], token: str) -> User:
        namespace, name, uid, secret_name = (
            str(claims.get(_LEGACY + part) or "")
            for part in ("namespace", "service-account.name", "service-account.uid", "secret.name")
        )
        secret = self._object("secrets", namespace, secret_name)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            raise TokenProblem("Token has been invalidated")
        stored = str((secret.get("data") or {}).get("token") or "")
        if not hmac.compare_digest(stored, base64.b64encode(token.encode()).decode()):
            raise TokenProblem("Token does not match server's copy")
        self._account(namespace, name, uid)
        return service_account_user(namespace, name, uid)

    def _object(self, plural: str, namespace: str, name: str) -> Object | None:
        entry = self._store.bucket(plural).get(namespace, name)
        return entry.obj if entry is not None else None

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


def _check_about(asked: Object, account: Object) -> None:
    """Who the request says that it is about has to be who the path says."""
    name = account["name"]
    for part in ("name", "namespace"):
        if asked.get(part) and asked[part] != account[part]:
            text = f'Invalid value: "{asked[part]}": must match the service account {part} if specified'
            causes = [Cause("FieldValueInvalid", text, f"metadata.{part}")]
            raise Invalid(
                f'TokenRequest.authentication.k8s.io "{name}" is invalid: metadata.{part}: {text}', causes=causes
            )
    if asked.get("uid") and asked["uid"] != account["uid"]:
        why = f"the UID in the token request ({asked['uid']}) does not match the UID of the service account ({account['uid']})"
        raise Conflict(f'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "{name}": {why}')


def _wrong(seconds: Any) -> Iterator[Cause]:
    field = "spec.expirationSeconds"
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        yield Cause("FieldValueInvalid", f"Invalid value: {seconds!r}: must be a whole number", field)
    elif seconds < _SHORTEST:
        text = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        yield Cause("FieldValueInvalid", text, field)
    elif seconds > _LONGEST:
        text = f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds"
        yield Cause("FieldValueInvalid", text, field)


def _not_for(audiences: Sequence[str], wanted: Sequence[str]) -> str:
    return f"token audiences {_go(audiences)} is invalid for the target audiences {_go(wanted)}"


def _go(words: Sequence[str]) -> str:
    return "[" + " ".join(f'"{word}"' for word in words) + "]"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
