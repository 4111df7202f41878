"""Optional values read into. The answers are those of cel-go 0.26 in Kubernetes 1.36's environment."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.cel import CelError, compile, kubernetes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("optional.of({'a': 1})['a'].orValue(7)", 1),
        ("optional.of({'a': 1})['b'].orValue(7)", 7),
        ("optional.of([1])[3].orValue(7)", 7),
        ("optional.of(dyn({'a': 1}))[1.5].orValue(7)", 7),
        ("optional.of(dyn(1))['a'].orValue(7)", 7),
        ("dyn({'a': {}}).?a['b'].c.orValue(7)", 7),
        ("dyn({'a': {'b': 1}}).?a['b']['c'].orValue(7)", 7),
        ("dyn({'a': {'b': [1]}}).?a.b[5].orValue(7)", 7),
        ("dyn({'a': {'b': [1]}}).?a.b[0].orValue(7)", 1),
        ("(true ? optional.of({'a': 1}) : optional.none())[dyn('b')].orValue(7)", 7),
        ("optional.of({'a': [1, 2]})['a'][7].orValue(7)", 7),
        ("dyn('x').?y.orValue(7)", 7),
        ("dyn({'a': {'b': [1]}}).?a.b['x']", "unsupported index type 'string' in list"),
        ("dyn({'a': {'b': [1]}}).a.b[?true]", "unsupported index type 'bool' in list"),
        ("dyn([1])[?1.5]", "unsupported index value 1.5 in list"),
    ],
)
def test_reading(text: str, value: Any) -> None:
    """What is not there is nothing, once one step was optional; what can be no place is a mistake still."""
    program = compile(text, kubernetes())
    try:
        found = program.evaluate({})
    except CelError as error:
        found = str(error)
    assert found == value
