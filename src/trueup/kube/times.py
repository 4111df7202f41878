"""Timestamps as Kubernetes' ``Time`` and ``MicroTime`` hold them: text to seconds and nanoseconds and back.

Called by `protobuf` and `reading`. Source: apimachinery ``meta/v1`` ``time.go`` and ``micro_time.go``; RFC 3339.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))")
_SIX = re.compile(r"[.]\d{6}(?!\d)")
"""What stands after the seconds of a ``MicroTime``, no digit more or less."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_LAYOUT, _MICRO_LAYOUT = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"


@lru_cache(maxsize=4096)
def parse_time(text: str, *, micro: bool = False) -> tuple[int, int]:
    """Seconds and nanoseconds since 1970. Raises ``ValueError`` as Go words it. ``micro``: of a ``MicroTime``.

    Remembered: every write of an object reads those that it holds.
    """
    found = _RFC3339.fullmatch(text)
    if found is None or (micro and not _SIX.match(text, 19)):
        raise ValueError(_unparsable(text, _MICRO_LAYOUT if micro else _LAYOUT))
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 5, 6))
    fraction, sign, off_hours, off_minutes = found.group(7, 8, 9, 10)
    zone: timezone = UTC
    if sign:
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    for part, given, least, most in (
        ("month", month, 1, 12),
        ("day", day, 1, _days(year, month)),
        ("hour", hour, 0, 23),
        ("minute", minute, 0, 59),
        ("second", second, 0, 59),
    ):
        if not least <= given <= most:
            raise ValueError(f'parsing time "{text}": {part} out of range')
    since = datetime(year, month, day, hour, minute, second, tzinfo=zone) - _EPOCH
    return since.days * 86_400 + since.seconds, int((fraction or "").ljust(9, "0"))


_PARTS = re.compile(r"2006|0[12345]|15|Z07:00|\.000000|[-T:]")


def _unparsable(text: str, layout: str) -> str:
    """Where the text leaves the layout. Source: Go ``time.Parse``."""
    rest = text
    micro = layout == _MICRO_LAYOUT
    for part in _PARTS.findall(layout):
        if part == ".000000":
            if not re.match(r"[.,]\d{6}", rest):
                return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
            rest = rest[7:]
            continue
        digits = 4 if part == "2006" else 2
        taken = digits if part.isdigit() else 1
        if part == "Z07:00":
            rest = rest if micro else re.sub(r"^\.\d+", "", rest)
            zone = re.match(r"[Zz]|[+-]\d\d:\d\d", rest)
            taken = zone.end() if zone else 0
        if not (taken if part == "Z07:00" else rest[:taken].isdigit() if part.isdigit() else rest[:1] == part) or (
            part.isdigit() and len(rest) < digits
        ):
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
        rest = rest[taken:]
    return f'parsing time "{text}": extra text: "{rest}"'


def _days(year: int, month: int) -> int:
    return 29 if month == 2 and year % 4 == 0 and (year % 100 or year % 400 == 0) else _DAYS[month - 1]


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def format_time(seconds: int) -> str:
    """``2024-05-01T10:00:00Z``."""
    return f"{_text(seconds)}Z"


def format_micro(seconds: int, nanos: int) -> str:
    """``2024-05-01T10:00:00.000001Z``."""
    return f"{_text(seconds)}.{nanos // 1000:06d}Z"


def _text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()  # years have four digits there
