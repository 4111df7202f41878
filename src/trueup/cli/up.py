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

from trueup.cli.limits import render_limits
from trueup.cli.output import LogFormat, log_format, paint
from trueup.cli.serving import serving_options
from trueup.cli.wait import wait_for_all
from trueup.kube.limits import Limits
from trueup.settings import DEFAULT_STATE, Settings, parse_mapping


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
@serving_options
@render_limits
@click.option(
    "--wait",
    is_flag=True,
    help="Return when all is synced and healthy, with 1 when nothing moves any more (without --detach: and stop).",
)
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds that --wait may take.")
@click.option("--detach", is_flag=True, help="Go on in the background; `trueup down` stops it.")
@log_format
@click.option("--verbose", "-v", is_flag=True, help="Log what the controllers do.")
def up(
    settings: Settings, source: str, path: str, mapping: tuple[str, ...], limits: Limits, wait: bool, timeout: float,
    detach: bool, log_format: LogFormat, verbose: bool,
) -> None:  # fmt: skip
    """Start a cluster of its own and keep it true to SOURCE.

    SOURCE is a working tree, a bare repository, a plain folder or a URL.
    """
    try:
        settings = replace(settings, source=source, path=path, mapping=parse_mapping(mapping), limits=limits)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    if not detach:
        code = asyncio.run(_up(settings, wait, timeout, log_format, verbose))
    elif settings.state is None:
        raise click.UsageError("--detach keeps its state on disk: leave out --memory")
    else:
        code = _detached(settings.state, wait, timeout)
    if code:
        raise click.exceptions.Exit(code)


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
    # What this process is told by its environment the other one is not: it would detach from itself for ever.
    told = {name: text for name, text in os.environ.items() if name not in ("TRUEUP_UP_DETACH", "TRUEUP_UP_WAIT")}
    started = time.monotonic()
    # It holds the link that lets people in.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "trueup.cli.main", *arguments],
            stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**told, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    while not marker.exists() or marker.stat().st_mtime_ns == before:
        if child.poll() is not None:
            click.echo(_reason(log.read_text(errors="replace")) or f"error: it ended with {child.returncode}", err=True)
            return child.returncode or 1
        time.sleep(0.02)
    click.echo(log.read_text().split("stop  ")[0].strip())
    here = "" if state == DEFAULT_STATE else f" --state {state}"
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
