"""Signs certificate requests that were approved, by the cluster's own authority. Runs beside the hub.

Source: ``pkg/controller/certificates/signer``; Kubernetes documentation "Certificates and Certificate Signing Requests".
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Iterator, Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.store.state import Event

_KIND = Kind("certificates.k8s.io", "v1", "CertificateSigningRequest")
_BUCKET = "certificatesigningrequests.certificates.k8s.io"
_YEAR = 365 * 24 * 3600
_CLIENT, _SERVER = "client auth", "server auth"
_KEY = frozenset({"digital signature", "key encipherment"})
SIGNERS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "kubernetes.io/kube-apiserver-client": (frozenset({_CLIENT}), _KEY | {_CLIENT}),
    "kubernetes.io/kube-apiserver-client-kubelet": (frozenset({_CLIENT}), _KEY | {_CLIENT}),
    "kubernetes.io/kubelet-serving": (frozenset({_SERVER, "digital signature"}), _KEY | {_SERVER}),
    "kubernetes.io/legacy-unknown": (frozenset(), _KEY | {_CLIENT, _SERVER}),
}
"""Whom the authority signs for: usages that must be asked for, and those that may."""
_USAGES = {_CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH, _SERVER: ExtendedKeyUsageOID.SERVER_AUTH}


class Refused(Exception):
    """The request is not one that its signer signs."""


class Signing:
    """Takes up a request whenever it was changed."""

    def __init__(self, hub: Hub, ca: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        self._hub, self._key = hub, key
        self._ca = x509.load_pem_x509_certificate(ca)
        self._requests = hub.store.bucket(_BUCKET)
        self._work = Following("answering a certificate request", self._answer)
        self.run = self._work.run
        self._requests.listeners.append(self._hear)
        for _, name, _ in self._requests.scan():
            self._work.take(name)

    def _hear(self, event: Event) -> None:
        if event.type != "DELETED":
            self._work.take(event.name)

    async def _answer(self, name: str) -> None:
        entry = self._requests.get("", name)
        if entry is None or not _waits(entry.obj):
            return
        request = entry.obj
        status: Object = {}
        try:
            signed = sign(request["spec"], self._ca, self._key, self._hub.clock.now())
            status["certificate"] = base64.b64encode(signed).decode()
        except Refused as refused:
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": str(refused)}
            status["conditions"] = [*(request["status"].get("conditions") or ()), failed]

        def answered(stored: Object) -> tuple[Object, bool]:
            return {**prepare.copy(stored), "status": {**stored.get("status", {}), **status}}, False

        write = Write(manager="kube-controller-manager", subresource="status")
        await change(self._hub, self._hub.serves(_KIND), "", name, answered, write)


def _waits(request: Object) -> bool:
    status = request.get("status") or {}
    held = {one["type"] for one in status.get("conditions") or () if one.get("status", "True") == "True"}
    ours = request["spec"].get("signerName") in SIGNERS
    return ours and "Approved" in held and not held & {"Denied", "Failed"} and not status.get("certificate")


def sign(spec: Object, ca: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: float) -> bytes:
    """The certificate, in PEM. Raises ``Refused``."""
    asked, usages = _read(spec), frozenset(spec.get("usages") or ())
    must, may = SIGNERS[spec["signerName"]]
    if not must <= usages or not usages <= may:
        raise Refused(f"invalid usage for certificate: {sorted(usages)}")
    _check_subject(spec["signerName"], asked.subject)
    lasts = max(600, min(int(spec.get("expirationSeconds") or _YEAR), _YEAR))
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(ca.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(minutes=5))
        .not_valid_after(min(moment + datetime.timedelta(seconds=lasts), ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if usages & _KEY:  # an empty one makes a certificate that OpenSSL refuses
        builder = builder.add_extension(_key_usage(usages), critical=True)
    extended = [oid for name, oid in _USAGES.items() if name in usages]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    for names in _alternatives(asked):
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _read(spec: Object) -> x509.CertificateSigningRequest:
    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(spec.get("request") or ""))
        if not asked.is_signature_valid:
            raise Refused("the request is not signed by its key")
    except (ValueError, binascii.Error, UnsupportedAlgorithm, InvalidSignature) as problem:
        raise Refused(f"unable to parse csr: {problem}") from None
    return asked


def _check_subject(signer: str, subject: x509.Name) -> None:
    """Kubelets are named as nodes; nobody else may become a master."""
    groups = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    names = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if signer == "kubernetes.io/kube-apiserver-client" and "system:masters" in groups:
        raise Refused("the group system:masters is not signed for")
    if "kubelet" in signer:
        if groups != ["system:nodes"]:
            raise Refused("subject organization is not system:nodes")
        if not names or not names[0].startswith("system:node:"):
            raise Refused("subject common name does not begin with system:node:")


def _alternatives(asked: x509.CertificateSigningRequest) -> Iterator[x509.SubjectAlternativeName]:
    try:
        yield asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return


def _key_usage(usages: frozenset[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital signature" in usages,
        content_commitment=False,
        key_encipherment="key encipherment" in usages,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
