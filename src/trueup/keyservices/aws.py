"""AWS KMS as a key service, by its JSON API, with requests signed by Signature Version 4.

Called through `services.py`. Where its credentials come from: `aws_credentials.py`. Sources: AWS KMS API (``Encrypt``,
``Decrypt``), STS (``AssumeRole``), the signing process of Signature Version 4, SOPS ``kms``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from trueup.keyservices.web import Answer, ask
from trueup.sops import MasterKey, NoKey

_ARN = re.compile(r"arn:aws[\w-]*:kms:([^:]+):[0-9]+:(?:key|alias)/.+")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::[0-9]+:role/.+")
_NOT_IN_SESSION = re.compile(r"[^a-zA-Z0-9=,.@-]")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests are signed with."""

    access: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)


CredentialsOf = Callable[[str, str], Credentials]
"""The credentials for a region and a profile, which may be empty. `NoKey` says why there are none."""
EndpointOf = Callable[[str, str], str]
"""Where a service of a region is; see `endpoint`."""


def endpoint(service: str, region: str, overrides: Mapping[str, str] | None = None) -> str:
    """``AWS_ENDPOINT_URL_KMS`` and its kin, or where AWS has it."""
    given = overrides or {}
    told = given.get(f"AWS_ENDPOINT_URL_{service.upper()}") or given.get("AWS_ENDPOINT_URL")
    return told or f"https://{service}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


@dataclass(frozen=True, slots=True)
class Kms:
    """``host``: told to AWS as the session's name, when a key has a role."""

    credentials: CredentialsOf
    endpoint: EndpointOf = endpoint
    host: str = ""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))  # noqa: TID251  # this is the shell

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        said = self._ask(key, "Decrypt", {"CiphertextBlob": key.enc}).get("Plaintext")
        try:
            return base64.b64decode(str(said or ""), validate=True)
        except binascii.Error as problem:
            raise NoKey("what AWS KMS decrypted is not valid base64") from problem

    def seal(self, key: MasterKey, part: bytes) -> str:
        """What AWS KMS writes for its key."""
        said = self._ask(key, "Encrypt", {"Plaintext": base64.b64encode(part).decode()}).get("CiphertextBlob")
        if not isinstance(said, str) or not said:
            raise NoKey("AWS KMS gave no ciphertext")
        return said

    def _ask(self, key: MasterKey, verb: str, body: dict[str, Any]) -> Mapping[str, Any]:
        found = _ARN.fullmatch(key.name)
        if not found:
            raise NoKey("it is no ARN of a key: arn:aws:kms:REGION:ACCOUNT:key/ID is one (sops.kms.arn)")
        region, context = found[1], key.fields.get("context")
        credentials = self.credentials(region, str(key.fields.get("aws_profile") or ""))
        if role := str(key.fields.get("role") or ""):
            credentials = self._assumed(credentials, role, region)
        body["KeyId"] = key.name
        if isinstance(context, Mapping) and context:
            body["EncryptionContext"] = {str(name): str(value) for name, value in context.items() if value is not None}
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{verb}"}
        url = self.endpoint("kms", region)
        answer = signed("kms", region, credentials, url, headers, json.dumps(body).encode(), self.clock())
        if not answer.ok:
            raise NoKey(f"AWS KMS refused to {verb.lower()}: {_why(answer)}")
        return answer.json()

    def _assumed(self, credentials: Credentials, role: str, region: str) -> Credentials:
        session = ("sops@" + _NOT_IN_SESSION.sub("", self.host))[:64]
        return assumed(credentials, role, session, region, self.endpoint("sts", region), self.clock())


def assumed(credentials: Credentials, role: str, session: str, region: str, url: str, now: datetime) -> Credentials:
    """The credentials of a role that these may take."""
    if not _ROLE.fullmatch(role):
        raise NoKey(f"{role!r} is no ARN of a role (sops.kms.role)")
    asked = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": session}
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = signed("sts", region, credentials, url, headers, urlencode(asked).encode(), now)
    return given(answer, f"AWS does not let {role} be assumed")


def given(answer: Answer, refused: str) -> Credentials:
    """The credentials that STS answers, as XML."""
    if b"<!" in answer.body:  # neither a document type nor entities have a place in it
        raise NoKey(f"{refused}: {answer.status}")
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314  # without a document type nothing can be expanded
    except ElementTree.ParseError:
        raise NoKey(f"{refused}: {answer.status}") from None
    found = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    if not answer.ok or not found.get("AccessKeyId"):
        raise NoKey(f"{refused}: {answer.status} {found.get('Code', '')}: {found.get('Message', '')[:300]}")
    return Credentials(found["AccessKeyId"], found.get("SecretAccessKey", ""), found.get("SessionToken", ""))


def signed(
    service: str,
    region: str,
    credentials: Credentials,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> Answer:
    """A POST to the root of a service."""
    return ask("POST", url, headers=signature(service, region, credentials, url, headers, body, now), body=body)


def signature(
    service: str,
    region: str,
    credentials: Credentials,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> dict[str, str]:
    """All headers of a POST, with the one that proves it."""
    parts, stamp = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "Host": parts.netloc, "X-Amz-Date": stamp}
    if credentials.session:
        sent["X-Amz-Security-Token"] = credentials.session
    lowered = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
    names = ";".join(sorted(lowered))
    canonical = "\n".join(
        [
            "POST",
            parts.path or "/",
            parts.query,
            *(f"{name}:{lowered[name]}" for name in sorted(lowered)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    proof = hmac.digest(key, text.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access}/{scope}, SignedHeaders={names}, Signature={proof}"
    )
    return sent


def _why(answer: Answer) -> str:
    found = answer.json()
    kind = str(found.get("__type") or "").rpartition("#")[2]
    said = str(found.get("message") or found.get("Message") or "")
    return f"{answer.status} {kind}: {' '.join(said.split())[:300]}".rstrip(": ")
