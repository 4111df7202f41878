"""Ranges of Service addresses: when they may go."""

from __future__ import annotations

import pytest

from trueup.families.builtin.service_ranges import needed
from trueup.kube.names import Object


def made(*cidrs: str) -> Object:
    return {"metadata": {"name": "x"}, "spec": {"cidrs": list(cidrs)}}


@pytest.mark.parametrize(
    ("others", "addresses", "expected"),
    [
        ([], [], False),
        ([], ["10.1.0.5"], True),
        ([], ["10.2.0.5", "fd00::1"], False),
        ([made("10.0.0.0/8")], ["10.1.0.5"], False),
        ([made("10.1.0.0/30", "fd00::/112")], ["10.1.0.5"], True),
    ],
    ids=["no address", "of it", "of none", "of a larger one too", "of it alone"],
)
def test_a_range_is_kept_while_it_is_needed(others: list[Object], addresses: list[str], expected: bool) -> None:
    """By an address that is in no other range."""
    assert needed(made("10.1.0.0/24"), others, addresses) is expected
