"""Timestamps as Kubernetes writes them, to seconds since the epoch and back. Source: RFC 3339; metav1.Time and MicroTime."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def parse_time(text: str) -> float:
    """``2026-01-02T03:04:05Z``, with a fraction or an offset too. Raises ``ValueError`` naming the text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no RFC 3339 time: write it like 2026-01-02T03:04:05Z') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def format_time(seconds: float) -> str:
    """Whole seconds, as ``metav1.Time`` has them."""
    return _whole(int(seconds))


@lru_cache(maxsize=64)
def _whole(seconds: int) -> str:
    """Remembered, for much happens within one second and ``strftime`` is slow."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro(seconds: float) -> str:
    """Microseconds, as ``metav1.MicroTime`` has them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
