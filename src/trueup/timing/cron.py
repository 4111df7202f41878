"""Cron schedules: when is the next run. Called by CronJobs, sync windows and anything else that has a schedule.

Source: robfig/cron v3 ``ParseStandard`` and ``SpecSchedule.Next``, which Kubernetes and Argo CD use. A wall-clock time that a
leap to summer time skips does not run; one that the leap back repeats runs twice, both as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trueup.timing.durations import parse_duration

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: n for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PREFIX = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)")
_FAR = 5 * 366  # days; robfig/cron gives up after five years: the 30th of February never comes


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule. ``every`` seconds when it is an ``@every``; else the matching minutes, hours and so on."""

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    either_day: bool = False
    """Both day fields are restricted: a day that matches one of them is enough."""
    zone: ZoneInfo | None = None
    """The zone written in the schedule itself (``CRON_TZ=``)."""
    every: float = 0.0

    def next(self, after: float, zone: tzinfo = UTC) -> float | None:
        """The first run later than ``after`` (seconds since the epoch), by the clocks of ``zone``; None: never."""
        if self.every:
            return float(int(after)) + self.every
        zone = self.zone or zone
        day = datetime.fromtimestamp(after, zone).date()
        for _ in range(_FAR):
            if self._runs_on(day):
                found = min((moment for moment in self._moments(day, zone) if moment > after), default=None)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def between(self, after: float, until: float, zone: tzinfo = UTC) -> Iterator[float]:
        """Every run later than ``after`` and not later than ``until``."""
        found = self.next(after, zone)
        while found is not None and found <= until:
            yield found
            found = self.next(found, zone)

    def _runs_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_date or by_weekday) if self.either_day else (by_date and by_weekday)

    def _moments(self, day: date, zone: tzinfo) -> Iterator[float]:
        for hour in self.hours:
            for minute in self.minutes:
                for fold in (0, 1):
                    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
                    moment = wall.timestamp()
                    if datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                        yield moment  # else a time that the leap to summer time skips


def parse_cron(text: str) -> Schedule:
    """Five fields, ``@daily`` and its like, ``@every 1h30m``, a ``CRON_TZ=Zone`` before. Raises ``ValueError``."""
    rest, zone = text.strip(), None
    if prefix := _PREFIX.match(rest):
        zone, rest = parse_zone(prefix[1]), prefix[2].strip()
    if rest.startswith("@every "):
        # At least a second, in whole seconds, as robfig/cron has it.
        return Schedule(every=float(max(1, int(parse_duration(rest.removeprefix("@every "))))), zone=zone)
    if rest.startswith("@"):
        if rest not in _DESCRIPTORS:
            raise ValueError(f'"{text}" is no schedule: {rest} is not one of @every, {", ".join(sorted(_DESCRIPTORS))}')
        rest = _DESCRIPTORS[rest]
    parts = rest.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f'"{text}" is no schedule: five fields are needed, it has {len(parts)}')
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = (
        _field(text, part, *field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    either = not any_day and not any_weekday
    return Schedule(tuple(sorted(minutes)), tuple(sorted(hours)), days, months, weekdays, either, zone)


def parse_zone(name: str) -> ZoneInfo:
    """An IANA zone (``Europe/Paris``) by name. Raises ``ValueError`` naming it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise ValueError(f'unknown time zone "{name}"') from problem


def _field(text: str, part: str, name: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """The matching values of one field, and whether it is a bare star."""
    values: set[int] = set()
    star = False
    for item in part.split(","):
        span, slash, step_text = item.partition("/")
        step = _number(text, step_text, name, {}) if slash else 1
        if step < 1:
            raise ValueError(f'"{text}" is no schedule: the step of {name} must be 1 or more')
        first, dash, last = span.partition("-")
        if first in ("*", "?") and not dash:
            start, end = low, high
            star = star or step == 1
        else:
            start = _number(text, first, name, names)
            end = _number(text, last, name, names) if dash else high if slash else start
        if start < low or end > high or start > end:
            raise ValueError(f'"{text}" is no schedule: {name} {item} is not within {low}-{high}')
        values.update(range(start, end + 1, step))
    return frozenset(values), star


def _number(text: str, part: str, name: str, names: dict[str, int]) -> int:
    if part.lower() in names:
        return names[part.lower()]
    if not (part.isascii() and part.isdigit()):
        raise ValueError(f'"{text}" is no schedule: {name} "{part}" is no number')
    return int(part)
