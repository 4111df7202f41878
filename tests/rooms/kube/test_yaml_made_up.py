"""YAML made up from values and from seeds, read beside what was written and beside kubectl."""

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.kube.documents import Duplicate, YamlProblem, parse, parse_one

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff")
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


class Writer:
    """Writes a value in one of the ways that YAML has for it, chosen by a seed. Knows nothing of any reader."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def block(self, value: Any, indent: int) -> str:
        """What stands behind a key or a dash."""
        start = "\n" + " " * indent
        if isinstance(value, dict) and value and self._chance.random() < 0.8:
            return "".join(f"{start}{self.scalar(key)}:{self.block(item, indent + 2)}" for key, item in value.items())
        if isinstance(value, list) and value and self._chance.random() < 0.8:
            return "".join(f"{start}-{self.block(item, indent + 2)}" for item in value)
        note = self._chance.choice(["", "", "", " # a note"])
        return f" {self.flow(value)}{note}"

    def flow(self, value: Any) -> str:
        """On one line."""
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.scalar(key)}: {self.flow(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value)

    def scalar(self, value: Any) -> str:
        """Text is quoted, one way or another; numbers have several forms."""
        if isinstance(value, str):
            single = "'" + value.replace("'", "''") + "'"
            plain = json.dumps(value, ensure_ascii=False)
            escaped = "".join(f"\\U{ord(char):08x}" if ord(char) > 127 else char for char in plain)
            return self._chance.choice([plain, escaped, single])
        if value is None:
            return self._chance.choice(["null", "~", "Null", "NULL"])
        if isinstance(value, bool):
            return self._chance.choice([["false", "no", "n", "OFF"], ["true", "Yes", "y", "on"]][value])
        if isinstance(value, int):
            sign, size = "-" * (value < 0), abs(value)
            return self._chance.choice([str(value), f"{sign}{size:#x}", f"{sign}{size:#b}", f"{value:_}"])
        return repr(value)


def as_json(value: Any) -> Any:
    """What is left of a value in JSON: a whole number has no point."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= 2**53 else value
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return {key: as_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def same(one: Any, other: Any) -> bool:
    """Equal with equal types, but for integers that no double has."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)) and abs(one) > 2**53:
        return float(one) == float(other)
    return type(one) is type(other) and one == other


@settings(max_examples=150, deadline=None)
@given(VALUES, st.integers(0, 1000), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans())
def test_what_is_written_is_read(value: Any, seed: int, ends: str, mark: bool, utf16: bool) -> None:
    """In any style, with any line ends, with or without a byte order mark, in UTF-8 and UTF-16."""
    text = f"# first\nvalue:{Writer(seed).block(value, 2)}\n".replace("\n", ends)
    data = text.encode("utf-16") if utf16 else (b"\xef\xbb\xbf" if mark else b"") + text.encode()
    assert same(as_json({"value": value}), parse_one(data)), text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(TEXT, SCALARS, min_size=1, max_size=3), min_size=1, max_size=5), st.integers(0, 1000))
def test_documents_and_their_lines(values: list[dict[str, Any]], seed: int) -> None:
    """Each document is read, at the line at which it was written, wherever empty ones stand between."""
    writer, chance, text = Writer(seed), random.Random(seed), ""
    lines = []
    for value in values:
        text += chance.choice(["---\n", "--- # next\n", "---\n---\n", "---\n# nothing\n---\n\n"])
        lines.append(text.count("\n") + 1)
        text += writer.block(value, 0).removeprefix("\n") + "\n" if chance.random() < 2 else ""
    found = parse(text.encode())
    assert (lines, len(values)) == ([document.line for document in found], len(found)), text
    assert all(map(same, map(as_json, values), [document.value for document in found]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6))
def test_of_keys_that_stand_twice_the_last_counts(keys: list[str]) -> None:
    """Each further one is told with its line, and strict readers refuse the first of them."""
    text = "".join(f"{key}: {at}\n" for at, key in enumerate(keys))
    twice = [Duplicate(key, at + 1) for at, key in enumerate(keys) if key in keys[:at]]
    (document,) = parse(text)
    assert ({key: at for at, key in enumerate(keys)}, tuple(twice)) == (document.value, document.duplicates)
    if twice:
        with pytest.raises(YamlProblem, match=f'key "{twice[0].key}" already set'):
            parse(text, strict=True)


def test_what_is_no_utf_8_is_replaced() -> None:
    """A stray byte becomes the sign for that, as in Go's JSON."""
    assert parse_one(b"a: b\xffc\n") == {"a": "b\ufffdc"}


def test_nothing_is_read_behind_the_end_of_a_document() -> None:
    """Until the next line that begins one; lines go on counting."""
    documents = parse(b"a: 1\n...\nb: [\n---\nc: 2\n...\n")
    assert [(document.line, document.value) for document in documents] == [(1, {"a": 1}), (5, {"c": 2})]
    with pytest.raises(YamlProblem, match=r"line [45]"):
        parse(b"a: 1\n...\n---\nb: [\n")


def test_integers_beyond_doubles_have_the_digits_that_go_writes() -> None:
    """A float that is a whole number is written with the fewest digits that mean it."""
    assert parse_one("a: 7.41863168050847e+18") == {"a": 7418631680508470000}


# --- beside kubectl ------------------------------------------------------------------------------------------------

WORDS = (
    "y", "Y", "yes", "n", "N", "no", "on", "off", "On", "OFF", "true", "TRUE", "tRue", "null", "NULL", "nULL", "~",
    "~~", "<<", "=", "2001-12-14", "2001-12-14t21:59:43.10-05:00", "12:30:45", "190:20:30", "1:2", "0:0", "1e3",
    "1E3", "1e+3", "1.e3", ".5", "5.", "-.5", "+.5e3", "0.0", "-0.0", "-0", "1e400", "-1e400", "1e-400", "0777",
    "0888", "08", "09.5", "1__0", "_1", "1_", "0x_1", "0b_1", "0_7", "0.1_0", "1e1_0", ".8_1", ".8_", "+", "-a",
    ".", "..", "0b-0", "0b+11", "0b-101", "-0b-1", "0o17", "0O17", "+0x1F", "-0X1f",
)  # fmt: skip
HEAD = "apiVersion: example.com/v1\nkind: T\nmetadata: {name: a}\nspec:"
STRUCTURES = (
    "b c", "1.50", "\"d\\tq\\u00e9\\x41\\n\"", "a #c", "!!str 1", "!!binary aGk=", "!!float 1", "!foo bar", "éx",
    "[1, two, {a: b}]", "{a: 1, b: [x, y], c}", "{a: , b}", "\"a\\\n   b\"", "'a\n\n  b'", "a\n    b", "|\n    x\n     y\n",
    "|-\n    x\n\n", "|+\n    x\n\n\n", ">\n    a\n    b\n\n    c\n     d\n    e\n", ">-\n    a\n    b\n", "|2\n     x\n",
    ">+\n    a\n\n", "&z [1]", "!!set {a, b}", "x:y", "http://a:80/b", "a,b", "-x", "''",
    "\n    - a\n    -   - b\n        - c: d\n          e: f\n    -\n    - g",
    "\n    a: &q {x: 1}\n    b: *q\n    c: {<<: *q, y: 2}",
    "\n    a: &q {x: 1}\n    d:\n      x: 9\n      <<: *q\n", "\n    a: &q {x: 1}\n    b: &r {x: 2, z: 3}\n    c: {<<: [*q, *r]}",
    "\n    true: a\n    1: b\n    1.5: c", "\n    yes: a\n    0x10: b\n    1e3: c", "\n    ? a\n    : b", "\n    a: 1\n    a: 2",
)  # fmt: skip


def kubectl(texts: Sequence[str]) -> list[Any]:
    """The specs that kubectl reads out of a stream."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    command = ["kubectl", "label", "--local", "-f", "-", "-o", "json", "a=b", "--dry-run=client"]
    done = subprocess.run(command, input="---\n".join(texts), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, at, decoder = [], 0, json.JSONDecoder()
    while at < len(done.stdout.rstrip()):
        value, end = decoder.raw_decode(done.stdout, at)
        found.append(value["spec"])
        at = end + len(done.stdout[end:]) - len(done.stdout[end:].lstrip())
    return found


def made_up(chance: random.Random) -> str:
    """A word that may be a number."""
    kind = chance.random()
    if kind < 0.4:
        return "".join(chance.choice("0123456789._+-eExXobOB:") for _ in range(chance.randint(1, 10)))
    if kind < 0.7:
        start = chance.choice(["0x", "0o", "0b", "0", "-0x", "+0b", "1_", "-1_", "0X", "0B", ".", "+."])
        return start + "".join(chance.choice("0123456789abcdefABCDEF_.eE+-") for _ in range(chance.randint(0, 9)))
    if kind < 0.85:
        return chance.choice(["", "+", "-"]) + str(chance.choice([2**63, 2**64, 2**53]) + chance.randint(-3, 3))
    return repr(chance.random() * 10 ** chance.randint(-30, 30))


def test_words_mean_what_they_mean_to_kubectl() -> None:
    """Two thousand made-up words, and those that have been trouble somewhere."""
    chance = random.Random(36)
    words = [*WORDS, *{made_up(chance) for _ in range(2000)}]
    words = [word for word in words if word.strip("-") and not word.endswith(":") and not word.startswith((":", "-:"))]
    text = f"{HEAD}\n" + "".join(f"- {word}\n" for word in words)
    (expected,) = kubectl([text])
    actual = parse_one(text.encode())["spec"]
    wrong = [row for row in zip(words, expected, actual, strict=True) if not same(*row[1:])]
    print(f"{len(words) - len(wrong)} of {len(words)}")
    assert wrong == []


def test_structures_are_what_they_are_to_kubectl() -> None:
    """Anchors, merge keys, block scalars, tags and odd keys, in streams, with either line end, without a last line end."""
    for ends, last in (("\n", "\n"), ("\r\n", "\r\n"), ("\n", "")):
        texts = [f"{HEAD}\n  k: {text}\n".replace("\n", ends) for text in STRUCTURES]
        texts[-1] = texts[-1].rstrip() + last
        expected = kubectl(texts)
        actual = [document.value["spec"] for document in parse("---\n".join(texts).encode())]
        wrong = [row for row in zip(STRUCTURES, expected, actual, strict=True) if not same(*row[1:])]
        print(f"{len(STRUCTURES) - len(wrong)} of {len(STRUCTURES)}")
        assert wrong == []
