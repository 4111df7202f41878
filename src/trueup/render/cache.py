"""Equal inputs are rendered once: a tree that writes down what is read of it, and renders remembered by that.

Called by `renderer`. A render depends on the files that it read, on the folders that it listed and on what it found
missing; none of its other files matter. So a push to a monorepo renders only what it changed, and a commit that touches
nothing of a unit is answered from memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from trueup.kube.limits import current
from trueup.kube.names import Object
from trueup.ports import Origin, Rendered, RenderProblem, Tree
from trueup.render.outside import OUTSIDE, Look, Outside

_MOST_BYTES = 64 * 1024 * 1024
"""Some 4,000 renders of 20 objects."""
_NOTE = 300
"""Bytes that a note takes, its path included."""
Problem = tuple[str, str, int, str]
"""The message of a ``RenderProblem``, its path, line and field."""
VARIANTS = 4
"""Commits of one unit kept side by side: a branch per stage is usual."""


class RecordingTree:
    """A tree that notes every answer it gives. Its notes are what a render depends on."""

    def __init__(self, tree: Tree, notes: dict[Look, str], name: str = "") -> None:
        self._tree, self._notes, self._name = tree, notes, name
        self._digests: dict[str, str] = {}
        self._seen: set[str] = set()

    def read(self, path: str) -> bytes:
        """The content of a file, if it is not too large."""
        self._check(path)
        if path not in self._digests:
            self._notes[self._name, "read", path] = answer(self._tree, "read", path)
        data = self._tree.read(path)
        if (allowance := current()) is not None:
            allowance.spend(len(data))
            if path not in self._seen:
                self._seen.add(path)
                allowance.input += len(data)
        return data

    def _check(self, path: str) -> None:
        """Raises `TooMuch` for a file that is too large, before it is read."""
        allowance, size = current(), getattr(self._tree, "size_of", None)
        if allowance is None or size is None or self._tree.kind(path) != "file":
            return
        allowance.check_file(path, size(path))

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        """What stands at a path."""
        try:
            kind = self._tree.kind(path)
        except OSError as problem:
            self._notes[self._name, "kind", path] = type(problem).__name__
            raise
        self._notes[self._name, "kind", path] = kind
        return kind

    def is_link(self, path: str) -> bool:
        """Whether a link stands at a path; trees that have none say nothing of them."""
        asked = getattr(self._tree, "is_link", None)
        found = asked is not None and bool(asked(path))
        self._notes[self._name, "link", path] = str(found)
        return found

    def list(self, path: str) -> Sequence[str]:
        """The names in a folder."""
        self._notes[self._name, "list", path] = answer(self._tree, "list", path)
        return self._tree.list(path)

    def digest(self, path: str) -> str:
        """What a file or folder is known by."""
        known = self._digests.get(path)
        if known is None:
            self._check(path)
            known = self._digests[path] = self._notes[self._name, "read", path] = self._tree.digest(path)
        return known


def answer(tree: Tree, question: str, path: str) -> str:
    """What a tree says, short enough to keep; the name of its error when it refuses."""
    try:
        if question == "kind":
            return tree.kind(path)
        if question == "link":
            return str(bool(getattr(tree, "is_link", lambda _: False)(path)))
        if question == "list":
            return hashlib.sha256("\0".join(tree.list(path)).encode("utf-8", "surrogateescape")).hexdigest()
        return tree.digest(path)
    except OSError as problem:
        return type(problem).__name__


Looked = tuple[dict[str, str], Sequence[str], tuple[str, ...], tuple[str, ...]]
"""The files that were read with their digests, the warnings, what was not there, the folders that were listed."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One render: its result, and what it depends on. Objects are kept as bytes, so that everybody gets some of their own."""

    body: bytes
    origins: tuple[Origin, ...]
    looked: Looked
    notes: Mapping[Look, str]
    roots: Mapping[str, str]
    folders: Mapping[Look, str] | None = None
    """A few digests that stand for all notes: while they are the same, so are those. None where nothing can."""
    problem: Problem | None = None
    """Why there is no result: what does not render does not render again, until something that it read is another."""
    live: bool = False
    """Whether it depends on more than its trees."""

    def now_of(self, roots: Mapping[str, str]) -> Kept:
        """The same of other trees, in which all that it depends on is the same."""
        return Kept(
            self.body, self.origins, self.looked, self.notes, roots, self.folders, self.problem, self.live
        )  # fmt: skip

    @property
    def size(self) -> int:
        """About how much memory it takes."""
        return len(self.body) + _NOTE * len(self.notes)

    def rendered(self) -> Rendered:
        """A fresh copy. Raises ``RenderProblem`` for one that failed."""
        if self.problem is not None:
            message, path, line, field = self.problem
            raise RenderProblem(message, path=path, line=line, field=field)
        return Rendered(orjson.loads(self.body), list(self.origins), *self.looked)


def looked_at(notes: Mapping[Look, str], warnings: Sequence[str]) -> Looked:
    """What was read, the warnings, what was missing, what was listed; paths of other trees begin with their names."""
    files: dict[str, str] = {}
    absent: list[str] = []
    listed: list[str] = []
    for (name, question, path), said in notes.items():
        shown = path if not name else f"${name}/{path}"
        if question == "read" and said not in _ERRORS:
            files[shown] = said
        elif (question in ("kind", "read")) and said in _MISSING:
            absent.append(shown)
        elif question == "list" and said not in _ERRORS:
            listed.append(shown)
    return files, warnings, tuple(sorted(set(absent))), tuple(sorted(listed))


_MISSING = frozenset({"none", "FileNotFoundError"})
_ERRORS = frozenset({"FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError", "OSError"})


class Cache:
    """Renders by what was asked for, and among those by what the trees still say. Bounded; the longest unused goes."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[bytes, list[Kept]] = OrderedDict()
        self._bytes, self._most = 0, most_bytes
        self._guard = threading.Lock()

    def same_trees(self, key: bytes, roots: Mapping[str, str]) -> Kept | None:
        """The render of exactly these trees: no file needs to be looked at."""
        return next((kept for kept in self._kept.get(key, ()) if kept.roots == roots and not kept.live), None)

    def same_folders(self, key: bytes, trees: Mapping[str, Tree]) -> Kept | None:
        """The render whose folders are the same in other trees: cheap enough to ask for at once."""
        for kept in self._kept.get(key, ()):
            if kept.folders is not None and all(
                name in trees and answer(trees[name], question, path) == said
                for (name, question, path), said in kept.folders.items()
            ):
                return kept
        return None

    def same_files(self, key: bytes, trees: Mapping[str, Tree], outside: Outside) -> Kept | None:
        """The render whose every note still holds."""
        return that_holds(list(self._kept.get(key, ())), trees, outside)

    def keep(self, key: bytes, kept: Kept, instead: Kept | None = None) -> None:
        """Remember a render, in place of one that says the same of older trees."""
        with self._guard:
            variants = self._kept.setdefault(key, [])
            gone = [old for old in variants if old is instead] + [old for old in variants if old is not instead][
                VARIANTS - 1 :
            ]
            variants[:] = [kept, *(old for old in variants if not any(old is other for other in gone))]
            self._bytes += kept.size - sum(old.size for old in gone)
            self._kept.move_to_end(key)
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= sum(old.size for old in self._kept.popitem(last=False)[1])

    def used(self, key: bytes) -> None:
        """Somebody still wants it."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)


def that_holds(known: Iterable[Kept], trees: Mapping[str, Tree], outside: Outside) -> Kept | None:
    """The first render whose every note still holds."""
    for kept in known:
        if all(_now(trees, outside, look) == said for look, said in kept.notes.items()):
            return kept
    return None


def folders(path: str, trees: Mapping[str, Tree], notes: Mapping[Look, str]) -> dict[Look, str] | None:
    """The digest of the unit's folder in place of all that was noted in it, with the notes about other places.

    None where that says less: the unit is its whole tree, its answers come from elsewhere too, or a link is on the way.
    """
    if not path:
        return None
    found: dict[Look, str] = {}
    try:
        for look, said in notes.items():
            name, question, place = look
            direct = getattr(trees.get(name), "is_direct", None)
            if question in OUTSIDE or direct is None or not direct(place):
                return None
            if name or (place != path and not place.startswith(f"{path}/")):
                found[look] = said
        found["", "read", path] = trees[""].digest(path)
    except OSError:
        return None
    return found


def _now(trees: Mapping[str, Tree], outside: Outside, look: Look) -> str:
    name, question, path = look
    if question in OUTSIDE:
        return outside.says(question, path)
    return answer(trees[name], question, path) if name in trees else ""


def encode(objects: Sequence[Object]) -> bytes:
    """Objects for keeping. Raises ``RecursionError``, too, for what is nested too deeply."""
    try:
        return orjson.dumps(objects)
    except orjson.JSONEncodeError as problem:
        if "Recursion" not in str(problem):
            raise
        raise RecursionError(str(problem)) from None
