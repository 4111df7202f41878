"""How benchmarks print: what, how much, and the ratio to a floor or peer that was measured in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``ratio``: to what ``against`` names; None when the figure stands alone."""

    what: str
    figure: str
    ratio: float | None = None
    against: str = ""


def show(name: str, rows: Sequence[Row]) -> None:
    """Print one benchmark's figures."""
    print(f"\n{name}")
    for row in rows:
        ratio = f"{row.ratio:6.2f}x" if row.ratio is not None else "       "
        print(f"  {row.what:<28} {row.figure:>14}  {ratio}  {row.against}".rstrip())
