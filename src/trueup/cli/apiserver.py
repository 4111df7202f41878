"""`trueup apiserver`: the embedded API server alone, with the built-in controllers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import click

from trueup.cli.serving import serving_options
from trueup.settings import Settings


@click.command()
@serving_options
@click.option(
    "--kubeconfig-out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Where to write the kubeconfig.",
)
@click.option("--no-simulate", is_flag=True, help="Run no controllers at all: objects stay as they are written.")
def apiserver(settings: Settings, kubeconfig_out: Path | None, no_simulate: bool) -> None:
    """Serve a Kubernetes API for tests and other tools."""
    settings = replace(settings, simulate=not no_simulate, families=() if no_simulate else ("builtin",))
    asyncio.run(_serve(settings, kubeconfig_out))


async def _serve(settings: Settings, kubeconfig_out: Path | None) -> None:
    from trueup.app.process import End, collect_rarely, marked
    from trueup.app.serve import serving
    from trueup.runtime.logs import set_up
    from trueup.store.log import StoreProblem

    set_up(level="ERROR")
    collect_rarely()
    try:
        async with serving(settings, click.echo, kubeconfig_out) as now:
            end = End()
            async with marked(now.cluster.folder, now.cluster.server.url):
                click.echo("stop       Ctrl-C")
                await end.told(now.failed)
    except (StoreProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from None
