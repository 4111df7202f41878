"""YAML with its comments, as SOPS keeps them; and rules that go by them."""

from __future__ import annotations

import itertools
from typing import Any

import pyrage
import pytest

from trueup.sops import Age, Malformed, Metadata, Rules, Wish, decrypt, encrypted, naming, opened, rotated
from trueup.sops.formats import write_encrypted
from trueup.sops.yaml_reading import documents
from trueup.sops.yaml_writing import written

NOW = "2026-01-01T00:00:00Z"
IDENTITY = pyrage.x25519.Identity.generate()
KEYS = {"age": Age([str(IDENTITY)])}
GROUP = ((naming.age(str(IDENTITY.to_public())),),)


def entropy(first: int = 1) -> Any:
    """Bytes that never repeat."""
    counter = itertools.count(first)
    return lambda size: next(counter).to_bytes(size, "big")


@pytest.mark.parametrize(
    "text",
    [
        "# head\na: 1 # beside\n# before b\nb:\n    # first\n    c: 2\n    # last\n# end\n",
        "a:\n    # first\n    - 1 # beside\n    # before\n    - b: 2\n      # within\n      c: 3\n    # last\nd: 4\n",
        "a: |\n    # no comment\n    text\nb: '# none'\nc: x#y\n",
        "# one\na: 1\n---\n# two\nb: 2\n# end of two\n",
        "a: {}\n# of b\nb: []\n",
        "a:\n    - - 1\n      # deep\n      - 2\n    # after\n    - 3\n",
        "a: |-\n    kept\n    lines\n",
    ],
)
def test_comments_stay_where_they_are(text: str) -> None:
    """Written again, the text is the same."""
    assert text == written(documents(text))


def test_a_comment_after_a_dash() -> None:
    """Is of the entry that begins below it."""
    assert written(documents("a:\n  - b: 1\n  - # of c\n    c: 2\n")) == "a:\n    - b: 1\n    # of c\n    - c: 2\n"


def test_comments_are_moved_as_little_as_can_be() -> None:
    """What stands after a key that goes on below stands before it then; beside a header of a block it stays beside."""
    text = "a: # of a\n  b: 1\nc: | # of c\n  x\n  y\n"
    assert (
        written(documents(text)).replace(" # of c", "").replace("# of c\n", "")
        == "# of a\na:\n    b: 1\nc: |\n    x\n    y\n"
    )
    assert "of c" in written(documents(text))


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ({"encrypted_comment_regex": "^ hush"}, {"b", "f"}),
        ({"unencrypted_comment_regex": "^ plain"}, {"b", "e"}),
    ],
)
def test_rules_by_comments(rule: dict[str, str], shown: set[str]) -> None:
    """A comment speaks of what follows it, with all below; that it is encrypted itself, only the next one can say."""
    text = "# hush\na: x\n# plain\nb: x\n# hush\nc:\n    d: x\n    # plain\n    e: x\nf: x\n"
    between = encrypted(text.encode(), "yaml", Wish(GROUP, rules=Rules.parse(rule)), KEYS, now=NOW, entropy=entropy())
    lines = [line.strip().split(": ") for line in between.decode().partition("\nsops:")[0].splitlines() if ": " in line]
    assert shown == {key for key, value in lines if value == "x"}
    assert text == decrypt(between, "yaml", KEYS).decode()


def test_what_does_not_change_is_written_as_it_was() -> None:
    """So that a commit shows what changed; a rotation writes everything anew."""
    between = encrypted(b"# c\na: x\nb: y\n", "yaml", Wish(GROUP), KEYS, now=NOW, entropy=entropy())
    opening = opened(between, "yaml", KEYS, entropy=entropy())
    changed = [{**opening.documents[0], "b": "z"}]
    again, metadata = opening.sealed(changed, NOW)
    before, after = (
        text.decode().splitlines() for text in (between, write_encrypted(again, metadata.dumped(), "yaml"))
    )
    assert before[:2] == after[:2]
    assert before[2] != after[2]
    fresh, _ = rotated(opening, KEYS, NOW, entropy(1000))
    assert fresh[0]["a"] not in between.decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "the key 'a' stands twice"),
        ("1: x\n", "a key is not a string"),
        ("a: *b\n", "not valid YAML|the alias 'b' has no anchor"),
        ("a: 99999999999999999999\n", "a number is beyond 64 bits"),
        ("- a\n", "a document is not a mapping"),
        ("", "the file is empty"),
        ("sops: {}\n", "the file is encrypted already"),
    ],
)
def test_what_cannot_be_encrypted(text: str, said: str) -> None:
    """It is told what."""
    with pytest.raises(Exception, match=said):
        encrypted(text.encode(), "yaml", Wish(GROUP), KEYS, now=NOW, entropy=entropy())


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"lastmodified": "yesterday"}, "sops.lastmodified is no time as RFC 3339"),
        ({"shamir_threshold": "x"}, "sops.shamir_threshold is not a number"),
        ({"key_groups": "x"}, "sops.key_groups is not a list"),
        ({"key_groups": ["x"]}, "a group in sops.key_groups is not a mapping"),
        ({"age": "x"}, "sops.age is not a list"),
        ({"kms": ["x"]}, "an entry of sops.kms is not a mapping"),
        ({"encrypted_regex": "("}, "encrypted_regex: error parsing regexp: missing closing"),
        ({"encrypted_regex": "a" * 5000}, "encrypted_regex has 5000 characters: no more than 4096 are read"),
        ({"encrypted_regex": "a", "encrypted_suffix": "b"}, "only one of encrypted_suffix and encrypted_regex"),
    ],
)
def test_metadata_that_is_malformed(metadata: dict[str, Any], said: str) -> None:
    """The field is named."""
    with pytest.raises(Malformed, match=said):
        Metadata.parse(metadata)


def test_a_repository_s_pattern_costs_what_its_text_costs() -> None:
    """However it is nested: each key is looked at once, in linear time."""
    rules = Rules.parse({"encrypted_regex": "(a+)+(a+)+(a+)+$"})
    assert not rules.hit("a" * 100_000 + "b")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n" + "#\n" * 200_000,
        "a:\n" + "  #\n" * 200_000 + "  b: 1\n",
        "a: [" + "1," * 200_000 + "]\n",
    ],
    ids=["comments", "inner comments", "entries"],
)
def test_a_file_that_is_all_of_something(text: str) -> None:
    """Is refused by its count, before it costs much."""
    with pytest.raises(Malformed, match="more than 100000 values and comments"):
        documents(text)


def test_one_long_comment() -> None:
    """Is one, whatever is in it."""
    assert len(documents("a: 1 " + "# " * 2_000_000 + "\n")[0]) == 2


def test_a_value_that_is_all_marks() -> None:
    """Is looked at once, whoever wrote it to a key that is his neighbour's."""
    from trueup.sops.cipher import Cipher

    with pytest.raises(Malformed, match="the value of 'a' is not encrypted"):
        Cipher(bytes(32)).open("ENC[AES256_GCM,data:x" + ",iv:x" * 500_000, "a:")
