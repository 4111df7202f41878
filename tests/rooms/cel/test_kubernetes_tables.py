"""Kubernetes' own tables for its CEL libraries: values, errors, and what expressions cost before and while they run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.corpora import corpus
from trueup.cel import CelError, CelProblem, Environment, compile, kubernetes, strings
from trueup.cel.authorizing import AUTHORIZER_TYPE, Authorizer, Decision
from trueup.cel.estimates import Estimate
from trueup.cel.prices import Path, Range
from trueup.cel.types import Type

Row = dict[str, Any]
VALUES = ("TestCIDR", "TestIP", "TestQuantity", "TestSemver")
RESULTS = ("expectResult", "expectValue", "expectedResult")
ERRORS = ("expectRuntimeErr", "expectedRuntimeErr")


def rows() -> Iterator[tuple[str, Row]]:
    """Test and case."""
    table = corpus("extracted/go-tables/k8s.io__apiserver@v0.37.2__pkg__cel__library.jsonl")
    for line in table.read_text().splitlines():
        row = json.loads(line)
        yield row["test"], row["case"]


def environment() -> Environment:
    """Kubernetes' with an authorizer; constants cost what they cost, as in the tables."""
    known = replace(kubernetes(), folding=False, check_literals=False)
    return known.with_variables({"authorizer": AUTHORIZER_TYPE}).with_library(strings.patching())


def expressions(test: str, case: Row) -> Iterator[tuple[str, Row]]:
    """A case's expressions with what they should cost."""
    if "expr" in case:
        yield case["expr"], case
    elif test == "TestURLsCost":
        for operation in case["ops"]:
            yield f"url('https:://kubernetes.io/'){operation}", case
    elif "costs" in case:
        for cost in case["costs"]:
            for operation in case["opts"] if "opts" in case else case["ops"]:
                yield cost["comparableLiteral"] + operation.replace("%s", cost.get("param", "")), cost
    else:
        yield case["op"], case


def short_texts(_: Path, of: Type) -> Range | None:
    """The sizes that the tables suppose."""
    return Range(0, 12) if of.kind in ("string", "bytes") else None


def test_values() -> None:
    """Addresses, quantities and versions: every value and every error as there."""
    right = 0
    for test, case in rows():
        if test not in VALUES:
            continue
        try:
            found: Any = compile(case["expr"], kubernetes()).evaluate({})
        except (CelError, CelProblem) as error:
            found = error
        wanted = next((case[name] for name in ERRORS if name in case), None)
        if "expectedCompileErr" in case:
            assert isinstance(found, CelProblem), case
        elif wanted is not None:
            assert isinstance(found, CelError), case
            assert wanted in str(found), case
        else:
            assert found == next((case[name] for name in RESULTS if name in case), found), case
            assert not isinstance(found, Exception), case
        right += 1
    print(f"Kubernetes' CEL library, values: {right} of {right}")


def test_costs() -> None:
    """What an expression may cost, and what it did cost."""
    wrong: list[str] = []
    right, bindings = 0, {"authorizer": Authorizer(lambda question, verb: Decision(True))}
    for test, case in rows():
        if test in VALUES:
            continue
        for text, cost in expressions(test, case):
            program = compile(text, environment())
            known = next(
                cost[name] for name in cost if (name.startswith("expect") and "stimated" in name) or "Esim" in name
            )
            spent = next(cost[name] for name in cost if name.startswith("expect") and "Runtime" in name)
            range_ = Estimate(short_texts).cost(program.root)
            found = (range_.low, range_.high, program.measure(bindings).cost)
            if found == (known["Min"], known["Max"], spent):
                right += 1
            else:
                wrong.append(f"{text}: {found}, not {(known['Min'], known['Max'], spent)}")
    print(f"Kubernetes' CEL library, costs: {right} of {right + len(wrong)}")
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1:2", "address string too short"),
        ("::1::", 'multiple :: in address (at ":")'),
        ("1.2.3", "IPv4 address too short"),
        ("1.2.3.256", "IPv4 field has value >255"),
        ("x", "unable to parse IP"),
    ],
)
def test_addresses_are_refused_with_reasons(text: str, why: str) -> None:
    """What is no address is refused in Go's words."""
    with pytest.raises(CelError) as caught:
        compile(f"ip('{text}')", kubernetes()).evaluate({})
    assert str(caught.value).endswith(why)
