"""Names and overloads for a tree that nobody checks: everything is open until it runs. Called by ``compile``.

Source: cel-go ``interpreter/planner.go`` over a parsed tree: what is not declared is an error where it is used.
"""

from __future__ import annotations

from trueup.cel.environment import Environment
from trueup.cel.tree import Call, Comprehension, Ident, ListNode, MapNode, Node, Select, Struct


class Resolver:
    """Resolves one tree; ``unknown`` are the names that no variable has."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._scopes: list[set[str]] = []
        self.unknown: set[str] = set()

    def resolve(self, node: Node) -> None:
        """Resolve a node and all within it."""
        if isinstance(node, Ident):
            if not self._name(node):
                self.unknown.add(node.name)
        elif isinstance(node, Select):
            self._select(node)
        elif isinstance(node, Call):
            self._call(node)
        elif isinstance(node, ListNode):
            for item in node.items:
                self.resolve(item)
        elif isinstance(node, (MapNode, Struct)):
            if isinstance(node, Struct):
                node.name = self._env.object_name(node.name) or node.name
            for entry in node.entries:
                for part in filter(None, (entry.key, entry.value)):
                    self.resolve(part)
        elif isinstance(node, Comprehension):
            self._comprehension(node)

    def _local(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def _name(self, node: Ident) -> bool:
        if self._local(node.name):
            return True
        found = self._env.variable(node.name)
        if found is not None:
            node.name = found[0]
            return True
        constant = self._env.constant(node.name)
        if constant is not None:
            node.known, node.constant = True, constant[0]
        return constant is not None

    def _select(self, node: Select) -> None:
        name = None if node.test or node.optional else qualified(node)
        if name is not None and not self._local(name.partition(".")[0]):
            ident = Ident(node.at, name)
            if self._name(ident):
                node.resolved = ident
                return
        self.resolve(node.operand)

    def _call(self, node: Call) -> None:
        for arg in node.args:
            self.resolve(arg)
        if node.target is not None:
            prefix = qualified(node.target)
            found = self._env.function(f"{prefix}.{node.function}") if prefix is not None else None
            if found is not None:
                node.function, node.target, node.overloads = found[0].function, None, found
                return
            self.resolve(node.target)
        member = node.target is not None
        found = self._env.function(node.function) or ()
        node.overloads = tuple(each for each in found if each.member == member)

    def _comprehension(self, node: Comprehension) -> None:
        self.resolve(node.range)
        self.resolve(node.init)
        self._scopes.append({node.accu})
        self._scopes.append({node.var, node.var2})
        self.resolve(node.condition)
        self.resolve(node.step)
        self._scopes.pop()
        self.resolve(node.result)
        self._scopes.pop()


def qualified(node: Node) -> str | None:
    """``a.b.c`` as one name."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        prefix = qualified(node.operand)
        return None if prefix is None else f"{prefix}.{node.field}"
    return None
