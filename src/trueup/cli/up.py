"""`trueup up`: a cluster of its own, kept true to a repository."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from trueup.cli.auditing import audit_options
from trueup.cli.output import LogFormat, log_format, paint
from trueup.cli.wait import wait_for_all
from trueup.settings import DEFAULT_LISTEN, DEFAULT_STATE, AuditSettings, Settings, parse_listen, parse_mapping

client_ca_option = click.option(
    "--client-ca-file",
    "client_ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    default=None,
    metavar="FILE",
    help="Whose client certificates are believed; those that the cluster signed itself when not given.",
)

token_file_option = click.option(
    "--token-auth-file",
    "tokens",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    default=None,
    metavar="FILE",
    help='More users, a line each: token,user,uid,"group,group".',
)


@click.command()
@click.argument("source", required=False, default="")
@click.option("--path", default="", help="Folder of the source to begin with; found by convention when not given.")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="URL=DIR",
    help="Answer a repository's URL from a folder. May be repeated.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=DEFAULT_STATE,
    show_default=True,
    help="Where everything is kept.",
)
@click.option(
    "--listen",
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where the API answers; port 0 takes a free one.",
)
@click.option("--kubernetes-version", default="", metavar="V", help="The version to be, e.g. 1.34.")
@click.option(
    "--wait",
    is_flag=True,
    help="Return when all is synced and healthy, with 1 when nothing moves any more (without --detach: and stop).",
)
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds that --wait may take.")
@click.option("--detach", is_flag=True, help="Go on in the background; `trueup down` stops it.")
@click.option("--memory", is_flag=True, help="Keep nothing on disk.")
@client_ca_option
@token_file_option
@audit_options
@log_format
@click.option("--verbose", "-v", is_flag=True, help="Log what the controllers do.")
def up(
    source: str, path: str, mapping: tuple[str, ...], state: Path, listen: str, kubernetes_version: str,
    wait: bool, timeout: float, detach: bool, memory: bool, client_ca: Path | None, tokens: Path | None,
    audit: AuditSettings | None, log_format: LogFormat, verbose: bool,
) -> None:  # fmt: skip
    """Start a cluster of its own and keep it true to SOURCE.

    SOURCE is a working tree, a bare repository, a plain folder or a URL.
    """
    if detach and memory:
        raise click.UsageError("--detach keeps its state on disk: leave out --memory")
    settings = read_settings(source, path, mapping, None if memory else state, listen, kubernetes_version)
    settings = replace(settings, audit=audit, client_ca=client_ca, tokens=tokens)
    code = _detached(state, wait, timeout) if detach else asyncio.run(_up(settings, wait, timeout, log_format, verbose))
    if code:
        raise click.exceptions.Exit(code)


def read_settings(
    source: str, path: str, mapping: tuple[str, ...], state: Path | None, listen: str, version: str
) -> Settings:
    """The options as settings; what is wrong with one is a usage error."""
    from trueup.kube.types import DEFAULT_VERSION, VERSIONS

    try:
        host, port = parse_listen(listen)
        folders = parse_mapping(mapping)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    version = version.removeprefix("v") or DEFAULT_VERSION
    version = ".".join(version.split(".")[:2])
    if version not in VERSIONS:
        raise click.UsageError(f"--kubernetes-version {version} is not known: choose one of {', '.join(VERSIONS)}")
    return Settings(
        state=state, host=host, port=port, kubernetes_version=version, source=source, path=path, mapping=folders
    )


async def _up(settings: Settings, wait: bool, timeout: float, form: LogFormat, verbose: bool) -> int:
    from trueup.app.process import End, collect_rarely, marked
    from trueup.app.up import running
    from trueup.cli.progress import end_line, follow_units
    from trueup.runtime.logs import set_up
    from trueup.store.log import StoreProblem

    set_up(level="INFO" if verbose else "ERROR", form=form)
    collect_rarely()
    started = time.monotonic()
    try:
        async with running(settings, click.echo) as now:
            end = None if wait else End()  # while waiting, Ctrl-C ends the wait
            async with marked(now.cluster.folder, now.cluster.server.url, now.mapping):
                follow_units(now.cluster.client, now.controllers.manager.live, started)
                if end is None:
                    code = await wait_for_all(now.cluster.client, timeout=timeout, tell=False)
                    end_line()
                    word = paint("Healthy") if code == 0 else "not healthy"
                    click.echo(f"{word} after {time.monotonic() - started:.1f} s")
                    return code
                kept = "the state stays" if settings.state else "nothing is kept"
                click.echo(f"stop       Ctrl-C; {kept}")
                await end.told(now.failed)
                end_line()
                click.echo("stopping")
    except (StoreProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    return 0


def _detached(state: Path, wait: bool, timeout: float) -> int:
    """The same command in a process of its own; returns when it answers, or when all is healthy."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    marker, log = state / "up.json", state / "trueup.log"
    before = marker.stat().st_mtime_ns if marker.exists() else 0  # of one that runs, or that was killed
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--detach", "--wait")]
    started = time.monotonic()
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "trueup.cli.main", *arguments],
            stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    while not marker.exists() or marker.stat().st_mtime_ns == before:
        if child.poll() is not None:
            click.echo(_reason(log.read_text(errors="replace")) or f"error: it ended with {child.returncode}", err=True)
            return child.returncode or 1
        time.sleep(0.02)
    click.echo(log.read_text().split("stop  ")[0].strip())
    here = "" if state == Path(DEFAULT_STATE) else f" --state {state}"
    click.echo(f"log        {log}; `trueup down{here}` stops it")
    if not wait:
        return 0
    code = asyncio.run(_wait(state, timeout))
    click.echo(f"{paint('Healthy') if code == 0 else 'not healthy'} after {time.monotonic() - started:.1f} s")
    verbs = ", ".join(f"trueup {verb}{here}" for verb in ("get", "tree NAME", "why NAME"))
    click.echo(f"look around: {verbs}, kubectl get all -A")
    return code


def _reason(log: str) -> str:
    """Why it ended: what it said from the error on, without what it told before."""
    lines = log.strip().splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(("error:", "Error:", "Usage:", "Traceback"))), 0)
    return "\n".join(lines[first:])


async def _wait(state: Path, timeout: float) -> int:
    from trueup.app.connect import connect

    client = await connect(state, None, "")
    try:
        return await wait_for_all(client, timeout=timeout)
    finally:
        await client.close()
