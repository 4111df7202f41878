"""`trueup down`: stop what `trueup up --detach` started."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click
import orjson

from trueup.settings import DEFAULT_STATE

_PATIENCE = 30.0


@click.command()
@click.option(
    "--state", type=click.Path(path_type=Path), default=DEFAULT_STATE, show_default=True, help="Its state folder."
)
def down(state: Path) -> None:
    """Stop the cluster of a state folder; the state stays."""
    marker = state / "up.json"
    if not marker.exists():
        click.echo(f"nothing runs on {state}")
        return
    pid = int(orjson.loads(marker.read_bytes())["pid"])
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        marker.unlink(missing_ok=True)
        click.echo(f"process {pid} had already ended")
        return
    ends = time.monotonic() + _PATIENCE
    while marker.exists() or _alive(pid):
        if time.monotonic() > ends:
            raise click.ClickException(f"process {pid} did not end within {_PATIENCE:.0f} s")
        time.sleep(0.05)
    click.echo("stopped; the state stays")


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return state != "Z"
