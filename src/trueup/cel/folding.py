"""Parts of a tree that are known before it runs. Used by the planner.

Source: cel-go ``interpreter/decorators.go``: literals made of constants, and conversions of constants, cost nothing.
"""

from __future__ import annotations

from typing import Any

from trueup.cel.functions import chooser
from trueup.cel.problems import CelError
from trueup.cel.tree import Call, Ident, ListNode, Literal, MapNode, Node, Select
from trueup.cel.values import Uint, key_of

_CONVERSIONS = frozenset(["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"])
_KEYS = frozenset({bool, int, Uint, str})


def constant(node: Node) -> tuple[Any] | None:
    """The value that a node always has; None where it is not known."""
    if isinstance(node, Literal):
        return (node.value,)
    if isinstance(node, Ident):
        return (node.constant,) if node.known else None
    if isinstance(node, Select):
        return constant(node.resolved) if node.resolved is not None else None
    if isinstance(node, ListNode):
        return _list(node)
    if isinstance(node, MapNode):
        return _map(node)
    if isinstance(node, Call) and node.function in _CONVERSIONS and node.target is None and len(node.args) == 1:
        inner = constant(node.args[0])
        if inner is not None and node.overloads:
            try:
                return (chooser(node.overloads)(inner)(*inner),)
            except CelError:
                return None
    return None


def _list(node: ListNode) -> tuple[Any] | None:
    if node.optional:
        return None
    items = []
    for each in node.items:
        found = constant(each)
        if found is None:
            return None
        items.append(found[0])
    return (items,)


def _map(node: MapNode) -> tuple[Any] | None:
    held: dict[Any, Any] = {}
    for entry in node.entries:
        key = constant(entry.key) if entry.key is not None and not entry.optional else None
        value = constant(entry.value)
        if key is None or value is None or key[0].__class__ not in _KEYS or key_of(key[0]) in held:
            return None
        held[key_of(key[0])] = value[0]
    return (held,)
