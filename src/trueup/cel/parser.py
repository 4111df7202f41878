"""An expression's text into a syntax tree, macros carried out. Called by ``compile``.

Source: cel-go ``parser/gen/CEL.g4`` and ``parser/parser.go``: which token a node's messages point to, how ``&&`` and
``||`` are balanced, what is said of bad text.
"""

from __future__ import annotations

from collections.abc import Mapping

from trueup.cel.constants import CONSTANTS
from trueup.cel.lexer import Token, tokens
from trueup.cel.macros import Expander, MacroProblem
from trueup.cel.problems import CelProblem, Issue
from trueup.cel.tree import Call, Entry, Ident, ListNode, Literal, MapNode, Node, Select, Struct

_RESERVED = (
    "as break const continue else false for function if import in let loop package namespace null return true var"
)
RESERVED = frozenset({*_RESERVED.split(), "void", "while"})
MAX_DEPTH = 250  # cel-go's default limit on nesting
_PRIMARY = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
_RELATIONS = {each: f"_{each}_" for each in ("<", "<=", ">=", ">", "==", "!=")} | {"in": "@in"}
_SUMS = {"+": "_+_", "-": "_-_"}
_PRODUCTS = {"*": "_*_", "/": "_/_", "%": "_%_"}
_STARTS = frozenset(
    {"[", "{", "(", ".", "-", "!", "true", "false", "null", "IDENTIFIER"}
    | {"NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES"}
)
_GOES_ON = frozenset({*_RELATIONS, *_SUMS, *_PRODUCTS, "&&", "||", "?", ".", "["})
_LEVELS: tuple[Mapping[str, str], ...] = (_RELATIONS, _SUMS, _PRODUCTS)


class _Syntax(Exception):
    """The text cannot be read on."""


class Parser:
    """Reads one expression. ``escapes``: whether a field's name may stand in backquotes."""

    def __init__(self, text: str, macros: Mapping[tuple[str, int, bool], Expander], escapes: bool) -> None:
        self._text = text
        self._escapes = escapes
        self._macros = macros
        self._tokens, self._issues = tokens(text)
        self._next = 0
        self._token = self._tokens[0]
        self._depth = 0
        self._within: list[frozenset[str]] = [frozenset({"<EOF>"})]

    def parse(self) -> Node:
        """The tree. Raises ``CelProblem``."""
        try:
            node = self._expression()
            if self._token.kind != "<EOF>":
                follows = self._tokens[self._next + 1].kind
                word = "extraneous" if follows == "<EOF>" else "mismatched"
                self._syntax(f"{word} input '{self._token.text}' expecting <EOF>")
        except _Syntax:
            node = Literal(0, None)
        except RecursionError:
            self._issues.append(Issue(-1, f"expression recursion limit exceeded: {MAX_DEPTH}"))
        if self._issues:
            raise CelProblem(self._text, self._issues)
        return node

    # --- tokens --------------------------------------------------------------------------------------------------

    def _take(self) -> Token:
        token = self._token
        if token.kind != "<EOF>":
            self._next += 1
            self._token = self._tokens[self._next]
        return token

    def _expect(self, kind: str, *, follows: frozenset[str] | None = None, expecting: str = "") -> Token:
        """Take a token of a kind. Where it is missing, or another is too many, say so and go on, as ANTLR does.

        ``follows``: what may come after it, None where nothing is made up.
        """
        token = self._token
        if token.kind == kind:
            return self._take()
        expecting = expecting or (kind if kind == "IDENTIFIER" else f"'{kind}'")
        if token.kind != "<EOF>" and self._tokens[self._next + 1].kind == kind:
            self._say(f"extraneous input '{token.text}' expecting {expecting}")
            self._take()
            return self._take()
        if follows is not None and (token.kind in follows or token.kind in self._around()):
            self._say(f"missing {expecting} at '{token.text}'")
            return Token(kind, kind, token.at)
        self._syntax(f"mismatched input '{token.text}' expecting {expecting}")
        raise AssertionError

    def _around(self) -> frozenset[str]:
        """What may come after what is being read, from what it is in."""
        return self._within[-2] if len(self._within) > 1 else frozenset()

    def _inside(self, *closers: str) -> Node:
        """An expression within something that goes on with one of these."""
        self._within.append(frozenset(closers))
        node = self._expression()
        self._within.pop()
        return node

    def _say(self, message: str) -> None:
        self._issues.append(Issue(self._token.at, f"Syntax error: {message}"))

    def _syntax(self, message: str) -> None:
        self._say(message)
        raise _Syntax

    # --- operators, loosest first --------------------------------------------------------------------------------

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._issues.append(Issue(-1, f"expression recursion limit exceeded: {MAX_DEPTH}"))
            raise _Syntax
        node = self._logic("||", "_||_")
        if self._token.kind == "?":
            at = self._take().at
            self._within.append(frozenset({":"}))
            yes = self._logic("||", "_||_")
            self._within.pop()
            self._expect(":", follows=_STARTS)
            node = Call(at, "_?_:_", [node, yes, self._expression()])
        self._depth -= 1
        return node

    def _logic(self, sign: str, function: str) -> Node:
        loose = sign == "||"
        terms = [self._logic("&&", "_&&_") if loose else self._binary(0)]
        places: list[int] = []
        while self._token.kind == sign:
            places.append(self._take().at)
            terms.append(self._logic("&&", "_&&_") if loose else self._binary(0))
        return _balanced(function, terms, places, 0, len(places) - 1) if places else terms[0]

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        signs = _LEVELS[level]
        node = self._binary(level + 1)
        while self._token.kind in signs:
            token = self._take()
            node = Call(token.at, signs[token.kind], [node, self._binary(level + 1)])
        return node

    def _unary(self) -> Node:
        sign = self._token.kind
        if sign not in ("!", "-") or (sign == "-" and self._number_follows()):
            return self._member()
        at, count = self._token.at, 0
        while self._token.kind == sign:
            self._take()
            count += 1
        operand = self._member()
        if count % 2 == 0:
            return operand
        return Call(at, "!_" if sign == "!" else "-_", [operand])

    def _number_follows(self) -> bool:
        return self._tokens[self._next + 1].kind in ("NUM_INT", "NUM_FLOAT")

    # --- members -------------------------------------------------------------------------------------------------

    def _member(self) -> Node:
        node = self._primary()
        while True:
            kind = self._token.kind
            if kind == ".":
                node = self._selected(node)
            elif kind == "[":
                at = self._take().at
                optional = self._token.kind == "?"
                if optional:
                    self._take()
                index = self._inside("]")
                self._close("]")
                node = Call(at, "_[?_]" if optional else "_[_]", [node, index])
            else:
                return node

    def _selected(self, operand: Node) -> Node:
        at = self._take().at
        optional = self._token.kind == "?"
        if optional:
            self._take()
        token = self._token
        if token.kind == "ESC_IDENTIFIER":
            self._take()
            self._escaped(token)
            return Select(at, operand, token.text[1:-1], optional=optional)
        if token.kind == "in":  # read on as the operator
            self._say("no viable alternative at input '.in'")
            return operand
        if token.kind != "IDENTIFIER":
            self._no_name(token)
        self._take()
        if self._token.kind == "(" and not optional:
            opened = self._take().at
            return self._call(opened, token.text, self._arguments(), operand)
        return Select(at, operand, token.text, optional=optional)

    def _escaped(self, token: Token) -> None:
        if token.kind == "ESC_IDENTIFIER" and not self._escapes:
            self._issues.append(Issue(token.at, "unsupported syntax: '`'"))

    def _no_name(self, token: Token) -> None:
        if token.kind in RESERVED:
            self._syntax(f"mismatched input '{token.text}' expecting IDENTIFIER")
        self._syntax(f"no viable alternative at input '.{'' if token.kind == '<EOF>' else token.text}'")

    def _arguments(self) -> list[Node]:
        args: list[Node] = []
        if self._token.kind != ")":
            args.append(self._inside(")", ","))
            while self._token.kind == ",":
                self._take()
                args.append(self._inside(")", ","))
        self._close(")")
        return args

    def _close(self, kind: str) -> None:
        """The end of what was opened; what follows it is what follows all of it."""
        self._within.append(frozenset({kind}))
        self._expect(kind, follows=_GOES_ON)
        self._within.pop()

    def _call(self, at: int, function: str, args: list[Node], target: Node | None) -> Node:
        expander = self._macros.get((function, len(args), target is not None))
        if expander is None:
            return Call(at, function, args, target)
        try:
            return expander(at, target, args) or Call(at, function, args, target)
        except MacroProblem as problem:
            self._issues.append(Issue(problem.at, problem.message))
            return Literal(at, None)

    # --- primaries -----------------------------------------------------------------------------------------------

    def _primary(self) -> Node:
        token = self._token
        kind = token.kind
        if kind in ("IDENTIFIER", "."):
            return self._named()
        if kind == "(":
            self._take()
            node = self._inside(")")
            self._close(")")
            return node
        if kind == "[":
            return self._list()
        if kind == "{":
            return MapNode(token.at, self._map_entries())
        if kind == "-" and self._number_follows():
            self._take()
            return self._literal(self._take(), "-", token.at)
        if kind in CONSTANTS:
            return self._literal(self._take(), "", token.at)
        if kind != "<EOF>" and self._tokens[self._next + 1].kind in _STARTS:
            self._say(f"extraneous input '{token.text}' expecting {_PRIMARY}")
            self._take()
            return self._unary()
        self._syntax(f"mismatched input '{token.text}' expecting {_PRIMARY}")
        raise AssertionError

    def _named(self) -> Node:
        dot = self._token.kind == "."
        start = self._token.at
        if dot:
            self._take()
        token = self._expect("IDENTIFIER")
        name = ("." if dot else "") + token.text
        if self._token.kind == "(":
            opened = self._take().at
            if token.text in RESERVED:
                self._issues.append(Issue(start, f"reserved identifier: {token.text}"))
            return self._call(opened, name, self._arguments(), None)
        parts = self._message_name()
        if parts is not None:
            full = ".".join([name, *parts])
            return Struct(self._token.at, full, self._fields())
        if token.text in RESERVED:
            self._issues.append(Issue(start, f"reserved identifier: {token.text}"))
        return Ident(token.at, name)

    def _message_name(self) -> list[str] | None:
        """The rest of ``a.b.C{``, taken; None where no message begins here."""
        ahead, parts = self._next, []
        while self._tokens[ahead].kind == "." and self._tokens[ahead + 1].kind == "IDENTIFIER":
            parts.append(self._tokens[ahead + 1].text)
            ahead += 2
        if self._tokens[ahead].kind != "{":
            return None
        self._next = ahead
        self._token = self._tokens[ahead]
        return parts

    def _list(self) -> Node:
        at = self._take().at
        items: list[Node] = []
        optional: set[int] = set()
        while self._token.kind != "]":
            if self._token.kind == "," and not items:
                self._take()
                break
            if self._token.kind == "?":
                self._take()
                optional.add(len(items))
            items.append(self._inside("]", ","))
            if self._token.kind != ",":
                break
            self._take()
        self._expect("]", expecting="{']', ','}" if items else "")
        return ListNode(at, items, frozenset(optional))

    def _map_entries(self) -> list[Entry]:
        entries: list[Entry] = []
        self._take()
        while self._token.kind != "}":
            if self._token.kind == "," and not entries:
                self._take()
                break
            optional = self._token.kind == "?"
            if optional:
                self._take()
            key = self._inside(":")
            at = self._expect(":", follows=_STARTS).at
            entries.append(Entry(at, key, self._inside("}", ","), optional))
            if self._token.kind != ",":
                break
            self._take()
        self._expect("}", expecting="{'}', ','}" if entries else "")
        return entries

    def _fields(self) -> list[Entry]:
        entries: list[Entry] = []
        self._take()
        while self._token.kind != "}":
            if self._token.kind == "," and not entries:
                self._take()
                break
            optional = self._token.kind == "?"
            if optional:
                self._take()
            token = self._token
            if token.kind not in ("IDENTIFIER", "ESC_IDENTIFIER"):
                self._syntax(f"mismatched input '{token.text}' expecting {{IDENTIFIER, ESC_IDENTIFIER}}")
            self._take()
            self._escaped(token)
            name = token.text[1:-1] if token.kind == "ESC_IDENTIFIER" else token.text
            at = self._expect(":", follows=_STARTS).at
            entries.append(Entry(at, None, self._inside("}", ","), optional, name))
            if self._token.kind != ",":
                break
            self._take()
        self._expect("}", expecting="{'}', ','}" if entries else "")
        return entries

    def _literal(self, token: Token, sign: str, at: int) -> Node:
        kind, text = token.kind, token.text
        try:
            return Literal(at, CONSTANTS[kind](sign + text))
        except ValueError as problem:
            bad = {"NUM_INT": "int", "NUM_UINT": "uint", "NUM_FLOAT": "double"}.get(kind)
            self._issues.append(Issue(at, f"invalid {bad} literal" if bad else str(problem)))
            return Literal(at, None)


def _balanced(function: str, terms: list[Node], places: list[int], low: int, high: int) -> Node:
    """A chain of one operator as a balanced tree, as cel-go's ``logicManager`` makes it."""
    middle = (low + high + 1) // 2
    left = terms[middle] if middle == low else _balanced(function, terms, places, low, middle - 1)
    right = terms[middle + 1] if middle == high else _balanced(function, terms, places, middle + 1, high)
    return Call(places[middle], function, [left, right])
