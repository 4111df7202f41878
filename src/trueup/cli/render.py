"""`trueup render`: what a folder, a chart or a unit's source renders to, as YAML."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup.cli.chart import chart_options, flags_of
from trueup.cli.connect import cluster_options
from trueup.cli.limits import render_limits

if TYPE_CHECKING:
    from trueup.kube.limits import Limits
    from trueup.kube.names import Object
    from trueup.ports import Origin, Target

    Shown = tuple[list[Object], list[Origin], tuple[str, ...]]


@click.command()
@click.argument("what", metavar="PATH|CHART|APP")
@cluster_options
@click.option("--map", "mapping", multiple=True, metavar="URL=DIR", help="Answer a repository's URL from a folder.")
@click.option("--kubernetes-version", default="", help="What a folder is rendered for.  [default: the newest known]")
@click.option(
    "--as", "tool", type=click.Choice(["helm", "kustomize", "directory"]), default=None, help="Detected else."
)
@click.option("--build-options", default="", metavar="FLAGS", help="Flags of `kustomize build`, for a kustomization.")
@render_limits
@click.option("--files", is_flag=True, help="Say where each object comes from.")
@chart_options
def render(
    what: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: tuple[str, ...],
    kubernetes_version: str, tool: str | None, build_options: str, limits: Limits, files: bool,
    chart: dict[str, Any],
) -> None:  # fmt: skip
    """Print what a folder, a chart or a unit's source renders to.

    A chart is a folder, an archive, oci://HOST/PATH, or a name with --repo. It takes the flags of `helm template`; --as helm
    prints the objects that `helm template` would.
    """
    if _is_chart(what, tool, chart):
        objects, origins, warnings = _chart(what, _target(kubernetes_version, namespace), tool, mapping, chart, limits)
    elif chart:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(chart))
        raise click.UsageError(f"{what} is no chart, and only a chart has {named}")
    elif Path(what).is_dir():
        options = {"buildOptions": build_options} if build_options else {}
        objects, origins, warnings = _folder(Path(what), _target(kubernetes_version, namespace), tool, options, limits)
    else:
        objects, origins, warnings = _unit(what, state, kubeconfig, context, namespace, mapping, limits)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    sys.stdout.write("---\n".join(_texts(objects, origins if files else ())))


def _texts(objects: list[Object], origins: list[Origin] | tuple[()]) -> Iterator[str]:
    """Each object as text, with where it comes from above it where that is asked."""
    from trueup.kube.yaml_printing import dump

    for place, obj in enumerate(objects):
        origin = origins[place] if origins else None
        head = f"# {origin.path}{f':{origin.line}' if origin.line else ''}\n" if origin else ""
        yield head + dump(obj)


def _target(version: str, namespace: str) -> Target:
    from trueup.kube.versions import DEFAULT_VERSION
    from trueup.ports import Target

    return Target(f"v{(version or DEFAULT_VERSION).removeprefix('v')}.0", namespace=namespace)


def _is_chart(what: str, tool: str | None, said: dict[str, Any]) -> bool:
    if "repo" in said or what.startswith("oci://"):
        return True
    if Path(what).is_dir():
        from trueup.app.folder import is_chart

        return tool == "helm" or (tool is None and is_chart(Path(what)))
    return what.endswith(".tgz") and Path(what).is_file()


def _chart(
    what: str, target: Target, tool: str | None, mapping: tuple[str, ...], said: dict[str, Any], limits: Limits
) -> Shown:
    from dataclasses import replace

    from trueup.app.chart import render_chart

    if "kube_version" in said:
        target = replace(target, kubernetes_version=f"v{said['kube_version'].removeprefix('v')}")
    found = render_chart(what, target, flags_of(said, tool, _mapping(mapping) if mapping else {}), limits)
    return found.objects, found.origins, tuple(found.warnings)


def _mapping(mapping: tuple[str, ...]) -> dict[str, Path]:
    from trueup.settings import parse_mapping

    try:
        return parse_mapping(mapping)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None


def _folder(folder: Path, target: Target, tool: str | None, options: dict[str, Any], limits: Limits) -> Shown:
    """A kustomization is built here and now; the other engines are other processes, which something has to wait for."""
    from trueup.app.folder import is_kustomization, render_folder, render_kustomization

    if tool == "kustomize" or (tool is None and is_kustomization(folder)):
        found = render_kustomization(folder, target, options, limits)
    else:
        import asyncio

        found = asyncio.run(render_folder(folder, target, tool or "", options, limits))
    return found.objects, found.origins, tuple(found.warnings)


def _unit(
    name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: tuple[str, ...],
    limits: Limits,
) -> Shown:  # fmt: skip
    import asyncio

    from trueup.app.families import units
    from trueup.app.look import looking
    from trueup.cli.units import find

    folders = _mapping(mapping)

    async def look() -> Shown:
        async with looking(state, kubeconfig, context, folders, limits) as (client, parts):
            found = await find(client, units(), name, namespace)
            if found.unit.plan is None:
                raise click.ClickException(f"{found.title} renders nothing")
            desired, _ = await found.unit.plan(parts.tools, found.object)
            return desired.objects, desired.origins, desired.warnings

    return asyncio.run(look())
