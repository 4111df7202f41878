"""The option ``--render-limit``, for every command that renders what others wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from trueup.kube.limits import Limits, parse_limits


def _read(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> Limits:
    try:
        return parse_limits(given)
    except ValueError as problem:
        raise click.UsageError(f"--render-limit {problem}") from None


def render_limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option; the command gets ``limits``."""
    return click.option(
        "--render-limit",
        "limits",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_read,
        help="Let a render take more or less: seconds, seconds_each_megabyte, longest, memory, file, total.",
    )(command)
