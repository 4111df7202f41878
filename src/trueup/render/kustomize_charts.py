"""The charts that a kustomization names -> YAML. Called by `kustomize` for ``helmCharts`` and its generator.

Source: ``HelmChartInflationGenerator`` of kustomize's API, version 5.8.1.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any

from trueup.kube.documents import dump_all
from trueup.kustomize import HelmChart
from trueup.ports import RenderProblem, SourceProblem, Target, Tree
from trueup.render import helm
from trueup.render.helm_order import hooks
from trueup.render.helm_values import merged
from trueup.render.jobs import Jobs
from trueup.render.objects import read
from trueup.render.outside import Outside


def render(asked: HelmChart, target: Target, workers: Jobs, outside: Outside) -> bytes:
    """What a chart renders to. Raises `RenderProblem`."""
    fields = asked.chart
    name, version = str(fields.get("name") or ""), str(fields.get("version") or "")
    home = posixpath.join(asked.root, str(asked.globals.get("chartHome") or "charts"))
    places = [posixpath.normpath(posixpath.join(home, place)) for place in (f"{name}-{version}/{name}", name)]
    there = (place for place in places if asked.files.kind(posixpath.join(place, "Chart.yaml")) == "file")
    vendored = next(there, None)
    tree, found = (asked.files, vendored) if vendored is not None else (_fetched(asked, home, outside), "")
    options = {
        "releaseName": fields.get("releaseName") or "release-name",
        "namespace": fields.get("namespace") or target.namespace,
        "valuesObject": _values(asked),
        "skipCrds": not fields.get("includeCRDs"),
        "skipTests": bool(fields.get("skipTests")),
        "kubeVersion": fields.get("kubeVersion"),
        "apiVersions": fields.get("apiVersions"),
    }
    rendered = helm.render(tree, found, options, target, {}, workers, replace(outside, lookup=None))
    keep = [obj for obj, _ in rendered if not (fields.get("skipHooks") and hooks(obj))]
    return dump_all(keep).encode()


def _fetched(asked: HelmChart, home: str, outside: Outside) -> Tree:
    """A chart that is not in the repository, from where the kustomization says, as ``helm pull`` would fetch it."""
    fields = asked.chart
    name, repository = str(fields.get("name") or ""), str(fields.get("repo") or "")
    if outside.charts is None or not repository:
        where = repository or "anywhere"
        message = f"chart {name!r} is not in {home}: charts are not fetched from {where}; vendor it"
        raise RenderProblem(message, path=asked.root)
    try:
        return outside.charts.fetch(repository, name, str(fields.get("version") or ""))[1]
    except SourceProblem as problem:
        raise RenderProblem(f"chart {name!r} cannot be had: {problem}", path=asked.root) from None


def _values(asked: HelmChart) -> dict[str, Any]:
    """``valuesFile``, ``additionalValuesFiles`` and ``valuesInline``; ``valuesMerge`` says which of them wins."""
    fields = asked.chart
    out: dict[str, Any] = {}
    names = [fields.get("valuesFile"), *(fields.get("additionalValuesFiles") or ())]
    for name in names:
        if not name:
            continue
        file = posixpath.normpath(posixpath.join(asked.root, str(name)))
        documents = read(asked.files.read(file), file)
        value = documents[0].value if documents else None
        out = merged(out, value if isinstance(value, dict) else {})
    inline = fields.get("valuesInline") or {}
    how = fields.get("valuesMerge") or "override"
    if how == "replace":
        return dict(inline) if inline else out
    return merged(inline, out) if how == "merge" else merged(out, inline)
