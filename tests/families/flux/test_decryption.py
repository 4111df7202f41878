"""Objects that SOPS encrypted, opened with the keys of a Secret."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from collections.abc import Mapping
from typing import Any

import pyrage
import pytest
import yaml

from tests import keyservers
from tests.corpora import corpus
from tests.keyservers import key_server
from tests.rooms.kustomize.trees import Memory
from trueup.app.keys import LazyKeys
from trueup.families.flux.decryption import Decryption, encrypted, keys_of
from trueup.families.flux.renaming import named_by_content, referring
from trueup.keyservices import Environment, from_environment
from trueup.kube.names import Kind, Object, Ref
from trueup.kustomize import build
from trueup.sops import MasterKey, SopsProblem, Wish, encrypt, naming, sealed_anew

DATA = "flux-kustomize-controller/internal/controller/testdata/sops"
SECRET = Ref(Kind("", "v1", "Secret"), "flux-system", "sops-age")


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def secret(data: Mapping[str, bytes]) -> Object:
    """A Secret with these entries."""
    entries = {name: encoded(value) for name, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": entries}


@pytest.fixture
def decryption() -> Decryption:
    """With the age keys of the corpus."""
    return keys_of(secret({"age.agekey": corpus(f"{DATA}/keys/age.txt").read_bytes(), "other": b"x"}), SECRET)


def test_an_object_is_opened_as_it_was_built(decryption: Decryption) -> None:
    """Kustomize's labels on it change its authentication code, and nothing of its values."""
    obj = yaml.safe_load(corpus(f"{DATA}/algorithms/age.yaml").read_text())
    obj["metadata"]["labels"] = {"app": "web"}
    plain: dict[str, Any] = decryption.open(obj)
    assert plain == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "age", "labels": {"app": "web"}},
        "stringData": {"key": "value"},
    }


def test_entries_of_a_generated_secret_are_opened(decryption: Decryption) -> None:
    """A file by its entry, a dotenv file by its lines."""
    file = secret({"file.txt": corpus(f"{DATA}/files/file.txt").read_bytes(), "plain": b"as it is"})
    assert {"file.txt": encoded(b"value"), "plain": encoded(b"as it is")} == decryption.open(file)["data"]

    lines = corpus(f"{DATA}/envs/env.env").read_text().splitlines()
    env = secret({key: value.encode() for key, _, value in (line.partition("=") for line in lines)})
    assert {"key": encoded(b"value")} == decryption.open(env)["data"]


def test_what_opens_nothing_is_told_without_any_key() -> None:
    """The message names the key that would open it, the entry that is no key, and no more."""
    obj = yaml.safe_load(corpus(f"{DATA}/algorithms/age.yaml").read_text())
    recipient = obj["sops"]["age"][0]["recipient"]
    with pytest.raises(SopsProblem, match=f"no key opens the file: age {recipient}: there is no age identity"):
        keys_of(secret({"other": b"x"}), SECRET).open(obj)
    with pytest.raises(SopsProblem) as caught:
        keys_of(secret({"age.agekey": b"AGE-SECRET-KEY-1HUSH"}), SECRET).open(obj)
    where = "sops decryption Secret 'flux-system/sops-age'"
    assert f"failed to import 'age.agekey' data from {where}: line 1 is no age identity" == str(caught.value)


def test_an_object_may_say_that_it_is_meant_so(decryption: Decryption) -> None:
    """``decrypt: disabled`` leaves it as it is."""
    obj = yaml.safe_load(corpus(f"{DATA}/algorithms/age.yaml").read_text())
    assert encrypted(obj)
    obj["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/decrypt": "disabled"}
    assert obj is decryption.open(obj)


def test_an_entry_that_is_no_base64_is_left_to_the_api() -> None:
    """Nothing in it can be encrypted."""
    obj = {**secret({}), "data": {"a": "%%%", "b": None}}
    assert not encrypted(obj)
    assert obj is Decryption().open(obj)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not on PATH")
def test_pgp_keys_of_a_secret_open_an_object() -> None:
    """Entries that end in ``.asc``; what they need is gone when all is open."""
    obj = yaml.safe_load(corpus(f"{DATA}/algorithms/pgp.yaml").read_text())
    keys = keys_of(secret({"pgp.asc": corpus(f"{DATA}/keys/pgp.asc").read_bytes()}), SECRET)
    with keys.at_hand(LazyKeys()) as decryption:
        assert decryption.open(obj)["stringData"] == {"key": "value"}
    wrong = keys_of(secret({"pgp.asc": b"no key"}), SECRET)
    said = r"failed to import keys .*: gpg could not import: no valid OpenPGP data"
    with wrong.at_hand(LazyKeys()) as decryption, pytest.raises(SopsProblem, match=said):
        decryption.open(obj)


@pytest.mark.parametrize("kind", ["vault", "aws", "azure", "gcp"])
def test_credentials_of_a_secret_open_an_object(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Flux's own form, by servers on this machine; nothing of the process's own is needed."""
    with key_server() as server:
        keys: Mapping[str, MasterKey] = {
            "vault": naming.vault(f"{server.address}/v1/transit/keys/dev"),
            "aws": naming.kms(keyservers.ARN),
            "azure": naming.azure(f"{keyservers.AZURE_VAULT}/keys/{keyservers.AZURE_NAME}/{keyservers.AZURE_VERSION}"),
            "gcp": naming.gcp(keyservers.GCP_KEY),
        }
        aws = f"aws_access_key_id: {keyservers.ACCESS}\naws_secret_access_key: {keyservers.SECRET}\n"
        user = {"type": "authorized_user", "refresh_token": "refresh", "token_uri": f"{server.address}/token"}
        entries = {
            "vault": {"sops.vault-token": f"{keyservers.TOKEN}\n"},
            "aws": {"sops.aws-kms": aws},
            "azure": {
                "sops.azure-kv": f"tenantId: tenant\nclientId: client\nclientSecret: {keyservers.AZURE_SECRET}\n"
            },
            "gcp": {"sops.gcp-kms": json.dumps(user)},
        }
        where = {
            "AWS_ENDPOINT_URL": server.address,
            "SOPS_GCP_KMS_ENDPOINT": server.address,
            "SOPS_AZURE_KEYVAULT_ENDPOINT": server.address,
            "AZURE_AUTHORITY_HOST": server.address,
        }
        own = {
            "VAULT_TOKEN": keyservers.TOKEN,
            "AWS_ACCESS_KEY_ID": keyservers.ACCESS,
            "AWS_SECRET_ACCESS_KEY": keyservers.SECRET,
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_ID": "client",
            "AZURE_CLIENT_SECRET": keyservers.AZURE_SECRET,
            "GOOGLE_OAUTH_ACCESS_TOKEN": keyservers.GOOGLE_TOKEN,
        }
        theirs = from_environment(Environment({**where, **own}))
        plain: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s"},
            "stringData": {"key": "value"},
        }
        now = "2026-01-01T00:00:00Z"
        documents, metadata = sealed_anew([plain], Wish(((keys[kind],),)), theirs, now, secrets.token_bytes)
        obj: Object = {**documents[0], "sops": metadata.dumped()}
        for name, value in where.items():
            monkeypatch.setenv(name, value)
        given = secret({name: value.encode() for name, value in entries[kind].items()})
        with keys_of(given, SECRET).at_hand(LazyKeys()) as decryption:
            assert plain == decryption.open(obj)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sops.aws-kms", "aws_access_key_id: hush", "aws_access_key_id and aws_secret_access_key are needed"),
        ("sops.azure-kv", "tenantId: hush", "tenantId, clientId and clientSecret, .* are needed"),
        ("sops.azure-kv", "[hush", "it is no text as it should be"),
        ("sops.gcp-kms", "{hush", "it is no JSON object with a type"),
    ],
)
def test_credentials_that_are_none(name: str, value: str, said: str) -> None:
    """The entry is named, and nothing of what is in it."""
    obj = yaml.safe_load(corpus(f"{DATA}/algorithms/age.yaml").read_text())
    with pytest.raises(
        SopsProblem, match=f"failed to import '{name}' data from sops decryption Secret .*: {said}"
    ) as caught:
        keys_of(secret({name: value.encode()}), SECRET).open(obj)
    assert "hush" not in str(caught.value)


def test_a_workload_has_no_identity_at_a_cloud() -> None:
    """``serviceAccountName`` is told to be of no use, where only a cloud opens the object."""
    obj = yaml.safe_load(corpus(f"{DATA}/algorithms/age.yaml").read_text())
    obj["sops"] |= {"age": [], "kms": [{"arn": keyservers.ARN, "enc": "AAAA"}]}
    said = r"workload identity \(spec.decryption.serviceAccountName: team\) is not supported"
    with keys_of(None, account="team").at_hand(LazyKeys()) as decryption, pytest.raises(SopsProblem, match=said):
        decryption.open(obj)


def test_long_entries_are_in_lines() -> None:
    """As kustomize breaks them; what comes out is broken like that, too."""
    identity = pyrage.x25519.Identity.generate()
    keys = keys_of(secret({"a.agekey": str(identity).encode()}), SECRET)
    to, now = [str(identity.to_public())], "2026-01-01T00:00:00Z"
    lines = f"KEY={'long ' * 30}\n".encode()
    sealed = encrypt(lines, "dotenv", recipients=to, now=now, entropy=secrets.token_bytes).decode()

    def built(text: str) -> list[Object]:
        files = {
            "a.env": text,
            "kustomization.yaml": "secretGenerator: [{name: s, envs: [a.env]}, {name: f, files: [a.env]}]\n",
        }
        return build(Memory(files), "").objects

    assert built(lines.decode()) == [named_by_content(obj, keys.open(obj)) for obj in built(sealed)]


@pytest.mark.parametrize("outer", ["", "namePrefix: team-\n", "nameSuffix: -blue\n"])
def test_a_generated_name_is_that_of_what_was_opened(decryption: Decryption, outer: str) -> None:
    """As if the file had been decrypted before the build; so is what refers to it."""
    between = corpus(f"{DATA}/files/file.txt").read_text()
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: s, secret: {secretName: s}}]}\n"

    def built(text: str) -> list[Object]:
        inner = "resources: [pod.yaml]\nsecretGenerator: [{name: s, files: [key=file.txt]}]\n"
        files = {"in/kustomization.yaml": inner, "in/file.txt": text, "in/pod.yaml": pod}
        return build(Memory({**files, "kustomization.yaml": f"resources: [in]\n{outer}"}), "").objects

    closed = built(between)
    opened = [named_by_content(obj, decryption.open(obj)) for obj in closed]
    names = {old["metadata"]["name"]: new["metadata"]["name"] for old, new in zip(closed, opened, strict=True)}
    assert built("value") == referring(opened, {old: new for old, new in names.items() if old != new})


def test_a_name_without_the_hash_stays(decryption: Decryption) -> None:
    """And one of an object that was changed since."""
    data = {"file.txt": corpus(f"{DATA}/files/file.txt").read_bytes()}
    for name in ("s", "s-abcdefghkm"):
        closed = {**secret(data), "metadata": {"name": name}}
        assert name == named_by_content(closed, decryption.open(closed))["metadata"]["name"]
