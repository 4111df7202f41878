"""Durations and timestamps, as Go and Kubernetes write them."""

import pytest

from trueup.timing.durations import format_duration, parse_duration
from trueup.timing.rfc3339 import format_micro, format_time, parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1h30m", 5400.0), ("10m0s", 600.0), ("1.5s", 1.5), ("500ms", 0.5), ("-1m", -60.0), ("0", 0.0), ("1h", 3600.0)],
)
def test_durations_are_read(text: str, expected: float) -> None:
    """Every form that Go's parser takes."""
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "1d", "m", "1h-5m", "abc"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    """The error names the text and an accepted form."""
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (5, "5s"), (90, "1m30s"), (5400, "1h30m0s"), (0.25, "250ms"), (1.5, "1.5s"), (-60, "-1m0s")],
)
def test_durations_are_printed_as_go_prints_them(seconds: float, expected: str) -> None:
    """The form that Kubernetes stores."""
    assert format_duration(seconds) == expected


def test_times_go_both_ways() -> None:
    """Offsets and fractions are read; whole seconds and microseconds are written."""
    assert parse_time("1970-01-01T01:00:00+01:00") == 0.0
    assert format_time(1.9) == "1970-01-01T00:00:01Z"
    assert format_micro(parse_time("2026-01-02T03:04:05.123456Z")) == "2026-01-02T03:04:05.123456Z"
