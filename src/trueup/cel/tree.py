"""The syntax tree. Built by the parser and its macros, annotated by the checker, read by planner and estimate.

``at`` is the offset that a message about the node points to.
"""

from __future__ import annotations

from typing import Any

from trueup.cel.types import DYN, Type


class Node:
    """An expression; ``type`` and ``overloads`` are the checker's findings."""

    __slots__ = ("at", "overloads", "type")

    def __init__(self, at: int) -> None:
        self.at = at
        self.type: Type = DYN
        self.overloads: tuple[Any, ...] = ()


class Literal(Node):
    """A constant."""

    __slots__ = ("value",)

    def __init__(self, at: int, value: Any) -> None:
        super().__init__(at)
        self.value = value


class Ident(Node):
    """A name; ``constant`` is what it stands for when that is known at once, such as a type."""

    __slots__ = ("constant", "known", "name")

    def __init__(self, at: int, name: str) -> None:
        super().__init__(at)
        self.name = name
        self.constant: Any = None
        self.known = False


class Select(Node):
    """``operand.field``, ``has(operand.field)`` or ``operand.?field``; ``key`` is the field's name in the data.

    ``resolved`` stands in its place when the whole is a declared name with dots in it.
    """

    __slots__ = ("field", "key", "operand", "optional", "resolved", "test")

    def __init__(self, at: int, operand: Node, field: str, test: bool = False, optional: bool = False) -> None:
        super().__init__(at)
        self.operand = operand
        self.field = field
        self.key = field
        self.test = test
        self.optional = optional
        self.resolved: Ident | None = None


class Call(Node):
    """``function(args)`` or ``target.function(args)``; operators are functions too: ``_+_``."""

    __slots__ = ("args", "function", "target")

    def __init__(self, at: int, function: str, args: list[Node], target: Node | None = None) -> None:
        super().__init__(at)
        self.function = function
        self.args = args
        self.target = target


class ListNode(Node):
    """``[a, ?b]``; ``optional`` holds the positions of the optional items."""

    __slots__ = ("items", "optional")

    def __init__(self, at: int, items: list[Node], optional: frozenset[int] = frozenset()) -> None:
        super().__init__(at)
        self.items = items
        self.optional = optional


class Entry:
    """``key: value`` of a map or ``field: value`` of a message."""

    __slots__ = ("at", "field", "key", "optional", "value")

    def __init__(self, at: int, key: Node | None, value: Node, optional: bool, field: str = "") -> None:
        self.at = at
        self.key = key
        self.value = value
        self.optional = optional
        self.field = field


class MapNode(Node):
    """``{k: v, ?k: v}``."""

    __slots__ = ("entries",)

    def __init__(self, at: int, entries: list[Entry]) -> None:
        super().__init__(at)
        self.entries = entries


class Struct(Node):
    """``Name{field: value}``."""

    __slots__ = ("entries", "name")

    def __init__(self, at: int, name: str, entries: list[Entry]) -> None:
        super().__init__(at)
        self.name = name
        self.entries = entries


class Comprehension(Node):
    """A loop, as macros make it. ``macro`` says which, so that the planner may loop its own way."""

    __slots__ = ("accu", "body", "condition", "filter", "init", "macro", "range", "result", "step", "var", "var2")

    def __init__(self, at: int, macro: str, over: Node, var: str, var2: str, body: Node, where: Node | None) -> None:
        super().__init__(at)
        self.macro = macro
        self.range = over
        self.var = var
        self.var2 = var2
        self.body = body
        self.filter = where
        self.accu = "@result"
        self.init: Node = self
        self.condition: Node = self
        self.step: Node = self
        self.result: Node = self
