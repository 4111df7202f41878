"""A person's certificate, from the request to its use: kubectl, and the Python clients with a kubeconfig that holds it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import ConfigMap

from tests.system.cluster import Cluster as Kubectl
from tests.system.cluster import needs_kubectl
from trueup.testing import Cluster

pytestmark = pytest.mark.system


@pytest.fixture
def jane(shared_cluster: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig of hers: her key, and the certificate that the cluster signed for it; she may read ConfigMaps."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "jane"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "readers")]
    )
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    signed = _signed(shared_cluster, asked.public_bytes(serialization.Encoding.PEM))
    with kubernetes.config.new_client_from_config(str(shared_cluster.kubeconfig)) as api:
        kubernetes.client.RbacAuthorizationV1Api(api).create_cluster_role_binding(
            {
                "metadata": {"generateName": "readers-"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}],
            }
        )
    config = yaml.safe_load(shared_cluster.kubeconfig.read_text())
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    config["users"][0]["user"] = {
        "client-certificate-data": signed,
        "client-key-data": base64.b64encode(pem).decode(),
    }
    path = tmp_path / "jane"
    path.write_text(yaml.safe_dump(config))
    return path


def _signed(cluster: Cluster, request: bytes) -> str:
    """What a CertificateSigningRequest that was approved gives, in base64."""
    with kubernetes.config.new_client_from_config(str(cluster.kubeconfig)) as api:
        requests = kubernetes.client.CertificatesV1Api(api)
        made = requests.create_certificate_signing_request(
            {
                "metadata": {"generateName": "jane-"},
                "spec": {
                    "request": base64.b64encode(request).decode(),
                    "signerName": "kubernetes.io/kube-apiserver-client",
                    "usages": ["client auth"],
                },
            }
        )
        name = made.metadata.name
        made.status.conditions = [{"type": "Approved", "status": "True", "reason": "Tested"}]
        requests.replace_certificate_signing_request_approval(name, made)
        events: Any = kubernetes.watch.Watch().stream(
            requests.list_certificate_signing_request, field_selector=f"metadata.name={name}", timeout_seconds=20
        )
        for event in events:
            if event["object"].status.certificate:
                return str(event["object"].status.certificate)
    raise AssertionError("the request was not signed")


@needs_kubectl
async def test_kubectl_is_who_its_certificate_says(jane: Path, tmp_path: Path) -> None:
    """What she may she may, and what is forbidden names her."""
    kubectl = Kubectl(jane, tmp_path)
    who = await kubectl.kubectl("auth", "whoami", "-o", "json")
    read = await kubectl.run("get", "configmaps", "-A")
    written = await kubectl.run("create", "configmap", "a")

    user = yaml.safe_load(who)["status"]["userInfo"]
    assert (user["username"], user["groups"]) == ("jane", ["readers", "system:authenticated"])
    assert (read.code, written.code) == (0, 1)
    assert 'User "jane" cannot create resource "configmaps"' in written.err


def test_the_official_client_is_who_its_certificate_says(jane: Path) -> None:
    """Over HTTP/1.1."""
    with kubernetes.config.new_client_from_config(str(jane)) as api:
        core = kubernetes.client.CoreV1Api(api)
        found = core.list_config_map_for_all_namespaces().items
        with pytest.raises(kubernetes.client.ApiException) as refused:
            core.create_namespaced_config_map("default", {"metadata": {"name": "a"}})

    assert any(each.metadata.name == "kube-root-ca.crt" for each in found)
    assert "jane" in str(refused.value.body)


def test_lightkube_is_who_its_certificate_says(jane: Path) -> None:
    """As every client on httpx."""
    client = Client(config=KubeConfig.from_file(jane))

    found = list(client.list(ConfigMap, namespace="*"))
    with pytest.raises(ApiError) as refused:
        client.delete(ConfigMap, "kube-root-ca.crt", namespace="default")

    assert found
    assert refused.value.status.code == 403
