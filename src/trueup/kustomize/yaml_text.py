"""YAML inside a text, with some of its values changed: written back as kustomize writes it, in the order, with the comments
and the quotes that it had.

Called by `filters.replacements`. A text, its content as it was and as it is go in, the new text leaves. Source: go-yaml v3's
nodes as kyaml encodes them: two spaces, lists not indented, no empty lines but between groups of comments, no folding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from trueup.kube.documents import dump
from trueup.kustomize.scalars import NULL, Mistyped, Odd, copy, plain, settle, text_of

_COMMENT = re.compile(r"(?:^|\s)(#.*)$")
_OLD_BOOLEANS = frozenset(
    word for text in ("y", "yes", "on", "n", "no", "off") for word in (text, text.capitalize(), text.upper())
)
"""Quoted where YAML 1.1 is read; kustomize reads 1.2."""


def rewritten(text: str, before: Any, after: Any) -> str:
    """The first document of a text with ``after`` in the place of ``before``."""
    reader = _Reader(text)
    root = reader.node()
    reader.attach_comments(root)
    writer = _Writer()
    writer.block(root, before, after, 0)
    writer.comments(reader.rest, 0)
    return "\n".join(writer.lines).strip()


_Comment = tuple[int, str]
"""The column and the text of a comment on a line of its own; an empty line has neither."""
_EMPTY: _Comment = (0, "")


@dataclass(slots=True)
class _Node:
    """A value as it is written. ``parts``: key and value by turns of a map, the items of a list."""

    kind: str
    line: int
    text: str = ""
    style: str = ""
    name: str = ""
    """What it is as a key."""
    mark: str = ""
    """Its anchor and its tag, with a space behind."""
    column: int = 0
    parts: list[_Node] = field(default_factory=list)
    head: list[_Comment] = field(default_factory=list)
    note: str = ""

    @property
    def is_block(self) -> bool:
        """Whether it takes lines of its own."""
        return self.kind in ("map", "list") and self.style != "flow" and bool(self.parts)


class _Reader:
    """Makes nodes of a text, and finds the comments, which the parser drops."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.parser = CParser(text)
        self.ends: dict[int, int] = {}
        """Where the last value of a line ends."""
        self.inside: set[int] = set()
        """Lines that begin within a value."""
        self.anchors: dict[str, str] = {}
        self.entries: list[_Node] = []
        """Keys and items of block collections, as they come."""
        self.rest: list[_Comment] = []

    def node(self) -> _Node:
        """The first document."""
        self.parser.get_event()
        self.parser.get_event()
        node = self._node(self.parser.get_event())
        end: Any = self.parser.get_event()
        del self.lines[end.start_mark.line + (end.start_mark.column > 0) :]  # what follows is another document
        return node

    def _node(self, event: Any) -> _Node:
        start, end = event.start_mark, event.end_mark
        if type(event) is AliasEvent:
            self.ends[end.line] = end.column
            name = self.anchors.get(str(event.anchor), "")
            return _Node("alias", start.line, f"*{event.anchor}", column=start.column, name=name)
        mark = f"&{event.anchor} " if event.anchor else ""
        if type(event) is ScalarEvent:
            return self._scalar(event, mark)
        flow = "flow" if event.flow_style else ""
        kind, last = ("map", MappingEndEvent) if type(event) is MappingStartEvent else ("list", SequenceEndEvent)
        assert kind == "map" or type(event) is SequenceStartEvent
        mark += "" if event.implicit else f"{_tag(event.tag)} "
        node = _Node(kind, start.line, style=flow, mark=mark, column=start.column)
        while type(inner := self.parser.get_event()) is not last:
            is_entry = not flow and (kind == "list" or not len(node.parts) % 2)
            at = len(self.entries)
            part = self._node(inner)
            node.parts.append(part)
            if is_entry:
                self.entries.insert(at, part)
        if flow:
            close: Any = inner.end_mark
            self.ends[close.line] = close.column
            self.inside.update(range(start.line + 1, close.line + 1))
        return node

    def _scalar(self, event: Any, mark: str) -> _Node:
        start, end = event.start_mark, event.end_mark
        if not event.implicit[0] and not event.implicit[1]:
            mark += f"{_tag(event.tag)} "
        style = event.style or ""
        if style in ("|", ">"):
            self.ends[start.line] = start.column + 1
            self.inside.update(range(start.line + 1, end.line))
        else:
            self.ends[end.line] = end.column
            self.inside.update(range(start.line + 1, end.line + 1))
        if event.anchor:
            self.anchors[event.anchor] = event.value
        return _Node("scalar", start.line, event.value, style, event.value, mark, start.column)

    def attach_comments(self, root: _Node) -> None:
        """Gives every comment to the key or item that it stands above, or behind."""
        groups: list[_Comment] = []
        waiting = iter([*self.entries, _Node("end", len(self.lines))] if root.is_block else [])
        following = next(waiting, _Node("end", len(self.lines)))
        current: _Node | None = None
        for number, line in enumerate(self.lines):
            first = True
            while following.line == number:
                if first:
                    following.head, groups, first = _tidy(groups, top=current is None), [], False
                current, following = following, next(waiting, _Node("end", len(self.lines)))
            text = line.strip()
            if number in self.inside and number not in self.ends:
                continue
            if text.startswith("#") and number not in self.inside:
                groups.append((line.index("#"), text))
            elif not text:
                groups.append(_EMPTY)
            elif current is not None and (found := _COMMENT.search(line, self.ends.get(number, 0))):
                current.note = f" {found[1]}"
        self.rest = _tidy(groups)
        if self.rest and root.is_block and len(root.parts) <= (2 if root.kind == "map" else 1):
            self.rest.insert(0, _EMPTY)  # of the document then, not of the last entry


def _tidy(lines: list[_Comment], *, top: bool = False) -> list[_Comment]:
    """Groups of comments with one empty line between them. What stands right below a value is of that value, and the first
    of a document of the document: both are set off from what comes."""
    out: list[_Comment] = []
    for line in lines:
        if line[1] or (out and out[-1][1]):
            out.append(line)
    set_off = top or (bool(lines) and bool(lines[0][1]))
    while out and not out[-1][1] and not (set_off and (top or all(line[1] for line in out[:-1]))):
        out.pop()
    return out


def _tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


class _Writer:
    """Writes nodes, and values that have none yet."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.places: dict[int, int] = {}
        """The indentation of what stood in a column."""

    def comments(self, lines: list[_Comment], indent: int, column: int = 0) -> None:
        """Comments on lines of their own; those that stand deeper than what follows belong to what was before."""
        for at, line in lines:
            place = self.places.get(at, indent) if at > column else indent
            self.lines.append(" " * place + line if line else "")

    def block(self, node: _Node, before: Any, after: Any, indent: int, lead: str = "") -> None:
        """A value on lines of its own; ``lead``: what stands before its first entry, in place of the indentation."""
        if node.kind == "map" and node.is_block and isinstance(after, dict):
            self._map(node, before, after, indent, lead)
        elif node.kind == "list" and node.is_block and isinstance(after, list):
            self._list(node, before, after, indent, lead)
        else:
            self.lines.append(lead + self._inline(node, before, after, indent))

    def _map(self, node: _Node, before: Any, after: dict[str, Any], indent: int, lead: str) -> None:
        for key, value in zip(node.parts[::2], node.parts[1::2], strict=True):
            name = key.name
            written = _quoted(key) if key.kind == "scalar" else key.text
            written = f"!!merge {written}" if written == "<<" else written
            if name in after or written == "!!merge <<":
                self.comments(key.head, indent, key.column)
                self.places[key.column] = indent
                start = (lead or " " * indent) + f"{written}:"
                self._value(start, key, value, _of(before, name), _of(after, name), indent)
                lead = ""
        for name in after:
            if name not in before:
                self._new({name: after[name]}, indent, lead)
                lead = ""

    def _list(self, node: _Node, before: Any, after: list[Any], indent: int, lead: str) -> None:
        for at, item in enumerate(node.parts):
            dash = item.column - 2
            self.comments(item.head, indent, dash)
            self.places[dash] = indent
            start = (lead or " " * indent) + "-"
            if item.is_block and not item.mark and after[at] is not None:
                self.block(item, before[at], after[at], indent + 2, f"{start} ")
            else:
                self._value(start, item, item, before[at], after[at], indent)
            lead = ""
        for value in after[len(node.parts) :]:
            self._new([value], indent, lead)
            lead = ""

    def _value(self, start: str, entry: _Node, value: _Node, before: Any, after: Any, indent: int) -> None:
        same_kind = isinstance(after, dict) == (value.kind == "map") and isinstance(after, list) == (
            value.kind == "list"
        )
        if value.is_block and same_kind:
            self.lines.append(f"{start} {value.mark}".rstrip() + entry.note)
            self.block(value, before, after, indent if value.kind == "list" else indent + 2)
            return
        text = self._inline(value, before, after, indent + 2)
        first, _, more = text.partition("\n")
        self.lines.append(f"{start} {first}".rstrip() + (entry.note or value.note))
        self.lines += more.split("\n") if more else []

    def _inline(self, node: _Node, before: Any, after: Any, indent: int) -> str:
        """A scalar, an alias or a collection in brackets; a block scalar has more lines."""
        if node.kind == "alias" and before == after:
            return node.text
        if node.kind == "map" and isinstance(after, dict):
            pairs = zip(node.parts[::2], node.parts[1::2], strict=True)
            known = [
                f"{_quoted(key)}: {self._inline(value, _of(before, key.name), _of(after, key.name), 0)}"
                for key, value in pairs
                if key.name in after
            ]
            new = [f"{name}: {_flow(value)}" for name, value in after.items() if name not in before]
            return f"{node.mark}{{{', '.join([*known, *new])}}}"
        if node.kind == "list" and isinstance(after, list):
            known = [self._inline(item, before[at], after[at], 0) for at, item in enumerate(node.parts)]
            return f"{node.mark}[{', '.join([*known, *map(_flow, after[len(node.parts) :])])}]"
        if node.kind == "scalar" and not isinstance(after, (dict, list)):
            return node.mark + _scalar(node, before, after, indent)
        return _flow(after) if not isinstance(after, (dict, list)) else "\n" + _indented(after, indent)

    def _new(self, value: Any, indent: int, lead: str) -> None:
        text = _indented(value, indent)
        self.lines += (lead + text[indent:] if lead else text).split("\n")


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _indented(value: Any, indent: int) -> str:
    lines = dump(settle(copy(value))).rstrip("\n").split("\n")
    return "\n".join(" " * indent + line if line else "" for line in lines)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _plain(value)


# --- scalars -------------------------------------------------------------------------------------------------------


def _scalar(node: _Node, before: Any, after: Any, indent: int) -> str:
    changed = after is not before and after != before
    text = text_of(after) if changed and after is not NULL and after is not None else node.text
    if isinstance(after, Mistyped):
        found = {bool: "!!bool", int: "!!int", float: "!!float"}.get(type(_value(after.before)), "!!null")
        is_text = isinstance(plain(text), str)
        return f"{found} {(_literal(text, '|', indent) if chr(10) in text else _plain(text)) if is_text else text}".rstrip()
    if node.style == "'":
        return _single(text, indent)
    if node.style == '"':
        return _double(text)
    if node.style in ("|", ">") and text:
        return _double(text) if text.endswith(" ") or " \n" in text else _literal(text, node.style, indent)
    if not changed and not node.style:
        return node.text
    return _literal(text, "|", indent) if "\n" in text and isinstance(after, str) else _plain(after)


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Odd) else value


def _plain(value: Any) -> str:
    """A scalar without a style of its own: quoted only where it has to be."""
    if isinstance(value, Odd):
        return value.text
    if value in _OLD_BOOLEANS:
        return str(value)
    printed = dump(None if value is NULL else value).rstrip("\n")
    if "\n" not in printed or not isinstance(value, str):
        return printed
    if printed.startswith('"'):
        return _double(value)
    return _single(value) if printed.startswith("'") else value


def _quoted(key: _Node) -> str:
    if key.style == '"':
        return key.mark + _double(key.text)
    return key.mark + ("'" + key.text.replace("'", "''") + "'" if key.style == "'" else key.text)


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}


def _single(text: str, indent: int = 0) -> str:
    return "'" + text.replace("'", "''").replace("\n", "\n\n" + " " * indent) + "'"


def _double(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


def _literal(text: str, style: str, indent: int) -> str:
    """A block scalar. In a folded one, a line that does not begin with a space is followed by an empty one."""
    end = "" if text.endswith("\n") else "-"
    end = "+" if text.endswith("\n\n") or text == "\n" else end
    head = f"{style}{'2' if text[:1] in (' ', chr(10)) else ''}{end}"
    body = re.sub(r"(?m)^(\S.*)\n", r"\1\n\n", text) if style == ">" and text[:1] != " " else text
    body = body[:-1] if body.endswith("\n") else body
    return "\n".join([head, *(" " * indent + line if line else "" for line in body.split("\n"))])
