"""Variables in objects, as Flux substitutes them after a build."""

import json
from typing import Any

import pytest

from tests.corpora import corpus
from trueup.kustomize import KustomizeProblem, substitute


def outcome(case: dict[str, Any], *, strict: bool) -> str:
    """The text of a recorded case, or its refusal."""
    try:
        return substitute(case["input"], case["params"] or {}, strict)
    except KustomizeProblem as problem:
        return f"error: {problem.message}"


def test_recorded_tables() -> None:
    """Every row of Flux's own tables gives the recorded text, or is refused when strict."""
    lines = [json.loads(line) for line in corpus("extracted/flux_envsubst_tables.jsonl").read_text().splitlines()]
    wrong = []
    for line in lines:
        case = line["case"]
        actual = outcome(case, strict=line["test"] == "TestExpandStrict")
        refused = (case.get("wantErr") or {}).get("__error__")
        if not (actual.startswith(f"error: {refused}") if refused else actual == case["output"]):
            wrong.append((case, actual))
    print(f"Flux's substitution tables: {len(lines) - len(wrong)} of {len(lines)}")
    assert wrong == []


def test_objects_are_substituted_as_text() -> None:
    """A value without quotes in the object may become a number, a quoted one stays text, and two dollars are one."""
    obj = {"kind": "A", "metadata": {"name": "${name}"}, "spec": {"count": "${count}", "text": "$${name}", "port": 80}}
    expected = {"kind": "A", "metadata": {"name": "web"}, "spec": {"count": 3, "text": "${name}", "port": 80}}
    assert expected == substitute(obj, {"name": "web", "count": "3"})


def test_an_object_that_opts_out_is_kept() -> None:
    """The label or annotation of Flux keeps the variables of an object."""
    obj = {"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}}, "a": "${b}"}
    assert obj == substitute(obj, {"b": "c"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${", "unable to parse variable name"),
        ("${a", "missing closing brace"),
        ("${a/b}", "bad substitution"),
        ("${a-b}", "missing closing brace"),
    ],
)
def test_what_is_not_in_the_form_is_refused(text: str, expected: str) -> None:
    """A reference that does not end or is no reference says so."""
    with pytest.raises(KustomizeProblem) as problem:
        substitute(text, {})
    assert expected == problem.value.message


def test_names_of_variables_are_checked() -> None:
    """A variable whose name no reference could have is refused, and the rule is named."""
    with pytest.raises(KustomizeProblem) as problem:
        substitute({"a": "b"}, {"not-a-name": "x"})
    assert "'not-a-name' var name is invalid" in problem.value.message
