"""Macros: calls that become loops and tests while the text is read. Called by the parser.

Source: cel-go ``parser/macro.go``, ``ext/comprehensions.go``, ``cel/library.go`` (optMap), ``ext/lists.go`` (sortBy).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

from trueup.cel.tree import Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select

Expander = Callable[[int, "Node | None", "list[Node]"], "Node | None"]
ACCU = "@result"
_OVERWRITES = "iteration variable overwrites accumulator variable"


class MacroProblem(Exception):
    """A macro's arguments are not what it takes."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


def _call(at: int, function: str, *args: Node) -> Call:
    return Call(at, function, list(args))


def _variable(node: Node, message: str) -> str:
    if not isinstance(node, Ident):
        raise MacroProblem(node.at, message)
    if node.name in (ACCU, "__result__"):
        raise MacroProblem(node.at, _OVERWRITES)
    return node.name


def _has(at: int, _: Node | None, args: list[Node]) -> Node:
    chosen = args[0]
    if isinstance(chosen, Select) and not chosen.optional and not chosen.test:
        return Select(at, chosen.operand, chosen.field, test=True)
    raise MacroProblem(chosen.at, "invalid argument to has() macro")


def _quantifier(macro: str, two: bool) -> Expander:
    def expand(at: int, target: Node | None, args: list[Node]) -> Node:
        var, var2 = _variables(args, two)
        assert target is not None
        body = args[2] if two else args[1]
        made = Comprehension(at, macro, target, var, var2, body, None)
        accu = Ident(at, ACCU)
        made.result = Ident(at, ACCU)
        if macro == "all":
            made.init, made.condition = Literal(at, True), _call(at, "@not_strictly_false", Ident(at, ACCU))
            made.step = _call(at, "_&&_", accu, body)
        elif macro == "exists":
            not_yet = _call(at, "!_", Ident(at, ACCU))
            made.init, made.condition = Literal(at, False), _call(at, "@not_strictly_false", not_yet)
            made.step = _call(at, "_||_", accu, body)
        else:
            made.init, made.condition = Literal(at, 0), Literal(at, True)
            more = _call(at, "_+_", accu, Literal(at, 1))
            made.step = _call(at, "_?_:_", body, more, Ident(at, ACCU))
            made.result = _call(at, "_==_", Ident(at, ACCU), Literal(at, 1))
        return made

    return expand


def _variables(args: list[Node], two: bool) -> tuple[str, str]:
    first = _variable(args[0], "argument must be a simple name")
    if not two:
        return first, ""
    second = _variable(args[1], "argument must be a simple name")
    if first == second:
        raise MacroProblem(args[1].at, f"duplicate variable name: {first}")
    return first, second


def _mapped(at: int, target: Node | None, args: list[Node]) -> Node:
    var = _variable(args[0], "argument is not an identifier")
    where = args[1] if len(args) == 3 else None
    return _listing(at, "map", target, var, "", args[-1], where)


def _filtered(at: int, target: Node | None, args: list[Node]) -> Node:
    var = _variable(args[0], "argument is not an identifier")
    return _listing(at, "filter", target, var, "", args[0], args[1])


def _transformed_list(at: int, target: Node | None, args: list[Node]) -> Node:
    var, var2 = _variables(args, two=True)
    return _listing(at, "map", target, var, var2, args[-1], args[2] if len(args) == 4 else None)


def _listing(at: int, macro: str, over: Node | None, var: str, var2: str, body: Node, where: Node | None) -> Node:
    assert over is not None
    made = Comprehension(at, macro, over, var, var2, body, where)
    made.init, made.condition, made.result = ListNode(at, []), Literal(at, True), Ident(at, ACCU)
    made.step = _call(at, "_+_", Ident(at, ACCU), ListNode(at, [body]))
    if where is not None:
        made.step = _call(at, "_?_:_", where, made.step, Ident(at, ACCU))
    return made


def _transformed_map(entry: bool) -> Expander:
    def expand(at: int, target: Node | None, args: list[Node]) -> Node:
        var, var2 = _variables(args, two=True)
        assert target is not None
        where = args[2] if len(args) == 4 else None
        made = Comprehension(at, "entry" if entry else "transform", target, var, var2, args[-1], where)
        made.init, made.condition, made.result = MapNode(at, []), Literal(at, True), Ident(at, ACCU)
        pair = [args[-1]] if entry else [Ident(at, var), args[-1]]
        made.step = _call(at, "cel.@mapInsert", Ident(at, ACCU), *pair)
        if where is not None:
            made.step = _call(at, "_?_:_", where, made.step, Ident(at, ACCU))
        return made

    return expand


def bound(at: int, name: str, value: Node, body: Node) -> Comprehension:
    """A value by a name within another expression: a loop over nothing."""
    made = Comprehension(at, "bind", ListNode(at, []), "#unused", "", body, None)
    made.accu, made.init, made.condition = name, value, Literal(at, False)
    made.step, made.result = Ident(at, name), body
    return made


def _bind(at: int, target: Node | None, args: list[Node]) -> Node | None:
    if not isinstance(target, Ident) or target.name != "cel":
        return None
    name = args[0]
    if not isinstance(name, Ident):
        raise MacroProblem(name.at, "cel.bind() variable names must be simple identifiers")
    return bound(at, name.name, args[1], args[2])


def _optional(name: str, flat: bool) -> Expander:
    def expand(at: int, target: Node | None, args: list[Node]) -> Node:
        var = args[0]
        assert target is not None
        if not isinstance(var, Ident):
            raise MacroProblem(var.at, f"{name}() variable name must be a simple identifier")
        value = Call(at, "value", [], copy.deepcopy(target))
        inner: Node = bound(at, var.name, value, args[1])
        if not flat:
            inner = _call(at, "optional.of", inner)
        return _call(at, "_?_:_", Call(at, "hasValue", [], target), inner, _call(at, "optional.none"))

    return expand


def _sorted_by(at: int, target: Node | None, args: list[Node]) -> Node:
    name = "@__sortBy_input__"
    if target is None or isinstance(target, (Literal, MapNode)):
        raise MacroProblem(
            target.at if target else at,
            "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
        )
    keys = _mapped(at, Ident(at, name), args)
    return bound(at, name, target, Call(at, "@sortByAssociatedKeys", [keys], Ident(at, name)))


_Rows = Sequence[tuple[str, Sequence[int], bool, Expander]]
_STANDARD: _Rows = (
    ("has", (1,), False, _has),
    ("all", (2,), True, _quantifier("all", two=False)),
    ("exists", (2,), True, _quantifier("exists", two=False)),
    ("exists_one", (2,), True, _quantifier("exists_one", two=False)),
    ("map", (2, 3), True, _mapped),
    ("filter", (2,), True, _filtered),
    ("optMap", (2,), True, _optional("optMap", flat=False)),
    ("optFlatMap", (2,), True, _optional("optFlatMap", flat=True)),
    ("sortBy", (2,), True, _sorted_by),
    ("all", (3,), True, _quantifier("all", two=True)),
    ("exists", (3,), True, _quantifier("exists", two=True)),
    ("existsOne", (3,), True, _quantifier("exists_one", two=True)),
    ("exists_one", (3,), True, _quantifier("exists_one", two=True)),
    ("transformList", (3, 4), True, _transformed_list),
    ("transformMap", (3, 4), True, _transformed_map(entry=False)),
    ("transformMapEntry", (3, 4), True, _transformed_map(entry=True)),
)


def _table(rows: _Rows) -> Mapping[tuple[str, int, bool], Expander]:
    return {(name, count, member): expander for name, counts, member, expander in rows for count in counts}


MACROS = _table(_STANDARD)
BINDING = _table((("bind", (3,), True, _bind),))
