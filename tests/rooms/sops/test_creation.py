"""Rules files, keys as people write them, and places in documents."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.sops import Malformed, SopsProblem, Style, creation, naming, paths
from trueup.sops.cipher import Comment

AGE = "age1lzd99uklcjnc0e7d860axevet2cz99ce9pq6tzuzd05l5nr28ams36nvun"
ARN = "arn:aws:kms:eu-west-1:123456789012:key/1"
GROUPS = f"""\
creation_rules:
  # told of
  - path_regex: ^apps/.*\\.ya?ml$
    encrypted_regex: ^(data|stringData)$
    shamir_threshold: 2
    mac_only_encrypted: true
    key_groups:
      - merge:
          - age: [{AGE}]
          - age: [{AGE}]
        pgp: [85D7 7543]
      - kms:
          - arn: {ARN}
            role: arn:aws:iam::123456789012:role/r
            context: {{app: web}}
            aws_profile: p
        gcp_kms: [{{resource_id: projects/p/locations/global/keyRings/r/cryptoKeys/k}}]
      - azure_keyvault: [{{vaultUrl: "https://v.vault.azure.net/", key: k, version: "1"}}]
        hc_vault: ["https://vault.example.com:8200/v1/some/transit/keys/k"]
  - path_regex: env$
    age: {AGE}, {AGE},
    kms: [{ARN}]
stores:
  yaml: {{indent: 2}}
  json: {{indent: 0}}
"""


def test_the_first_rule_that_speaks_of_a_path() -> None:
    """Its groups, with those that it merges; what a key is told with; which values; how far is indented."""
    config = creation.read(GROUPS)
    wish = config.wish("apps/web/token.yaml")
    assert wish is not None
    assert (wish.threshold, wish.only_encrypted, wish.rules.choice if wish.rules else "") == (
        2,
        True,
        "encrypted_regex",
    )
    assert [[key.service for key in group] for group in wish.groups] == [
        ["age", "pgp"],
        ["kms", "gcp_kms"],
        ["azure_kv", "hc_vault"],
    ]
    assert wish.groups[0][1].name == "85D77543"
    assert dict(wish.groups[1][0].fields) == {
        "arn": ARN,
        "role": "arn:aws:iam::123456789012:role/r",
        "context": {"app": "web"},
        "aws_profile": "p",
    }
    assert dict(wish.groups[2][0].fields) == {"name": "k", "vault_url": "https://v.vault.azure.net", "version": "1"}
    vault = {"key_name": "k", "vault_address": "https://vault.example.com:8200", "engine_path": "some/transit"}
    assert vault == dict(wish.groups[2][1].fields)
    assert Style(2, 0) == config.style


def test_keys_without_groups() -> None:
    """Lists and texts with commas; the context of the command line belongs to KMS's."""
    wish = creation.read(GROUPS).wish("x.env", {"app": "web"})
    assert wish is not None
    (group,) = wish.groups
    assert [key.name for key in group] == [AGE, AGE, ARN]
    assert group[2].fields["context"] == {"app": "web"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("creation_rules: 1", "creation_rules is not a list"),
        (
            "creation_rules: [{path_regex: '('}]",
            r"creation_rules\[0\].path_regex: error parsing regexp: missing closing \)",
        ),
        (f"creation_rules: [{{path_regex: {'a' * 5000}}}]", "has more than 4096 characters"),
        ("creation_rules: [{path_regex: other}]", "no rule of creation_rules speaks of a.yaml: add one"),
        ("creation_rules: [{age: {a: 1}}]", r"creation_rules\[0\].age is neither a text nor a list of texts"),
        ("creation_rules: [{age: nonsense}]", "'nonsense' is no recipient of age"),
        ("creation_rules: [{age: age1yubikey1abc}]", "plugins are not supported"),
        ("creation_rules: [{key_groups: [1, {kms: 1}]}]", r"key_groups\[0\].kms is not a list"),
        (
            "creation_rules: [{encrypted_regex: a, encrypted_suffix: b}]",
            "only one of encrypted_suffix and encrypted_regex",
        ),
        ("creation_rules: [{azure_keyvault: 'http://x/keys/y'}]", "is no address of a key: https://NAME"),
        ("creation_rules: [{hc_vault_transit_uri: 'vault/x'}]", "is no address of a key of Vault's transit engine"),
        ("creation_rules: [{gcp_kms: x}]", "is no resource ID of Cloud KMS"),
        ("stores: {yaml: {indent: 99}}", r"stores.yaml.indent is no number of spaces"),
        ("a: [", "not valid YAML at line"),
    ],
)
def test_a_rules_file_that_is_wrong(text: str, said: str) -> None:
    """The field is named."""
    with pytest.raises(Malformed, match=said):
        creation.read(text).wish("a.yaml")


def test_a_rules_file_without_rules() -> None:
    """It says nothing."""
    assert creation.read("stores: {}\n").wish("a.yaml") is None


def test_an_encryption_context() -> None:
    """Pairs with commas between them."""
    assert naming.context_of("a:b,c:d") == {"a": "b", "c": "d"}
    assert naming.context_of("") == {}
    with pytest.raises(Malformed, match="'a' is no pair"):
        naming.context_of("a")


DOCUMENT: dict[Any, Any] = {"a": {"b": [1, Comment(" of two"), 2]}, Comment(" of c"): None, "c": "x"}


def test_a_place_is_read() -> None:
    """By keys and numbers; comments do not count."""
    assert paths.get(DOCUMENT, paths.parse('["a"]["b"][1]')) == 2
    assert paths.get(DOCUMENT, paths.parse("['c']")) == "x"
    for missing in ('["d"]', '["a"]["b"][2]', '["c"][0]', '["a"][0]'):
        with pytest.raises(paths.NotThere):
            paths.get(DOCUMENT, paths.parse(missing))
    for wrong in ('a["b"]', "[a]", '["a"', "[]"):
        with pytest.raises(Malformed, match="is no place in a document"):
            paths.parse(wrong)


def test_a_place_is_set_and_unset() -> None:
    """What is not there is made; nothing else changes, and comments stay."""
    assert paths.get(paths.set_(DOCUMENT, ["a", "b", 1], 3), ["a", "b", 1]) == 3
    assert paths.get(paths.set_(DOCUMENT, ["a", "b", 9], 3), ["a", "b", 2]) == 3
    assert paths.get(paths.set_(DOCUMENT, ["new", 0, "x"], 3), ["new", 0, "x"]) == 3
    assert paths.get(paths.set_(DOCUMENT, ["c", "d"], 3), ["c", "d"]) == 3
    changed = paths.unset(DOCUMENT, ["a", "b", 0])
    assert [one for one in changed["a"]["b"] if not isinstance(one, Comment)] == [2]
    assert list(changed) == list(DOCUMENT)
    assert "c" not in paths.unset(DOCUMENT, ["c"])
    with pytest.raises(Malformed, match="is no place in a list"):
        paths.set_(DOCUMENT, ["a", "b", "c"], 1)
    with pytest.raises(SopsProblem, match="there is no key"):
        paths.unset(DOCUMENT, ["a", "c"])
