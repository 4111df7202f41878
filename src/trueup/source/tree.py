"""The files of one artifact: `GitTree` out of a repository's objects (no checkout), `DirTree` out of a folder.

Made by `fetcher` and by commands that render a folder; read by renderers from worker threads. Symbolic links inside the
tree are followed as the kernel would; whatever leaves the tree is a ``PermissionError``: values files, Helm charts and
kustomizations of others are not to be trusted with the machine's files.
"""

from __future__ import annotations

import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pygit2

from trueup.ports import SourceProblem

EntryKind = Literal["file", "folder", "link", "none"]
Parts = tuple[str, ...]

_MOST_LINKS = 40
"""As Linux: more is a loop."""
_LINK, _SUBMODULE = 0o120000, 0o160000
_MOST_SIZES = 100_000
_SIZES: dict[pygit2.Oid, int] = {}
"""Of files that were looked at: the next commit changes few of them, and asking for one costs a file on disk."""


class Walked(ABC):
    """Path resolution shared by all trees; a subclass answers what stands at one resolved path."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Parts, EntryKind]] = {}

    @abstractmethod
    def _entry(self, parts: Parts) -> EntryKind: ...

    @abstractmethod
    def _target(self, parts: Parts) -> str:
        """Where a link points."""

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        """What stands at a path, links followed."""
        kind = self._resolve(path)[1]
        return "none" if kind == "link" else kind

    def _resolve(self, path: str) -> tuple[Parts, EntryKind]:
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._walk(path)
        return known

    def _walk(self, path: str) -> tuple[Parts, EntryKind]:
        """Component by component, for ``..`` after a link means the parent of where the link leads."""
        todo = _components(path, path)
        done: list[str] = []
        links = 0
        kind: EntryKind = "folder"
        while todo:
            part = todo.pop()
            if part == "..":
                if not done:
                    raise PermissionError(f"{path}: leaves the source")
                done.pop()
                kind = "folder"
                continue
            if kind != "folder":
                return tuple(done), "none"
            done.append(part)
            kind = self._entry(tuple(done))
            if kind == "link":
                links += 1
                if links > _MOST_LINKS:
                    raise PermissionError(f"{path}: too many symbolic links")
                todo += _components(self._target(tuple(done)), path)
                done.pop()
                kind = "folder"
            elif kind == "none":
                return tuple(done), "none"
        return tuple(done), kind

    def found(self, path: str, wanted: EntryKind) -> Parts:
        parts, kind = self._resolve(path)
        if kind == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the source")
        if kind != wanted:
            error = IsADirectoryError if wanted == "file" else NotADirectoryError
            raise error(f"{path}: is a {kind}")
        return parts


def _components(text: str, path: str) -> list[str]:
    """The parts of a path, last first."""
    if text.startswith("/"):
        raise PermissionError(f"{path}: leaves the source")
    return [part for part in reversed(text.split("/")) if part not in ("", ".")]


class GitTree(Walked):
    """The tree of one commit, or a folder of it, read from the object store.

    Objects that cannot be read are a ``SourceProblem``; ``damaged`` is told, from whichever thread reads.
    """

    def __init__(
        self, repository: pygit2.Repository, tree: pygit2.Oid | str, damaged: Callable[[], None] | None = None
    ) -> None:
        super().__init__()
        self._repository, self._damaged = repository, damaged
        self._root = pygit2.Oid(hex=tree) if isinstance(tree, str) else tree
        self._folders: dict[Parts, dict[str, tuple[int, pygit2.Oid]]] = {}

    @property
    def identity(self) -> str:
        """The id of the whole: trees of equal identity are equal."""
        return str(self._root)

    def read(self, path: str) -> bytes:
        blob = self._object(self._at(self.found(path, "file"))[1])
        assert isinstance(blob, pygit2.Blob)
        return blob.data

    def list(self, path: str) -> Sequence[str]:
        return sorted(self._folder(self.found(path, "folder")))

    def digest(self, path: str) -> str:
        """The object id that Git knows the file or folder by."""
        parts, kind = self._resolve(path)
        if kind == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the source")
        return str(self._at(parts)[1] if parts else self._root)

    def files(self, *, sizes: bool = False) -> Iterator[tuple[str, int]]:
        """Every regular file with its size where asked (else 0), in one walk that keeps nothing; links are left out."""
        waiting = [("", self._root)]
        while waiting:
            start, oid = waiting.pop()
            tree = self._object(oid)
            assert isinstance(tree, pygit2.Tree)
            for entry in tree:
                mode, path = int(entry.filemode), f"{start}{entry.name}"
                if stat.S_ISDIR(mode):
                    waiting.append((f"{path}/", entry.id))
                elif stat.S_ISREG(mode):
                    yield path, self._size(entry.id) if sizes else 0

    def _size(self, oid: pygit2.Oid) -> int:
        known = _SIZES.get(oid)
        if known is None:
            if len(_SIZES) >= _MOST_SIZES:
                _SIZES.clear()
            known = _SIZES[oid] = int(self._repository.odb.read_header(oid)[1])
        return known

    def _object(self, oid: pygit2.Oid) -> pygit2.Object:
        try:
            return self._repository[oid]
        except (KeyError, pygit2.GitError) as problem:
            if self._damaged is not None:
                self._damaged()
            raise SourceProblem("MirrorDamaged", f"the repository is damaged: {oid}: {problem}") from problem

    def _at(self, parts: Parts) -> tuple[int, pygit2.Oid]:
        return self._folder(parts[:-1])[parts[-1]]

    def _folder(self, parts: Parts) -> dict[str, tuple[int, pygit2.Oid]]:
        known = self._folders.get(parts)
        if known is None:
            mode, oid = self._at(parts) if parts else (0, self._root)
            if mode == _SUBMODULE:
                known = {}  # as in a clone whose submodules were not fetched: an empty folder
            else:
                tree = self._object(oid)
                assert isinstance(tree, pygit2.Tree)
                known = {str(entry.name): (int(entry.filemode), entry.id) for entry in tree}
            self._folders[parts] = known
        return known

    def _entry(self, parts: Parts) -> EntryKind:
        found = self._folder(parts[:-1]).get(parts[-1])
        if found is None:
            return "none"
        if found[0] == _LINK:
            return "link"
        return "folder" if stat.S_ISDIR(found[0]) or found[0] == _SUBMODULE else "file"

    def _target(self, parts: Parts) -> str:
        blob = self._object(self._at(parts)[1])
        assert isinstance(blob, pygit2.Blob)
        return blob.data.decode("utf-8", "surrogateescape")


class DirTree(Walked):
    """A folder on disk as it is now: for commands on a working folder. What changes under it is seen or not seen."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def read(self, path: str) -> bytes:
        return self._path(self.found(path, "file")).read_bytes()

    def list(self, path: str) -> Sequence[str]:
        return sorted(name for name in os.listdir(self._path(self.found(path, "folder"))) if name != ".git")

    def digest(self, path: str) -> str:
        """A SHA-256 of the content; of a folder, over its names and their digests."""
        parts, kind = self._resolve(path)
        if kind == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the source")
        if kind == "file":
            return hashlib.sha256(self._path(parts).read_bytes()).hexdigest()
        return _folder_digest(self._path(parts))

    def _path(self, parts: Parts) -> Path:
        return self._root.joinpath(*parts)

    def _entry(self, parts: Parts) -> EntryKind:
        try:
            mode = self._path(parts).lstat().st_mode
        except OSError:
            return "none"
        if stat.S_ISLNK(mode):
            return "link"
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "none"

    def _target(self, parts: Parts) -> str:
        return os.readlink(self._path(parts))


def _folder_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name == ".git":
            continue
        if entry.is_symlink():
            content = b"l" + os.fsencode(os.readlink(entry.path))
        elif entry.is_dir():
            content = b"d" + _folder_digest(Path(entry.path)).encode()
        else:
            content = b"f" + hashlib.sha256(Path(entry.path).read_bytes()).digest()
        total.update(os.fsencode(entry.name) + b"\0" + content + b"\0")
    return total.hexdigest()
