"""A kustomization -> objects: the adapter between the ports and the pure room `trueup.kustomize`.

Called by `render`. Options: ``{"edits": {fields to lay over the kustomization}, "generate": bool, "substitute":
{name: value}, "substituteStrict": bool, "ignoreMissingComponents": bool, "buildOptions": text}``. ``generate`` is Flux's
way: a folder without a kustomization gets one, files of the whole source may be read, and objects stay in the order of
their files. ``buildOptions`` are flags of ``kustomize build``.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trueup import kustomize
from trueup.kube.documents import dump
from trueup.kustomize import HelmChart, KustomizeProblem, Options
from trueup.kustomize.flags import Flags, read_flags
from trueup.ports import Origin, RenderProblem, SourceProblem, Target, Tree
from trueup.render.choose import KUSTOMIZATIONS
from trueup.render.objects import Found
from trueup.render.outside import NOWHERE, Outside

if TYPE_CHECKING:
    from trueup.render.parsed import Parsed
    from trueup.render.workers import Workers


def render(
    tree: Tree,
    path: str,
    options: Mapping[str, Any],
    target: Target,
    workers: Callable[[], Workers],
    parsed: Parsed | None = None,
    outside: Outside = NOWHERE,
) -> tuple[list[Found], list[str]]:
    """The objects of a kustomization, and what it warns of."""
    flux = "generate" in options
    flags = _flags(options)
    choices = Options(
        restrict=flags.restrict and not flux,
        order="none" if flux else flags.order,
        managed_by_label=flags.managed_by_label,
        helm=_charts(_target(target, flags), workers, outside),
        add_schemas=flux,
        empty_allowed=flux,
        documents=parsed,
        remote=_remotes(outside.remote) if outside.remote else None,
        fetch=_files(outside.urls) if outside.urls else None,
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


def _flags(options: Mapping[str, Any]) -> Flags:
    try:
        return read_flags(str(options.get("buildOptions") or ""))
    except KustomizeProblem as problem:
        raise RenderProblem(problem.message, field="buildOptions") from None


def _target(target: Target, flags: Flags) -> Target:
    """What charts are rendered for, where flags say."""
    return Target(
        f"v{flags.kube_version.removeprefix('v')}" if flags.kube_version else target.kubernetes_version,
        (*target.api_versions, *flags.api_versions),
        target.namespace,
    )


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


def _files(read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Answers the URL of a file by what stands there."""

    def found(url: str) -> bytes:
        try:
            return read(url)
        except SourceProblem as problem:
            raise KustomizeProblem(f"the remote file '{url}' cannot be had: {problem}", path=url) from None

    return found


# --- charts in a kustomization -------------------------------------------------------------------------------------


def _charts(target: Target, workers: Callable[[], Workers], outside: Outside) -> Callable[[HelmChart], bytes]:
    """Renders the charts that a kustomization names."""

    def chart(asked: HelmChart) -> bytes:
        from trueup.render import kustomize_charts  # with all of Helm, which few kustomizations ask for

        try:
            return kustomize_charts.render(asked, target, workers(), outside)
        except RenderProblem as problem:
            raise KustomizeProblem(str(problem), path=problem.path, field="helmCharts") from None

    return chart
