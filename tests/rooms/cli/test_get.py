"""Revisions and messages as the table shows them."""

from __future__ import annotations

import pytest

from trueup.cli.get import BY_HAND, first_line, on_one_line, short
from trueup.family import UnitView
from trueup.kube.names import Kind

COMMIT = "38e07a3f3be966f3cb5b25b06545cccad38acda5"


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (COMMIT, "38e07a3"),
        (f"main@sha1:{COMMIT}", "main@38e07a3"),
        (f"latest@sha256:{COMMIT}{COMMIT[:24]}", "latest@38e07a3"),
        (f"{COMMIT}, {COMMIT}", "38e07a3"),
        (f"{COMMIT}, v1.2.3", "38e07a3, v1.2.3"),
        ("", ""),
    ],
)
def test_revisions_are_cut_short(revision: str, expected: str) -> None:
    """Commits to seven letters, with what they were found by; of several sources each that differs."""
    assert short(revision) == expected


def view(**said: object) -> UnitView:
    fixed = {"source": "", "path": "", "revision": "", "sync": "OutOfSync", "health": "Missing"}
    return UnitView(Kind("a", "v1", "A"), "n", "a", **{**fixed, **said})  # type: ignore[arg-type]


def test_messages_are_one_line() -> None:
    """Cut where they are long."""
    assert on_one_line("one\ntwo   three") == "one two three"
    assert on_one_line("abcdef", 4) == "abc…"


def test_a_unit_that_waits_for_a_person_says_so() -> None:
    """Unless it has something to say, is at it, or is suspended."""
    assert first_line(view(by_hand=True)) == BY_HAND
    assert first_line(view(by_hand=True, message="no such cluster")) == "no such cluster"
    assert first_line(view(by_hand=True, suspended=True)) == "suspended"
    assert first_line(view(by_hand=True, phase="Running")) == ""
    assert first_line(view()) == ""
