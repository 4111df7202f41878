"""``--set`` expressions as Helm reads them."""

import json

import pytest

from tests.corpora import corpus
from trueup.render.strvals import SetProblem, set_into

EXCEPTIONS: dict[str, str] = {}
TABLES = ("TestParseSet", "TestParseInto")


def rows() -> list[dict[str, object]]:
    """The recorded table rows of Helm's own tests."""
    text = corpus("extracted/go-tables/helm+helm__pkg__strvals.jsonl").read_text()
    return [row for line in text.splitlines() if (row := json.loads(line))["test"] in TABLES]


def test_expressions_come_to_the_values_that_helm_makes() -> None:
    """Every recorded expression gives the recorded values, or is refused where Helm refuses it."""
    wrong = {}
    total = rows()
    for row in total:
        case = row["case"]
        assert isinstance(case, dict)
        text = row["table"] == "testsString"
        values = json.loads(json.dumps(case.get("got") or {}))
        expressions = [case[name] for name in ("str", "input", "input2") if case.get(name)]
        try:
            for expression in expressions:
                set_into(values, str(expression), text=text)
            actual: object = values
        except SetProblem:
            actual = "an error"
        expected = "an error" if case.get("err") else case.get("expect", case.get("expected"))
        if actual != expected:
            wrong[f"{row['test']}/{row['table']}/{row['key']}"] = (case, actual)
    print(f"{len(total) - len(wrong)} of {len(total)}")
    assert {name: what for name, what in wrong.items() if name not in EXCEPTIONS} == {}


def test_an_expression_that_does_not_fit_is_refused() -> None:
    """A key inside what is no map is an error, not a loss."""
    with pytest.raises(SetProblem):
        set_into({"a": 1}, "a.b=2")
