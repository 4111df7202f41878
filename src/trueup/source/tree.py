"""The files of one artifact: `GitTree` out of a repository's objects (no checkout), `DirTree` out of a folder.

Made by `fetcher` and by commands that render a folder; read by renderers from worker threads. See `folder` for what both
make of symbolic links.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence

import pygit2

from trueup.ports import SourceProblem
from trueup.source.folder import DirTree, EntryKind, Parts, Walked

__all__ = ["DirTree", "EntryKind", "GitTree", "Parts", "Walked"]

_LINK, _SUBMODULE = 0o120000, 0o160000
_MOST_SIZES = 100_000
_SIZES: dict[pygit2.Oid, int] = {}
"""Of files that were looked at: the next commit changes few of them, and asking for one costs a file on disk."""


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

    def size_of(self, path: str) -> int:
        """How large a file is, without reading it."""
        try:
            return self._size(self._at(self.found(path, "file"))[1])
        except (KeyError, pygit2.GitError):
            return 0  # who reads it hears what is the matter

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
