"""Durations as Go and Kubernetes write them (``1h30m``), in seconds. Source: Go ``time.ParseDuration``, ``Duration.String``."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """``1h30m``, ``1.5s``, ``-500ms`` or ``0`` to seconds. Raises ``ValueError`` naming the text."""
    rest = str(text).strip()
    sign = -1.0 if rest.startswith("-") else 1.0
    rest = rest.removeprefix("-").removeprefix("+")
    if rest == "0":
        return 0.0
    total, position = 0.0, 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None:
            break
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not rest or position != len(rest):
        raise ValueError(f'"{text}" is no duration: write it like 90s, 1m30s or 1h')
    return sign * total


def format_duration(seconds: float) -> str:
    """As Go prints it: ``1h30m0s``, ``5s``, ``1.5s``, ``250ms``, ``0s``."""
    if seconds == 0:
        return "0s"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 1:
        for unit, size in (("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
            if seconds >= size:
                return f"{sign}{_number(seconds / size)}{unit}"
        return "0s"
    hours, rest = divmod(round(seconds, 9), 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{_number(rest)}s"
    if hours or minutes:
        text = f"{int(minutes)}m{text}"
    return f"{sign}{int(hours)}h{text}" if hours else sign + text


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
