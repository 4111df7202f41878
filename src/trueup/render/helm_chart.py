"""The files of a chart out of a tree, packed as the archive that Helm's library loads.

Called by `helm`. Nothing touches the disk. What ``.helmignore`` names is left out; dependencies that lie elsewhere are put
where a ``helm dependency build`` would put them.
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

from trueup.ports import Charts, RenderProblem, Tree
from trueup.render import helm_dependencies
from trueup.render.objects import read

_LARGEST = 20 * 1024 * 1024


Place = tuple[Tree, str]
"""A file: in which tree, and its path there."""
File = tuple[str, Place]
"""A file's path inside the chart, and where it is."""


@dataclass(frozen=True, slots=True)
class ChartFiles:
    """Paths inside the chart, and where each stands; ``digest`` is of all their contents."""

    tree: Tree
    path: str
    files: dict[str, Place]
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
            for name, (tree, path) in self.files.items():
                data = tree.read(path)
                total += len(data)
                if total > _LARGEST:
                    raise RenderProblem(f"the chart is larger than {_LARGEST} bytes", path=self.path)
                entry = tarfile.TarInfo(f"chart/{name}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        return out.getvalue()


def collect(tree: Tree, path: str, charts: Charts | None = None, *, without_schema: bool = False) -> ChartFiles:
    """The files of the chart in a folder. Raises `RenderProblem` when it is none; ``charts`` has what it lacks."""
    metadata = _metadata(tree, path)
    files = dict(_with_dependencies(tree, path, metadata, charts))
    if without_schema:
        files = {name: place for name, place in files.items() if posixpath.basename(name) != "values.schema.json"}
    total = hashlib.sha256()
    for name in sorted(files):
        where, place = files[name]
        total.update(f"{name}\0{where.digest(place)}\0".encode("utf-8", "surrogateescape"))
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


def _with_dependencies(tree: Tree, path: str, metadata: dict[str, Any], charts: Charts | None) -> Iterator[File]:
    yield from _files(tree, path)
    for one in helm_dependencies.built(tree, path, metadata, charts):
        files = _walk(one.tree, one.path, "", _Ignore("")) if one.packed else _files(one.tree, one.path)
        for inside, place in files:
            yield f"charts/{one.folder}/{inside}", place


def _files(tree: Tree, path: str) -> Iterator[File]:
    rules = _Ignore("templates/.?*")
    if tree.kind(_join(path, ".helmignore")) == "file":
        rules = _Ignore(tree.read(_join(path, ".helmignore")).decode("utf-8", "replace") + "\ntemplates/.?*")
    yield from _walk(tree, path, "", rules)


def _walk(tree: Tree, root: str, inside: str, rules: _Ignore) -> Iterator[File]:
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
            yield relative, (tree, place)
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
            hit = _rule_hits(pattern, path)
            if negated:
                if not hit or (only_folders and not folder):
                    return True
            elif hit and (folder or not only_folders):
                return True
        return False


def _rule_hits(pattern: str, path: str) -> bool:
    if pattern.startswith("/"):
        return matches(pattern[1:], path)
    if "/" in pattern:
        return matches(pattern, path)
    return matches(pattern, posixpath.basename(path))


def matches(pattern: str, path: str) -> bool:
    """Go's ``filepath.Match``: a star stops at slashes."""
    parts, names = pattern.split("/"), path.split("/")
    return len(parts) == len(names) and all(
        fnmatch.fnmatchcase(name, part.replace("[^", "[!")) for part, name in zip(parts, names, strict=True)
    )
