"""Cells of a printed table that many kinds share: ages, counts, selectors, containers. Pure; used by `columns`.

Source: ``apimachinery duration.HumanDuration``; ``pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueup.kube.names import Object
from trueup.timing.rfc3339 import parse_time

Cell = Callable[[Object, float], Any]
"""An object and the time in, what stands in the cell out."""
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``priority`` above 0 is shown with ``-o wide`` alone."""

    name: str
    type: str
    description: str
    cell: Cell
    format: str = ""
    priority: int = 0


def text(name: str, cell: Cell, *, wide: bool = False) -> Column:
    """A column of words."""
    return Column(name, "string", "", cell, priority=int(wide))


def number(name: str, cell: Cell, *, wide: bool = False) -> Column:
    """A column of whole numbers."""
    return Column(name, "integer", "", cell, "", int(wide))


def yes(name: str, cell: Cell) -> Column:
    """A column that is true or false."""
    return Column(name, "boolean", "", cell)


def shown(columns: Sequence[Column]) -> Sequence[Column]:
    """Columns that are printed always, not only wide."""
    return tuple(replace(column, priority=0) for column in columns)


def human_duration(seconds: float) -> str:
    """``45s``, ``5m10s``, ``3h5m``, ``2d3h``, ``400d``, ``2y10d``."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    if s < 0:
        return "0s"
    if s < 120:
        return f"{s}s"
    m = s // 60
    if m < 10:
        return f"{m}m" if s % 60 == 0 else f"{m}m{s % 60}s"
    if m < 180:
        return f"{m}m"
    h = m // 60
    if h < 8:
        return f"{h}h" if m % 60 == 0 else f"{h}h{m % 60}m"
    if h < 48:
        return f"{h}h"
    d = h // 24
    if d < 8:
        return f"{d}d" if h % 24 == 0 else f"{d}d{h % 24}h"
    if d < 730:
        return f"{d}d"
    y = d // 365
    if y < 8:
        return f"{y}y" if d % 365 == 0 else f"{y}y{d % 365}d"
    return f"{y}y"


def since(moment: Any, now: float) -> str:
    """How long ago it was."""
    return human_duration(now - parse_time(str(moment))) if moment else "<unknown>"


def age(obj: Object, now: float) -> str:
    """How long the object has been there."""
    return since(obj["metadata"].get("creationTimestamp"), now)


AGE = text("Age", age)
CREATED = Column("Created At", "date", "", lambda obj, now: obj["metadata"].get("creationTimestamp"))


def value(obj: Object, path: str) -> Any:
    """What stands at a dotted path; None when nothing does."""
    found: Any = obj
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def at(path: str, default: Any = "") -> Cell:
    """What stands at a path, or something else where nothing does."""

    def cell(obj: Object, now: float) -> Any:
        found = value(obj, path)
        return default if found is None or found == "" else found

    return cell


def word(path: str, default: str) -> Cell:
    """As `at`, as text."""
    cell = at(path, default)
    return lambda obj, now: str(cell(obj, now))


def count(path: str) -> Cell:
    """How many there are."""
    return lambda obj, now: len(value(obj, path) or ())


def joined(path: str, empty: str = NONE) -> Cell:
    """All of them, with commas."""
    return lambda obj, now: ",".join(map(str, value(obj, path) or ())) or empty


def ago(path: str) -> Cell:
    """How long ago a moment was that may not have come."""
    return lambda obj, now: since(value(obj, path), now) if value(obj, path) else NONE


def labels(path: str) -> Cell:
    """``a=b,c=d``."""
    return lambda obj, now: format_labels(value(obj, path))


def format_labels(found: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={each}" for key, each in sorted((found or {}).items())) or NONE


def selector(path: str) -> Cell:
    """A label selector in the writing of ``kubectl -l``."""
    return lambda obj, now: format_selector(value(obj, path))


_OPERATORS = {"In": "in", "NotIn": "notin"}


def format_selector(found: Mapping[str, Any] | None) -> str:
    """``app=web,tier in (a,b),!old``. Source: apimachinery ``metav1.FormatLabelSelector``."""
    if not found:
        return NONE
    terms: list[tuple[str, str]] = [(key, f"{key}={each}") for key, each in (found.get("matchLabels") or {}).items()]
    for expression in found.get("matchExpressions") or ():
        key, operator = str(expression.get("key")), str(expression.get("operator"))
        if operator in _OPERATORS:
            listed = ",".join(sorted(map(str, expression.get("values") or ())))
            terms.append((key, f"{key} {_OPERATORS[operator]} ({listed})"))
        else:
            terms.append((key, f"!{key}" if operator == "DoesNotExist" else key))
    return ",".join(term for _, term in sorted(terms)) or NONE


def shortened(found: Iterable[str], most: int = 3) -> str:
    """The first few, and how many more."""
    listed = list(found)
    if not listed:
        return NONE
    return ",".join(listed[:most]) + (f" + {len(listed) - most} more..." if len(listed) > most else "")


def conditions(obj: Object) -> Mapping[str, Mapping[str, Any]]:
    """An object's conditions by type."""
    return {str(each.get("type")): each for each in value(obj, "status.conditions") or ()}


def holds(obj: Object, condition: str) -> bool:
    """Whether a condition is true."""
    return conditions(obj).get(condition, {}).get("status") == "True"


def containers(where: str) -> tuple[Column, Column]:
    """Names and images of a template's containers, for ``-o wide``."""
    path = f"{where}.containers"

    def listed(of: str) -> Cell:
        return lambda obj, now: ",".join(str(each.get(of) or "") for each in value(obj, path) or ())

    return text("Containers", listed("name"), wide=True), text("Images", listed("image"), wide=True)
