"""`trueup chart`: lint, show and dependencies of a chart on disk, as Helm prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from trueup.cli.chart_flags import value_flags, value_options

if TYPE_CHECKING:
    from trueup.app.charts_on_disk import Linted


@click.group()
def chart() -> None:
    """Examine charts on disk."""


@chart.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@value_options
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@click.option("--with-subcharts", is_flag=True, help="Examine the charts in charts/ as well.")
@click.option("--quiet", is_flag=True, help="Print only warnings and errors.")
@click.option("--skip-schema-validation", is_flag=True, help="Without values.schema.json.")
@click.option("--kube-version", default="", metavar="VERSION", help="What is looked up as deprecated.")
@click.option("-n", "--namespace", default="", help="Of the release.")
def lint(
    paths: Sequence[str], values: dict[str, Any], strict: bool, with_subcharts: bool, quiet: bool,
    skip_schema_validation: bool, kube_version: str, namespace: str,
) -> None:  # fmt: skip
    """Say what is the matter with charts."""
    from trueup.app.charts_on_disk import inside
    from trueup.app.charts_on_disk import lint as examine

    options = {
        "strict": strict,
        "skip_schema_validation": skip_schema_validation,
        **({"kube_version": kube_version} if kube_version else {}),
        **({"namespace": namespace} if namespace else {}),
    }
    every = [*paths, *(one for path in paths if with_subcharts for one in inside(path))]
    found = [examine(path, value_flags(values), options) for path in every]
    shown = [one for one in found if not quiet or _matters(one)]
    for one in shown:
        click.echo(_told(one, quiet))
    failed = sum(one.failed for one in found)
    summary = f"{len(every)} chart(s) linted, {failed} chart(s) failed"
    if failed:
        raise click.ClickException(summary)
    if not quiet or shown:
        click.echo(summary)


def _matters(linted: Linted) -> bool:
    return linted.failed or any(finding.severity not in ("UNKNOWN", "INFO") for finding in linted.findings)


def _told(linted: Linted, quiet: bool) -> str:
    lines = [
        f"[{finding.severity}] {finding.path}: {finding.message}\n"
        for finding in linted.findings
        if not quiet or finding.severity not in ("UNKNOWN", "INFO")
    ]
    return f"==> Linting {linted.path}\n{''.join(lines)}"


@chart.command()
@click.argument("what", type=click.Choice(["all", "chart", "values", "readme", "crds"]))
@click.argument("path")
def show(what: str, path: str) -> None:
    """Print what a chart is, its values, its readme or its definitions."""
    from trueup.app.charts_on_disk import show as text

    click.echo(text(path, what).rstrip("\n"))


@chart.command()
@click.argument("path")
def dependencies(path: str) -> None:
    """List what a chart depends on, and whether it is there."""
    from trueup.app.charts_on_disk import dependencies as listed

    rows = [[one[name] for name in ("name", "version", "repository", "status")] for one in listed(path)]
    if not rows:
        click.echo(f"WARNING: no dependencies at {path}/charts")
        return
    rows.insert(0, ["NAME", "VERSION", "REPOSITORY", "STATUS"])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        click.echo("\t".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))
