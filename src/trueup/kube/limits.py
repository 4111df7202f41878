"""How much of time and memory somebody else's files may take: every limit by its name, in this one place. Pure.

`Limits` are chosen by who starts the program (see docs/tasks/limits.md), handed down by the `app` room and kept by `render`.
While a render runs, its `Allowance` is in `spending`: whatever copies, repeats or expands what a file says calls `spend`
with the size of what comes out before it makes it. Without an allowance (in the API server, which bounds what it takes in
itself) nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

MEGABYTE = 1024 * 1024
DEEPEST = 250
"""Levels of nesting in a document: the JSON writer takes 254, and definitions of resources have some 60."""
MOST_COPIED = 3 * MEGABYTE
"""Bytes that the copy operations of one JSON patch may make together: kube-apiserver's figure."""
_NODE = 64
"""Bytes that a mapping, a list or a field takes beside its text."""


class TooMuch(Exception):
    """A render wants more than it may have. Tells the limit, and how to raise it."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Limits:
    """What one render may take."""

    seconds: float = 1.5
    """Of CPU, and `seconds_each_megabyte` more for what it reads: what is refused is refused within two seconds."""
    seconds_each_megabyte: float = 2.0
    """Reading YAML takes 0.4 s, building on it as much again; Jsonnet's libraries are slower."""
    longest: float = 90.0
    """Seconds by the clock, waiting included: what Argo CD gives a render."""
    memory: int = 512 * MEGABYTE
    """Of a worker process, with the engine in it."""
    file: int = 16 * MEGABYTE
    """The largest file that is read."""
    total: int = 64 * MEGABYTE
    """What one render reads, expands and makes together."""


_TIMES = ("seconds", "seconds_each_megabyte", "longest")
_SIZES = ("memory", "file", "total")
_UNITS = {"K": 1024, "M": MEGABYTE, "G": 1024 * MEGABYTE}


def parse_limits(entries: Iterable[str]) -> Limits:
    """``NAME=VALUE`` entries, sizes in bytes or with K, M or G. Raises ``ValueError`` naming the entry."""
    found: dict[str, float | int] = {}
    for entry in entries:
        name, _, text = entry.partition("=")
        if name not in (*_TIMES, *_SIZES):
            raise ValueError(f"{entry!r}: the limits are {', '.join((*_TIMES, *_SIZES))}")
        unit = _UNITS.get(text[-1:].upper(), 1) if name in _SIZES else 1
        try:
            value = float(text[:-1] if unit > 1 else text) * unit
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise ValueError(f"{entry!r}: write a number, e.g. {'1G' if name in _SIZES else '10'}")
        found[name] = int(value) if name in _SIZES else value
    return replace(Limits(), **found)  # type: ignore[arg-type]  # each has the type of its field


class Allowance:
    """What one render has taken so far."""

    __slots__ = ("by_chance", "input", "limits", "spent")

    def __init__(self, limits: Limits) -> None:
        self.limits, self.spent, self.input = limits, 0, 0
        self.by_chance = False
        """It was ended by time or memory: on a machine that does less beside it, it might have come to its end."""

    @property
    def seconds(self) -> float:
        """Of CPU, by what it has read."""
        more = self.limits.seconds_each_megabyte * self.input / MEGABYTE
        return min(self.limits.seconds + more, self.limits.longest)

    def spend(self, size: int) -> None:
        """Count what is about to be made. Raises `TooMuch`."""
        self.spent += size
        if self.spent > self.limits.total:
            raise TooMuch(f"rendering reads and makes more than {in_words(self.limits.total)} ({remedy('total')})")

    def check_file(self, path: str, size: int) -> None:
        """Before a file is read. Raises `TooMuch`."""
        if size > self.limits.file:
            raise TooMuch(
                f"the file has {in_words(size)}, more than {in_words(self.limits.file)} ({remedy('file')})", path
            )


_allowance: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def spending(allowance: Allowance) -> Iterator[None]:
    """Everything in this block is counted."""
    token = _allowance.set(allowance)
    try:
        yield
    finally:
        _allowance.reset(token)


def current() -> Allowance | None:
    """Of the render that runs here."""
    return _allowance.get()


def spend(size: int) -> None:
    """Count what is about to be made. Raises `TooMuch`."""
    allowance = _allowance.get()
    if allowance is not None:
        allowance.spend(size)


def spend_copy(value: Any) -> None:
    """Count a copy of a value that is about to be made. Raises `TooMuch`."""
    allowance = _allowance.get()
    if allowance is not None:
        allowance.spend(weight(value, allowance.limits.total))


def weight(value: Any, most: int) -> int:
    """About how many bytes a copy of a value takes; counting ends when it is more than ``most``."""
    total, waiting = 0, [value]
    while waiting and total <= most:
        one = waiting.pop()
        if isinstance(one, dict):
            total += _NODE * (len(one) + 1) + sum(map(len, one))
            waiting += one.values()
        elif isinstance(one, list):
            total += _NODE + 8 * len(one)
            waiting += one
        else:
            total += len(one) if isinstance(one, str) else 8
    return total


def remedy(name: str) -> str:
    """How a limit is raised."""
    return f"raise it by --render-limit {name}=... if it has to"


def in_words(size: int) -> str:
    """A number of bytes as people say it."""
    return f"{size / MEGABYTE:.3g} MB" if size >= MEGABYTE else f"{size} bytes"
