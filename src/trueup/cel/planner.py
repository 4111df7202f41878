"""A checked tree into closures over a frame. Called by ``compile``.

A frame is a list: what the evaluation has cost, what it may cost, the variables, the locals of loops. Errors travel as
``CelError``; ``&&``, ``||`` and the loops made of them absorb one where the other side decides. A metered plan counts
what cel-go's cost tracker counts (``interpreter/runtimecost.go``); a plain one does not, and is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueup.cel import costs, types
from trueup.cel.costs import over_budget
from trueup.cel.dispatch import dispatched
from trueup.cel.folding import constant
from trueup.cel.functions import NoSuchOverload, chooser
from trueup.cel.indexing import shown_key
from trueup.cel.loops import Loops
from trueup.cel.messages import MAKERS
from trueup.cel.operators import FAST, lacks_trait
from trueup.cel.problems import BudgetExceeded, CelError
from trueup.cel.reading import Step, has_field, path
from trueup.cel.tree import Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from trueup.cel.values import Message, Optional, Uint, contains, key_of

Closure = Callable[[list[Any]], Any]
FIRST_VARIABLE = 2
_EXACT = frozenset({"bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration", "list", "map", "type"})
_KEYS = frozenset({bool, int, Uint, str})
_MEMBERS = _KEYS | {float}


class Planner(Loops):
    """Plans one tree. ``slots`` places the variables; after planning, ``size`` is the frame's."""

    def __init__(self, slots: Mapping[str, int], metered: bool, folding: bool = True) -> None:
        super().__init__(metered, folding)
        self._slots = slots
        self.size = FIRST_VARIABLE + len(slots)

    def plan(self, node: Node) -> Closure:
        """The closure that evaluates a node."""
        found = self._constant(node)
        if found is not None:
            value = found[0]
            return lambda f: value
        if isinstance(node, (Ident, Select)):
            return self._attribute(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, ListNode):
            return self._list(node)
        if isinstance(node, MapNode):
            return self._map(node)
        if isinstance(node, Struct):
            return self._struct(node)
        assert isinstance(node, Comprehension), node
        return self.loop(node)

    def _constant(self, node: Node) -> tuple[Any] | None:
        if self.folding or isinstance(node, (Literal, Ident)):
            return constant(node)
        return None

    # --- attributes ----------------------------------------------------------------------------------------------

    def _attribute(self, node: Node) -> Closure:
        if isinstance(node, Select) and node.test:
            operand = self.plan(node.operand)
            return self.costing(has_field(operand, node.key, node.field), 0 if _reads(node.operand) else 1)
        steps: list[Step] = []
        base = node
        while self._constant(base) is None:
            if isinstance(base, Select) and base.resolved is None and not base.test:
                steps.append(Step(base.key, None, base.optional))
                base = base.operand
            elif isinstance(base, Call) and base.function in ("_[_]", "_[?_]"):
                steps.append(self._index_step(base))
                base = base.args[0]
            else:
                break
        steps.reverse()
        if isinstance(base, Select) and base.resolved is not None:
            base = base.resolved
        own = 0 if isinstance(base, Call) and base.function == "_?_:_" else 1
        if isinstance(base, Ident) and not base.known:
            return path(self._place(base.name), None, steps, self.metered)
        return self.costing(path(None, self.plan(base), steps, self.metered), own)

    def _index_step(self, node: Call) -> Step:
        found = self._constant(node.args[1])
        optional = node.function == "_[?_]"
        if found is not None and found[0].__class__ is str and node.args[0].type.kind in ("map", "dyn"):
            return Step(found[0], None, optional)
        return Step("", self._branch(node.args[1]), optional)

    def _place(self, name: str) -> int:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return self._slots[name]

    # --- calls ---------------------------------------------------------------------------------------------------

    def _call(self, node: Call) -> Closure:
        name = node.function
        special = _SPECIAL.get(name)
        if special is not None and (name not in ("or", "orValue") or node.type is not None):
            return special(self, node)
        if name in ("_[_]", "_[?_]"):
            return self._attribute(node)
        args = [node.target, *node.args] if node.target is not None else node.args
        closures = [self.plan(arg) for arg in args]
        if not self.metered:
            fast = self._fast(node, args, closures)
            return fast if fast is not None else dispatched(node, closures)
        return self._general(node, args, closures)

    def _fast(self, node: Call, args: Sequence[Node], closures: list[Closure]) -> Closure | None:
        """A closure made for one overload whose arguments are known to fit."""
        if len(node.overloads) != 1 or not all(_trusted(arg.type) for arg in args):
            return None
        only = node.overloads[0]
        maker = FAST.get(only.id)
        if maker is not None:
            made: Closure | None = maker(args, closures)
            if made is not None:
                return made
        call = only.call
        if call is None:
            return None
        if len(closures) == 1:
            (one,) = closures
            return lambda f: call(one(f))
        if len(closures) == 2:
            first, second = closures
            return lambda f: call(first(f), second(f))
        return lambda f: call(*[each(f) for each in closures])

    def _general(self, node: Call, args: Sequence[Node], closures: list[Closure]) -> Closure:
        name, candidates = node.function, node.overloads
        exact = len(candidates) == 1 and all(_trusted(arg.type) for arg in args) and candidates[0].call
        choose = chooser(candidates)
        only = candidates[0].call if exact else None
        price = costs.of_call(name, candidates[0].id if len(candidates) == 1 else "")
        metered = self.metered

        flat = price if isinstance(price, int) else 1

        def call(f: list[Any]) -> Any:
            try:
                values = [each(f) for each in closures]
            except CelError:
                f[0] += flat  # cel-go counts a call whose arguments failed
                raise
            try:
                result = only(*values) if only is not None else choose(values)(*values)
            except NoSuchOverload:
                f[0] += flat
                raise lacks_trait(name, values) from None
            except CelError:
                f[0] += flat
                raise
            if metered:
                f[0] += price if isinstance(price, int) else price(values, result)
                if f[0] > f[1]:
                    raise over_budget()
            return result

        return call

    def _and(self, node: Call) -> Closure:
        return self._logic(node, decides=False)

    def _or(self, node: Call) -> Closure:
        return self._logic(node, decides=True)

    def _logic(self, node: Call, decides: bool) -> Closure:
        terms = [self.plan(each) for each in _terms(node, node.function)]
        if len(terms) == 2:
            first, second = terms
            other = not decides

            def otherwise(f: list[Any], problem: CelError) -> Any:
                try:
                    right = second(f)
                except BudgetExceeded:
                    raise
                except CelError:
                    raise problem from None
                if right is not decides:
                    raise problem
                return decides

            def two(f: list[Any]) -> Any:
                try:
                    left = first(f)
                except BudgetExceeded:
                    raise
                except CelError as problem:
                    return otherwise(f, problem)
                if left is decides:
                    return decides
                if left is not other:
                    return otherwise(f, CelError("no such overload"))
                right = second(f)
                if right is decides:
                    return decides
                if right is not other:
                    raise CelError("no such overload")
                return other

            return two

        def several(f: list[Any]) -> Any:
            problem: CelError | None = None
            for term in terms:
                try:
                    value = term(f)
                except BudgetExceeded:
                    raise
                except CelError as error:
                    problem = problem or error
                    continue
                if value is decides:
                    return decides
                if value is not (not decides):
                    problem = problem or CelError("no such overload")
            if problem is not None:
                raise problem
            return not decides

        return several

    def _conditional(self, node: Call) -> Closure:
        test, yes, no = self.plan(node.args[0]), self._branch(node.args[1]), self._branch(node.args[2])

        def conditional(f: list[Any]) -> Any:
            verdict = test(f)
            if verdict is True:
                return yes(f)
            if verdict is False:
                return no(f)
            raise CelError("no such overload")

        return conditional

    def _branch(self, node: Node) -> Closure:
        """What only reads is read by the conditional or index that it is in, so that its variable costs nothing."""
        closure = self.plan(node)
        return self.costing(closure, -1) if self._constant(node) is None and _reads(node) else closure

    def _contained(self, node: Call) -> Closure:
        """``x in [constants]`` looks into a set, as cel-go does, at no cost of its own."""
        found = self._constant(node.args[1])
        if found is None or not isinstance(found[0], list) or not all(item.__class__ in _MEMBERS for item in found[0]):
            return self._general_in(node)
        wanted = self.plan(node.args[0])
        items = found[0]
        members = frozenset(map(key_of, items))

        def contained(f: list[Any]) -> Any:
            value = wanted(f)
            kind = value.__class__
            if kind is str:
                return value in members
            return contains(items, value)

        return contained

    def _general_in(self, node: Call) -> Closure:
        closures = [self.plan(arg) for arg in node.args]
        if not self.metered:
            fast = self._fast(node, node.args, closures)
            return fast if fast is not None else dispatched(node, closures)
        return self._general(node, node.args, closures)

    def _or_optional(self, node: Call) -> Closure:
        return self._either(node, unwrap=False)

    def _or_value(self, node: Call) -> Closure:
        return self._either(node, unwrap=True)

    def _either(self, node: Call, unwrap: bool) -> Closure:
        assert node.target is not None
        first, second = self.plan(node.target), self.plan(node.args[0])

        def either(f: list[Any]) -> Any:
            held = first(f)
            if not isinstance(held, Optional):
                raise CelError("no such overload")
            if held.present:
                return held.value() if unwrap else held
            return second(f)

        return either

    # --- what makes a value --------------------------------------------------------------------------------------

    def _list(self, node: ListNode) -> Closure:
        closures = [self.plan(item) for item in node.items]
        if not node.optional:
            return self.costing(lambda f: [each(f) for each in closures], costs.LIST)
        pairs = [(each, place in node.optional) for place, each in enumerate(closures)]

        def made(f: list[Any]) -> list[Any]:
            items = []
            for each, optional in pairs:
                value = each(f)
                if not optional:
                    items.append(value)
                elif _must_be_optional(value).present:
                    items.append(value.value())
            return items

        return self.costing(made, costs.LIST)

    def _map(self, node: MapNode) -> Closure:
        rows = [(self.plan(entry.key or node), self.plan(entry.value), entry.optional) for entry in node.entries]

        def made(f: list[Any]) -> dict[Any, Any]:
            held: dict[Any, Any] = {}
            for key, value, optional in rows:
                name = _key(key(f))
                if name in held:
                    raise CelError(f"insert failed: key {shown_key(key(f))} already exists")
                item = value(f)
                if not optional:
                    held[name] = item
                elif _must_be_optional(item).present:
                    held[name] = item.value()
            return held

        return self.costing(made, costs.MAP)

    def _struct(self, node: Struct) -> Closure:
        rows = [(entry.field, self.plan(entry.value), entry.optional) for entry in node.entries]
        name = node.name
        make = MAKERS.get(name)

        def made(f: list[Any]) -> Any:
            fields: dict[str, Any] = {}
            for field, value, optional in rows:
                item = value(f)
                if not optional:
                    fields[field] = item
                elif _must_be_optional(item).present:
                    fields[field] = item.value()
            return Message(name, fields) if make is None else make(fields)

        return self.costing(made, costs.STRUCT)


def _trusted(of: types.Type) -> bool:
    """Whether a value of this static type is sure to be of it."""
    return of.kind in _EXACT and not of.nullable


def _terms(node: Node, function: str) -> list[Node]:
    if isinstance(node, Call) and node.function == function:
        return [term for arg in node.args for term in _terms(arg, function)]
    return [node]


def _reads(node: Node) -> bool:
    if isinstance(node, Select):
        return not node.test
    return isinstance(node, Ident) or (isinstance(node, Call) and node.function in ("_[_]", "_[?_]"))


def _must_be_optional(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise CelError("cannot initialize optional entry from non-optional value")
    return value


def _key(value: Any) -> Any:
    if value.__class__ is float or value.__class__ not in _KEYS:
        raise CelError("unsupported key type")
    return key_of(value)


_SPECIAL: Mapping[str, Callable[[Planner, Call], Closure]] = {
    "_&&_": Planner._and,
    "_||_": Planner._or,
    "_?_:_": Planner._conditional,
    "@in": Planner._contained,
    "or": Planner._or_optional,
    "orValue": Planner._or_value,
}
