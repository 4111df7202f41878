"""`trueup apiserver`: the embedded API server alone, with the built-in controllers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import click

from trueup.cli.auditing import audit_options
from trueup.cli.up import client_ca_option, read_settings, token_file_option
from trueup.settings import DEFAULT_LISTEN, DEFAULT_STATE, AuditSettings, Settings


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=DEFAULT_STATE,
    show_default=True,
    help="Where everything is kept.",
)
@click.option("--memory", is_flag=True, help="Keep nothing on disk.")
@click.option(
    "--listen",
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where the API answers; port 0 takes a free one.",
)
@click.option(
    "--kubeconfig-out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Where to write the kubeconfig.",
)
@click.option("--kubernetes-version", default="", metavar="V", help="The version to be, e.g. 1.34.")
@client_ca_option
@token_file_option
@audit_options
@click.option("--no-simulate", is_flag=True, help="Run no controllers at all: objects stay as they are written.")
def apiserver(
    state: Path, memory: bool, listen: str, kubeconfig_out: Path | None, kubernetes_version: str, no_simulate: bool,
    client_ca: Path | None, tokens: Path | None, audit: AuditSettings | None,
) -> None:  # fmt: skip
    """Serve a Kubernetes API for tests and other tools."""
    settings = read_settings("", "", (), None if memory else state, listen, kubernetes_version)
    settings = replace(settings, simulate=not no_simulate, families=() if no_simulate else ("builtin",))
    settings = replace(settings, audit=audit, client_ca=client_ca, tokens=tokens)
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
