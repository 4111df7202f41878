"""The group certificates.k8s.io. Source: Kubernetes ``pkg/apis/certificates/validation/validation.go``."""

from __future__ import annotations

import base64
import re

from trueup.kube.names import Object
from trueup.kube.validation import formats
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)

_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only",
    "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user",
    "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing",
    "timestamping",
)  # fmt: skip
_BLOCKS = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)-----END \1-----", re.DOTALL)
_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"


_SURE = frozenset({"Approved", "Denied", "Failed"})
"""Conditions that are true or not there."""
_LONGEST_DOMAIN, _LONGEST_LABEL = 253, 63


def signing_request(obj: Object) -> Causes:
    """CertificateSigningRequest."""
    spec, usages = obj.get("spec") or {}, (obj.get("spec") or {}).get("usages") or ()
    if _REQUEST not in base64.b64decode(spec.get("request") or ""):
        yield invalid("spec.request", spec.get("request"), "PEM block type must be CERTIFICATE REQUEST")
    if not usages:
        yield required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            yield not_supported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            yield duplicate(f"spec.usages[{index}]", usage)
    signer = spec.get("signerName") or ""
    if signer == "kubernetes.io/legacy-unknown":
        yield invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    else:
        yield from signer_name(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, text)
    status = obj.get("status") or {}
    yield from _conditions(status.get("conditions") or [], "status.conditions")
    certificate = status.get("certificate")
    if certificate and b"-----BEGIN CERTIFICATE-----" not in base64.b64decode(certificate):
        yield invalid("status.certificate", "<certificate data>", "must contain at least one CERTIFICATE PEM block")


def signer_name(name: str, path: str) -> Causes:
    """Who shall sign: a domain and a path."""
    if not name:
        yield required(path)
        return
    domain, slash, place = name.partition("/")
    if not slash or "/" in place:
        yield invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")
        return
    if len(domain) > _LONGEST_DOMAIN:
        yield too_long(path, _LONGEST_DOMAIN)
    labels = domain.split(".")
    for label in labels:
        problems = formats.label(label)
        if problems:  # told of the first label that is wrong
            yield from each_invalid(path, domain, (f'validating label "{label}": {problem}' for problem in problems))
            break
    if len(labels) < 2:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    for label in place.split("."):
        problems = formats.subdomain(label)
        if problems:
            yield from each_invalid(path, place, (f'validating label "{label}": {problem}' for problem in problems))
            break
    most = _LONGEST_DOMAIN + 1 + _LONGEST_DOMAIN + 1 + _LONGEST_LABEL
    if len(name) > most:
        yield too_long(path, most)


def _conditions(found: list[Object], path: str) -> Causes:
    seen: set[str] = set()
    for index, one in enumerate(found):
        kind, status = one.get("type") or "", one.get("status") or ""
        if not kind:
            yield required(f"{path}[{index}].type")
        allowed = ("True",) if kind in _SURE else ("False", "True", "Unknown")
        if not status:
            yield required(f"{path}[{index}].status")
        elif status not in allowed:
            yield not_supported(f"{path}[{index}].status", status, allowed)
        if {"Approved": "Denied", "Denied": "Approved"}.get(kind) in seen:
            yield invalid(path, kind, "Approved and Denied conditions are mutually exclusive")
        if kind in seen:
            yield duplicate(f"{path}[{index}].type", kind)
        seen.add(kind)


def signing_status(new: Object, old: Object) -> Causes:
    """What may become of a request. Source: ``validateCertificateSigningRequestUpdate``."""
    now, was = new.get("status") or {}, old.get("status") or {}
    kinds, known = ([one.get("type") for one in part.get("conditions") or ()] for part in (now, was))
    if kinds != known:
        yield from _conditions(now.get("conditions") or [], "status.conditions")
    for kind in ("Approved", "Denied", "Failed"):
        if kinds.count(kind) < known.count(kind):
            yield forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
    yield from _certificate(now.get("certificate") or "", was.get("certificate") or "")


def _certificate(now: str, was: str) -> Causes:
    path = "status.certificate"
    if now and now != was and (why := _unreadable(now)):
        yield invalid(path, "<certificate data>", why)
    if now != was and was:
        yield forbidden(path, "updates may not modify existing certificate content")


def _unreadable(certificate: str) -> str:
    """Why it is no certificates in PEM; what is in them is not looked at."""
    try:
        text = base64.b64decode(certificate).decode("ascii", "replace")
    except ValueError:
        return ""  # reading has told
    blocks = _BLOCKS.findall(text)
    for kind, body in blocks:
        if kind != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind}"'
        if ":" in body:
            return "no PEM block headers are permitted"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"
