"""The files of a GitRepository's artifact: a commit's tree, less what is left out, with what is included mounted in. Pure.

Made by `checkout.py`, read by renderers through ``ports.Tree``. Sources: Flux documentation, "GitRepository" (``ignore``,
``include``, ``recurseSubmodules``, ``sparseCheckout``); source-controller ``reconcileInclude``, ``reconcileArtifact``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol, cast, runtime_checkable

from trueup.families.flux.sourceignore import IGNORE_FILE, Pattern, Rules, read_lines, rules
from trueup.ports import Tree

Kind = Literal["file", "folder", "none"]


@runtime_checkable
class Walked(Protocol):
    """A tree that can name all its files at once."""

    def files(self, *, sizes: bool = False) -> Iterator[tuple[str, int]]: ...


class Mounted:
    """A tree with other trees in the place of some of its folders (includes, submodules)."""

    def __init__(self, tree: Tree, mounts: Mapping[str, Tree]) -> None:
        self._tree, self._mounts = tree, dict(sorted(mounts.items(), key=lambda item: -len(item[0])))
        said = "\0".join(f"{path}\0{_identity(mount)}" for path, mount in sorted(mounts.items()))
        self.identity = _hash(f"{_identity(tree)}\0{said}")

    def read(self, path: str) -> bytes:
        tree, rest = self._at(path)
        return tree.read(rest)

    def kind(self, path: str) -> Kind:
        tree, rest = self._at(path)
        found = tree.kind(rest)
        return "folder" if found == "none" and self._under(clean(path)) else found

    def list(self, path: str) -> Sequence[str]:
        tree, rest = self._at(path)
        under = self._under(clean(path))
        names = set(tree.list(rest)) if not under or tree.kind(rest) == "folder" else set()
        return sorted(names | under)

    def digest(self, path: str) -> str:
        tree, rest = self._at(path)
        if not self._under(clean(path)):
            return tree.digest(rest)
        return _hash(f"{self.identity}\0{clean(path)}")

    def files(self, *, sizes: bool = False) -> Iterator[tuple[str, int]]:
        """All files, with their sizes where asked."""
        for path, size in walk(self._tree, sizes=sizes):
            if not any(_within(path, mount) for mount in self._mounts):
                yield path, size
        for mount, tree in self._mounts.items():
            for path, size in walk(tree, sizes=sizes):
                yield f"{mount}/{path}", size

    def _at(self, path: str) -> tuple[Tree, str]:
        whole = clean(path)
        for mount, tree in self._mounts.items():
            if _within(whole, mount):
                return tree, whole[len(mount) + 1 :]
        return self._tree, path

    def _under(self, path: str) -> set[str]:
        """The names in a folder that lead to a mount."""
        start = f"{path}/" if path else ""
        return {mount[len(start) :].split("/")[0] for mount in self._mounts if mount.startswith(start)}


class Selected:
    """A tree without what its rules leave out, and with nothing but the sparse folders where there are any."""

    def __init__(self, tree: Tree, kept: Rules, sparse: Sequence[str] = ()) -> None:
        self._tree, self._rules = tree, kept
        self._sparse = tuple(path.removeprefix("./") for path in sparse)
        self._known: dict[str, Kind] = {}
        own = f"{kept.identity}\0{self._sparse}" if kept.identity or self._sparse else ""
        self._suffix = f"-{_hash(own)[:16]}" if own else ""
        self.identity = f"{_identity(tree)}{self._suffix}"

    def read(self, path: str) -> bytes:
        if self.kind(path) == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the artifact")
        return self._tree.read(path)

    def kind(self, path: str) -> Kind:
        whole = clean(path)
        known = self._known.get(whole)
        if known is None:
            known = self._known[whole] = self._kind(whole, path)
        return known

    def list(self, path: str) -> Sequence[str]:
        whole = clean(path)
        if self.kind(path) == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the artifact")
        start = f"{whole}/" if whole else ""
        return [name for name in self._tree.list(path) if self.kind(f"{start}{name}") != "none"]

    def digest(self, path: str) -> str:
        kind = self.kind(path)
        if kind == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the artifact")
        found = self._tree.digest(path)
        return f"{found}{self._suffix}" if kind == "folder" else found

    def files(self, *, sizes: bool = False) -> Iterator[tuple[str, int]]:
        """All files, with their sizes where asked."""
        for path, size in walk(self._tree, sizes=sizes):
            if self._keeps(path):
                yield path, size

    def _kind(self, whole: str, asked: str) -> Kind:
        found = self._tree.kind(asked)
        if found == "none" or not whole:
            return found
        if found == "file":
            return "file" if self._keeps(whole) else "none"
        plain = not self._sparse and not self._rules.leaves_out(whole, True)
        if plain or any(self.kind(f"{whole}/{name}") != "none" for name in self._tree.list(asked)):
            return "folder"
        return "none"

    def _keeps(self, path: str) -> bool:
        if self._sparse and not path.startswith(self._sparse):
            return False
        return not self._rules.leaves_out(path, False)


def rules_of(tree: Tree, ignore: str | None, sparse: Sequence[str] = ()) -> Rules:
    """What decides over a tree's files: its own ``.sourceignore`` files, then ``spec.ignore``."""
    kept = tuple(entry.removeprefix("./") for entry in sparse) or ("",)
    found: list[Pattern] = []
    for path in sorted(path for path, _ in walk(tree) if path.rpartition("/")[2] == IGNORE_FILE):
        if path.startswith(kept):
            found += read_lines(tree.read(path).decode("utf-8", "replace"), path.rpartition("/")[0])
    return rules([*found, *read_lines(ignore or "")])


def selected(tree: Tree, ignore: str | None = None, sparse: Sequence[str] = ()) -> Selected:
    """The artifact of a tree."""
    return Selected(tree, rules_of(tree, ignore, sparse), sparse)


def walk(tree: Tree, *, sizes: bool = False) -> Iterator[tuple[str, int]]:
    """Every file of a tree, with its size where asked (else 0)."""
    if isinstance(tree, Walked):
        yield from tree.files(sizes=sizes)
        return
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for name in tree.list(folder or "."):
            path = f"{folder}/{name}" if folder else name
            if tree.kind(path) == "folder":
                waiting.append(path)
            else:
                yield path, len(tree.read(path)) if sizes else 0


def digest(tree: Tree) -> str:
    """One digest of all that the artifact holds."""
    return f"sha256:{hashlib.sha256(_identity(tree).encode()).hexdigest()}"


def size(tree: Tree) -> int:
    """Bytes of all files."""
    return sum(number for _, number in walk(tree, sizes=True))


class Part:
    """A folder of a tree as a tree of its own."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self._tree, self._folder = tree, clean(folder)
        self.identity = f"{_identity(tree)}/{self._folder}" if self._folder else _identity(tree)

    def read(self, path: str) -> bytes:
        return self._tree.read(self._of(path))

    def kind(self, path: str) -> Kind:
        return self._tree.kind(self._of(path))

    def list(self, path: str) -> Sequence[str]:
        return self._tree.list(self._of(path))

    def digest(self, path: str) -> str:
        return self._tree.digest(self._of(path))

    def files(self, *, sizes: bool = False) -> Iterator[tuple[str, int]]:
        """All files, with their sizes where asked."""
        start = f"{self._folder}/" if self._folder else ""
        for path, number in walk(self._tree, sizes=sizes):
            if path.startswith(start):
                yield path[len(start) :], number

    def _of(self, path: str) -> str:
        inside = clean(path)
        return "/".join(part for part in (self._folder, inside) if part) or "."


def clean(path: str) -> str:
    """``./a//b/`` to ``a/b``; one that leads outside is refused."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise PermissionError(f"{path}: leaves the source")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def submodules(tree: Tree) -> dict[str, tuple[str, str]]:
    """Folder -> (URL as written, commit) of the submodules that ``.gitmodules`` names."""
    if tree.kind(".gitmodules") != "file":
        return {}
    found: dict[str, tuple[str, str]] = {}
    path = url = ""
    for line in [*tree.read(".gitmodules").decode("utf-8", "replace").splitlines(), "["]:
        name, _, value = (part.strip() for part in line.partition("="))
        if name.startswith("["):
            if path and url and tree.kind(path) == "folder":
                found[clean(path)] = (url, tree.digest(path))
            path = url = ""
        elif name == "path":
            path = value
        elif name == "url":
            url = value
    return found


def submodule_url(parent: str, written: str) -> str:
    """A submodule's URL; ``../other.git`` is beside its parent."""
    if not written.startswith(("./", "../")):
        return written
    scheme, mark, rest = parent.rstrip("/").partition("://")
    parts = (rest if mark else scheme).split("/")
    for part in written.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return f"{scheme}{mark}{'/'.join(parts)}" if mark else "/".join(parts)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _identity(tree: Tree) -> str:
    known = getattr(tree, "identity", "")
    return cast(str, known) or tree.digest("")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
