"""The cluster's keys and the kubeconfig that carries them."""

import stat
from pathlib import Path

import pytest
from cryptography import x509

from trueup.apiserver import kubeconfig, pki
from trueup.kube.documents import parse

NOW = 1_800_000_000.0
YEAR = 365 * 86_400.0
HOSTS = ["localhost", "127.0.0.1"]


def names(path: Path) -> set[str]:
    """What a certificate was made for."""
    held = x509.load_pem_x509_certificate(path.read_bytes())
    found = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Nobody else reads a key, a certificate or the token."""
    pki.prepare(tmp_path / "pki", HOSTS, NOW)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_keys_are_used_again(tmp_path: Path) -> None:
    """A second start changes nothing, so that kubeconfigs already handed out still work."""
    pki.prepare(tmp_path, HOSTS, NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    pki.prepare(tmp_path, HOSTS, NOW + 3600)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_certificate_is_renewed_before_it_expires(tmp_path: Path) -> None:
    """The server's certificate is made anew before it ends, and still chains to the authority in use."""
    first = pki.prepare(tmp_path, HOSTS, NOW)
    before = first.certificate.read_bytes()
    late = pki.prepare(tmp_path, HOSTS, NOW + 10 * YEAR - 10 * 86_400)
    assert before != late.certificate.read_bytes()
    server = x509.load_pem_x509_certificate(late.certificate.read_bytes())
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(late.ca.read_bytes()))


def test_server_follows_a_new_authority(tmp_path: Path) -> None:
    """Where the authority was made anew, the server's certificate is as well."""
    first = pki.prepare(tmp_path, HOSTS, NOW)
    first.ca.unlink()
    (tmp_path / "ca.key").unlink()
    second = pki.prepare(tmp_path, HOSTS, NOW)
    server = x509.load_pem_x509_certificate(second.certificate.read_bytes())
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(second.ca.read_bytes()))


def test_certificate_covers_the_hosts_asked_for(tmp_path: Path) -> None:
    """Names and addresses that clients use are in the certificate, also when they are asked for later."""
    pki.prepare(tmp_path, HOSTS, NOW)
    made = pki.prepare(tmp_path, [*HOSTS, "gitops.example", "10.1.2.3"], NOW)
    assert names(made.certificate) == {"localhost", "127.0.0.1", "gitops.example", "10.1.2.3"}


def test_kubeconfig_keeps_what_else_is_in_the_file(tmp_path: Path) -> None:
    """Other people's contexts survive; ours is replaced and becomes the current one."""
    path = tmp_path / "config"
    path.write_text(
        "kind: Config\napiVersion: v1\ncurrent-context: prod\n"
        "contexts: [{name: prod, context: {cluster: prod, user: me}}, {name: trueup, context: {}}]\n"
        "clusters: [{name: prod, cluster: {server: 'https://prod'}}]\nusers: []\n"
    )
    kubeconfig.write(path, url="https://127.0.0.1:6443", ca=b"PEM", token="secret")
    found = parse(path.read_bytes())[0].value
    assert [entry["name"] for entry in found["contexts"]] == ["prod", "trueup"]
    assert [entry["cluster"]["server"] for entry in found["clusters"]] == ["https://prod", "https://127.0.0.1:6443"]
    assert found["current-context"] == "trueup"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_kubeconfig_leaves_other_files_alone(tmp_path: Path) -> None:
    """A file that is something else is refused, not overwritten."""
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod\napiVersion: v1\n")
    with pytest.raises(ValueError, match="is no kubeconfig"):
        kubeconfig.write(path, url="https://127.0.0.1:6443", ca=b"PEM", token="secret")
    assert path.read_text() == "kind: Pod\napiVersion: v1\n"
