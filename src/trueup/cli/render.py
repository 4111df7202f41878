"""`trueup render`: what a folder, a chart or a unit's source renders to, as YAML."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup.cli.chart_flags import chart_options, flags_of
from trueup.cli.connect import cluster_options
from trueup.cli.limits import render_limits

if TYPE_CHECKING:
    from trueup.kube.limits import Limits
    from trueup.kube.names import Object
    from trueup.ports import Origin, Rendered, Target


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
@click.option("--why", is_flag=True, help="Say above each object which file and line it comes from, and by which tool.")
@click.option(
    "--files", is_flag=True, help="Say first which files were read, which folders listed, what was not there."
)
@chart_options
def render(
    what: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: tuple[str, ...],
    kubernetes_version: str, tool: str | None, build_options: str, limits: Limits, why: bool, files: bool,
    chart: dict[str, Any],
) -> None:  # fmt: skip
    """Print what a folder, a chart or a unit's source renders to.

    A chart is a folder, an archive, oci://HOST/PATH, or a name with --repo. It takes the flags of `helm template`; --as helm
    prints the objects that `helm template` would.
    """
    if _is_chart(what, tool, chart):
        found = _chart(what, _target(kubernetes_version, namespace), tool, mapping, chart, limits)
    elif chart:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(chart))
        raise click.UsageError(f"{what} is no chart, and only a chart has {named}")
    elif Path(what).is_dir():
        options = {"buildOptions": build_options} if build_options else {}
        found = _folder(Path(what), _target(kubernetes_version, namespace), tool, options, limits, mapping)
    else:
        found = _unit(what, state, kubeconfig, context, namespace, mapping, limits)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    sys.stdout.write("".join(_looked_at(found)) if files else "")
    sys.stdout.write("---\n".join(_texts(found.objects, found.origins if why else ())))


def _looked_at(found: Rendered) -> Iterator[str]:
    """Everything that the render depends on: a commit that changes none of it changes no object."""
    for what, paths in (("read", sorted(found.files)), ("listed", found.folders), ("not there", found.absent)):
        for path in paths:
            yield f"# {what:<10}{path or '.'}\n"


def _texts(objects: list[Object], origins: list[Origin] | tuple[()]) -> Iterator[str]:
    """Each object as text, with where it comes from above it where that is asked."""
    from trueup.kube.yaml_printing import dump

    for place, obj in enumerate(objects):
        origin = origins[place] if origins else None
        yield (_origin(origin) if origin else "") + dump(obj)


def _origin(origin: Origin) -> str:
    line, tool = f":{origin.line}" if origin.line else "", f" ({origin.tool})" if origin.tool else ""
    return f"# {origin.path}{line}{tool}\n"


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
) -> Rendered:
    from dataclasses import replace

    from trueup.app.chart import render_chart

    if "kube_version" in said:
        target = replace(target, kubernetes_version=f"v{said['kube_version'].removeprefix('v')}")
    return render_chart(what, target, flags_of(said, tool, _mapping(mapping) if mapping else {}), limits)


def _mapping(mapping: tuple[str, ...]) -> dict[str, Path]:
    from trueup.settings import parse_mapping

    try:
        return parse_mapping(mapping)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None


def _folder(
    folder: Path, target: Target, tool: str | None, options: dict[str, Any], limits: Limits, mapping: tuple[str, ...]
) -> Rendered:
    """A kustomization is built here and now; the other engines are other processes, which something has to wait for."""
    from trueup.app.folder import is_kustomization, render_folder, render_kustomization

    if tool == "kustomize" or (tool is None and is_kustomization(folder)):
        return render_kustomization(folder, target, options, limits, _mapping(mapping) if mapping else {})
    import asyncio

    return asyncio.run(render_folder(folder, target, tool or "", options, limits))


def _unit(
    name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, mapping: tuple[str, ...],
    limits: Limits,
) -> Rendered:  # fmt: skip
    import asyncio

    from trueup.app.families import units
    from trueup.app.look import looking
    from trueup.cli.units import find
    from trueup.ports import Rendered

    folders = _mapping(mapping)

    async def look() -> Rendered:
        async with looking(state, kubeconfig, context, folders, limits) as (client, parts):
            found = await find(client, units(), name, namespace)
            if found.unit.plan is None:
                raise click.ClickException(f"{found.title} renders nothing")
            desired, _ = await found.unit.plan(parts.tools, found.object)
            files = {path: said for one in desired.rendered for path, said in one.files.items()}
            absent = sorted({path for one in desired.rendered for path in one.absent})
            listed = sorted({path for one in desired.rendered for path in one.folders})
            return Rendered(desired.objects, desired.origins, files, desired.warnings, absent, listed)

    return asyncio.run(look())
