"""The files of a folder on disk, `DirTree`; and how paths are followed in every tree, `Walked`.

Made by commands that render a folder; read by renderers from worker threads. Symbolic links inside the tree are followed as
the kernel would; whatever leaves the tree is a ``PermissionError``: values files, Helm charts and kustomizations of others
are not to be trusted with the machine's files.
"""

from __future__ import annotations

import hashlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

EntryKind = Literal["file", "folder", "link", "none"]
Parts = tuple[str, ...]

_MOST_LINKS = 40
"""As Linux: more is a loop."""


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

    def is_link(self, path: str) -> bool:
        """Whether a link stands at a path, wherever it leads."""
        folder, _, name = path.rpartition("/")
        parts, kind = self._resolve(folder)
        return kind == "folder" and self._entry((*parts, name)) == "link"

    def is_direct(self, path: str) -> bool:
        """Whether no link stands on the way to a path, nor at it: then it changes only with the folders that it is in."""
        parts, kind = self._resolve(path)
        asked = tuple(part for part in path.split("/") if part not in ("", "."))
        return asked[: len(parts)] == parts and (kind == "none" or len(asked) == len(parts))

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


class DirTree(Walked):
    """A folder on disk as it is now: for commands on a working folder. What changes under it is seen or not seen."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def read(self, path: str) -> bytes:
        return self._path(self.found(path, "file")).read_bytes()

    def size_of(self, path: str) -> int:
        """How large a file is, without reading it."""
        return self._path(self.found(path, "file")).stat().st_size

    def list(self, path: str) -> Sequence[str]:
        return sorted(name for name in os.listdir(self._path(self.found(path, "folder"))) if name != ".git")

    def digest(self, path: str) -> str:
        """A SHA-256 of the content; of a folder, over its names and their digests."""
        parts, kind = self._resolve(path)
        if kind == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the source")
        if kind == "file":
            return _file_digest(self._path(parts)).hex()
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


def _file_digest(file: Path) -> bytes:
    with file.open("rb") as opened:  # in pieces: it may be larger than anything that would be read
        return hashlib.file_digest(opened, "sha256").digest()


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
            content = b"f" + _file_digest(Path(entry.path))
        total.update(os.fsencode(entry.name) + b"\0" + content + b"\0")
    return total.hexdigest()
