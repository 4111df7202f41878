"""What `trueup up` tells while it runs: a line for each change of a unit's state."""

from __future__ import annotations

import time

import click

from trueup.cli.get import first_line, short
from trueup.cli.output import paint
from trueup.family import Unit
from trueup.kube.names import Kind
from trueup.ports import Client, Live, WatchEvent


def follow_units(client: Client, live: Live, started: float) -> None:
    """Print a line whenever what people see of a unit changes."""
    from trueup.app.families import units

    kinds: dict[Kind, Unit] = {unit.kind: unit for unit in units()}
    shown: dict[tuple[Kind, str, str], str] = {}

    def heard(event: WatchEvent) -> None:
        unit = kinds.get(Kind.of(event.object))
        if unit is None:
            return
        view = unit.view(event.object)
        key = (unit.kind, view.namespace, view.name)
        title = f"{unit.kind.kind.lower()} {view.namespace}/{view.name}"
        if event.type == "DELETED":
            line = f"{title} deleted"
        else:
            revision = f" at {short(view.revision)}" if view.revision else ""
            text = first_line(view) if view.health not in ("Healthy",) else ""
            line = f"{title} {paint(view.sync)} {paint(view.health)}{revision}" + (f" - {text}" if text else "")
        if shown.get(key) != line:
            shown[key] = line
            click.echo(f"{time.monotonic() - started:8.1f}s  {line}")

    live.subscribe(heard)
