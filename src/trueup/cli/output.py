"""How verbs print: aligned tables for people, JSON and YAML for programs. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import click
import orjson

OutputFormat = click.Choice(["wide", "json", "yaml", "name"])

LogFormat = Literal["auto", "text", "json"]
log_format = click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="auto: text on a terminal, else JSON.",
)
"""How the logs of a long-running verb are written."""

_COLOURS = {
    "Synced": "green",
    "Healthy": "green",
    "OutOfSync": "yellow",
    "Progressing": "cyan",
    "Degraded": "red",
    "Missing": "yellow",
    "Suspended": "blue",
    "Failed": "red",
    "Error": "red",
}


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with three spaces between, as kubectl prints them; states coloured when on a terminal."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(headers, widths, strict=True)).rstrip()]
    for row in rows:
        cells = [paint(cell) + " " * (width - len(cell)) for cell, width in zip(row, widths, strict=True)]
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)


def paint(word: str) -> str:
    """A state in its colour; any other word as it is. click drops colours off a terminal."""
    colour = _COLOURS.get(word)
    return click.style(word, fg=colour) if colour else word


def dump(value: Any, how: str) -> str:
    """``value`` as JSON (indented) or YAML."""
    if how == "json":
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    import yaml

    return str(yaml.safe_dump(value, sort_keys=True, default_flow_style=False)).rstrip()
