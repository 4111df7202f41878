"""The CEL specification's own conformance cases, as far as Kubernetes' environment and its extensions can express them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.corpora import corpus
from tests.rooms.cel.spec_values import Beyond, same, type_of, value_of
from trueup.cel import CelError, CelProblem, compile, extended
from trueup.cel.environment import Environment
from trueup.cel.types import Type

MESSAGES = ("TestAllTypes", "GlobalEnum", "cel.expr.conformance")
REASONS = {
    "cel.block": "a device of optimizers, not of the language",
    "messages": "protobuf messages: Kubernetes declares none but the well-known ones",
    "functions": "declares functions of its own without saying what they do",
    "mapped": "Kubernetes refuses IPv4-mapped addresses",
    "nulls": "cel-go 0.26, which Kubernetes holds, sees nulls otherwise",
}
ANYTHING = object()


def _left_out(name: str, case: dict[str, Any]) -> str:
    """The reason for which a case is left out; empty for one that counts."""
    text = json.dumps(case)
    if "cel.block" in text or "cel.iterVar" in text or "cel.index" in text:
        return "cel.block"
    if any(word in text for word in MESSAGES):
        return "messages"
    if any("function" in each for each in case.get("typeEnv", ())):
        return "functions"
    if "::ffff:c0a8" in text and "equals_ipv6" in name:
        return "mapped"
    return "nulls" if name in ("null_assignable_to_abstract_parameter_candidate", "map_null_entry_no_such_key") else ""


def _environment(case: dict[str, Any]) -> Environment:
    variables = {each["name"]: type_of(each["ident"]["type"]) for each in case.get("typeEnv", ())}
    known = replace(extended(), check_literals=False, container=case.get("container", ""))
    return replace(known.with_variables(variables), macros={} if case.get("disableMacros") else known.macros)


def _expected(case: dict[str, Any]) -> tuple[Any, Type | None]:
    if "typedResult" in case:
        typed = case["typedResult"]
        of = type_of(typed["deducedType"]) if "deducedType" in typed else None
        return (value_of(typed["result"]) if "result" in typed else ANYTHING), of
    return (value_of(case["value"]) if "value" in case else True), None


def _cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted(corpus("extracted/cel-spec-json").glob("*.json")):
        for section in json.loads(path.read_text()).get("section", ()):
            for case in section.get("test", ()):
                yield Path(path).stem, section["name"], case


def _wrong(case: dict[str, Any], metered: bool) -> str:
    """What a case comes to that it should not; empty when all is well."""
    wanted, of = _expected(case)
    bindings = {name: value_of(each["value"]) for name, each in case.get("bindings", {}).items()}
    try:
        program = compile(case["expr"], _environment(case), checked=not case.get("disableCheck"))
        if of is not None and program.type != of:
            return f"type {program.type}, not {of}"
        if case.get("checkOnly"):
            return ""
        found = program.measure(bindings, float("inf")).value if metered else program.evaluate(bindings)
        if isinstance(found, CelError):
            raise found
    except (CelError, CelProblem) as error:
        return "" if "evalError" in case else str(error)
    if "evalError" in case:
        return f"{found!r}, not an error"
    return "" if wanted is ANYTHING or same(wanted, found) else f"{found!r}, not {wanted!r}"


@pytest.mark.parametrize("metered", [False, True], ids=["plain", "metered"])
def test_conformance(metered: bool) -> None:
    """Every case answers what the specification says, with and without a meter; those left out have their reason."""
    right, wrong, left = 0, [], Counter[str]()
    for file, section, case in _cases():
        name = f"{file}/{section}/{case['name']}"
        try:
            reason = _left_out(case["name"], case)
            if not reason:
                trouble = _wrong(case, metered)
        except Beyond:
            reason = "messages"
        if reason:
            left[reason] += 1
        elif trouble:
            wrong.append(f"{name}: {case['expr']}: {trouble}")
        else:
            right += 1
    name = f"cel-spec{', metered' if metered else ''}"
    for reason, count in left.items():
        print(f"{name}: {count} left out: {REASONS[reason]}")
    print(f"{name}: {right} of {right + len(wrong)}; {left.total()} left out")
    assert wrong == []
