"""Certificate requests: who asked is known, and what is approved is signed."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.rooms.apiserver.web import ref, until
from trueup.apiserver import pki
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.rbac import known_as
from trueup.apiserver.signing import Signing
from trueup.apiserver.users import User
from trueup.kube.names import Kind, Object
from trueup.kube.problems import Forbidden

KIND = Kind("certificates.k8s.io", "v1", "CertificateSigningRequest")


def request(group: str = "devs") -> Object:
    """For a client of that group."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "jane"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)]
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    text = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": text, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    return {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": {"name": "jane"}, "spec": spec}


async def approve(client: InProcessClient) -> None:
    said = {"type": "Approved", "status": "True", "reason": "Test", "message": "as asked"}
    await client.patch(ref("jane", KIND, ""), {"status": {"conditions": [said]}}, "merge", subresource="approval")


async def answered(hub: Hub, client: InProcessClient, folder: Path) -> Object:
    """The request's status once its signer has looked at it."""
    keys = pki.prepare(folder, ["localhost"], hub.clock.now())
    task = asyncio.create_task(Signing(hub, keys.ca.read_bytes(), keys.ca_key).run())
    bucket = hub.store.bucket("certificatesigningrequests.certificates.k8s.io")

    def done() -> bool:
        status = bucket.spaces[""]["jane"].obj.get("status") or {}
        return "certificate" in status or len(status.get("conditions") or ()) > 1

    await until(done)
    task.cancel()
    status: Object = (await client.get(ref("jane", KIND, "")))["status"]
    return status


async def test_the_server_writes_down_who_asks(hub: Hub) -> None:
    """Whatever the request says itself."""
    other = InProcessClient(hub, User("jane", ("system:masters", "devs"), "u-1"))
    made = request()
    made["spec"]["username"] = "someone"
    found = await other.create(made)

    assert (found["spec"]["username"], found["spec"]["uid"]) == ("jane", "u-1")
    assert found["spec"]["groups"] == ["system:masters", "devs"]


async def test_what_is_approved_is_signed(hub: Hub, client: InProcessClient, tmp_path: Path) -> None:
    """By the cluster's authority, for the name that was asked for."""
    await client.create(request())
    await approve(client)
    status = await answered(hub, client, tmp_path)
    made = x509.load_pem_x509_certificate(base64.b64decode(status["certificate"]))
    made.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))

    assert made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "jane"
    assert status["conditions"][0]["lastUpdateTime"]


async def test_nobody_is_made_a_master(client: InProcessClient) -> None:
    """Such a request is not even taken."""
    with pytest.raises(Forbidden, match="signer with system:masters group is not allowed"):
        await client.create(request("system:masters"))


async def test_who_approves_needs_the_signers_leave(hub: Hub, client: InProcessClient) -> None:
    """To change conditions is one right, to do so for a signer another: by its name or its whole domain."""
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    rules = [{"apiGroups": ["certificates.k8s.io"], "resources": ["*"], "verbs": ["get", "update", "patch"]}]
    role = {**kind, "kind": "ClusterRole", "metadata": {"name": "approver"}, "rules": rules}
    await client.create(role)
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}]
    ref_ = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "approver"}
    meta = {"metadata": {"name": "approver"}}
    await client.create({**kind, "kind": "ClusterRoleBinding", **meta, "roleRef": ref_, "subjects": subjects})
    await client.create(request())
    ann = InProcessClient(hub, known_as("ann"))
    with pytest.raises(Forbidden, match="not permitted to approve requests with signerName"):
        await approve(ann)
    leave = {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["approve"]}
    rules.append({**leave, "resourceNames": ["kubernetes.io/*"]})
    await client.update({**role, "rules": rules})
    await approve(ann)


async def test_a_request_is_not_born_approved(client: InProcessClient) -> None:
    """Nor approved by a plain update."""
    made = request()
    made["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    created = await client.create(made)
    said = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    patched = await client.patch(ref("jane", KIND, ""), said, "merge")

    assert not (created.get("status") or {}).get("conditions")
    assert not (patched.get("status") or {}).get("conditions")


@pytest.mark.parametrize("usages", [["server auth"], ["client auth", "signing"]])
async def test_only_fitting_usages_are_signed(
    hub: Hub, client: InProcessClient, tmp_path: Path, usages: list[str]
) -> None:
    """A client's certificate serves nothing."""
    made = request()
    made["spec"]["usages"] = usages
    await client.create(made)
    await approve(client)

    assert (await answered(hub, client, tmp_path))["conditions"][1]["reason"] == "SignerValidationFailure"
