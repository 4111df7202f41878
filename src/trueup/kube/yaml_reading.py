"""The documents of a YAML stream, out of libyaml's events. Called by `documents`, which says whose rules these are.

Bytes or text come in, `Document` values leave, with the line of each and the keys that stand twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.scanner import ScannerError

from trueup.kube import yaml_scalars
from trueup.kube.limits import DEEPEST, spend_copy
from trueup.kube.yaml_scalars import ScalarProblem


class YamlProblem(ValueError):
    """A file that is not YAML as Kubernetes reads it; ``line`` is 1-based, 0 when unknown."""

    go_line = 0
    """The line that go-yaml tells, which tells none of the first and miscounts that of grammar; 0 for none."""

    def __init__(self, path: str, line: int, message: str) -> None:
        where = f"{path}:{line}: " if path and line else f"{path}: " if path else f"line {line}: " if line else ""
        super().__init__(where + message)
        self.path, self.line, self.message = path, line, message


class TooManyNodes(YamlProblem):
    """A document is larger than its reader wants."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that stands twice in one mapping; the later one counts."""

    key: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its value as JSON has it, the line it starts at (1-based), the file it stands in."""

    value: Any
    line: int
    path: str = ""
    duplicates: tuple[Duplicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """Another reading of scalars than that of Kubernetes: kustomize reads YAML 1.2. A key that a merge brought gives way
    to one that is written out, wherever that stands."""

    plain: Callable[[str], Any]
    """The value of an unquoted scalar."""
    key: Callable[[str], Any]
    """The same where it is a key."""
    folded: Callable[[str], str]
    """The value of a scalar in folded style."""


_MERGE = object()
"""Stands for the key ``<<`` until its value has come."""
_NO_KEY = object()


class _Frame:
    """One open collection: ``into`` is the dict or list, ``key`` the key that waits for its value."""

    __slots__ = ("anchor", "count", "into", "is_map", "key", "merged", "odd", "where")

    def __init__(self, into: Any, is_map: bool, anchor: str | None, count: int, where: tuple[str | int, ...]) -> None:
        self.into, self.is_map, self.anchor, self.count, self.where = into, is_map, anchor, count, where
        self.key: Any = _NO_KEY
        self.merged: set[str] | None = None
        """Keys that ``<<`` brought; noted for a dialect only."""
        self.odd: dict[str, type] | None = None
        """The types of keys that were no strings: ``1`` and ``"1"`` are two keys to a strict reader."""


class Reader:
    """Builds documents from libyaml's events with an explicit stack: deep nesting costs no recursion."""

    def __init__(self, data: bytes | str, path: str, *, marks: bool = False, dialect: Dialect | None = None) -> None:
        self.path, self.marks, self.dialect = path, marks, dialect
        self.plain = dialect.plain if dialect else yaml_scalars.plain
        self.key = dialect.key if dialect else yaml_scalars.plain
        self.lines: list[dict[tuple[str | int, ...], int]] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open: set[str] = set()
        self.nodes = self.from_aliases = 0
        self.most = sys.maxsize
        self.duplicates: list[Duplicate] = []
        if isinstance(data, bytes) and data.startswith((b"\xff\xfe", b"\xfe\xff")):
            data = data.decode("utf-16")
        try:
            self.parser = CParser(data)
        except yaml.YAMLError as problem:
            raise _problem(path, problem) from None

    def documents(self) -> Iterator[Document]:
        event: Any
        get = self.parser.get_event
        try:
            get()  # the start of the stream
            while type(event := get()) is not StreamEndEvent:
                if event.version not in (None, (1, 1)):
                    raise self._wrong(event, "found incompatible YAML document")
                yield self._document(get)
        except yaml.YAMLError as problem:
            raise _problem(self.path, problem) from None

    def _document(self, get: Any) -> Document:
        self.anchors, self.open, self.duplicates, self.nodes, self.from_aliases = {}, set(), [], 0, 0
        if self.marks:
            self.lines.append({})
        root: list[Any] = []
        stack = [_Frame(root, False, None, 0, ())]
        line = 0
        while True:
            event = get()
            kind = type(event)
            if kind is DocumentEndEvent:
                break
            self.nodes += 1
            if self.nodes > self.most:
                raise TooManyNodes(self.path, event.start_mark.line + 1, "document has too many nodes")
            line = line or event.start_mark.line + 1
            frame = stack[-1]
            if kind is ScalarEvent:
                if frame.is_map and frame.key is _NO_KEY:
                    self._take_key(frame, event)
                    continue
                value = self._scalar(event)
                if event.anchor:
                    self.anchors[event.anchor] = (value, 1)
                self._put(frame, value, event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._begin(stack, event, kind is MappingStartEvent)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self.nodes -= 1
                done = stack.pop()
                if done.anchor:
                    self.open.discard(done.anchor)
                    self.anchors[done.anchor] = (done.into, self.nodes - done.count)
                self._put(stack[-1], done.into, event)
            else:
                self._alias(frame, event)
        return Document(root[0], line, self.path, tuple(self.duplicates))

    def _begin(self, stack: list[_Frame], event: Any, is_map: bool) -> None:
        frame = stack[-1]
        if frame.is_map and frame.key is _NO_KEY:
            raise self._wrong(event, "invalid map key: a collection cannot be a key")
        if len(stack) > DEEPEST:
            raise self._wrong(event, f"nested more than {DEEPEST} levels deep")
        where = self._where(frame) if self.marks else ()
        if self.marks and where not in self.lines[-1]:
            self.lines[-1][where] = event.start_mark.line + 1
        if event.anchor:
            self.open.add(event.anchor)
        stack.append(_Frame({} if is_map else [], is_map, event.anchor, self.nodes - 1, where))

    def _where(self, frame: _Frame) -> tuple[str | int, ...]:
        if frame.is_map:
            return (*frame.where, frame.key) if frame.key is not _MERGE else frame.where
        return (*frame.where, len(frame.into)) if frame.count else ()

    def _scalar(self, event: Any) -> Any:
        try:
            if event.implicit[0]:
                value = self.plain(event.value)
            elif event.tag is None:
                return self.dialect.folded(event.value) if self.dialect and event.style == ">" else event.value
            else:
                value = yaml_scalars.tagged(event.tag, event.value)
            return yaml_scalars.number(value) if type(value) is float else value
        except ScalarProblem as problem:
            raise self._wrong(event, str(problem)) from None

    def _take_key(self, frame: _Frame, event: Any) -> None:
        try:
            if event.implicit[0]:
                if event.value == "<<":
                    frame.key = _MERGE
                    return
                value = self.key(event.value)
            else:
                value = event.value if event.tag is None else yaml_scalars.tagged(event.tag, event.value)
            if event.anchor:
                self.anchors[event.anchor] = (value, 1)
            self._set_key(frame, value, event)
        except ScalarProblem as problem:
            raise self._wrong(event, str(problem)) from None

    def _set_key(self, frame: _Frame, value: Any, event: Any) -> None:
        key = value if type(value) is str else yaml_scalars.key(value)
        kind = type(value)
        before = (frame.odd or {}).get(key, str)
        if frame.merged is not None and key in frame.merged:
            frame.merged.discard(key)
        elif key in frame.into and before is kind:
            self.duplicates.append(Duplicate(key, event.start_mark.line + 1))
        if kind is not str:
            frame.odd = {**(frame.odd or {}), key: kind}
        frame.key = key
        if self.marks:
            self.lines[-1].setdefault((*frame.where, key), event.start_mark.line + 1)

    def _put(self, frame: _Frame, value: Any, event: Any) -> None:
        if not frame.is_map:
            if self.marks and frame.count:
                self.lines[-1].setdefault((*frame.where, len(frame.into)), event.start_mark.line + 1)
            frame.into.append(value)
        elif frame.key is _MERGE:
            self._merge(frame, value, event)
            frame.key = _NO_KEY
        else:
            frame.into[frame.key] = value
            frame.key = _NO_KEY

    def _merge(self, frame: _Frame, value: Any, event: Any) -> None:
        """The fields of one mapping, or of several of which the first wins, over those that came before."""
        sources = [value] if isinstance(value, dict) else value[::-1] if isinstance(value, list) else []
        if not sources or not all(isinstance(source, dict) for source in sources):
            raise self._wrong(event, "map merge requires map or sequence of maps as the value")
        for source in sources:
            for key, item in source.items():
                if self.dialect:
                    frame.merged = frame.merged or set()
                    if key in frame.into and key not in frame.merged:
                        continue
                    frame.merged.add(key)
                elif key in frame.into:
                    self.duplicates.append(Duplicate(key, event.start_mark.line + 1))
                frame.into[key] = item

    def _alias(self, frame: _Frame, event: Any) -> None:
        if event.anchor in self.open:
            raise self._wrong(event, f"anchor '{event.anchor}' value contains itself")
        if event.anchor not in self.anchors:
            raise self._wrong(event, f"unknown anchor '{event.anchor}' referenced")
        value, count = self.anchors[event.anchor]
        self.nodes += count
        self.from_aliases += count
        if self.from_aliases > 100 and self.nodes > 1000 and self.from_aliases / self.nodes > _allowed(self.nodes):
            raise self._wrong(event, "document contains excessive aliasing")
        if frame.is_map and frame.key is _NO_KEY:
            if isinstance(value, (dict, list)):
                raise self._wrong(event, "invalid map key: a collection cannot be a key")
            self._set_key(frame, value, event)
        else:
            spend_copy(value)
            self._put(frame, _copy(value), event)

    def _wrong(self, event: Any, message: str) -> YamlProblem:
        return YamlProblem(self.path, event.start_mark.line + 1, message)


def _copy(value: Any) -> Any:
    """An alias is a value of its own: nobody's change may reach the anchor's."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


def _allowed(nodes: int) -> float:
    """Which part of a document may come from aliases: nearly all of a small one, a tenth of a huge one (go-yaml)."""
    low, high = 400_000, 4_000_000
    if nodes <= low:
        return 0.99
    if nodes >= high:
        return 0.10
    return 0.99 - 0.89 * (nodes - low) / (high - low)


def _problem(path: str, problem: yaml.YAMLError) -> YamlProblem:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    message = getattr(problem, "problem", None) or getattr(problem, "reason", None) or str(problem)
    made = YamlProblem(path, mark.line + 1 if mark else 0, str(message))
    if mark and mark.line:
        made.go_line = mark.line + isinstance(
            problem, ScannerError
        )  # go-yaml counts from 0, and scanners' errors one on
    return made
