"""`trueup run`: the controllers over a real cluster, until told to stop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from trueup.settings import Settings, parse_mapping


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    default=None,
    help="The cluster; else kubectl's own rules.",
)
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option("--families", default="", metavar="A,B", help="Only these families, e.g. argocd,flux.")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="URL=DIR",
    help="Answer a repository's URL from a folder.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=None,
    help="Keep mirrors and the ledger here.",
)
@click.option(
    "--install/--no-install", default=True, show_default=True, help="Serve the families' kinds where they are missing."
)
@click.option("--verbose", "-v", is_flag=True, help="Log what the controllers do.")
def run(
    kubeconfig: Path | None, context: str, families: str, mapping: tuple[str, ...], state: Path | None,
    install: bool, verbose: bool,
) -> None:  # fmt: skip
    """Run the controllers on a real cluster."""
    try:
        folders = parse_mapping(mapping)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    names = tuple(name.strip() for name in families.split(",") if name.strip())
    settings = Settings(state=state, mapping=folders, families=names)
    asyncio.run(_run(settings, kubeconfig, context, install, verbose))


async def _run(settings: Settings, kubeconfig: Path | None, context: str, install: bool, verbose: bool) -> None:
    from trueup.app.process import until_told
    from trueup.app.run import running
    from trueup.cli.progress import follow_units
    from trueup.runtime.logs import set_up

    set_up(level="INFO" if verbose else "WARNING")
    started = time.monotonic()
    try:
        async with running(settings, kubeconfig, context, click.echo, install_kinds=install) as (parts, failed):
            follow_units(parts.tools.client, parts.manager.live, started)
            click.echo("stop       Ctrl-C")
            await until_told(failed)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
