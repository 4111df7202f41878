"""`trueup history`: what was deployed, newest last."""

from __future__ import annotations

from pathlib import Path

import click

from trueup.cli.connect import asynchronous, client_for, cluster_options
from trueup.cli.get import short
from trueup.cli.output import OutputFormat, dump, table
from trueup.cli.units import find


@click.command()
@click.argument("name")
@cluster_options
@click.option("-o", "--output", type=OutputFormat, default=None, help="Another form than the table.")
@asynchronous
async def history(
    name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, output: str | None
) -> int:
    """Show a unit's deployments: id, revision, when, by whom."""
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    found = await find(client, units(), name, namespace)
    entries = found.view.history
    if output in ("json", "yaml"):
        click.echo(dump([{"id": e.id, "revision": e.revision, "at": e.at, "by": e.by} for e in entries], output))
    elif not entries:
        click.echo(f"{found.title} has not been deployed yet.")
    else:
        rows = [[str(e.id), e.revision if output == "wide" else short(e.revision), e.at, e.by] for e in entries]
        click.echo(table(["ID", "REVISION", "DEPLOYED AT", "BY"], rows))
    return 0
