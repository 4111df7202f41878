"""Who may approve certificate requests and sign them, and whom nobody signs for. An admission step of the hub.

Source: ``plugin/pkg/admission/certificates`` (CertificateApproval, CertificateSigning, CertificateSubjectRestriction).
"""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.x509.oid import NameOID

from trueup.apiserver.admission.plugin import forbidden
from trueup.apiserver.policy import MASTERS
from trueup.apiserver.rbac import Attributes, Authorizer
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.users import User
from trueup.kube.names import Object

_GROUP = "certificates.k8s.io"
_CLIENTS = "kubernetes.io/kube-apiserver-client"


class Certificates:
    """Asks RBAC for ``approve`` and ``sign`` on the resource ``signers``, by the signer's name or its whole domain."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Forbidden``."""
        if served.storage != f"certificatesigningrequests.{_GROUP}" or operation == "DELETE":
            return
        if old is None or not write.subresource:
            _check_subject(served, obj)
            return
        signer = str(old["spec"].get("signerName") or "")
        if write.subresource == "approval" and not self._may(write.user, "approve", signer):
            raise forbidden(served, obj, f'user not permitted to approve requests with signerName "{signer}"')
        if (
            write.subresource == "status"
            and _decision(obj) != _decision(old)
            and not self._may(write.user, "sign", signer)
        ):
            raise forbidden(served, obj, f'user not permitted to sign requests with signerName "{signer}"')

    def _may(self, user: User, verb: str, signer: str) -> bool:
        names = (signer, f"{signer.partition('/')[0]}/*")
        return any(self._authorizer.allows(user, Attributes(verb, _GROUP, "signers", name=name)) for name in names)


def _decision(request: Object) -> tuple[object, object]:
    status = request.get("status") or {}
    return status.get("certificate"), status.get("conditions") or []


def _check_subject(served: Served, obj: Object) -> None:
    """Nobody becomes a master by a certificate."""
    if obj["spec"].get("signerName") != _CLIENTS:
        return
    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(obj["spec"].get("request") or ""))
    except (ValueError, binascii.Error) as problem:
        raise forbidden(served, obj, f"failed to parse CSR: {problem}") from None
    groups = (one.value for one in asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    if MASTERS in groups:
        raise forbidden(served, obj, f"use of {_CLIENTS} signer with {MASTERS} group is not allowed")
