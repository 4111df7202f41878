"""Constants that can be judged before anything runs: durations, times, patterns, format strings. Called by ``compile``.

Source: cel-go ``cel/validator.go`` and ``ext/formatting.go`` (``stringFormatValidator``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueup.cel import times
from trueup.cel.formatting import check_format
from trueup.cel.problems import Issue
from trueup.cel.tree import Call, Comprehension, ListNode, Literal, MapNode, Node, Select, Struct
from trueup.cel.types import Type, shown
from trueup.cel.values import Timestamp
from trueup.kube.patterns import is_pattern


def check_literals(root: Node) -> list[Issue]:
    """What is wrong with a tree's constants."""
    issues: list[Issue] = []
    for node, exempt in nodes(root):
        if isinstance(node, Call):
            issues += _judge(node)
        elif isinstance(node, ListNode) and not exempt:
            issues += _mixed([(item, place in node.optional) for place, item in enumerate(node.items)], once=True)
        elif isinstance(node, MapNode) and not exempt:
            issues += _mixed([(entry.key, False) for entry in node.entries if entry.key is not None], once=False)
            issues += _mixed([(entry.value, entry.optional) for entry in node.entries], once=False)
    return issues


def _mixed(parts: list[tuple[Node, bool]], once: bool) -> Iterator[Issue]:
    """Parts of a list or map that are not of its first part's type."""
    wanted: Type | None = None
    for node, optional in parts:
        of = node.type.params[0] if optional and node.type.params else node.type
        if wanted is None:
            wanted = of
        elif wanted != of:
            yield Issue(node.at, f"expected type '{shown(wanted)}' but found '{shown(of)}'")
            if once:
                return


def _judge(node: Call) -> Iterator[Issue]:
    name, args = node.function, node.args
    if name in ("duration", "timestamp") and len(args) == 1 and _text(args[0]) is not None:
        text = _text(args[0])
        assert text is not None
        found: Any = times.parse_duration(text) if name == "duration" else times.parse_timestamp(text)
        if found is None or (name == "timestamp" and not times.in_range(found)):
            yield Issue(args[0].at, f"invalid {name} argument")
    elif name in ("duration", "timestamp") and args and isinstance(args[0], Literal) and args[0].value.__class__ is int:
        if name == "duration":
            yield Issue(args[0].at, "invalid duration argument")  # no number is one
        elif not times.in_range(Timestamp(args[0].value * times.SECOND)):
            yield Issue(args[0].at, "invalid timestamp argument")
    elif name == "matches" and args:
        text = _text(args[-1])
        if text is not None and not is_pattern(text):
            yield Issue(args[-1].at, "invalid matches argument")
    elif name == "format" and node.target is not None and len(args) == 1 and isinstance(args[0], ListNode):
        text = _text(node.target)
        if text is not None:
            yield from check_format(node.at, text, args[0])


def _text(node: Node) -> str | None:
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None


def nodes(root: Node) -> Iterator[tuple[Node, bool]]:
    """Every node of a tree, and whether ``format`` is among those around it: its arguments may be of any type."""
    waiting = [(root, False)]
    while waiting:
        node, exempt = waiting.pop()
        yield node, exempt
        within: list[Node] = []
        if isinstance(node, Call):
            exempt = exempt or node.function == "format"
            within = node.args if node.target is None else [node.target, *node.args]
        elif isinstance(node, Select):
            within = [node.operand]
        elif isinstance(node, ListNode):
            within = node.items
        elif isinstance(node, (MapNode, Struct)):
            for entry in node.entries:
                within += [entry.value] if entry.key is None else [entry.key, entry.value]
        elif isinstance(node, Comprehension):
            within = [node.range, node.init, node.condition, node.step, node.result]
        waiting += [(each, exempt) for each in within]
