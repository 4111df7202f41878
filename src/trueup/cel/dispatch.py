"""Calls that pick their overload by the values at hand, without a meter. Used by the planner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trueup.cel.functions import NoSuchOverload, chooser
from trueup.cel.operators import lacks_trait
from trueup.cel.tree import Call

Closure = Callable[[list[Any]], Any]


def dispatched(node: Call, closures: list[Closure]) -> Closure:
    """A call that picks its overload by its values, without a meter."""
    name, candidates = node.function, node.overloads
    choose = chooser(candidates)
    known: dict[Any, Any] = {}
    if len(closures) == 1:
        (one,) = closures

        def unary(f: list[Any]) -> Any:
            value = one(f)
            found = known.get(value.__class__)
            if found is None:
                found = known[value.__class__] = _chosen(choose, name, [value])
            return found(value)

        return unary
    if len(closures) == 2:
        first, second = closures

        def binary(f: list[Any]) -> Any:
            left = first(f)
            right = second(f)
            classes = (left.__class__, right.__class__)
            found = known.get(classes)
            if found is None:
                found = known[classes] = _chosen(choose, name, [left, right])
            return found(left, right)

        return binary

    def several(f: list[Any]) -> Any:
        values = [each(f) for each in closures]
        return _chosen(choose, name, values)(*values)

    return several


def _chosen(choose: Callable[[Sequence[Any]], Any], name: str, values: list[Any]) -> Any:
    try:
        return choose(values)
    except NoSuchOverload:
        raise lacks_trait(name, values) from None
