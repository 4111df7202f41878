"""Patterns mean what they mean to Go, and no pattern holds up the process."""

from __future__ import annotations

import pytest

from trueup.kube import structural
from trueup.kube.patterns import BadPattern, name_glob, pattern
from trueup.kube.schema import validate

FITTING = [
    (r"^[a-z]+$", "abc", "abc\n"),
    (r"\Aa\z", "a", "ab"),
    (r"^[[:alpha:]_]+$", "a_b", "a1"),
    (r"^\Qa.b\E$", "a.b", "axb"),
    (r"^\d$", "1", "\u0663"),
    (r"^[$]$", "$", "a"),
    (r"^(?i)\.?[a-z_]+$", "ABC", "1"),
    ("a(?i)b|c", "C", "AB"),
    ("(?i:a)b", "Ab", "AB"),
    ("[^]a]x", "bx", "ax"),
    (r"^[\p{Lu}x]$", "É", "é"),
    (r"^\p{Greek}$", "α", "a"),
    ("(?m)^a$", "b\na", "ba"),
    ("^(a+)+$", "a" * 60, "a" * 60 + "!"),
]
WRONG = [
    ("[a", "missing closing ]: `[a`"),
    ("(a", "missing closing ): `(a`"),
    ("a)", "unexpected ): `a)`"),
    ("*a", "missing argument to repetition operator: `*`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ("[b-a]", "invalid character class range: `b-a`"),
    (r"(a)\1", r"invalid escape sequence: `\1`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("a\\", "trailing backslash at end of expression: ``"),
]
NAMES = [
    ("*.yaml", "a.yaml", "a/b.yaml"),
    ("a?c", "abc", "ac"),
    ("[^a-c]x", "dx", "ax"),
    ("[a[]", "[", "]"),
    (r"\*", "*", "a"),
    ("*a*a*a*a*a*a*a*b", "a" * 200 + "b", "a" * 200),
]


@pytest.mark.parametrize(("text", "right", "wrong"), FITTING)
def test_expressions_are_go_s(text: str, right: str, wrong: str) -> None:
    """Where Go and Python read one differently, Go's reading counts; the time is bounded."""
    assert (pattern(text).found(right), pattern(text).found(wrong)) == (True, False)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_is_none_is_told_in_go_s_words(text: str, words: str) -> None:
    """So a definition that holds one is refused with the words of Kubernetes."""
    with pytest.raises(BadPattern) as told:
        pattern(text)
    assert str(told.value) == f"error parsing regexp: {words}"


@pytest.mark.parametrize(("text", "right", "wrong"), NAMES)
def test_globs_of_names_are_go_s(text: str, right: str, wrong: str) -> None:
    """As ``filepath.Match`` reads them."""
    glob = name_glob(text)
    assert glob is not None
    assert (glob.whole(right), glob.whole(wrong)) == (True, False)


@pytest.mark.parametrize("text", ["[a", "a\\", "[]"])
def test_malformed_globs_are_known(text: str) -> None:
    """They match nothing."""
    assert name_glob(text) is None


def test_a_definition_with_a_wrong_pattern_is_refused() -> None:
    """As Kubernetes words it; where one is stored already, nothing fits it."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "[a"}}}
    (cause,) = structural.problems(schema, "spec.validation.openAPIV3Schema")
    assert cause.field == "spec.validation.openAPIV3Schema.properties[a].pattern"
    assert cause.message.endswith(
        "must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[a`"
    )
    assert [found.field for found in validate({"a": "a"}, schema)] == ["a"]
