"""jq path expressions, compiled once each. Handed to ``plan.ignore``, which is pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jq

from trueup.kube.names import Object


@lru_cache(maxsize=512)
def _program(expression: str) -> Any:
    return jq.compile(f"del({expression})")


def without(expression: str, obj: Object) -> Object:
    """A copy without what the path expression names; the object itself where the expression does not fit it, or is none.

    Argo CD ignores what goes wrong in ``jqPathExpressions``, too; ``check`` says it to people.
    """
    try:
        out = _program(expression).input_value(obj).first()
    except (ValueError, StopIteration):
        return obj
    return out if isinstance(out, dict) else obj


def check(expression: str) -> str:
    """What is wrong with a path expression; empty when nothing is."""
    try:
        _program(expression)
    except ValueError as error:
        return str(error).strip()
    return ""
