"""Objects that SOPS encrypted, opened with the keys of a Secret."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.corpora import corpus
from trueup.families.flux.decryption import Decryption, encrypted, keys_of
from trueup.kube.names import Kind, Object, Ref
from trueup.sops import SopsProblem

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
