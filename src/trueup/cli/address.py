"""`trueup address`: where the cluster of a state folder answers."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from trueup.settings import DEFAULT_STATE


@click.command()
@click.option(
    "--state", type=click.Path(path_type=Path), default=DEFAULT_STATE, show_default=True, help="Its state folder."
)
@click.option("--sign-in", is_flag=True, help="The address of the pages, with the token that signs in.")
def address(state: Path, sign_in: bool) -> None:
    """Print the address of a running cluster."""
    marker = state / "up.json"
    if not marker.exists():
        raise click.ClickException(f"nothing runs on {state}: start it with `trueup up`")
    url = str(orjson.loads(marker.read_bytes())["url"])
    if sign_in:
        token = (state / "pki" / "web.token").read_text().strip()
        url = f"{url}/login?token={token}"
    click.echo(url)
