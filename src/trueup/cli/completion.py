"""`trueup completion SHELL`: the script that a shell reads to complete verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: source <(trueup completion bash)
    """
    from trueup.cli.command import cli

    maker = get_completion_class(shell)
    assert maker is not None
    click.echo(maker(cli, {}, "trueup", "_TRUEUP_COMPLETE").source())
