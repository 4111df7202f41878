"""What `trueup up` tells while it runs: a line for each change of a unit's state; on a terminal, how far all are, below."""

from __future__ import annotations

import sys
import time
from collections import Counter

import click

from trueup.cli.get import first_line, short
from trueup.cli.output import paint
from trueup.cli.wait import settled
from trueup.family import Unit, UnitView
from trueup.kube.names import Kind
from trueup.ports import Client, Live, WatchEvent

_BACK = "\r\x1b[2K"
"""To the beginning of the line, which is emptied."""


def follow_units(client: Client, live: Live, started: float) -> None:
    """Print a line whenever what people see of a unit changes."""
    from trueup.app.families import units

    kinds: dict[Kind, Unit] = {unit.kind: unit for unit in units()}
    shown: dict[tuple[Kind, str, str], str] = {}
    views: dict[tuple[Kind, str, str], UnitView] = {}
    terminal = sys.stdout.isatty()

    def heard(event: WatchEvent) -> None:
        unit = kinds.get(Kind.of(event.object))
        if unit is None:
            return
        view = unit.view(event.object)
        key = (unit.kind, view.namespace, view.name)
        title = f"{unit.kind.kind.lower()} {view.namespace}/{view.name}"
        if event.type == "DELETED":
            views.pop(key, None)
            line = f"{title} deleted"
        else:
            views[key] = view
            line = title + _state(view)
        if shown.get(key) != line:
            shown[key] = line
            click.echo(f"{_BACK if terminal else ''}{time.monotonic() - started:8.1f}s  {line}")
            if terminal:
                click.echo(f"{'':8}   {summary(list(views.values()))}", nl=False)

    live.subscribe(heard)


def end_line() -> None:
    """What is printed next begins on a line of its own."""
    if sys.stdout.isatty():
        click.echo("")


def summary(views: list[UnitView]) -> str:
    """How far all units are: ``5 of 6 units synced and healthy, 1 Progressing``."""
    done = sum(settled(view) for view in views)
    others = Counter(view.health if view.sync == "Synced" else view.sync for view in views if not settled(view))
    rest = "".join(f", {count} {paint(word)}" for word, count in sorted(others.items()))
    return f"{done} of {len(views)} units synced and healthy{rest}"


def _state(view: UnitView) -> str:
    revision = f" at {short(view.revision)}" if view.revision else ""
    text = first_line(view) if view.health != "Healthy" else ""
    return f" {paint(view.sync)} {paint(view.health)}{revision}" + (f" - {text}" if text else "")
