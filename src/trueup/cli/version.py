"""`trueup version`."""

from __future__ import annotations

import platform

import click

import trueup


@click.command()
def version() -> None:
    """Print trueup's version and Python's."""
    click.echo(f"trueup {trueup.__version__} (Python {platform.python_version()})")
