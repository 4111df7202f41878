"""``--set`` expressions as Helm reads them."""

import json

import pytest

from tests.corpora import corpus
from trueup.render.strvals import SetProblem, Way, set_into

EXCEPTIONS: dict[str, str] = {}
WAYS: dict[str, Way] = {
    "TestParseSet": "value",
    "TestParseInto": "value",
    "TestParseJSON": "json",
    "TestParseLiteral": "literal",
    "TestParseLiteralInto": "literal",
}


def rows() -> list[dict[str, object]]:
    """The recorded table rows of Helm's own tests."""
    text = corpus("extracted/go-tables/helm+helm__pkg__strvals.jsonl").read_text()
    return [row for line in text.splitlines() if (row := json.loads(line))["test"] in WAYS]


def test_expressions_come_to_the_values_that_helm_makes() -> None:
    """Every recorded expression gives the recorded values, or is refused where Helm refuses it."""
    wrong = {}
    total = rows()
    for row in total:
        case = row["case"]
        assert isinstance(case, dict)
        way: Way = "string" if row["table"] == "testsString" else WAYS[str(row["test"])]
        values = json.loads(json.dumps(case.get("got") or {}))
        expressions = [case[name] for name in ("str", "input", "input2") if case.get(name)]
        try:
            for expression in expressions:
                set_into(values, str(expression), way)
            actual: object = values
        except SetProblem:
            actual = "an error"
        expected = "an error" if case.get("err") else case.get("expect", case.get("expected"))
        if actual != expected:
            wrong[f"{row['test']}/{row['table']}/{row['key']}"] = (case, actual)
    print(f"helm --set expressions: {len(total) - len(wrong)} of {len(total)}")
    assert {name: what for name, what in wrong.items() if name not in EXCEPTIONS} == {}


def test_an_expression_that_does_not_fit_is_refused() -> None:
    """A key inside what is no map is an error, not a loss."""
    with pytest.raises(SetProblem):
        set_into({"a": 1}, "a.b=2")


@pytest.mark.parametrize(
    ("way", "expression", "expected"),
    [
        ("value", "a={}", {"a": [""]}),
        ("value", "a={b,},c=1", {"a": ["b", ""], "c": 1}),
        ("json", 'a={"b":[1,null]} , c="x"', {"a": {"b": [1, None]}, " c": "x"}),
        ("json", "a= ,b[1]=1.5", {"a": None, "b": [None, 1.5]}),
        ("literal", r"a.b\,c=1,{x},d=2", {"a": {r"b\,c": "1,{x},d=2"}}),
        ("file", "a=x.txt,b={x.txt,y.txt}", {"a": "<x.txt>", "b": ["<x.txt>", "<y.txt>"]}),
    ],
)
def test_each_flag_has_its_way_of_reading(way: Way, expression: str, expected: dict[str, object]) -> None:
    """Typed, as JSON, as it stands, or as what is in a file; an empty list has one empty text in it."""
    values: dict[str, object] = {}
    set_into(values, expression, way, lambda name: f"<{name}>")
    assert values == expected


@pytest.mark.parametrize("expression", ["a=01", "a=1 2", 'a={"x":1', "a=NaN", "a"])
def test_what_is_no_json_is_refused(expression: str) -> None:
    """Halves, leading zeros and constants that only Python knows."""
    with pytest.raises(SetProblem):
        set_into({}, expression, "json")
