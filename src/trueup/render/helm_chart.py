"""The files of a chart out of a tree, packed as the archive that Helm's library loads.

Called by `helm`. Nothing touches the disk. What ``.helmignore`` names is left out; dependencies that lie elsewhere in
the same repository (``file://``) are put where a ``helm dependency build`` would put them.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trueup.ports import RenderProblem, Tree
from trueup.render.objects import read

_LARGEST = 20 * 1024 * 1024
_MOST_NESTED = 8


@dataclass(frozen=True, slots=True)
class ChartFiles:
    """Paths inside the chart, and where each stands in the tree; ``digest`` is of all their contents."""

    tree: Tree
    path: str
    files: dict[str, str]
    digest: str
    metadata: dict[str, Any]

    def archive(self) -> bytes:
        """A ``.tgz`` in memory."""
        out = io.BytesIO()
        total = 0
        with (
            gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name, source in self.files.items():
                data = self.tree.read(source)
                total += len(data)
                if total > _LARGEST:
                    raise RenderProblem(f"the chart is larger than {_LARGEST} bytes", path=self.path)
                entry = tarfile.TarInfo(f"chart/{name}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        return out.getvalue()


def collect(tree: Tree, path: str, *, without_schema: bool = False) -> ChartFiles:
    """The files of the chart in a folder. Raises `RenderProblem` when it is none, or lacks a dependency."""
    metadata = _metadata(tree, path)
    files = dict(_with_dependencies(tree, path, 0))
    if without_schema:
        files = {name: source for name, source in files.items() if posixpath.basename(name) != "values.schema.json"}
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{tree.digest(files[name])}\0".encode("utf-8", "surrogateescape"))
    return ChartFiles(tree, path, files, total.hexdigest(), metadata)


def _metadata(tree: Tree, path: str) -> dict[str, Any]:
    file = _join(path, "Chart.yaml")
    if tree.kind(file) != "file":
        raise RenderProblem("there is no Chart.yaml", path=path)
    documents = read(tree.read(file), file)
    value = documents[0].value if documents else None
    if not isinstance(value, dict) or not value.get("name"):
        raise RenderProblem("a chart has a name", path=file, line=1, field="name")
    return value


def _with_dependencies(tree: Tree, path: str, depth: int) -> Iterator[tuple[str, str]]:
    yield from _files(tree, path)
    if depth > _MOST_NESTED:
        raise RenderProblem("charts depend on each other without end", path=path)
    vendored = _names(tree, _join(path, "charts"))
    for dependency in dependencies(_metadata(tree, path), tree, path):
        name, repository = str(dependency.get("name")), str(dependency.get("repository") or "")
        if not repository.startswith("file://") or any(_is_of(entry, name) for entry in vendored):
            continue
        place = posixpath.normpath(_join(path, repository.removeprefix("file://")))
        for inside, source in _with_dependencies(tree, "" if place == "." else place, depth + 1):
            yield f"charts/{name}/{inside}", source


def dependencies(metadata: dict[str, Any], tree: Tree, path: str) -> list[dict[str, Any]]:
    """What a chart says that it depends on; charts of the first API version say it in a file of its own."""
    listed = metadata.get("dependencies")
    if listed is None and tree.kind(_join(path, "requirements.yaml")) == "file":
        documents = read(tree.read(_join(path, "requirements.yaml")), _join(path, "requirements.yaml"))
        listed = (documents[0].value or {}).get("dependencies") if documents else None
    return [entry for entry in listed or () if isinstance(entry, dict)]


def _is_of(entry: str, name: str) -> bool:
    """Whether an entry of ``charts/`` is the chart of that name, as a folder or an archive."""
    return entry == name or (entry.endswith(".tgz") and entry.startswith(f"{name}-"))


def _names(tree: Tree, path: str) -> list[str]:
    return list(tree.list(path)) if tree.kind(path) == "folder" else []


def _files(tree: Tree, path: str) -> Iterator[tuple[str, str]]:
    rules = _Ignore("templates/.?*")
    if tree.kind(_join(path, ".helmignore")) == "file":
        rules = _Ignore(tree.read(_join(path, ".helmignore")).decode("utf-8", "replace") + "\ntemplates/.?*")
    yield from _walk(tree, path, "", rules)


def _walk(tree: Tree, root: str, inside: str, rules: _Ignore) -> Iterator[tuple[str, str]]:
    for name in tree.list(_join(root, inside)):
        relative = _join(inside, name)
        place = _join(root, relative)
        try:
            kind = tree.kind(place)
        except PermissionError:
            raise RenderProblem("a symbolic link leads out of the repository", path=place) from None
        if rules.ignores(relative, kind == "folder"):
            continue
        if kind == "file":
            yield relative, place
        elif kind == "folder":
            yield from _walk(tree, root, relative, rules)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


class _Ignore:
    """``.helmignore``: like Git's, but ``**`` is not known and a rule without a slash looks at the last name only."""

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
        self._rules = [line for line in lines if line and not line.startswith("#")]

    def ignores(self, path: str, folder: bool) -> bool:
        for rule in self._rules:
            negated, pattern = rule.startswith("!"), rule.removeprefix("!")
            only_folders, pattern = pattern.endswith("/"), pattern.removesuffix("/")
            hit = _rule_matches(pattern, path)
            if negated:
                if not hit or (only_folders and not folder):
                    return True
            elif hit and (folder or not only_folders):
                return True
        return False


def _rule_matches(pattern: str, path: str) -> bool:
    if pattern.startswith("/"):
        return _match(pattern[1:], path)
    if "/" in pattern:
        return _match(pattern, path)
    return _match(pattern, posixpath.basename(path))


def _match(pattern: str, path: str) -> bool:
    """Go's ``filepath.Match``: a star stops at slashes."""
    parts, names = pattern.split("/"), path.split("/")
    return len(parts) == len(names) and all(
        fnmatch.fnmatchcase(name, part.replace("[^", "[!")) for part, name in zip(parts, names, strict=True)
    )
