"""Where to begin in a repository that nobody has said anything about. Pure but for reading the tree.

Called by `bootstrap.py` with a tree and the folder that a person asked for, if any; a `Beginning` leaves. Sources: the layouts
that `flux bootstrap`, Argo CD's "app of apps" and their example repositories use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname
from typing import Any

from trueup.kube import documents
from trueup.kube.names import Object
from trueup.ports import SourceProblem, Tree

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
NAMED = ("bootstrap", "argocd", "apps", "base", "deploy", "manifests", "kustomize")
SCATTERED = 100
"""Files of units that are taken one by one at most; more of them are a repository for many clusters."""
SHOWN = 8
_UNITS = re.compile(rb"^kind:\s*[\"']?(?:Kustomization|Application|ApplicationSet|AppProject)[\"']?\s*(?:#.*)?$", re.M)
_SOURCES = re.compile(rb"^kind:\s*[\"']?GitRepository[\"']?\s*(?:#.*)?$", re.M)
_KIND = re.compile(rb"^kind:\s*\S", re.M)
_FLUX, _ARGO = "kustomize.toolkit.fluxcd.io/", "argoproj.io/"
_GENERATORS = "source.extensions.fluxcd.io/"


@dataclass(frozen=True, slots=True)
class Beginning:
    """A folder to begin with, and why; or ``files`` of the whole tree. ``chart``: the folder is a Helm chart."""

    folder: str
    why: str
    files: tuple[str, ...] = ()
    chart: bool = False
    holds_units: bool = False
    """Units judge themselves; what else is begun with is worth waiting for."""
    flux_system: bool = False
    """Its units name the GitRepository ``flux-system/flux-system``, which `flux bootstrap` makes and no file holds."""


def beginning(tree: Tree, asked: str, where: str) -> Beginning:
    """What to begin with. Raises ``SourceProblem`` when the folder asked for is not there, or when several would do."""
    found = _asked(tree, asked, where) if asked else _found(tree)
    return Beginning(
        found.folder,
        found.why,
        found.files,
        tree.kind(f"{found.folder}/Chart.yaml" if found.folder else "Chart.yaml") == "file",
        any(_units(tree, found.folder)),
        _names_flux_system(tree, found),
    )


def _asked(tree: Tree, asked: str, where: str) -> Beginning:
    folder = asked.strip("/").removeprefix("./").strip("/")
    folder = "" if folder == "." else folder
    if folder and tree.kind(folder) != "folder":
        raise SourceProblem("NotFound", f"{where} has no folder {folder}", retry=False)
    return Beginning(folder, "as asked for")


def _found(tree: Tree) -> Beginning:
    """A kustomization at the top, a folder of ``clusters/``, the folder of the units that no other unit brings, the usual
    names, else the top as it is."""
    if any(tree.kind(name) == "file" for name in KUSTOMIZATIONS):
        return Beginning("", "the kustomization at the top")
    clusters = _folders(tree, "clusters")
    if len(clusters) == 1:
        return Beginning(f"clusters/{clusters[0]}", "the only folder in clusters/")
    if clusters:
        raise _ambiguous([f"clusters/{name}" for name in clusters])
    units = list(_units(tree))
    folders = sorted({dirname(unit.file) for unit in roots(units)})
    if len(folders) == 1:
        return Beginning(folders[0], "the folder of the units that bring all others")
    named = [name for name in NAMED if tree.kind(name) == "folder"]
    built = [name for name in named if any(tree.kind(f"{name}/{file}") == "file" for file in KUSTOMIZATIONS)]
    if built:
        return Beginning(built[0], f"the kustomization {built[0]}/")
    plain = [name for name in named if not units or _holds_objects_only(tree, name)]
    if plain:
        return Beginning(plain[0], f"the folder {plain[0]}/")
    if len(folders) > 1:
        files = tuple(sorted({unit.file for unit in units}))
        if len(files) > SCATTERED or any(unit.flux for unit in units):
            raise _ambiguous(folders)
        return Beginning("", f"{len(files)} files with Applications", files)
    return Beginning("", "the top of the repository")


def _holds_objects_only(tree: Tree, folder: str) -> bool:
    """Whether all YAML in a folder can be applied, as far as a glance tells: no charts, no settings of other tools."""
    return all(_KIND.search(tree.read(file)) for file in _files(tree, folder))


def _ambiguous(folders: Sequence[str]) -> SourceProblem:
    names = ", ".join(folder or "." for folder in folders[:SHOWN])
    more = f" and {len(folders) - SHOWN} more" if len(folders) > SHOWN else ""
    return SourceProblem(
        "Ambiguous", f"several folders to begin with: choose one by --path ({names}{more})", retry=False
    )


def _folders(tree: Tree, path: str) -> list[str]:
    if tree.kind(path) != "folder":
        return []
    return [name for name in tree.list(path) if tree.kind(f"{path}/{name}") == "folder"]


# --- units and what they bring ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in a file: ``brings`` are the folders of this repository that it delivers."""

    file: str
    name: str
    brings: tuple[str, ...]
    flux: bool


def roots(units: Sequence[Unit]) -> list[Unit]:
    """The units that no other unit brings, save one that it brings itself (a cluster's own Kustomization)."""
    by_file: dict[str, list[int]] = {}
    for number, unit in enumerate(units):
        by_file.setdefault(unit.file, []).append(number)
    brought = [_brought(unit, by_file) for unit in units]
    bringers: list[set[int]] = [set() for _ in units]
    for number, others in enumerate(brought):
        for other in others - {number}:
            bringers[other].add(number)
    reaches = [_closure(number, brought) for number in range(len(units))]
    return [unit for number, unit in enumerate(units) if bringers[number] <= reaches[number]]


def _brought(unit: Unit, by_file: Mapping[str, list[int]]) -> set[int]:
    return {
        number
        for path in unit.brings
        for file, numbers in by_file.items()
        if not path or file.startswith(f"{path}/")
        for number in numbers
    }


def _closure(start: int, brought: Sequence[set[int]]) -> set[int]:
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        new = brought[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def _units(tree: Tree, folder: str = "") -> Iterator[Unit]:
    """All units of Flux and Argo CD that a folder's files hold as they are."""
    for file, obj in _objects(tree, folder, _UNITS):
        meta, spec = obj.get("metadata"), obj.get("spec")
        if not isinstance(meta, dict) or not isinstance(spec, dict):
            continue
        api, kind, name = str(obj.get("apiVersion")), obj.get("kind"), str(meta.get("name") or "")
        if api.startswith(_FLUX) and kind == "Kustomization":
            yield Unit(file, name, tuple(_inside([spec.get("path")])), flux=True)
        elif api.startswith(_ARGO) and kind == "Application":
            sources = [spec.get("source"), *_list(spec.get("sources"))]
            paths = [source.get("path") for source in sources if isinstance(source, dict)]
            yield Unit(file, name, tuple(_inside(p for p in paths if p)), flux=False)
        elif api.startswith(_ARGO) and kind in ("ApplicationSet", "AppProject"):
            yield Unit(file, name, (), flux=False)


def _inside(paths: Iterable[Any]) -> Iterator[str]:
    for path in paths:
        yield "/".join(part for part in str(path or "").split("/") if part not in ("", "."))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(tree: Tree, folder: str, holds: re.Pattern[bytes]) -> Iterator[tuple[str, Object]]:
    """The objects of the YAML files in which the pattern is found; what is no YAML is left out (templates are not)."""
    for file in _files(tree, folder):
        data = tree.read(file)
        if holds.search(data) is None:
            continue
        try:
            parsed = documents.parse(data, file)
        except documents.YamlProblem:
            continue
        for document in parsed:
            if isinstance(document.value, dict):
                yield file, document.value


def _files(tree: Tree, folder: str) -> Iterator[str]:
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        for name in tree.list(at):
            path = f"{at}/{name}" if at else name
            kind = tree.kind(path)
            if kind == "folder" and not name.startswith("."):
                waiting.append(path)
            elif kind == "file" and name.endswith((".yaml", ".yml")):
                yield path


# --- flux-system ---------------------------------------------------------------------------------------------------------


def _names_flux_system(tree: Tree, found: Beginning) -> bool:
    """Whether a unit at the beginning names the GitRepository of `flux bootstrap` and nothing in the tree is it."""
    if found.files or not any(_is_flux_system(ref) for ref in _references(tree, found.folder)):
        return False
    return not any(
        _is_flux_system({**(obj.get("metadata") or {}), "kind": obj.get("kind")})
        for _, obj in _objects(tree, "", _SOURCES)
    )


def _references(tree: Tree, folder: str) -> Iterator[Mapping[str, Any]]:
    """The sources that Flux's objects of a folder name."""
    for _, obj in _objects(tree, folder, re.compile(rb"toolkit\.fluxcd\.io/|extensions\.fluxcd\.io/")):
        spec = obj.get("spec")
        if not isinstance(spec, dict):
            continue
        if isinstance(spec.get("sourceRef"), dict):
            yield spec["sourceRef"]
        if str(obj.get("apiVersion")).startswith(_GENERATORS):
            yield from (source for source in _list(spec.get("sources")) if isinstance(source, dict))


def _is_flux_system(ref: Mapping[str, Any]) -> bool:
    return (
        ref.get("kind") == "GitRepository"
        and ref.get("name") == "flux-system"
        and ref.get("namespace") in (None, "", "flux-system")
    )
