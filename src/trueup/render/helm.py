"""A chart -> objects, by Helm's own library in a worker process.

Called by `renderer`, and by `kustomize` for the charts of a kustomization. Options: the fields of Argo CD's
``source.helm`` (releaseName, valueFiles, values, valuesObject, parameters, fileParameters, ignoreMissingValueFiles,
skipCrds, skipTests, skipSchemaValidation, namespace, kubeVersion, apiVersions), and ``env`` for their ``$VARIABLES``.

Hooks come out as ordinary objects with their annotation. Source of the behaviour around the library: ``helm template``
and Argo CD's repository server.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.kube import semver
from trueup.kube.problems import ApiProblem
from trueup.ports import Origin, RenderProblem, Target, Tree
from trueup.render import helm_chart, helm_dependencies, helm_values
from trueup.render.helm_chart import ChartFiles
from trueup.render.helm_files import Files
from trueup.render.helm_order import in_order, is_test, is_unknown
from trueup.render.jobs import Jobs, WorkerProblem
from trueup.render.objects import Found, objects, read_manifests, what_is_missing
from trueup.render.outside import NOWHERE, Lookup, Outside
from trueup.render.parsed import Parsed

_PLACE = re.compile(
    r"(?P<chart>[\w.-]+)/(?P<path>(?:charts/[\w.-]+/)*(?:templates|crds)/[^\s:()\"]+)(?::(?P<line>\d+))?"
)
_LONGEST_NAME = 53


def render(
    tree: Tree,
    path: str,
    options: Mapping[str, Any],
    target: Target,
    others: Mapping[str, Tree],
    workers: Jobs,
    outside: Outside = NOWHERE,
    parsed: Parsed | None = None,
) -> list[Found]:
    """The objects of the chart in a folder, in Helm's order. Whom it may not ask, its ``lookup`` finds nothing of."""
    lookup = outside.lookup
    chart = helm_chart.collect(tree, path, outside.charts, without_schema=bool(options.get("skipSchemaValidation")))
    values = helm_values.compose(Files(tree, path, others, outside.urls), options)
    version = str(options.get("kubeVersion") or target.kubernetes_version)
    _check(chart, version)
    job = {
        "digest": chart.digest,
        "values": values,
        "lookup": lookup is not None,
        "crds": any(name.startswith("crds/") or "/crds/" in name or name.endswith(".tgz") for name in chart.files),
        "nested": any(name.startswith("charts/") for name in chart.files),
        "dependencies": bool(helm_dependencies.listed(chart.metadata, chart.tree, chart.path)),
        "options": {
            "name": _release(options, chart),
            "namespace": str(options.get("namespace") or target.namespace or "default"),
            "kube_version": version,
            "api_versions": list(options.get("apiVersions") or target.api_versions),
            **({"is_upgrade": True} if options.get("isUpgrade") else {}),
        },
    }
    done = _run(workers, "helm", job, chart, Questions(target, lookup) if lookup else None)
    _check_dependencies(chart, done)
    parsed = parsed or Parsed()
    found = [one for name, text in sorted(done["files"].items()) for one in _template(chart, name, text, parsed)]
    found = [one for one in found if not is_unknown(one[0])]
    if options.get("skipTests"):
        found = [one for one in found if not is_test(one[0])]
    crds = [] if options.get("skipCrds") else list(_crds(chart, done, values, workers, job))
    return crds + in_order(found)


def _release(options: Mapping[str, Any], chart: ChartFiles) -> str:
    name = str(options.get("releaseName") or "release-name")
    if len(name) > _LONGEST_NAME:
        message = f"release name {name!r} is longer than {_LONGEST_NAME} characters: set releaseName"
        raise RenderProblem(message, path=chart.path, field="source.helm.releaseName")
    return name


def _check(chart: ChartFiles, version: str) -> None:
    """What Helm refuses before it renders."""
    file = f"{chart.path}/Chart.yaml" if chart.path else "Chart.yaml"
    kind = chart.metadata.get("type")
    if kind not in (None, "", "application"):
        raise RenderProblem(f"{kind} charts are not installable", path=file, field="type")
    wanted = str(chart.metadata.get("kubeVersion") or "")
    parsed = semver.Version.parse(version)
    try:
        if wanted and parsed and not semver.allows(wanted, parsed):
            message = f"chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {version}"
            raise RenderProblem(message, path=file, field="kubeVersion")
    except semver.RangeProblem as problem:
        raise RenderProblem(str(problem), path=file, field="kubeVersion") from None


def _check_dependencies(chart: ChartFiles, done: Mapping[str, Any]) -> None:
    """A chart without one of its dependencies is not rendered."""
    have = {str(dependency.get("name")) for dependency in done["dependencies"]}
    wanted = helm_dependencies.listed(chart.metadata, chart.tree, chart.path)
    missing = sorted({str(one.get("name")) for one in wanted} - have)
    if missing:
        message = (
            f"found in Chart.yaml, but missing in charts/ directory: {', '.join(missing)}"
            " (vendor them: run helm dependency build and commit charts/)"
        )
        raise RenderProblem(message, path=f"{chart.path}/Chart.yaml".lstrip("/"), field="dependencies")


class Questions:
    """What the library asks a cluster during one render."""

    def __init__(self, target: Target, lookup: Lookup) -> None:
        self._target, self._lookup = target, lookup

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if "kinds" in question:
            return {"kinds": self._kinds(str(question["kinds"]))}
        version, kind, namespace, name = question["lookup"]
        try:
            return {"object": self._lookup(version, kind, namespace, name)}
        except ApiProblem as problem:
            return {"error": problem.message}

    def _kinds(self, version: str) -> list[str]:
        """The kinds of a group and version that the target has: the built-in ones, and those that it lists."""
        from trueup.kube.types import load  # a large table, which few charts ask for

        listed = {entry[len(version) + 1 :] for entry in self._target.api_versions if entry.startswith(f"{version}/")}
        built_in = {row.kind.kind for row in load().resources if row.kind.api_version == version}
        return sorted(built_in | {kind for kind in listed if "/" not in kind})


def _run(workers: Jobs, name: str, job: Mapping[str, Any], chart: ChartFiles, cluster: Questions | None = None) -> Any:
    def answer(question: dict[str, Any]) -> dict[str, Any]:
        if "archive" in question:
            return {"content": chart.archive()}
        return cluster.answer(question) if cluster else {"error": f"nobody answers {question}"}

    try:
        return workers.run(name, job, answer)
    except WorkerProblem as problem:
        raise _problem(str(problem), chart) from None


def _problem(text: str, chart: ChartFiles) -> RenderProblem:
    """The library's message at the template that it names; the innermost place comes last."""
    places = list(_PLACE.finditer(text))
    if places:
        place = ([place for place in places if place["line"]] or places)[-1]
        return RenderProblem(text, path=_inside(chart, place["path"]), line=int(place["line"] or 0))
    return RenderProblem(text, path=chart.path)


def _inside(chart: ChartFiles, path: str) -> str:
    found = chart.files.get(path)
    return found[1] if found and found[0] is chart.tree else f"{chart.path}/{path}" if chart.path else path


def _template(chart: ChartFiles, name: str, text: str, parsed: Parsed) -> Iterator[Found]:
    """The objects of one rendered template; partials and notes are none."""
    base = name.rpartition("/")[2]
    if base.startswith("_") or base.endswith("NOTES.txt") or not text.strip():
        return
    path = _inside(chart, name.partition("/")[2])
    try:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        documents = parsed.read(digest, len(text), lambda: read_manifests(text, ""))
    except RenderProblem as problem:
        raise RenderProblem(f"what it renders to is no YAML ({problem})", path=path) from None
    for document in documents:
        missing = what_is_missing(document.value)
        if missing:
            raise RenderProblem(f"{missing} (line {document.line} of what it renders to)", path=path)
        yield from objects(document.value, Origin(path, 0, "helm"))


# --- custom resource definitions ---------------------------------------------------------------------------------


def _crds(
    chart: ChartFiles, done: Mapping[str, Any], values: dict[str, Any], workers: Jobs, job: Mapping[str, Any]
) -> Iterator[Found]:
    """The files of ``crds/``, of the chart and of its enabled dependencies. They are not templates."""
    if not done["crds"]:
        return
    off: set[str] = set()
    if any("/charts/" in crd["filename"] for crd in done["crds"]):
        merged = _run(workers, "helm_values", {"digest": job["digest"], "values": values}, chart)["values"]
        off = disabled(helm_dependencies.listed(chart.metadata, chart.tree, chart.path), merged)
    for crd in done["crds"]:
        inside = crd["filename"].partition("/")[2]
        if inside.startswith("charts/") and inside.split("/")[1] in off:
            continue
        path = _inside(chart, inside)
        for document in read_manifests(crd["data"], path):
            yield from objects(document.value, Origin(path, document.line, "helm"))


def disabled(dependencies: list[dict[str, Any]], values: Mapping[str, Any]) -> set[str]:
    """The dependencies that ``tags`` or the first answer of a ``condition`` turn off."""
    out: set[str] = set()
    tags = values.get("tags")
    for dependency in dependencies:
        said = [
            tags[tag]
            for tag in dependency.get("tags") or ()
            if isinstance(tags, dict) and isinstance(tags.get(tag), bool)
        ]
        on = True if not said else any(said)
        for path in str(dependency.get("condition") or "").split(","):
            answer = _at(values, path.strip())
            if isinstance(answer, bool):
                on = answer
                break
        if not on:
            out.add(str(dependency.get("alias") or dependency.get("name")))
            out.add(str(dependency.get("name")))
    return out


def _at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
