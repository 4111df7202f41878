"""Kubeconfig files, read as kubectl reads them."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from trueup.client import incluster, kubeconfig
from trueup.client.access import AccessProblem


def write(path: Path, **content: Any) -> Path:
    """A kubeconfig file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps({"apiVersion": "v1", "kind": "Config", **content}))
    return path


def cluster(name: str, **fields: Any) -> dict[str, Any]:
    """A cluster's entry."""
    return {"name": name, "cluster": {"server": f"https://{name}.example.com:6443", **fields}}


def user(name: str, **fields: Any) -> dict[str, Any]:
    """A user's entry."""
    return {"name": name, "user": fields}


def context(name: str, cluster: str, user: str, **fields: Any) -> dict[str, Any]:
    """A context's entry."""
    return {"name": name, "context": {"cluster": cluster, "user": user, **fields}}


def simple(path: Path, cluster_fields: dict[str, Any] | None = None, **user_fields: Any) -> Path:
    """A file with one context."""
    return write(
        path,
        **{"current-context": "main"},
        clusters=[cluster("c", **(cluster_fields or {}))],
        users=[user("u", **user_fields)],
        contexts=[context("main", "c", "u")],
    )


def test_the_first_file_to_name_an_entry_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of several files come together; a missing file is passed over."""
    one = write(tmp_path / "one", users=[user("u", token="first")], **{"current-context": "a"})
    two = write(
        tmp_path / "two",
        **{"current-context": "b"},
        clusters=[cluster("c")],
        users=[user("u", token="second")],
        contexts=[context("a", "c", "u", namespace="shop"), context("b", "c", "u")],
    )
    monkeypatch.setenv("KUBECONFIG", f"{one}:{tmp_path / 'none'}:{two}")
    access = kubeconfig.load()
    assert (access.context, access.token, access.namespace) == ("a", "first", "shop")
    assert access.server == "https://c.example.com:6443"
    assert kubeconfig.load(context="b").namespace == "default"
    assert kubeconfig.contexts() == ["a", "b"]


def test_data_stands_inline_or_beside_its_file(tmp_path: Path) -> None:
    """Relative paths start at the file that names them."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ca.crt").write_bytes(b"CA")
    inline = base64.b64encode(b"CERT").decode()
    path = simple(
        tmp_path / "sub" / "config",
        {"certificate-authority": "ca.crt"},
        **{
            "client-certificate-data": inline,
            "client-key-data": base64.b64encode(b"KEY").decode(),
            "tokenFile": "token",
        },
    )
    access = kubeconfig.load(path)
    assert (access.ca, access.certificate, access.key) == (b"CA", b"CERT", b"KEY")
    assert access.token_file == tmp_path / "sub" / "token"


def test_everything_else_that_a_file_says(tmp_path: Path) -> None:
    """TLS names, proxies, basic authentication, impersonation."""
    path = simple(
        tmp_path / "config",
        {"insecure-skip-tls-verify": True, "tls-server-name": "kubernetes", "proxy-url": "http://proxy:3128"},
        username="bob", password="pw",
        **{"as": "alice", "as-uid": "7", "as-groups": ["dev", "ops"], "as-user-extra": {"team": ["shop"]}},
    )  # fmt: skip
    access = kubeconfig.load(path)
    assert (access.insecure, access.tls_server_name, access.proxy_url) == (True, "kubernetes", "http://proxy:3128")
    assert (access.username, access.password) == ("bob", "pw")
    assert (access.impersonation.user, access.impersonation.uid) == ("alice", "7")
    assert access.impersonation.groups == ("dev", "ops")
    assert access.impersonation.extra == (("team", ("shop",)),)


def test_secrets_do_not_show(tmp_path: Path) -> None:
    """What is printed of an access holds no credential."""
    access = kubeconfig.load(simple(tmp_path / "config", token="t0psecret", password="pw0rd"))
    assert "t0psecret" not in repr(access)
    assert "pw0rd" not in repr(access)


def test_plugins_are_read(tmp_path: Path) -> None:
    """A relative command starts at the file; the cluster is told where asked."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login", "args": ["get"],
        "env": [{"name": "A", "value": "b"}], "provideClusterInfo": True, "interactiveMode": "Never",
    }  # fmt: skip
    access = kubeconfig.load(simple(tmp_path / "config", exec=plugin))
    assert access.exec is not None
    assert Path(access.exec.command) == tmp_path / "bin" / "login"
    assert (access.exec.args, access.exec.env) == (("get",), (("A", "b"),))
    assert access.exec.cluster == {"server": "https://c.example.com:6443"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}}, "v1alpha1"),
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": ""}}, "no command"),
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "interactiveMode": "Always"}},
            "Always",
        ),
        ({"auth-provider": {"name": "gcp"}}, "auth-provider gcp"),
        ({"client-certificate": "none.crt"}, "none.crt"),
        ({"client-key-data": "***"}, "base64"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    """The error says which entry is at fault."""
    with pytest.raises(AccessProblem, match=message):
        kubeconfig.load(simple(tmp_path / "config", **fields))


def test_names_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    """Context, cluster, user, file."""
    path = write(
        tmp_path / "config", clusters=[cluster("c")], contexts=[context("a", "gone", "u"), context("b", "c", "gone")]
    )
    for chosen, message in (("", "no current-context"), ("x", '"x" is not in'), ("a", '"gone"'), ("b", '"gone"')):
        with pytest.raises(AccessProblem, match=message):
            kubeconfig.load(path, chosen)
    with pytest.raises(AccessProblem, match="no such kubeconfig"):
        kubeconfig.load(tmp_path / "none")
    (tmp_path / "bad").write_text("a: [")
    with pytest.raises(AccessProblem, match="bad"):
        kubeconfig.load(tmp_path / "bad")


@pytest.mark.parametrize(
    "fields",
    [
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "rm"}},
        {"tokenFile": "/var/run/secrets/token"},
        {"client-key": "/etc/key"},
    ],
)
def test_a_kubeconfig_from_a_secret_is_not_trusted(tmp_path: Path, fields: dict[str, Any]) -> None:
    """It may start no program and read no file of this machine."""
    data = simple(tmp_path / "config", **fields).read_bytes()
    with pytest.raises(AccessProblem, match="Secret"):
        kubeconfig.parse(data)
    harmless = simple(tmp_path / "other", token="t").read_bytes()
    assert kubeconfig.parse(harmless).token == "t"


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port, token file, CA and namespace that the kubelet mounts."""
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "flux-system\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = incluster.load(tmp_path)
    assert (access.server, access.ca, access.namespace) == ("https://[fd00::1]:443", b"CA", "flux-system")
    assert access.token_file == tmp_path / "token"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not incluster.available(tmp_path)
    with pytest.raises(AccessProblem):
        incluster.load(tmp_path)
