"""Conditions: set, remove, sum up, without touching what has not changed. Called by whatever reports a status.

Sources: Kubernetes API conventions, "Typical status properties"; apimachinery ``meta.SetStatusCondition``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from trueup.kube.names import Object

ConditionStatus = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it is now. ``generation`` 0: not said."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""
    generation: int = 0


def find(conditions: Iterable[Object] | None, type: str) -> Object | None:
    """The condition of a type."""
    return next((c for c in conditions or () if c.get("type") == type), None)


def is_true(conditions: Iterable[Object] | None, type: str) -> bool:
    """Whether a condition is there and true."""
    found = find(conditions, type)
    return found is not None and found.get("status") == "True"


def merged(old: Sequence[Object] | None, new: Iterable[Condition], now: str) -> list[Object]:
    """The old conditions with the new ones put in their places, further ones at the end.

    ``lastTransitionTime`` is ``now`` (RFC 3339) where the status changed and stays otherwise; fields that a condition of
    another maker carries survive. With nothing new the answer equals ``old``, so that a status holds still.
    """
    out = list(old or ())
    places = {c.get("type"): place for place, c in enumerate(out)}
    for condition in new:
        place = places.get(condition.type)
        if place is None:
            places[condition.type] = len(out)
            out.append(_written({}, condition, now))
        else:
            out[place] = _written(out[place], condition, now)
    return out


def without(old: Sequence[Object] | None, *types: str) -> list[Object]:
    """The old conditions without those of some types."""
    return [c for c in old or () if c.get("type") not in types]


def _written(old: Object, condition: Condition, now: str) -> Object:
    same = old.get("status") == condition.status and old.get("lastTransitionTime")
    new = {
        **old,
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": old["lastTransitionTime"] if same else now,
    }
    if condition.generation:
        new["observedGeneration"] = condition.generation
    return new
