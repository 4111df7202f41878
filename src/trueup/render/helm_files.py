"""Where the values files of a chart are. Called by `helm_values`.

A file is relative to the chart, to the repository's root when it begins with a slash, to another source of the same
application (``$name/path``), or on the web where that is allowed. It never leaves its repository. Signs of patterns
(``*?[``) stand for all files that match, in the order of their names.

Source of the behaviour: Argo CD's ``getResolvedValueFiles``: a file counts once, where it is named first; one that is
named by itself, and not only by a pattern, counts there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from trueup.ports import RenderProblem, SourceProblem, Tree
from trueup.render import globs
from trueup.render.outside import Read

Place = tuple[str, str]
"""The name of a source (empty for the chart's own, ``url`` for the web), and a path or address there."""
_WEB = "url"


class Files:
    """The trees that a chart's values may come from."""

    def __init__(self, tree: Tree, path: str, others: Mapping[str, Tree], urls: Read | None = None) -> None:
        self._trees = {"": tree, **{f"${name}": other for name, other in others.items()}}
        self._path, self._urls = path, urls

    def values(self, named: Sequence[str], *, may_miss: bool) -> Iterator[tuple[str, bytes]]:
        """What each file holds, with the path to call it by in errors."""
        for place in self._all(named, may_miss):
            yield place[1], self._read(place, "valueFiles")

    def content(self, file: str) -> bytes:
        """One file of ``fileParameters``."""
        return self._read(self._place(file, "fileParameters"), "fileParameters")

    def _all(self, named: Sequence[str], may_miss: bool) -> list[Place]:
        places = [(file, self._place(file, "valueFiles")) for file in named]
        by_name = {place for _, place in places if not _is_pattern(place)}
        out: dict[Place, None] = {}
        for file, place in places:
            if _is_pattern(place):
                found = self._matching(place)
                if not found and not may_miss:
                    raise RenderProblem(f'values file glob "{file}" matched no files', field="source.helm.valueFiles")
                out |= dict.fromkeys(one for one in found if one not in by_name)
            elif not (may_miss and self._is_missing(place)):
                out[place] = None
        return list(out)

    def _place(self, file: str, field: str) -> Place:
        if "://" in file:
            return _WEB, file
        if file.startswith("$"):
            name, _, rest = file.partition("/")
            if name in self._trees:
                return name, posixpath.normpath(rest)
            known = ", ".join(sorted(other for other in self._trees if other)) or "none"
            raise RenderProblem(
                f"{file}: no source has the ref {name[1:]!r} (known: {known})", field=f"source.helm.{field}"
            )
        if file.startswith("/"):
            return "", posixpath.normpath(file.lstrip("/"))
        return "", posixpath.normpath(posixpath.join(self._path, file))

    def _is_missing(self, place: Place) -> bool:
        return place[0] != _WEB and self._kind(place) == "none"

    def _kind(self, place: Place) -> str:
        try:
            return self._trees[place[0]].kind(place[1])
        except PermissionError:
            return "outside"  # reading it will say so

    def _read(self, place: Place, field: str) -> bytes:
        source, path = place
        try:
            return self._fetched(path) if source == _WEB else self._trees[source].read(path)
        except PermissionError:
            why = "leads out of the repository"
        except OSError:
            why = "no such file in the repository"
        except SourceProblem as problem:
            why = str(problem)
        called = f"{source}/{path}" if source.startswith("$") else path
        raise RenderProblem(f"{called}: {why}", field=f"source.helm.{field}")

    def _fetched(self, url: str) -> bytes:
        if self._urls is None:
            raise SourceProblem("NotAllowed", "values are not fetched from URLs here; keep the file in the repository")
        return self._urls(url)

    def _matching(self, place: Place) -> list[Place]:
        source, pattern = place
        parts = pattern.split("/")
        if ".." in parts:
            raise RenderProblem(f"{pattern}: leads out of the repository", field="source.helm.valueFiles")
        try:
            return sorted({(source, found) for found in self._walk(self._trees[source], "", parts)})
        except globs.GlobProblem as problem:
            raise RenderProblem(str(problem), field="source.helm.valueFiles") from None

    def _walk(self, tree: Tree, folder: str, parts: Sequence[str]) -> Iterator[str]:
        """``**`` stands for any folders, other stars stop at a slash."""
        first, rest = parts[0], parts[1:]
        if first == "**" and rest:
            yield from self._walk(tree, folder, rest)
        for name in tree.list(folder):
            path = f"{folder}/{name}" if folder else name
            if first != "**" and not globs.matches(first, name):
                continue
            kind = tree.kind(path)
            if not rest and kind == "file":
                yield path
            elif kind == "folder" and (rest or first == "**"):
                yield from self._walk(tree, path, parts if first == "**" else rest)


def _is_pattern(place: Place) -> bool:
    return place[0] != _WEB and any(sign in place[1] for sign in "*?[")
