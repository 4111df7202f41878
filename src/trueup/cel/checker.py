"""Types for every node of a tree, or what is wrong with it. Called by ``compile``.

Source: cel-go ``checker/checker.go`` and ``checker/errors.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.cel import types
from trueup.cel.environment import Environment
from trueup.cel.functions import Overload
from trueup.cel.problems import Issue
from trueup.cel.tree import Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from trueup.cel.types import BOOL, DYN, ERROR, INT, Type, is_dyn, optional_of, shown, unwrapped
from trueup.cel.unchecked import qualified
from trueup.cel.unify import Mapping, all_assignable, assignable, most_general, substitute
from trueup.cel.values import Uint

_LITERALS = {
    type(None): types.NULL,
    bool: types.BOOL,
    int: types.INT,
    Uint: types.UINT,
    float: types.DOUBLE,
    str: types.STRING,
    bytes: types.BYTES,
}


class Checker:
    """Checks one tree; ``issues`` says what is wrong."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._known: Mapping = {}
        self._scopes: list[dict[str, Type]] = []
        self._fresh = 0
        self._seen: list[Node] = []
        self.issues: list[Issue] = []

    def check(self, root: Node) -> Type:
        """The type of the whole."""
        self._check(root)
        for node in self._seen:
            node.type = substitute(self._known, node.type, to_dyn=True)
        return root.type

    # --- nodes ---------------------------------------------------------------------------------------------------

    def _check(self, node: Node) -> Type:
        if isinstance(node, Literal):
            found = _LITERALS[node.value.__class__]
        elif isinstance(node, Ident):
            found = self._ident(node)
        elif isinstance(node, Select):
            found = self._select(node)
        elif isinstance(node, Call):
            found = self._call(node)
        elif isinstance(node, ListNode):
            found = self._list(node)
        elif isinstance(node, MapNode):
            found = self._map(node)
        elif isinstance(node, Struct):
            found = self._struct(node)
        else:
            assert isinstance(node, Comprehension)
            found = self._comprehension(node)
        node.type = found
        self._seen.append(node)
        return found

    def _say(self, node: Node, message: str) -> None:
        self.issues.append(Issue(node.at, message))

    def _undeclared(self, node: Node, name: str) -> Type:
        self._say(node, f"undeclared reference to '{name}' (in container '{self._env.container}')")
        return ERROR

    def _lookup(self, name: str, node: Ident) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        found = self._env.variable(name)
        if found is not None:
            node.name = found[0]
            return found[1]
        constant = self._env.constant(name)
        if constant is not None:
            node.known = True
            node.constant, type_ = constant
            return type_
        return None

    def _is_local(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def _ident(self, node: Ident) -> Type:
        return self._lookup(node.name, node) or self._undeclared(node, node.name)

    def _select(self, node: Select) -> Type:
        name = None if node.test or node.optional else qualified(node)
        if name is not None and not self._is_local(name.partition(".")[0]):
            ident = Ident(node.at, name)
            found = self._lookup(name, ident)
            if found is not None:
                ident.type = found
                node.resolved = ident
                return found
        result = self._field(node, self._check(node.operand))
        return BOOL if node.test else substitute(self._known, result, to_dyn=False)

    def _field(self, node: Select, operand: Type) -> Type:
        target, was_optional = unwrapped(substitute(self._known, operand, to_dyn=False))
        result = ERROR
        if target.kind == "map":
            result = target.params[1]
        elif target.kind == "struct":
            result = self._field_type(node, target.name, node.field)
        elif target.kind == "param":
            self._assign(DYN, target)
            result = DYN
        else:
            if not is_dyn(target) and target.kind != "error":
                self._say(node, f"type '{shown(target)}' does not support field selection")
            result = DYN
        return optional_of(result) if was_optional or node.optional else result

    def _field_type(self, node: Select, type_name: str, name: str) -> Type:
        try:
            found = self._env.field(type_name, name)
        except KeyError:
            self._say(node, f"unexpected failed resolution of '{type_name}'")
            return ERROR
        if found is None:
            self._say(node, f"undefined field '{name}'")
            return ERROR
        node.key = found.name
        return found.type

    def _call(self, node: Call) -> Type:
        for arg in node.args:
            self._check(arg)
        if node.target is None:
            found = self._env.function(node.function)
            if found is None:
                return self._undeclared(node, node.function)
            node.function = found[0].function
            return self._resolve(node, found, node.args)
        prefix = qualified(node.target)
        if prefix is not None:
            found = self._env.function(f"{prefix}.{node.function}")
            if found is not None:
                node.function, node.target = found[0].function, None
                return self._resolve(node, found, node.args)
        self._check(node.target)
        found = self._env.function(node.function)
        if found is None:
            return self._undeclared(node, node.function)
        return self._resolve(node, found, [node.target, *node.args])

    def _resolve(self, node: Call, candidates: Sequence[Overload], args: Sequence[Node]) -> Type:
        member = node.target is not None
        given = [arg.type for arg in args]
        chosen: list[Overload] = []
        result: Type | None = None
        for each in candidates:
            if each.member != member:
                continue
            params, wanted_result = self._instance(each)
            known = all_assignable(self._known, given, params)
            if known is None:
                continue
            self._known = known
            chosen.append(each)
            one = substitute(known, wanted_result, to_dyn=False)
            if result is None:
                result = one
            elif not is_dyn(result) and one != result:
                result = DYN
        node.overloads = tuple(chosen)
        if result is None:
            self._no_overload(node, given, member)
            return ERROR
        return result

    def _no_overload(self, node: Call, given: Sequence[Type], member: bool) -> None:
        if node.function in ("_&&_", "_||_"):
            for arg in node.args:
                if self._assign(arg.type, BOOL):
                    continue
                self._say(arg, f"expected type 'bool' but found '{shown(arg.type)}'")
            return
        shapes = [shown(substitute(self._known, each, to_dyn=True)) for each in given]
        signature = f"{shapes[0]}.({', '.join(shapes[1:])})" if member else f"({', '.join(shapes)})"
        self._say(node, f"found no matching overload for '{node.function}' applied to '{signature}'")

    def _instance(self, each: Overload) -> tuple[tuple[Type, ...], Type]:
        """An overload with parameters of its own."""
        names = {name for of in (*each.params, each.result) for name in _params(of)}
        if not names:
            return each.params, each.result
        fresh = {types.param(name): self._new() for name in sorted(names)}
        return tuple([substitute(fresh, of, False) for of in each.params]), substitute(fresh, each.result, False)

    def _list(self, node: ListNode) -> Type:
        joined: Type | None = None
        for place, item in enumerate(node.items):
            of = self._check(item)
            if place in node.optional:
                of = self._from_optional(item, of)
            joined = self._join(joined, of)
        return types.list_of(joined or self._new())

    def _map(self, node: MapNode) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for entry in node.entries:
            assert entry.key is not None
            keys = self._join(keys, self._check(entry.key))
            of = self._check(entry.value)
            if entry.optional:
                of = self._from_optional(entry.value, of)
            values = self._join(values, of)
        if keys is None or values is None:
            return types.map_of(self._new(), self._new())
        return types.map_of(keys, values)

    def _from_optional(self, node: Node, of: Type) -> Type:
        inner, was = unwrapped(of)
        if not was and not is_dyn(inner):
            self._say(node, f"expected type '{shown(optional_of(inner))}' but found '{shown(inner)}'")
        return inner

    def _struct(self, node: Struct) -> Type:
        name = self._env.object_name(node.name)
        if name is None:
            return self._undeclared(node, node.name)
        node.name = name
        made = self._env.type_named(name) or ERROR
        if made.kind != "struct" and name not in self._env.objects:
            self._say(node, f"'{types.type_name(made)}' is not a message type")
            made = ERROR
        for entry in node.entries:
            of = self._check(entry.value)
            probe = Select(entry.at, node, entry.field)
            wanted = self._field_type(probe, name, entry.field)
            if entry.optional:
                of = self._from_optional(entry.value, of)
            if not self._assign(wanted, of):
                self.issues.append(
                    Issue(
                        entry.at,
                        f"expected type of field '{entry.field}' is '{shown(wanted)}' "
                        f"but provided type is '{shown(substitute(self._known, of, to_dyn=False))}'",
                    )
                )
            entry.field = probe.key
        return made

    def _comprehension(self, node: Comprehension) -> Type:
        over = substitute(self._known, self._check(node.range), to_dyn=False)
        accu = self._check(node.init)
        self._scopes.append({node.accu: accu})
        first, second = self._iterated(node, over)
        self._scopes.append({node.var: first} | ({node.var2: second} if node.var2 else {}))
        self._assert(node.condition, BOOL)
        self._assert(node.step, accu)
        self._scopes.pop()
        result = self._check(node.result)
        self._scopes.pop()
        return substitute(self._known, result, to_dyn=False)

    def _iterated(self, node: Comprehension, over: Type) -> tuple[Type, Type]:
        if over.kind == "list":
            return (INT, over.params[0]) if node.var2 else (over.params[0], DYN)
        if over.kind == "map":
            return over.params[0], over.params[1]
        if is_dyn(over) or over.kind in ("error", "param"):
            self._assign(DYN, over)
            return DYN, DYN
        self._say(
            node.range,
            f"expression of type '{shown(over)}' cannot be range of a comprehension (must be list, map, or dynamic)",
        )
        return ERROR, ERROR

    # --- types ---------------------------------------------------------------------------------------------------

    def _new(self) -> Type:
        self._fresh += 1
        return types.param(f"_var{self._fresh - 1}")

    def _assign(self, given: Type, wanted: Type) -> bool:
        known = assignable(self._known, given, wanted)
        if known is None:
            return False
        self._known = known
        return True

    def _assert(self, node: Node, wanted: Type) -> None:
        of = self._check(node)
        if not self._assign(wanted, of):
            self._say(node, f"expected type '{shown(wanted)}' but found '{shown(of)}'")

    def _join(self, before: Type | None, now: Type) -> Type:
        if before is None:
            return now
        if self._assign(before, now):
            return most_general(before, now)
        return DYN


def _params(of: Type) -> set[str]:
    if of.kind == "param":
        return {of.name}
    found: set[str] = set()
    for inner in of.params:
        found |= _params(inner)
    return found
