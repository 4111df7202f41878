"""Files and objects, there and back; and what is refused, and how."""

from __future__ import annotations

import itertools
from typing import Any

import pyrage
import pytest

from trueup.sops import (
    Age,
    Format,
    MacMismatch,
    Malformed,
    MasterKey,
    NoKey,
    SopsProblem,
    decrypt,
    decrypt_object,
    encrypt,
    encrypt_object,
    format_of,
    marked,
)
from trueup.sops.cipher import Cipher
from trueup.sops.flat import flattened, folded
from trueup.sops.formats import read
from trueup.sops.keys import data_key
from trueup.sops.metadata import Metadata
from trueup.sops.shamir import combine
from trueup.sops.walk import Opened

NOW = "2026-01-01T00:00:00Z"
IDENTITY = pyrage.x25519.Identity.generate()
POST_QUANTUM = "AGE-SECRET-KEY-PQ-1QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSWPC8QURSV4PSY7"
"""Of 32 sevens."""
KEYS = {"age": Age([f"# a comment\n{IDENTITY}\n"])}
EXAMPLE = """\
# about it
a: text
b: 5 # five
c: 1.5
d: true
e: null
f: ""
g:
    - 1
    # before x
    - x: |
        two
        lines
      # of y
      "y": []
      # the end of x
h: 2020-01-02T00:00:00Z
# the end
"""
SUFFIX = {"unencrypted_suffix": "_unencrypted"}
RULES = {"encrypted_regex": "^(data|stringData)$"}


def entropy() -> Any:
    """Bytes that never repeat."""
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(size, "big")


def sealed(data: bytes, form: Format, rules: dict[str, str] | None = None) -> bytes:
    return encrypt(data, form, recipients=[str(IDENTITY.to_public())], now=NOW, entropy=entropy(), rules=rules)


def object_sealed(obj: dict[str, Any], rules: dict[str, str] | None = None) -> dict[str, Any]:
    to = [str(IDENTITY.to_public())]
    return encrypt_object(obj, recipients=to, now=NOW, entropy=entropy(), rules=RULES if rules is None else rules)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.yaml", EXAMPLE),
        ("a.json", '{\n\t"a": {\n\t\t"b": 1,\n\t\t"c": [\n\t\t\t"ü",\n\t\t\tfalse\n\t\t]\n\t}\n}\n'),
        ("a.env", "# told\nA=1\nB=two\\nlines\nC=x=y\nEMPTY=\n"),
        ("a.ini", "; about it\n[one]\nkey    = value\nlonger = `a;b`\n\n[two]\nx = 1\n"),
        ("a.txt", "any text\n\nat all"),
    ],
)  # fmt: skip
def test_a_file_there_and_back(path: str, text: str) -> None:
    """Every format comes back as it was, and shows nothing in between."""
    form = format_of(path)
    between = sealed(text.encode(), form)
    assert b"lines" not in between
    assert marked(between) == form
    assert text == decrypt(between, form, KEYS).decode()


@pytest.mark.parametrize(
    ("rules", "open_keys"),
    [
        ({"unencrypted_suffix": "_plain"}, {"b_plain"}),
        ({"encrypted_suffix": "_hush"}, {"a", "b_plain", "metadata"}),
        ({"unencrypted_regex": "^meta"}, {"metadata"}),
        ({"encrypted_regex": "^(a|c_hush)$"}, {"b_plain", "metadata"}),
    ],
)
def test_rules_say_what_is_encrypted(rules: dict[str, str], open_keys: set[str]) -> None:
    """By the keys on a value's path; what stays open is authenticated all the same."""
    obj = {"a": "1", "b_plain": "2", "c_hush": "3", "metadata": {"name": "4"}}
    between = object_sealed(obj, rules)
    assert open_keys == {key for key in obj if between[key] == obj[key]}
    assert obj == decrypt_object(between, KEYS)
    between[min(open_keys)] = "changed"
    with pytest.raises(MacMismatch):
        decrypt_object(between, KEYS)


def test_a_value_belongs_to_its_place() -> None:
    """Two values that change places open nothing, whoever verifies; a key that a build has added stays."""
    between = object_sealed({"kind": "Secret", "data": {"a": "1", "b": "2"}})
    added = {**between, "metadata": {"labels": {"app": "web"}}}
    assert decrypt_object(added, KEYS, verify=False)["metadata"]["labels"] == {"app": "web"}
    between["data"] = {"a": between["data"]["b"], "b": between["data"]["a"]}
    with pytest.raises(SopsProblem, match="the value of 'data:a' cannot be decrypted"):
        decrypt_object(between, KEYS, verify=False)


@pytest.mark.parametrize("leaf", ["x", "[]"])
def test_aliases_of_aliases_end(leaf: str) -> None:
    """A small file that would be a huge document is refused, whether values or empty lists fill it."""
    lines = [f"a0_unencrypted: &a0 {leaf}"]
    lines += [f"a{n}_unencrypted: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    documents = read("\n".join(lines).encode(), "yaml").documents
    with pytest.raises(Malformed, match="more than 200000 values"):
        Opened(documents, Metadata.parse(SUFFIX), Cipher(bytes(32)))


def test_who_has_no_key_is_told_which() -> None:
    """Every key is named, with the reason why it opened nothing; a key service that is not here by its name."""
    between = object_sealed({"data": {"a": "1"}})
    with pytest.raises(NoKey, match=f"age {IDENTITY.to_public()}: no identity matched any of the recipients"):
        decrypt_object(between, {"age": Age([str(pyrage.x25519.Identity.generate())])})
    between["sops"] |= {
        "age": [],
        "kms": [{"arn": "arn:aws:kms:x", "enc": "AQ"}],
        "hc_vault": [{"key_name": "k", "enc": "v"}],
    }
    with pytest.raises(NoKey) as caught:
        decrypt_object(between, KEYS)
    kms = "AWS KMS arn:aws:kms:x: no key service for AWS KMS is at hand"
    assert f"no key opens the file: {kms}; Vault k: no key service for Vault is at hand" == str(caught.value)


@pytest.mark.parametrize(
    ("data", "form", "said"),
    [
        (b"a: 1\n", "yaml", "no metadata"),
        (b"a: [\n", "yaml", "not valid YAML at line 2"),
        (b"- 1\n", "yaml", "a document is not a mapping"),
        (b"{", "json", "not valid JSON"),
        (b"\xff", "json", "not UTF-8"),
        (b"A\n", "dotenv", "line 1 has no '='"),
        (b"sops_age__list_99999__map_enc=x\n", "dotenv", "is no place in a list"),
        (b"sops_age__list_0=x\nsops_age__map_a=y\n", "dotenv", "contradicts another key"),
        (b"a: " + b"[" * 100_000, "yaml", "nested too deep"),
        (b'{"a":' * 100_000, "json", "not valid JSON"),
        (b"x" * (6 << 20), "binary", "no more than 5242880 are decrypted"),
    ],
)
def test_what_sops_did_not_write_is_refused(data: bytes, form: Format, said: str) -> None:
    """With what is wrong, and never with what is in it."""
    with pytest.raises(Malformed, match=said):
        decrypt(data, form, KEYS)


@pytest.mark.parametrize(
    "enc", ["", "no age file", "-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----"]
)
def test_a_key_that_is_no_age_file_opens_nothing(enc: str) -> None:
    """It is as if it was written for somebody else."""
    key = MasterKey("age", "age1x", enc, {})
    with pytest.raises(NoKey, match="no identity matched"):
        KEYS["age"].open(key)
    with pytest.raises(NoKey, match="no identity matched"):
        Age([POST_QUANTUM]).open(key)


def test_a_post_quantum_identity_is_checked() -> None:
    """By its checksum."""
    with pytest.raises(Malformed, match=r"^line 1 is no age identity: its checksum is wrong$"):
        Age([POST_QUANTUM[:-1] + "Q"])


def test_no_identity_is_ever_told() -> None:
    """A line that is none is named by its number."""
    with pytest.raises(Malformed) as caught:
        Age(["# mine\nAGE-SECRET-KEY-1NONE"])
    assert str(caught.value) == "line 2 is no age identity"


def test_enough_groups_open_a_file() -> None:
    """Two of three parts of 2 + x and its kin are enough; one is not."""

    class Parts:
        def open(self, key: MasterKey) -> bytes:
            if not key.enc:
                raise NoKey("lost")
            return bytes.fromhex(key.enc)

    def groups(*parts: str) -> Metadata:
        return Metadata.parse(
            {"shamir_threshold": 2, "key_groups": [{"age": [{"recipient": "r", "enc": part}]} for part in parts]}
        )

    # f(x) = 2 + x in the first byte, 7 + 3x in the second
    first, second, third = "030401", "000102", "010203"
    assert bytes([2, 7]) == combine([bytes.fromhex(first), bytes.fromhex(second)])
    for parts in ((first, second, ""), ("", second, third), (first, "", third)):
        assert bytes([2, 7]) == data_key(groups(*parts), {"age": Parts()})
    with pytest.raises(NoKey, match="1 of 2 key groups that are needed could be opened"):
        data_key(groups(first, "", ""), {"age": Parts()})


def test_metadata_is_folded_and_flattened() -> None:
    """Lists and mappings, however their keys are ordered."""
    nested = {"age": [{"enc": "x", "recipient": "a"}, {"enc": "y", "recipient": "b"}], "mac": "m"}
    flat = flattened(nested)
    assert flat["age__list_1__map_enc"] == "y"
    assert nested == folded(dict(reversed(flat.items())))
