"""Conditions hold still, keep their times, and sum up to one."""

from __future__ import annotations

import pytest

from trueup.status.conditions import Condition, ConditionStatus, is_true, merged, without
from trueup.status.summary import ready

THEN, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def old(status: str = "True", message: str = "m") -> dict[str, str]:
    return {"type": "A", "status": status, "reason": "R", "message": message, "lastTransitionTime": THEN}


def test_same_condition_changes_nothing() -> None:
    """A second run over the same facts changes no byte."""
    assert merged([old()], [Condition("A", "True", "R", "m")], NOW) == [old()]


def test_new_message_keeps_the_time() -> None:
    """The transition time is the status's, not the message's."""
    assert merged([old()], [Condition("A", "True", "R", "n")], NOW) == [old(message="n")]


def test_new_status_has_a_new_time() -> None:
    """A changed status is stamped."""
    (found,) = merged([old()], [Condition("A", "False", "R", "m", 3)], NOW)
    assert found == {**old("False"), "lastTransitionTime": NOW, "observedGeneration": 3}


def test_order_and_strangers_survive() -> None:
    """Other conditions stay where they are, new ones come last; what is taken out is gone."""
    stranger = {"type": "S", "status": "True", "odd": 1}
    out = merged([stranger, old()], [Condition("A", "True", "R", "m"), Condition("N", "True", "R")], NOW)
    assert [c["type"] for c in out] == ["S", "A", "N"]
    assert out[0] is stranger
    assert is_true(out, "N")
    assert [c["type"] for c in without(out, "A", "S")] == ["N"]


def test_does_not_modify_what_it_is_given() -> None:
    """The old conditions stay as they were."""
    given = [old()]
    merged(given, [Condition("A", "False", "X")], NOW)
    assert given == [old()]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, ("Unknown", "Progressing")),
        ({"A": "True", "B": "True"}, ("True", "b")),
        ({"A": "False", "B": "True"}, ("False", "a")),
        ({"A": "True", "B": "Unknown"}, ("Unknown", "b")),
        ({"A": "Unknown", "B": "False"}, ("False", "b")),
        ({"A": "True", "B": "True", "Stalled": "True"}, ("False", "stalled")),
    ],
)
def test_ready(statuses: dict[str, ConditionStatus], expected: tuple[str, str]) -> None:
    """The worst condition speaks for all."""
    conditions = [{"type": t, "status": s, "reason": t.lower()} for t, s in statuses.items()]
    summed = ready(conditions, good=("A", "B"))
    assert expected == (summed.status, summed.reason)
