"""A folder that stands for a Helm repository or a registry (``--map``): what is in it is what there is.

Made by `charts`, called from threads. The folder is a repository's own (``index.yaml`` beside its archives), or has packed
charts, or charts as folders, or is one chart itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trueup.kube.documents import YamlProblem, parse_first
from trueup.ports import Artifact, SourceProblem, Tree
from trueup.source.archive import ArchiveTree
from trueup.source.index import entries, is_exact, picked, resolved
from trueup.source.tree import DirTree


class ChartFolder:
    """The folder as it is now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, chart: str, version: str) -> tuple[str, Tree]:
        """The version that is meant, and its files. Raises ``SourceProblem``."""
        found = dict(self._all(chart))
        if not found:
            raise SourceProblem("ChartNotFound", f"there is no chart {chart!r} in {self._folder}")
        chosen = picked(version, list(found)) if is_exact(version) else resolved(version, list(found))
        return chosen, _opened(found[chosen], chart)

    def artifact(self, chart: str, version: str) -> Artifact:
        """The files of a version."""
        chosen, tree = self.find(chart, version)
        return Artifact(chosen, chosen, tree)

    def _all(self, chart: str) -> Iterator[tuple[str, Path]]:
        """Each version, and the archive or folder that it is."""
        if (self._folder / "index.yaml").is_file():
            for entry in entries((self._folder / "index.yaml").read_bytes(), chart):
                yield entry.version, self._folder / Path(urlsplit(entry.urls[0]).path).name
            return
        for path in (self._folder, *sorted(self._folder.iterdir())):
            if path.is_dir() and (path / "Chart.yaml").is_file():
                metadata = _metadata(DirTree(path), str(path))
            elif path.suffix == ".tgz":
                metadata = _metadata(ArchiveTree(path.read_bytes(), name=path.name, chart=True), path.name)
            else:
                continue
            if chart in ("", metadata.get("name")):
                yield str(metadata.get("version") or ""), path


def _opened(path: Path, chart: str) -> Tree:
    if path.is_dir():
        return DirTree(path)
    try:
        return ArchiveTree(path.read_bytes(), name=path.name, chart=True)
    except OSError as problem:
        raise SourceProblem("ChartNotFound", f"chart {chart!r} cannot be read: {problem}") from None


def _metadata(tree: Tree, name: str) -> dict[str, Any]:
    try:
        found = parse_first(tree.read("Chart.yaml"))
    except (OSError, YamlProblem) as problem:
        raise SourceProblem("InvalidChartPackage", f"{name}: {problem}", retry=False) from None
    value = found.value if found else None
    return value if isinstance(value, dict) else {}
