"""Timestamps and durations: text, calendar, zones. Used by the libraries and by schemas' formats.

Source: Go ``time.ParseDuration`` and RFC 3339; cel-go ``common/types/{timestamp,duration}.go``.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from trueup.cel.problems import CelError
from trueup.cel.values import INT_MAX, INT_MIN, Duration, Timestamp

SECOND = 10**9
MIN_SECONDS, MAX_SECONDS = -62135596800, 253402300799
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"([+-]?)(\d\d?):(\d\d)", re.ASCII)


def parse_duration(text: str) -> Duration | None:
    """``1h30m`` as Go reads it; None where it does not."""
    rest, sign = text, 1
    if rest[:1] in ("+", "-"):
        sign = -1 if rest[0] == "-" else 1
        rest = rest[1:]
    if rest == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None:
            return None
        whole, _, part = match[1].partition(".")
        unit = _UNITS[match[2]]
        total += int(whole or "0") * unit
        if part:
            total += int(part) * unit // 10 ** len(part)
        at = match.end()
    if not at or total > INT_MAX + (sign < 0):
        return None
    return Duration(sign * total)


def parse_timestamp(text: str) -> Timestamp | None:
    """An RFC 3339 time; None where it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if not year:
        return Timestamp(MIN_SECONDS * SECOND - 1) if month else None
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    seconds = _seconds(moment)
    if match[9]:
        if int(match[10]) > 24 or int(match[11]) > 59:
            return None
        away = int(match[10]) * 3600 + int(match[11]) * 60
        seconds -= away if match[9] == "+" else -away
    part = (match[7] or "")[:9]
    return Timestamp(seconds * SECOND + (int(part.ljust(9, "0")) if part else 0))


def _seconds(moment: datetime) -> int:
    away = moment - _EPOCH
    return away.days * 86400 + away.seconds


def in_range(moment: Timestamp) -> bool:
    """Whether a timestamp is one that CEL knows."""
    return MIN_SECONDS <= moment.nanos // SECOND <= MAX_SECONDS


def checked_timestamp(nanos: int) -> Timestamp:
    """A timestamp that a computation made. Raises ``CelError``."""
    if not MIN_SECONDS <= nanos // SECOND <= MAX_SECONDS:
        raise CelError("timestamp overflow")
    return Timestamp(nanos)


def checked_duration(nanos: int) -> Duration:
    """A duration that a computation made. Raises ``CelError``."""
    if not INT_MIN <= nanos <= INT_MAX:
        raise CelError("duration overflow")
    return Duration(nanos)


def show_timestamp(moment: Timestamp) -> str:
    """RFC 3339 with as many digits as it takes."""
    seconds, nanos = divmod(moment.nanos, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{str(nanos).rjust(9, '0').rstrip('0')}Z" if nanos else f"{text}Z"


def show_duration(span: Duration) -> str:
    """Seconds, as CEL writes a duration."""
    seconds, nanos = divmod(abs(span.nanos), SECOND)
    sign = "-" if span.nanos < 0 else ""
    return f"{sign}{seconds}.{str(nanos).rjust(9, '0').rstrip('0')}s" if nanos else f"{sign}{seconds}s"


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """``Europe/Paris`` or ``+02:00``. Raises ``CelError``."""
    if ":" in name:
        match = _OFFSET.fullmatch(name)
        if match is None:
            raise CelError(f"unknown time zone {name}")
        away = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-away if match[1] == "-" else away)
    if name in ("", "UTC"):
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise CelError(f"unknown time zone {name}") from problem


def local(moment: Timestamp, where: tzinfo = UTC) -> datetime:
    """The calendar's view of a timestamp; beyond the calendar's ends it stays in UTC."""
    when = _EPOCH + timedelta(seconds=moment.nanos // SECOND)
    try:
        return when.astimezone(where)
    except OverflowError:
        return when
