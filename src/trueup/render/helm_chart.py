"""The files of a chart out of a tree, packed as the archive that Helm's library loads.

Called by `helm`. Nothing touches the disk. What ``.helmignore`` names is left out; dependencies that lie elsewhere are put
where a ``helm dependency build`` would put them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import posixpath
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
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
            gzip.GzipFile(fileobj=out, mode="wb", compresslevel=0, mtime=0) as packed,  # it goes no further than a pipe
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
    value = _parsed(tree.read(file), file)
    if not isinstance(value, dict) or not value.get("name"):
        raise RenderProblem("a chart has a name", path=file, line=1, field="name")
    return value


@lru_cache(maxsize=256)
def _parsed(content: bytes, file: str) -> Any:
    """Nobody changes it."""
    documents = read(content, file)
    return documents[0].value if documents else None


def _with_dependencies(tree: Tree, path: str, metadata: dict[str, Any], charts: Charts | None) -> Iterator[File]:
    yield from _files(tree, path)
    for one in helm_dependencies.built(tree, path, metadata, charts):
        files = _walk(one.tree, one.path, "", _Ignore("")) if one.packed else _files(one.tree, one.path)
        for inside, place in files:
            yield f"charts/{one.folder}/{inside}", place


def _files(tree: Tree, path: str) -> Iterator[File]:
    said = b""
    if tree.kind(_join(path, ".helmignore")) == "file":
        said = tree.read(_join(path, ".helmignore"))
    yield from _walk(tree, path, "", _ignore(said.decode("utf-8", "replace") + "\ntemplates/.?*"))


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
    """``.helmignore``: like Git's, but ``**`` is not known and a rule without a slash looks at the last name only.

    One rule that hits is enough, whatever stands before or behind it; a negated one hits what it does not match.
    """

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
        rules = [_Rule.of(line) for line in lines if line and not line.startswith("#")]
        plain = [rule for rule in rules if not rule.negated]
        self._negated = [rule for rule in rules if rule.negated]
        self._of_files = _Either([rule for rule in plain if not rule.only_folders])
        self._of_folders = _Either(plain)

    def ignores(self, path: str, folder: bool) -> bool:
        """Whether a file or folder is no part of the chart."""
        name = path.rpartition("/")[2]
        rules = self._of_folders if folder else self._of_files
        if rules.names.fullmatch(name) or rules.paths.fullmatch(path):
            return True
        return any(not rule.hits(path, name) or (rule.only_folders and not folder) for rule in self._negated)


@lru_cache(maxsize=64)
def _ignore(text: str) -> _Ignore:
    """Most charts have the list that ``helm create`` wrote."""
    return _Ignore(text)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line. ``of_paths``: it looks at the whole path."""

    expression: str
    of_paths: bool
    negated: bool
    only_folders: bool

    @classmethod
    def of(cls, line: str) -> _Rule:
        negated, pattern = line.startswith("!"), line.removeprefix("!")
        only_folders, pattern = pattern.endswith("/"), pattern.removesuffix("/")
        return cls(_expression(pattern.removeprefix("/")), "/" in pattern, negated, only_folders)

    def hits(self, path: str, name: str) -> bool:
        """Whether its pattern matches."""
        return _compiled(self.expression).fullmatch(path if self.of_paths else name) is not None


class _Either:
    """Rules that are looked at together: a chart has many files, and its list many rules."""

    def __init__(self, rules: list[_Rule]) -> None:
        self.names = _compiled("|".join(rule.expression for rule in rules if not rule.of_paths) or _NOTHING)
        self.paths = _compiled("|".join(rule.expression for rule in rules if rule.of_paths) or _NOTHING)


_NOTHING = "(?!)"


@lru_cache(maxsize=512)
def _expression(pattern: str) -> str:
    """Go's ``filepath.Match`` as a regular expression: stars and question marks stop at slashes."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        end = pattern.find("]", at + 1) if char == "[" else -1
        if char in "*?":
            out.append("[^/]*" if char == "*" else "[^/]")
        elif end > 0:
            inside = pattern[at:end]
            body = re.sub(r"([\[\]&~|\\])", r"\\\1", inside.lstrip("^!")) or "^"
            out.append(f"[{'^/' if inside[0] in '^!' else ''}{body}]")
            at = end + 1
        elif char == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)


def matches(pattern: str, path: str) -> bool:
    """Go's ``filepath.Match``."""
    return _compiled(_expression(pattern)).fullmatch(path) is not None
