"""When a project lets its Applications sync: allow and deny windows. Pure.

Called by `operate.py` with the time. Source: Argo CD, ``SyncWindows`` (``Matches``, ``CanSync``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from trueup.families.argocd import globs
from trueup.families.argocd.types import Application
from trueup.timing.cron import parse_cron, parse_zone
from trueup.timing.durations import parse_duration

Window = Mapping[str, Any]


def of(app: Application, windows: Iterable[Window]) -> list[Window]:
    """The windows that speak of an Application, its cluster or its namespace."""
    return [window for window in windows if _matches(app, window)]


def may_sync(windows: Sequence[Window], now: float, *, manual: bool, started: float | None = None) -> bool:
    """Whether an operation may go on. Raises ``ValueError`` for a window that cannot be read.

    ``started`` is when it began: windows with ``syncOverrun`` let it end.
    """
    allowed, overrun = _at(windows, now, manual)
    if allowed or not overrun or started is None:
        return allowed
    return _at(windows, started, manual)[0]


def _at(windows: Sequence[Window], now: float, manual: bool) -> tuple[bool, bool]:
    """(whether it is allowed, whether what stands in the way lets those go on that were allowed before)."""
    active = [window for window in windows if _active(window, now)]
    deny = [window for window in active if window.get("kind") == "deny"]
    if deny:
        return manual and _all(deny, "manualSync"), _all(deny, "syncOverrun")
    if any(window.get("kind") == "allow" for window in active):
        return True, False
    shut = [window for window in windows if window.get("kind") == "allow"]
    if shut:
        return manual and _all(shut, "manualSync"), _all(shut, "syncOverrun")
    return True, False


def _all(windows: Iterable[Window], flag: str) -> bool:
    return all(bool(window.get(flag)) for window in windows)


def _active(window: Window, now: float) -> bool:
    """Whether its schedule has run within its duration, by the clocks of its zone as they stand now."""
    length = parse_duration(str(window.get("duration") or ""))
    schedule = parse_cron(str(window.get("schedule") or ""))
    zone = timezone(_offset(str(window.get("timeZone") or ""), now))
    begun = schedule.next(now - length, zone)
    return begun is not None and begun < now


def _offset(name: str, now: float) -> timedelta:
    """How far a zone's clocks are ahead; an unknown zone is taken for UTC, as Argo CD does."""
    try:
        zone: ZoneInfo | None = parse_zone(name) if name else None
    except ValueError:
        zone = None
    return (datetime.fromtimestamp(now, zone or UTC).utcoffset()) or timedelta()


def _matches(app: Application, window: Window) -> bool:
    """Any of its lists matches; with ``andOperator`` all those that are set."""
    where = app.destination
    lists = (
        ("applications", (app.name,)),
        ("clusters", tuple(text for text in (where.name, where.server) if text)),
        ("namespaces", (where.namespace,)),
    )
    found = [
        any(globs.matches(str(pattern), text) for pattern in window[field] for text in texts)
        for field, texts in lists
        if window.get(field)
    ]
    return bool(found) and (all(found) if window.get("andOperator") else any(found))
