"""A plan as text: what people read before they agree, what tests compare. Called by CLI, web and tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from trueup.plan.plan import Change, Plan

_SIGNS = {
    "create": "+",
    "update": "~",
    "replace": "!",
    "prune": "-",
    "hook": ">",
    "leave": ".",
    "keep": "=",
    "refused": "x",
    "forbidden": "x",
}
_WORDS = {"replace": "delete and create again", "leave": "leave", "refused": "refused", "forbidden": "not allowed"}
_COUNTED = {
    "create": "to create",
    "update": "to update",
    "replace": "to delete and create again",
    "prune": "to prune",
    "hook": "to run",
    "keep": "in sync",
    "leave": "to leave",
    "refused": "refused",
    "forbidden": "not allowed",
}
_LONG = 120


def show(plan: Plan, *, kept: bool = False) -> str:
    """One line per object, its changed fields below, and what is odd at the end; in-sync objects only when asked for."""
    return "\n".join(_lines(plan, kept))


def _lines(plan: Plan, kept: bool) -> Iterator[str]:
    counts: dict[str, int] = {}
    step: tuple[str, int] | None = None
    for change in plan.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
        if change.action == "keep" and not kept:
            continue
        if (change.phase, change.wave) != step:
            step = (change.phase, change.wave)
            if step != ("Sync", 0) or len({(c.phase, c.wave) for c in plan.changes}) > 1:
                yield f"{change.phase}, wave {change.wave}:"
        yield _line(change)
        for field in change.fields:
            yield f"      {field.path}: {_value(field.old)} -> {_value(field.new)}"
    for ref, count in plan.repeated:
        yield f"warning: {ref} appears {count} times among the wanted objects; the last one counts"
    for warning in plan.warnings:
        yield f"warning: {warning}"
    yield (
        ", ".join(f"{counts[action]} {word}" for action, word in _COUNTED.items() if action in counts)
        or "nothing is wanted"
    )


def _line(change: Change) -> str:
    word = _WORDS.get(change.action, change.action)
    origin = f"  ({change.wanted.origin})" if change.wanted is not None and change.wanted.origin else ""
    why = f": {change.why}" if change.why else ""
    return f"  {_SIGNS[change.action]} {word} {change.ref}{why}{origin}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
