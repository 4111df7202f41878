"""Equal inputs are rendered once: a tree that writes down what is read of it, and renders remembered by that.

Called by `renderer`. A render depends on the files that it read, on the folders that it listed and on what it found
missing; none of its other files matter. So a push to a monorepo renders only what it changed, and a commit that touches
nothing of a unit is answered from memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from trueup.kube.names import Object
from trueup.ports import Origin, Rendered, SourceProblem, Tree

Look = tuple[str, str, str]
"""Which tree (empty for the source's own), which question, about which path."""

_MOST_BYTES = 256 * 1024 * 1024
_VARIANTS = 4
"""Commits of one unit kept side by side: a branch per stage is usual."""


Lookup = Callable[[str, str, str, str], Object | None]
Remote = Callable[[str, str], Tree]
LIVE, REMOTE = "lookup", "remote"
"""The questions about an object of the target and about another repository; their answers may change without any commit."""


class RecordingLookup:
    """Live objects that a render looked at, noted like files."""

    def __init__(self, lookup: Lookup, notes: dict[Look, str]) -> None:
        self._lookup, self._notes = lookup, notes

    def __call__(self, version: str, kind: str, namespace: str, name: str) -> Object | None:
        found = self._lookup(version, kind, namespace, name)
        self._notes["", LIVE, orjson.dumps([version, kind, namespace, name]).decode()] = _object_digest(found)
        return found


class RecordingRemote:
    """Other repositories that a render looked at, noted by what they are as a whole."""

    def __init__(self, remote: Remote, notes: dict[Look, str]) -> None:
        self._remote, self._notes = remote, notes

    def __call__(self, repository: str, ref: str) -> Tree:
        found = self._remote(repository, ref)
        self._notes["", REMOTE, orjson.dumps([repository, ref]).decode()] = whole(found)
        return found


def whole(tree: Tree) -> str:
    """What a tree is known by."""
    return str(getattr(tree, "identity", "")) or tree.digest("")


def _object_digest(found: Object | None) -> str:
    return hashlib.sha256(orjson.dumps(found, option=orjson.OPT_SORT_KEYS)).hexdigest()


class RecordingTree:
    """A tree that notes every answer it gives. Its notes are what a render depends on."""

    def __init__(self, tree: Tree, notes: dict[Look, str], name: str = "") -> None:
        self._tree, self._notes, self._name = tree, notes, name
        self._digests: dict[str, str] = {}

    def read(self, path: str) -> bytes:
        """The content of a file."""
        if path not in self._digests:
            self._notes[self._name, "read", path] = answer(self._tree, "read", path)
        return self._tree.read(path)

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        """What stands at a path."""
        kind = self._tree.kind(path)
        self._notes[self._name, "kind", path] = kind
        return kind

    def list(self, path: str) -> Sequence[str]:
        """The names in a folder."""
        self._notes[self._name, "list", path] = answer(self._tree, "list", path)
        return self._tree.list(path)

    def digest(self, path: str) -> str:
        """What a file or folder is known by."""
        known = self._digests.get(path)
        if known is None:
            known = self._digests[path] = self._notes[self._name, "read", path] = self._tree.digest(path)
        return known


def answer(tree: Tree, question: str, path: str) -> str:
    """What a tree says, short enough to keep; the name of its error when it refuses."""
    try:
        if question == "kind":
            return tree.kind(path)
        if question == "list":
            return hashlib.sha256("\0".join(tree.list(path)).encode("utf-8", "surrogateescape")).hexdigest()
        return tree.digest(path)
    except OSError as problem:
        return type(problem).__name__


@dataclass(frozen=True, slots=True)
class Kept:
    """One render: its result as bytes, so that everybody gets objects of their own, and what it depends on."""

    body: bytes
    warnings: tuple[str, ...]
    notes: Mapping[Look, str]
    roots: Mapping[str, str]

    @property
    def live(self) -> bool:
        """Whether it depends on more than its trees."""
        return any(question in (LIVE, REMOTE) for _, question, _ in self.notes)

    def rendered(self) -> Rendered:
        """A fresh copy."""
        pairs = orjson.loads(self.body)
        files = {
            path if not name else f"${name}/{path}": digest
            for (name, question, path), digest in self.notes.items()
            if question == "read"
        }
        objects: list[Object] = [pair[0] for pair in pairs]
        return Rendered(objects, [Origin(*pair[1]) for pair in pairs], files, self.warnings)


class Cache:
    """Renders by what was asked for, and among those by what the trees still say. Bounded; the longest unused goes."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[bytes, list[Kept]] = OrderedDict()
        self._bytes, self._most = 0, most_bytes
        self._guard = threading.Lock()

    def same_trees(self, key: bytes, roots: Mapping[str, str]) -> Kept | None:
        """The render of exactly these trees: no file needs to be looked at."""
        return next((kept for kept in self._kept.get(key, ()) if kept.roots == roots and not kept.live), None)

    def same_files(
        self, key: bytes, trees: Mapping[str, Tree], lookup: Lookup | None, remote: Remote | None = None
    ) -> Kept | None:
        """The render whose every note still holds."""
        for kept in list(self._kept.get(key, ())):
            if all(_now(trees, lookup, remote, look) == said for look, said in kept.notes.items()):
                return kept
        return None

    def keep(self, key: bytes, kept: Kept, instead: Kept | None = None) -> None:
        """Remember a render, in place of one that says the same of older trees."""
        with self._guard:
            variants = self._kept.setdefault(key, [])
            gone = [old for old in variants if old is instead] + [old for old in variants if old is not instead][
                _VARIANTS - 1 :
            ]
            variants[:] = [kept, *(old for old in variants if not any(old is other for other in gone))]
            self._bytes += len(kept.body) - sum(len(old.body) for old in gone)
            self._kept.move_to_end(key)
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= sum(len(old.body) for old in self._kept.popitem(last=False)[1])

    def used(self, key: bytes) -> None:
        """Somebody still wants it."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)


def _now(trees: Mapping[str, Tree], lookup: Lookup | None, remote: Remote | None, look: Look) -> str:
    name, question, path = look
    if question == LIVE:
        return _object_digest(lookup(*orjson.loads(path))) if lookup else ""
    if question == REMOTE:
        try:
            return whole(remote(*orjson.loads(path))) if remote else ""
        except SourceProblem:
            return ""  # the render says what is the matter
    return answer(trees[name], question, path) if name in trees else ""


def encode(objects: Sequence[Object], origins: Sequence[Origin]) -> bytes:
    """Objects with their origins, for keeping."""
    return orjson.dumps([(obj, (o.path, o.line, o.tool)) for obj, o in zip(objects, origins, strict=True)])
