"""`trueup get`: units with their sync and health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trueup.cli.connect import asynchronous, client_for, cluster_options
from trueup.cli.output import OutputFormat, dump, table
from trueup.cli.units import Found, all_units, find
from trueup.family import UnitView


@click.command()
@click.argument("names", nargs=-1)
@cluster_options
@click.option("-o", "--output", type=OutputFormat, default=None, help="Another form than the table.")
@asynchronous
async def get(
    names: tuple[str, ...], state: Path, kubeconfig: Path | None, context: str, namespace: str, output: str | None
) -> int:
    """List units with their sync and health."""
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    if names:
        found = [await find(client, units(), name, namespace) for name in names]
    else:
        found = await all_units(client, units(), namespace)
    click.echo(show(found, output))
    return 0


def show(found: list[Found], output: str | None) -> str:
    """A table for people; objects as they are for programs."""
    if output in ("json", "yaml"):
        items: list[Any] = [f.object for f in found]
        return dump({"apiVersion": "v1", "kind": "List", "items": items} if len(items) != 1 else items[0], output)
    if output == "name":
        return "\n".join(f"{f.unit.kind.kind.lower()}/{f.view.namespace}/{f.view.name}" for f in found)
    if not found:
        return "No units found."
    headers = ["UNIT", "SYNC", "HEALTH", "REVISION", "MESSAGE"]
    if output == "wide":
        headers[4:4] = ["SOURCE", "PATH"]
    return table(headers, [_row(f, wide=output == "wide") for f in found])


def _row(found: Found, *, wide: bool) -> list[str]:
    view = found.view
    row = [found.title, view.sync, view.health, short(view.revision), first_line(view)]
    if wide:
        row[4:4] = [view.source, view.path]
    return row


def short(revision: str) -> str:
    """A commit id in seven letters; ``main@sha1:…`` keeps its branch; of several sources each that differs."""
    if ", " in revision:
        return ", ".join(dict.fromkeys(map(short, revision.split(", "))))
    name, at, commit = revision.rpartition("@")
    commit = commit.removeprefix("sha1:").removeprefix("sha256:")
    cut = commit[:7] if len(commit) in (40, 64) else commit
    return f"{name}@{cut}" if at else cut


BY_HAND = "not synced automatically: `trueup sync` does it"


def waits_for_person(view: UnitView) -> bool:
    """Whether it differs from its source and nobody but a person will deliver it."""
    return view.by_hand and not view.suspended and view.sync == "OutOfSync" and view.phase != "Running"


def first_line(view: UnitView, width: int = 100) -> str:
    """The message on one line; suspended units say so first, and those that wait for a person say what for."""
    text = " ".join(view.message.split()) or (BY_HAND if waits_for_person(view) else "")
    text = f"suspended; {text}".removesuffix("; ") if view.suspended else text
    return on_one_line(text, width)


def on_one_line(text: str, width: int = 200) -> str:
    """Without line breaks, and cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
