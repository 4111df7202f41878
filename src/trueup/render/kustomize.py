"""A kustomization -> objects: the adapter between the ports and the pure room `trueup.kustomize`.

Called by `render`. Options: ``{"edits": {fields to lay over the kustomization}, "generate": bool, "substitute":
{name: value}, "substituteStrict": bool, "ignoreMissingComponents": bool}``. ``generate`` is Flux's way: a folder without
a kustomization gets one, files of the whole source may be read, and objects stay in the order of their files.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from trueup import kustomize
from trueup.kube.documents import dump, dump_all
from trueup.kustomize import HelmChart, KustomizeProblem, Options
from trueup.ports import Origin, RenderProblem, SourceProblem, Target, Tree
from trueup.render import helm
from trueup.render.choose import KUSTOMIZATIONS
from trueup.render.helm_order import hooks
from trueup.render.helm_values import merged
from trueup.render.objects import Found, read
from trueup.render.parsed import Parsed
from trueup.render.workers import Workers


def render(
    tree: Tree,
    path: str,
    options: Mapping[str, Any],
    target: Target,
    workers: Workers,
    parsed: Parsed | None = None,
    remote: Callable[[str, str], Tree] | None = None,
) -> tuple[list[Found], list[str]]:
    """The objects of a kustomization, and what it warns of."""
    flux = "generate" in options
    choices = Options(
        restrict=not flux,
        order="none" if flux else "legacy",
        helm=_charts(target, workers),
        add_schemas=flux,
        empty_allowed=flux,
        documents=parsed,
        remote=_remotes(remote) if remote else None,
    )
    try:
        files = _generated(tree, path) if options.get("generate") else tree
        built = kustomize.build_with(files, path, _edits(tree, path, options), choices, by_commands=not flux)
        objects = built.objects
        for obj, (place, line) in zip(objects if flux else (), built.origins, strict=False):
            if not obj.get("apiVersion"):  # kustomize lets it pass, Flux's controller does not
                message = f"failed to decode Kubernetes apiVersion, kind and name from: {obj['kind']}/{obj['metadata']['name']}"
                raise KustomizeProblem(message, path=place, line=line)
        if options.get("substitute") is not None:
            variables = {str(name): str(value) for name, value in options["substitute"].items()}
            objects = [kustomize.substitute(obj, variables, bool(options.get("substituteStrict"))) for obj in objects]
    except KustomizeProblem as problem:
        raise RenderProblem(
            problem.message, path=problem.path or path, line=problem.line, field=problem.field
        ) from None
    origins = [Origin(place, line, "kustomize") for place, line in built.origins]
    return list(zip(objects, origins, strict=True)), built.warnings


def _edits(tree: Tree, path: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """What to lay over the kustomization; components that are not there are left out where the source says so."""
    edits: Mapping[str, Any] = options.get("edits") or {}
    if not options.get("ignoreMissingComponents"):
        return edits
    places = {str(name): posixpath.normpath(posixpath.join(path, str(name))) for name in edits.get("components") or ()}
    there = [name for name, place in places.items() if not place.startswith("..") and tree.kind(place) != "none"]
    return {**edits, "components": there}


# --- a folder without a kustomization ------------------------------------------------------------------------------


def _generated(tree: Tree, path: str) -> Tree:
    """The tree, with the kustomization that Flux would write if the folder has none."""
    if any(tree.kind(posixpath.join(path, name)) == "file" for name in KUSTOMIZATIONS):
        return tree
    return _With(
        tree, posixpath.join(path, KUSTOMIZATIONS[0]), dump(kustomize.generate_kustomization(tree, path)).encode()
    )


class _With:
    """A tree with one file more."""

    def __init__(self, tree: Tree, path: str, data: bytes) -> None:
        self._tree, self._path, self._data = tree, path, data

    def read(self, path: str) -> bytes:
        return self._data if path == self._path else self._tree.read(path)

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        return "file" if path == self._path else self._tree.kind(path)

    def list(self, path: str) -> Sequence[str]:
        folder, _, name = self._path.rpartition("/")
        names = self._tree.list(path)
        return sorted({*names, name}) if path == folder else names

    def digest(self, path: str) -> str:
        if path != self._path:
            return self._tree.digest(path)
        return hashlib.sha256(self._data).hexdigest()


# --- remote bases --------------------------------------------------------------------------------------------------


def _remotes(remote: Callable[[str, str], Tree]) -> Callable[[str], tuple[Tree, str]]:
    """Answers the URL of a base or file by the tree of its repository."""

    def found(url: str) -> tuple[Tree, str]:
        place = kustomize.place_of(url)
        try:
            return remote(place.repository, place.ref), place.path
        except SourceProblem as problem:
            raise KustomizeProblem(f"the repository of '{url}' cannot be had: {problem}", path=url) from None

    return found


# --- charts in a kustomization -------------------------------------------------------------------------------------


def _charts(target: Target, workers: Workers) -> Callable[[HelmChart], bytes]:
    """Renders the charts that a kustomization names, if they lie in the repository."""

    def chart(asked: HelmChart) -> bytes:
        try:
            return _chart(asked, target, workers)
        except RenderProblem as problem:
            raise KustomizeProblem(str(problem), path=problem.path, field="helmCharts") from None

    return chart


def _chart(asked: HelmChart, target: Target, workers: Workers) -> bytes:
    fields = asked.chart
    name, version = str(fields.get("name") or ""), str(fields.get("version") or "")
    home = posixpath.join(asked.root, str(asked.globals.get("chartHome") or "charts"))
    places = [posixpath.normpath(posixpath.join(home, place)) for place in (f"{name}-{version}/{name}", name)]
    found = next((place for place in places if asked.files.kind(posixpath.join(place, "Chart.yaml")) == "file"), None)
    if found is None:
        raise RenderProblem(
            f"chart {name!r} is not in {home}: charts are not fetched from {fields.get('repo') or 'anywhere'}; vendor it",
            path=asked.root,
        )
    options = {
        "releaseName": fields.get("releaseName") or "release-name",
        "namespace": fields.get("namespace") or target.namespace,
        "valuesObject": _values(asked),
        "skipCrds": not fields.get("includeCRDs"),
        "skipTests": bool(fields.get("skipTests")),
        "kubeVersion": fields.get("kubeVersion"),
        "apiVersions": fields.get("apiVersions"),
    }
    rendered = helm.render(asked.files, found, options, target, {}, workers)
    keep = [obj for obj, _ in rendered if not (fields.get("skipHooks") and hooks(obj))]
    return dump_all(keep).encode()


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
