"""What is wrong with a cron schedule. Source: robfig/cron ``parser.go``, whose words Kubernetes passes on."""

from __future__ import annotations

from functools import lru_cache

_FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    (0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_NAMED = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})


@lru_cache(maxsize=1024)
def schedule_problem(text: str) -> str:
    """The problem; empty when there is none."""
    if "TZ" in text:
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    if text.startswith("@"):
        return "" if text in _NAMED or text.startswith("@every ") else f"unrecognized descriptor: {text}"
    parts = text.split()
    if len(parts) != 5:
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    for part, (low, high, names) in zip(parts, _FIELDS, strict=True):
        for term in part.split(","):
            problem = _term(term, low, high, names)
            if problem:
                return problem
    return ""


def _term(term: str, low: int, high: int, names: tuple[str, ...]) -> str:
    span, slash, step = term.partition("/")
    if "/" in step:
        return f"too many slashes: {term}"
    first, hyphen, last = span.partition("-")
    if "-" in last:
        return f"too many hyphens: {term}"
    try:
        start = low if first in ("*", "?") else _number(first, low, names)
        end = high if first in ("*", "?") or (slash and not hyphen) else _number(last, low, names) if hyphen else start
        stride = _number(step, 0, ()) if slash else 1
    except ValueError as problem:
        return str(problem)
    if start < low:
        return f"beginning of range ({start}) below minimum ({low}): {term}"
    if end > high:
        return f"end of range ({end}) above maximum ({high}): {term}"
    if start > end:
        return f"beginning of range ({start}) beyond end of range ({end}): {term}"
    return "" if stride else f"step of range should be a positive number: {term}"


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    lower = text.lower()
    if lower in names:
        return names.index(lower) + low
    if not text.lstrip("+-").isdecimal():
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({text}) not allowed: {text}")
    return int(text)
