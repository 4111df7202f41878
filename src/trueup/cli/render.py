"""`trueup render`: what a folder or a unit's source renders to, as YAML."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from trueup.cli.connect import cluster_options
from trueup.cli.units import find
from trueup.kube.documents import dump
from trueup.kube.names import Object
from trueup.kube.types import DEFAULT_VERSION
from trueup.ports import Origin, Target
from trueup.settings import parse_mapping


@click.command()
@click.argument("what", metavar="PATH|APP")
@cluster_options
@click.option("--map", "mapping", multiple=True, metavar="URL=DIR", help="Answer a repository's URL from a folder.")
@click.option("--kubernetes-version", default=DEFAULT_VERSION, show_default=True, help="What a folder is rendered for.")
@click.option(
    "--as", "tool", type=click.Choice(["helm", "kustomize", "directory"]), default=None, help="Detected else."
)
@click.option("--files", is_flag=True, help="Say where each object comes from.")
def render(
    what: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: tuple[str, ...],
    kubernetes_version: str, tool: str | None, files: bool,
) -> None:  # fmt: skip
    """Print what a folder or a unit's source renders to."""
    if Path(what).is_dir():
        target = Target(f"v{kubernetes_version.removeprefix('v')}.0", namespace=namespace)
        objects, origins, warnings = asyncio.run(_folder(Path(what), target, tool or ""))
    else:
        try:
            folders = parse_mapping(mapping)
        except ValueError as problem:
            raise click.UsageError(str(problem)) from None
        objects, origins, warnings = asyncio.run(_unit(what, state, kubeconfig, context, namespace, folders))
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    for obj, origin in zip(objects, origins, strict=True):
        click.echo("---")
        if files:
            click.echo(f"# {origin.path}{f':{origin.line}' if origin.line else ''}")
        click.echo(dump(obj), nl=False)


async def _folder(folder: Path, target: Target, tool: str) -> tuple[list[Object], list[Origin], tuple[str, ...]]:
    from trueup.app.look import render_folder

    found = await render_folder(folder, target, tool)
    return found.objects, found.origins, tuple(found.warnings)


async def _unit(
    name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: dict[str, Path]
) -> tuple[list[Object], list[Origin], tuple[str, ...]]:
    from trueup.app.families import units
    from trueup.app.look import looking

    async with looking(state, kubeconfig, context, mapping) as (client, parts):
        found = await find(client, units(), name, namespace)
        if found.unit.plan is None:
            raise click.ClickException(f"{found.title} renders nothing")
        desired, _ = await found.unit.plan(parts.tools, found.object)
        return desired.objects, desired.origins, desired.warnings
