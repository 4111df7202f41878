"""`trueup diff`: desired against live. Exit codes as `kubectl diff`: 0 no change, 1 changes, 2 trouble."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from trueup.cli.connect import cluster_options
from trueup.cli.units import find
from trueup.kube.problems import ApiProblem
from trueup.plan.show import show
from trueup.ports import RenderProblem, SourceProblem
from trueup.settings import parse_mapping


@click.command()
@click.argument("what", metavar="APP|PATH")
@cluster_options
@click.option("--map", "mapping", multiple=True, metavar="URL=DIR", help="Answer a repository's URL from a folder.")
def diff(
    what: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: tuple[str, ...]
) -> None:
    """Show what a sync, or applying a folder, would change."""
    try:
        folder = Path(what) if Path(what).is_dir() else None
        text, changes = asyncio.run(_diff(what, folder, state, kubeconfig, context, namespace, parse_mapping(mapping)))
    except (SourceProblem, RenderProblem, ValueError) as problem:
        click.echo(f"error: {problem}", err=True)
        raise click.exceptions.Exit(2) from None
    except ApiProblem as problem:
        click.echo(f"error: {problem.message}", err=True)
        raise click.exceptions.Exit(2) from None
    except click.ClickException as problem:
        problem.show()
        raise click.exceptions.Exit(2) from None
    if text.strip():
        click.echo(text.rstrip())
    if changes:
        raise click.exceptions.Exit(1)


async def _diff(
    what: str,
    folder: Path | None,
    state: Path,
    kubeconfig: Path | None,
    context: str,
    namespace: str,
    mapping: dict[str, Path],
) -> tuple[str, bool]:
    from trueup.app.families import units
    from trueup.app.look import compare_folder, looking

    async with looking(state, kubeconfig, context, mapping) as (client, parts):
        if folder is not None:
            plan = await compare_folder(parts, folder, namespace)
        else:
            found = await find(client, units(), what, namespace)
            if found.unit.plan is None:
                raise click.ClickException(f"{found.title} has nothing to compare")
            _, plan = await found.unit.plan(parts.tools, found.object)
        return ("" if plan.in_sync else show(plan)), not plan.in_sync
