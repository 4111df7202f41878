"""YAML as SOPS reads it: YAML 1.2's scalars, mappings in their order, comments in their places. Pure.

Called by `formats.py`. Text comes in, a list of documents leaves; a `Comment` stands as a key before the key that it is about, or
as an entry of a list. Source: SOPS, ``stores/yaml``; go.yaml.in/yaml/v3 (``resolve.go``, ``scannerc.go``).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from trueup.sops.cipher import Comment, Moment, moment
from trueup.sops.problems import Malformed

_DEEPEST = 200
_SCALARS = 100_000
_TAG = "tag:yaml.org,2002:"
_RULES = (
    ("null", re.compile(r"~|null|Null|NULL|", re.ASCII)),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE", re.ASCII)),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+)", re.ASCII)),
    ("float", re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        re.ASCII)),
    ("timestamp", re.compile(
        r"\d{4}-\d\d?-\d\d?(?:[Tt]\d\d?:\d\d?:\d\d?(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d\d?:\d\d?:\d\d?(?:\.\d+)?)?",
        re.ASCII)),
)  # fmt: skip
_FIRST = frozenset("tTfFnN~-+.0123456789")
"""Signs with which something other than a text can begin."""
_REMARK = re.compile(r"(?:(?<=\s)|\A)#([^\n\r\x85\u2028\u2029]*)")


def documents(text: str) -> list[Any]:
    """All documents; one without anything is an empty mapping."""
    try:
        return _Reader(text.removeprefix("\ufeff")).stream()
    except (yaml.YAMLError, ValueError, OverflowError) as problem:
        where = getattr(problem, "problem_mark", None)
        raise Malformed(f"not valid YAML{f' at line {where.line + 1}' if where else ''}") from problem


def kind_of(text: str) -> str:
    """What a text without quotes is read as; ``str`` when it is itself."""
    if text and text[0] not in _FIRST:
        return "str"
    return next((kind for kind, rule in _RULES if rule.fullmatch(text)), "str")


def _typed(kind: str, text: str) -> Any:
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _integer(text)
        case "float":
            return _float(text)
        case "timestamp":
            return Moment(moment(text))
        case "binary":
            try:
                return base64.b64decode(text).decode("utf-8", "surrogateescape")
            except binascii.Error as problem:
                raise Malformed("a value that is tagged as binary is not valid base64") from problem
    return text


def _integer(text: str) -> int:
    bare = text.replace("_", "")
    digits = bare.lstrip("+-")
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
    return int(bare, base)


def _float(text: str) -> float:
    bare = text.replace("_", "").lower()
    return float(bare.replace(".inf", "inf").replace(".nan", "nan"))


class _Collection:
    """A mapping or a list that is being read."""

    __slots__ = ("anchor", "column", "entries", "flow", "key", "mapping", "waiting")

    def __init__(self, mapping: bool, column: int, anchor: str | None, flow: bool) -> None:
        self.mapping, self.column, self.anchor, self.flow = mapping, column, anchor, flow
        self.entries: list[Any] = []
        self.key: Any = None
        self.waiting = False
        """Whether a key has been read and its value has not."""

    def value(self) -> Any:
        """What it holds."""
        if not self.mapping:
            return self.entries
        found: dict[Any, Any] = {}
        for key, value in self.entries:
            if key in found:
                raise Malformed(f"the key {key!r} stands twice in a mapping")
            found[key] = value
        return found

    def remark(self, comment: Comment, at: int | None = None) -> None:
        """A comment, at the end or before an entry."""
        self.entries.insert(len(self.entries) if at is None else at, (comment, None) if self.mapping else comment)


class _Reader:
    """One pass over the parser's events, with an eye on the gaps between them: that is where comments are."""

    def __init__(self, text: str) -> None:
        self._text, self._parser = text, CParser(text)
        self._remarked = "#" in text
        self._at = 0
        self._pending: list[tuple[int, Comment]] = []
        """Comments on lines of their own that belong to what comes next: the column of each."""
        self._open: list[_Collection] = []
        self._anchors: dict[str, Any] = {}
        self._count = 0

    def stream(self) -> list[Any]:
        found: list[Any] = []
        while True:
            event = self._next()
            if isinstance(event, StreamEndEvent):
                return found
            if isinstance(event, DocumentStartEvent):
                found.append(self._document())

    def _document(self) -> Any:
        self._anchors = {}
        first = self._value(self._next())
        self._next()  # the end of the document
        if first is None:
            first = {}
        if not isinstance(first, dict):
            raise Malformed("a document is not a mapping")
        return first

    def _next(self) -> Event:
        event = self._parser.get_event()
        assert event is not None, "the stream's end has been met"
        if self._remarked:
            self._gap(event)
        return event

    def _value(self, event: Event) -> Any:
        """A whole value, without recursion."""
        outermost = len(self._open)
        while True:
            if isinstance(event, CollectionStartEvent):
                self._begin(event)
            else:
                if isinstance(event, CollectionEndEvent):
                    done = self._end(isinstance(event, MappingEndEvent))
                elif isinstance(event, ScalarEvent):
                    done = self._scalar(event)
                else:
                    assert isinstance(event, AliasEvent)
                    if event.anchor not in self._anchors:
                        raise Malformed(f"the alias {event.anchor!r} has no anchor before it")
                    done = self._anchors[event.anchor]
                if len(self._open) == outermost:
                    return done
                self._put(done, settled=isinstance(event, CollectionEndEvent))
            event = self._next()

    def _begin(self, event: CollectionStartEvent) -> None:
        if len(self._open) >= _DEEPEST:
            raise Malformed("the document is nested too deep")
        mapping = isinstance(event, MappingStartEvent)
        if self._open and not self._open[-1].waiting:
            self._settle(self._open[-1])
        collection = _Collection(mapping, _column(event), event.anchor, bool(event.flow_style))
        self._settle(collection)
        self._open.append(collection)

    def _end(self, mapping: bool) -> Any:
        collection = self._open.pop()
        outer = self._open[-1].column if self._open else -1
        mine = 0
        while mine < len(self._pending) and (collection.flow or self._pending[mine][0] >= collection.column > outer):
            collection.remark(self._pending[mine][1])
            mine += 1
        del self._pending[:mine]
        if not self._open:
            self._settle(collection)
        value = collection.value()
        if collection.anchor:
            self._anchors[collection.anchor] = value
        return value

    def _scalar(self, event: ScalarEvent) -> Any:
        self._counted()
        text = event.value
        if event.tag is not None:
            kind = event.tag.removeprefix(_TAG) if event.tag.startswith(_TAG) else "str"
        else:
            kind = kind_of(text) if event.implicit[0] else "str"
        value = text if kind == "str" else _typed(kind, text)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _counted(self) -> None:
        self._count += 1
        if self._count > _SCALARS:
            raise Malformed(f"the file has more than {_SCALARS} values and comments")

    def _put(self, value: Any, *, settled: bool) -> None:
        collection = self._open[-1]
        if not collection.mapping:
            if not settled:
                self._settle(collection)
            collection.entries.append(value)
        elif collection.waiting:
            collection.entries.append((collection.key, value))
            collection.waiting = False
        else:
            self._settle(collection)
            if isinstance(value, (dict, list)):
                raise Malformed("a key is not a string: only string keys are supported, put it in quotes")
            collection.key, collection.waiting = value, True

    def _settle(self, collection: _Collection) -> None:
        """What was said before something, put before it."""
        for _, comment in self._pending:
            collection.remark(comment)
        self._pending.clear()

    def _gap(self, event: Event) -> None:
        """Comments between the event before and this one."""
        start, end = self._at, _start(event)
        if start < end and "#" in (gap := self._text[start:end]):
            for found in _REMARK.finditer(gap):
                self._met(found[1].rstrip(), start + found.start())
        if isinstance(event, ScalarEvent) and event.style in ("|", ">"):
            head = self._text[end : self._text.find("\n", end)]
            if " #" in head:
                self._met(head.split(" #", 1)[1].rstrip(), end + head.index(" #") + 1)
        if not isinstance(event, StreamStartEvent):
            self._at = max(self._at, _end(event))

    def _met(self, text: str, at: int) -> None:
        self._counted()
        before = self._text[self._text.rfind("\n", 0, at) + 1 : at]
        if not before.strip(" \t-"):  # alone, or after the dash of an entry that begins on the next line
            self._pending.append((0 if before.startswith("---") else len(before), Comment(text)))
        elif self._open:
            self._beside(text)
        else:
            self._pending.append((0, Comment(text)))

    def _beside(self, text: str) -> None:
        """After a value: said of it. After a key that has its value on further lines: said before the key."""
        collection = self._open[-1]
        if collection.waiting or not collection.entries:
            collection.remark(Comment(text))
            return
        last = collection.entries[-1][1] if collection.mapping else collection.entries[-1]
        collection.remark(Comment(text, inline=not isinstance(last, (dict, list))), len(collection.entries) - 1)


def _column(event: Event) -> int:
    assert event.start_mark is not None, "every event has its marks"
    return event.start_mark.column


def _start(event: Event) -> int:
    assert event.start_mark is not None, "every event has its marks"
    return event.start_mark.index


def _end(event: Event) -> int:
    assert event.end_mark is not None, "every event has its marks"
    return event.end_mark.index
