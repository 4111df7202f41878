"""Trees made of files of other trees: the copies of an ArtifactGenerator, carried out as values. Pure.

Called by `composition.py`. In come the copies of one artifact and the sources by alias; a tree leaves. Source of the behaviour:
source-watcher's ``builder`` (``cp`` in its words: a folder goes into the destination, ``folder/**`` its contents).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from posixpath import basename, normpath
from typing import Any, Literal

from trueup.families.flux.artifact import clean
from trueup.families.flux.sourceignore import name_matches
from trueup.kube import documents
from trueup.ports import Tree

ROOT = "@artifact/"


class CopyProblem(Exception):
    """A copy that cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One entry of ``artifacts[].copy``."""

    source: str
    to: str
    exclude: tuple[str, ...] = ()
    strategy: str = "Overwrite"

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Copy:
        return cls(
            str(entry.get("from") or ""),
            str(entry.get("to") or ""),
            tuple(entry.get("exclude") or ()),
            str(entry.get("strategy") or "Overwrite"),
        )


class Composed:
    """Files of other trees under names of their own."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Tree, str] | bytes] = {}
        self._folders: dict[str, set[str]] = {"": set()}

    @property
    def identity(self) -> str:
        """Equal for equal files under equal names."""
        lines = (f"{path}\0{self._hash(path)}" for path in sorted(self._files))
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def put(self, path: str, content: tuple[Tree, str] | bytes) -> None:
        """A file at a path; one that is there is overwritten."""
        if path in self._folders:
            raise CopyProblem(f"'{path}' is a folder")
        self._files[path] = content
        while path:
            folder, _, name = path.rpartition("/")
            if folder in self._files:
                raise CopyProblem(f"'{folder}' is a file")
            self._folders.setdefault(folder, set()).add(name)
            path = folder

    def read(self, path: str) -> bytes:
        found = self._files.get(clean(path))
        if found is None:
            raise FileNotFoundError(f"{path}: no such file in the artifact")
        return found if isinstance(found, bytes) else found[0].read(found[1])

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        whole = clean(path)
        return "file" if whole in self._files else "folder" if whole in self._folders else "none"

    def list(self, path: str) -> Sequence[str]:
        found = self._folders.get(clean(path))
        if found is None:
            raise FileNotFoundError(f"{path}: no such folder in the artifact")
        return sorted(found)

    def digest(self, path: str) -> str:
        whole = clean(path)
        if whole in self._files:
            return self._hash(whole)
        lines = (f"{name}\0{self.digest(f'{whole}/{name}' if whole else name)}" for name in self.list(whole))
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def files(self, *, sizes: bool = False) -> Iterator[tuple[str, int]]:
        """All files, with their sizes where asked."""
        for path in self._files:
            yield path, len(self.read(path)) if sizes else 0

    def _hash(self, path: str) -> str:
        found = self._files[path]
        return hashlib.sha256(found).hexdigest() if isinstance(found, bytes) else found[0].digest(found[1])


def compose(copies: Sequence[Copy], sources: Mapping[str, Tree]) -> Composed:
    """All copies, in order; later ones overwrite. Raises ``CopyProblem``."""
    made = Composed()
    for copy in copies:
        try:
            _copy(made, copy, sources)
        except (CopyProblem, PermissionError) as problem:
            text = f"failed to apply copy operation from '{copy.source}' to '{copy.to}': {problem}"
            raise CopyProblem(f"failed to apply copy operations: {text}") from problem
    return made


def _copy(made: Composed, copy: Copy, sources: Mapping[str, Tree]) -> None:
    alias, _, pattern = copy.source.removeprefix("@").partition("/")
    if alias not in sources:
        raise CopyProblem(f"source alias '{alias}' not found")
    tree, to = sources[alias], clean(copy.to.removeprefix(ROOT))
    if _is_pattern(pattern):
        matches = list(_matches(tree, pattern))
        if not matches:
            raise CopyProblem(f"no files match pattern '{pattern}' in source '{alias}'")
        base = _literal(pattern)
        kept = [path for path in matches if not _excluded(path, base, copy.exclude)]
        if not kept:
            raise CopyProblem(f"all files matching pattern '{pattern}' in source '{alias}' were excluded")
        for path in kept:
            _place(made, copy, tree, path, _join(to, _under(pattern, path)), base)
        return
    path = clean(pattern)
    kind = tree.kind(path or ".")
    if kind == "none":
        raise CopyProblem(f"source '{path}' does not exist")
    if kind == "folder":
        _place(made, copy, tree, path, _join(to, basename(path)), path)
    elif not _excluded(path, "", copy.exclude):
        into = copy.to.endswith("/") or made.kind(to) == "folder"
        _place(made, copy, tree, path, _join(to, basename(path)) if into else to, "")


def _place(made: Composed, copy: Copy, tree: Tree, path: str, to: str, base: str) -> None:
    """A file, or a folder with all that is in it."""
    if tree.kind(path or ".") == "folder":
        for name in tree.list(path or "."):
            below = _join(path, name)
            if _excluded(below, base, copy.exclude):
                continue
            # Below a folder files overwrite whatever the strategy: the original merges single files only.
            plain = Copy(copy.source, copy.to, copy.exclude)
            _place(made, plain, tree, below, _join(to, name), base)
        return
    if copy.strategy == "Merge" and made.kind(to) == "file":
        made.put(to, _merged(made.read(to), tree.read(path), path))
    else:
        made.put(to, (tree, path))


def _merged(under: bytes, over: bytes, path: str) -> bytes:
    """Two YAML files as Helm merges values: maps deeply, everything else replaced."""
    try:
        both = [document.value for data in (under, over) for document in documents.parse(data, path)]
    except documents.YamlProblem as problem:
        raise CopyProblem(f"cannot unmarshal YAML document: {problem}") from problem
    total: dict[str, Any] = {}
    for value in both:
        if isinstance(value, dict):
            total = _over(total, value)
        elif value is not None:
            raise CopyProblem(f"cannot unmarshal YAML document: {path} holds no map")
    return documents.dump(total).encode()


def _over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(under)
    for key, value in over.items():
        known = out.get(key)
        out[key] = _over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return out


# --- patterns ------------------------------------------------------------------------------------------------------------


def _is_pattern(path: str) -> bool:
    return any(char in path for char in "*?[]")


def _matches(tree: Tree, pattern: str) -> Iterator[str]:
    """Go's ``fs.Glob``: each part matches one name, so ``**`` is no more than ``*``."""
    found = [""]
    for part in pattern.split("/"):
        if not _is_pattern(part):
            found = [path for at in found if tree.kind(path := _join(at, part)) != "none"]
            continue
        folders = [at for at in found if tree.kind(at or ".") == "folder"]
        found = [_join(at, name) for at in folders for name in tree.list(at or ".") if name_matches(part, name)]
    yield from found


def _literal(pattern: str) -> str:
    """What stands before the first part that is a pattern."""
    parts: list[str] = []
    for part in normpath(pattern).split("/"):
        if _is_pattern(part):
            break
        parts.append(part)
    return "/".join(parts)


def _under(pattern: str, path: str) -> str:
    """``folder/**`` leaves the folder behind; other patterns keep the whole path."""
    if pattern.endswith("/**"):
        return path.removeprefix(f"{pattern.removesuffix('/**')}/")
    return path


def _excluded(path: str, base: str, patterns: Sequence[str]) -> bool:
    """By the path from the source's root, from what the copy selects, or for a pattern without a slash by the name alone."""
    inside = path[len(base) + 1 :] if base and path.startswith(f"{base}/") else ""
    for pattern in patterns:
        compiled = _double_starred(pattern)
        names = [path, inside] if "/" in pattern else [path, inside, basename(path)]
        if any(compiled.fullmatch(name) for name in names if name):
            return True
    return False


@lru_cache(maxsize=512)
def _double_starred(pattern: str) -> re.Pattern[str]:
    """A pattern in which ``**`` stands for any number of folders, and braces for alternatives."""
    out = re.escape(pattern)
    for written, meant in (
        (r"\*\*/", "(?:.*/)?"), (r"/\*\*", "(?:/.*)?"), (r"\*\*", ".*"), (r"\*", "[^/]*"), (r"\?", "[^/]"),
        (r"\{", "(?:"), (r"\}", ")"), (r"\[", "["), (r"\]", "]"), (r"\-", "-"),
    ):  # fmt: skip
        out = out.replace(written, meant)
    if "{" in pattern:
        out = out.replace(",", "|")
    try:
        return re.compile(out)
    except re.error as problem:
        raise CopyProblem(f"invalid exclude pattern '{pattern}'") from problem


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
