"""`trueup run`: the controllers over a real cluster, until told to stop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from trueup.cli.limits import render_limits
from trueup.cli.output import LogFormat, log_format
from trueup.kube.limits import Limits
from trueup.settings import Settings, parse_listen, parse_mapping, parse_shards


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    default=None,
    help="The cluster; else kubectl's own rules.",
)
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option("--families", default="", metavar="A,B", help="Only these families, e.g. argocd,flux.")
@click.option("--namespace", "-n", default="", help="Only units of this namespace.")
@click.option(
    "--shards",
    default="auto",
    show_default=True,
    metavar="auto|N|off",
    help="Replicas that share the work by Leases: all there are, or so many while others stand by; off: no Leases.",
)
@click.option(
    "--lease-seconds",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    help="After how many a silent replica's share goes to the others; the same for all.",
)
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
@click.option(
    "--metrics-listen",
    default="",
    metavar="HOST:PORT",
    help="Answer /metrics, /healthz and /readyz here, over plain HTTP; port 0 takes a free one.",
)
@render_limits
@click.option(
    "--render-cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Have renders in common with other replicas, and with the next start, through this folder.",
)
@log_format
@click.option("--verbose", "-v", is_flag=True, help="Log what the controllers do.")
def run(
    kubeconfig: Path | None, context: str, families: str, namespace: str, shards: str, lease_seconds: float,
    mapping: tuple[str, ...], state: Path | None, install: bool, metrics_listen: str,
    limits: Limits, render_cache: Path | None, log_format: LogFormat, verbose: bool,
) -> None:  # fmt: skip
    """Run the controllers on a real cluster."""
    from trueup.runtime.logs import set_up

    try:
        settings = Settings(
            state=state,
            mapping=parse_mapping(mapping),
            families=tuple(name.strip() for name in families.split(",") if name.strip()),
            namespace=namespace,
            replicas=parse_shards(shards),
            lease_seconds=lease_seconds,
            limits=limits,
            render_cache=render_cache,
            metrics=parse_listen(metrics_listen) if metrics_listen else None,
        )
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    set_up(level="INFO" if verbose else "WARNING", form=log_format)
    asyncio.run(_run(settings, kubeconfig, context, install))


async def _run(settings: Settings, kubeconfig: Path | None, context: str, install: bool) -> None:
    from trueup.app.process import End
    from trueup.app.run import running
    from trueup.cli.progress import follow_units
    from trueup.kube.problems import ApiProblem

    started = time.monotonic()
    try:
        async with running(settings, kubeconfig, context, click.echo, install_kinds=install) as now:
            follow_units(now.controllers.tools.client, now.controllers.manager.live, started)
            end = End()
            click.echo("stop       Ctrl-C")
            await end.told(now.failed)
            click.echo("stopping")
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    except (ApiProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from None
