"""Quantities are read exactly and written in the one spelling that Kubernetes stores."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import corpus
from trueup.kube.quantity import WRONG, canonical, canonical_resource, format_quantity, parse


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("0", "0"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("0.1Gi", "107374182400m"),
        ("100000", "100k"),
        ("123456", "123456"),
        ("1e3", "1e3"),
        ("12E6", "12e6"),
        ("1E", "1E"),
        (".5", "500m"),
        ("1.", "1"),
        (".", "0"),
        ("+2", "2"),
        ("-500m", "-500m"),
        ("0.1n", "1n"),
        ("10Ei", "9223372036854775807"),
        ("Gi", "0"),
        ("-", "0"),
        ("m", "0"),
    ],
)
def test_one_spelling(given_text: str, stored: str) -> None:
    """However an amount is written, it is stored with the greatest suffix that leaves an integer."""
    assert canonical(given_text) == stored


@pytest.mark.parametrize("text", ["", "1i", "1.2.3", "1 Gi", "abc", "0x10", "1e", "--1"])
def test_what_is_no_quantity(text: str) -> None:
    """A wrong spelling is refused in Kubernetes' words."""
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        parse(text)
    assert WRONG.endswith("$'")


def test_published_spellings() -> None:
    """The table of Kubernetes' own test of what is printed for what was read."""
    table = corpus("extracted") / "go-tables/k8s.io__apimachinery@v0.37.2__pkg__api__resource.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    cases = [row["case"] for row in rows if row["test"] == "TestQuantityParseEmit"]
    wrong = [case for case in cases if canonical(case["in"]) != case["expect"]]
    print(f"quantities printed: {len(cases) - len(wrong)} of {len(cases)}")

    assert wrong == []


def test_numbers_are_exact() -> None:
    """No amount goes through floating point."""
    assert [parse("0.1"), parse("3m"), parse(2), parse(0.25), parse("1Ki")] == [
        Fraction(1, 10),
        Fraction(3, 1000),
        Fraction(2),
        Fraction(1, 4),
        Fraction(1024),
    ]


def test_resources_are_rounded_up_to_thousandths() -> None:
    """Lists of resources hold no less than a thousandth."""
    assert [canonical_resource("0.0001"), canonical_resource("100u"), canonical_resource("1Gi")] == ["1m", "1m", "1Gi"]


def test_sums_keep_the_form() -> None:
    """A sum of binary amounts is binary again."""
    assert format_quantity(parse("1Gi") + parse("512Mi"), like="1Gi") == "1536Mi"


@given(st.integers(min_value=-(10**15), max_value=10**15), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi"]))
def test_the_spelling_keeps_the_number(number: int, suffix: str) -> None:
    """Reading what was stored gives the same number, and storing it again the same text."""
    stored = canonical(f"{number}{suffix}")

    assert parse(stored) == parse(f"{number}{suffix}")
    assert canonical(stored) == stored
