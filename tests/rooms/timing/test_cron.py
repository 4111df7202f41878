"""Cron schedules: which fields are read, and when the next run is, over leaps of the clock too."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from trueup.timing.cron import parse_cron, parse_zone

NEW_YORK = ZoneInfo("America/New_York")


def _next(schedule: str, after: str, zone: tzinfo = UTC) -> str:
    found = parse_cron(schedule).next(datetime.fromisoformat(after).timestamp(), zone)
    return "never" if found is None else datetime.fromtimestamp(found, zone).isoformat(timespec="minutes")


# The cases of robfig/cron's own specification, without their seconds.
@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0/15 * * * *", "2012-07-09T14:45:00+00:00", "2012-07-09T15:00+00:00"),
        ("0/15 * * * *", "2012-07-09T14:59:59+00:00", "2012-07-09T15:00+00:00"),
        ("20-35/15 * * * *", "2012-07-09T23:35:00+00:00", "2012-07-10T00:20+00:00"),
        ("20-35/15 1/2 * * *", "2012-07-09T23:35:00+00:00", "2012-07-10T01:20+00:00"),
        ("0 0 9 Apr-Oct ?", "2012-07-09T23:35:00+00:00", "2012-08-09T00:00+00:00"),
        ("0 0 */5 Apr,Aug,Oct Mon", "2012-07-09T23:35:00+00:00", "2012-08-01T00:00+00:00"),
        ("0 0 */5 Oct Mon", "2012-07-09T23:35:00+00:00", "2012-10-01T00:00+00:00"),
        ("0 0 * Feb Mon", "2012-07-09T23:35:00+00:00", "2013-02-04T00:00+00:00"),
        ("0 0 * Feb Mon/2", "2012-07-09T23:35:00+00:00", "2013-02-01T00:00+00:00"),
        ("0 0 29 Feb ?", "2012-07-09T23:35:00+00:00", "2016-02-29T00:00+00:00"),
        ("0 0 30 Feb ?", "2012-07-09T23:35:00+00:00", "never"),
        ("0 0 13 * Fri", "2026-01-02T00:00:00+00:00", "2026-01-09T00:00+00:00"),
        ("@daily", "2026-01-02T00:00:00+00:00", "2026-01-03T00:00+00:00"),
        ("@weekly", "2026-01-02T00:00:00+00:00", "2026-01-04T00:00+00:00"),
        ("@every 1h30m", "2026-01-02T00:00:00+00:00", "2026-01-02T01:30+00:00"),
    ],
)
def test_the_next_run(schedule: str, after: str, expected: str) -> None:
    """Steps, ranges, names, lists, both day fields, descriptors and leap days."""
    assert expected == _next(schedule, after)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("30 2 11 Mar ?", "2012-03-11T00:00:00-05:00", "2013-03-11T02:30-04:00"),
        ("0 * * * ?", "2012-03-11T01:00:00-05:00", "2012-03-11T03:00-04:00"),
        ("0 2 * * ?", "2012-03-11T00:00:00-05:00", "2012-03-12T02:00-04:00"),
        ("0 * * * ?", "2012-11-04T01:00:00-04:00", "2012-11-04T01:00-05:00"),
        ("0 1 * * ?", "2012-11-04T00:00:00-04:00", "2012-11-04T01:00-04:00"),
        ("0 1 * * ?", "2012-11-04T01:00:00-04:00", "2012-11-04T01:00-05:00"),
        ("0 1 * * ?", "2012-11-04T01:00:00-05:00", "2012-11-05T01:00-05:00"),
        ("0 3 * * ?", "2012-11-04T00:00:00-04:00", "2012-11-04T03:00-05:00"),
    ],
)
def test_leaps_of_the_clock(schedule: str, after: str, expected: str) -> None:
    """A skipped hour does not run, a repeated hour runs twice."""
    assert expected == _next(schedule, after, NEW_YORK)


def test_a_zone_in_the_schedule_wins() -> None:
    """``CRON_TZ=`` and ``TZ=`` name the zone that the fields are meant in."""
    assert _next("CRON_TZ=Asia/Tokyo 0 13 * * *", "2026-07-01T00:00:00+00:00") == "2026-07-01T04:00+00:00"
    assert _next("TZ=Asia/Tokyo 0 13 * * *", "2026-07-01T00:00:00+00:00") == "2026-07-01T04:00+00:00"


def test_all_runs_of_a_span() -> None:
    """Runs that were missed are listed in order, the end included."""
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert [start + 1200, start + 2400, start + 3600] == list(parse_cron("*/20 * * * *").between(start, start + 3600))


@pytest.mark.parametrize(
    "text", ["", "* * * *", "* * * * * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "x * * * *",
             "* * * * 7", "@now", "@every soon", "TZ=Nowhere/Town 0 0 * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(ValueError, match=r"no schedule|no duration|unknown time zone"):
        parse_cron(text)


def test_an_unknown_zone_is_named() -> None:
    """The error holds the zone's name."""
    with pytest.raises(ValueError, match="Mars/Olympus"):
        parse_zone("Mars/Olympus")
