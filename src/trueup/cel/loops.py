"""The loops that macros make, as closures. The planner's other half.

Source: cel-go ``interpreter/interpretable.go`` (``evalFold``). What a round costs is what cel-go's tracker counts for the
loop that the macro stands for: reading the accumulator, testing it, adding to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from trueup.cel import costs
from trueup.cel.problems import BudgetExceeded, CelError
from trueup.cel.reading import Absent
from trueup.cel.tree import Comprehension, Node
from trueup.cel.values import Duration, Optional, Timestamp, TypeValue, Uint, key_of, key_value, keys_of, type_name_of

Closure = Callable[[list[Any]], Any]


class Loops:
    """Plans comprehensions; ``plan`` is the planner's."""

    def __init__(self, metered: bool, folding: bool) -> None:
        self.metered = metered
        self.folding = folding
        self.scopes: list[dict[str, int]] = []
        self.size = 0

    def plan(self, node: Node) -> Closure:
        """The closure that evaluates a node."""
        raise AssertionError(node)

    def costing(self, closure: Closure, price: int) -> Closure:
        """A closure that also counts a fixed cost."""
        if not self.metered or not price:
            return closure

        def counted(f: list[Any]) -> Any:
            f[0] += price  # before, for what fails costs the same
            return closure(f)

        return counted

    def loop(self, node: Comprehension) -> Closure:
        """A comprehension's closure."""
        if node.macro == "bind":
            return self._bind(node)
        over = self.plan(node.range)
        place, second = self._enter(node)
        body = self.plan(node.body)
        where = self.plan(node.filter) if node.filter is not None else None
        self.scopes.pop()
        if not self.metered and second is None and node.macro in _PLAIN:
            return _PLAIN[node.macro](over, place, body, where)
        rounds = _rounds(over, place, second)
        if node.macro in ("all", "exists"):
            return self._quantified(node.macro == "exists", rounds, body)
        if node.macro == "exists_one":
            return self._one(rounds, body)
        if node.macro in ("transform", "entry"):
            made = self._transformed(node.macro == "entry", rounds, place, body, where)
            return self.costing(made, 0 if self.folding else costs.MAP)
        return self.costing(self._listed(rounds, body, where), 0 if self.folding else costs.LIST)

    def _enter(self, node: Comprehension) -> tuple[int, int | None]:
        scope = {node.var: self._new()}
        second = None
        if node.var2:
            second = scope[node.var2] = self._new()
        self.scopes.append(scope)
        return scope[node.var], second

    def _new(self) -> int:
        self.size += 1
        return self.size - 1

    def _bind(self, node: Comprehension) -> Closure:
        value = self.plan(node.init)
        place = self._new()
        self.scopes.append({node.accu: place})
        body = self.plan(node.result)
        self.scopes.pop()

        def bind(f: list[Any]) -> Any:
            try:
                f[place] = value(f)
            except BudgetExceeded:
                raise
            except CelError as error:  # an error counts only where the name is used
                f[place] = Absent(str(error))
            return body(f)

        return bind

    def _quantified(self, decides: bool, rounds: Rounds, body: Closure) -> Closure:
        """``all`` is decided by a false, ``exists`` by a true; either absorbs errors before and after it."""
        per_round, test = (4, 3) if decides else (3, 2)

        def metered(f: list[Any]) -> bool:
            problem: CelError | None = None
            decided = False
            for _ in rounds(f):
                f[0] += test
                if decided:
                    break
                f[0] += per_round - test
                try:
                    value = body(f)
                except BudgetExceeded:
                    raise
                except CelError as error:
                    problem = problem or error
                    continue
                if f[0] > f[1]:
                    raise costs.over_budget()
                if value is decides:
                    decided = True
                elif value is not (not decides):
                    problem = problem or CelError("no such overload")
            f[0] += 1
            if decided:
                return decides
            if problem is not None:
                raise problem
            return not decides

        return metered

    def _one(self, rounds: Rounds, body: Closure) -> Closure:
        def one(f: list[Any]) -> bool:
            count = 0
            for _ in rounds(f):
                value = body(f)
                if value is True:
                    count += 1
                    f[0] += 2
                elif value is not False:
                    raise CelError("no such overload")
                if f[0] > f[1]:
                    raise costs.over_budget()
            f[0] += 2
            return count == 1

        return one

    def _listed(self, rounds: Rounds, body: Closure, where: Closure | None) -> Closure:
        def listed(f: list[Any]) -> list[Any]:
            made = []
            for _ in rounds(f):
                if where is not None:
                    verdict = where(f)
                    if verdict is False:
                        continue
                    if verdict is not True:
                        raise CelError("no such overload")
                made.append(body(f))
                f[0] += 2 + costs.LIST
                if f[0] > f[1]:
                    raise costs.over_budget()
            f[0] += 1
            return made

        return listed

    def _transformed(self, entry: bool, rounds: Rounds, place: int, body: Closure, where: Closure | None) -> Closure:
        def transformed(f: list[Any]) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for _ in rounds(f):
                if where is not None:
                    verdict = where(f)
                    if verdict is False:
                        continue
                    if verdict is not True:
                        raise CelError("no such overload")
                value = body(f)
                f[0] += 2 if entry else 3
                added = value if entry else {key_of(f[place]): value}
                if not isinstance(added, dict):
                    raise CelError(f"no such overload: cel.@mapInsert(map, {type_name_of(added)})")
                for key, item in added.items():
                    if key in made:
                        raise CelError(f"insert failed: key {key_value(key)} already exists")
                    made[key] = item
                if f[0] > f[1]:
                    raise costs.over_budget()
            f[0] += 1
            return made

        return transformed


Rounds = Callable[[list[Any]], Iterable[Any]]


# --- without a meter ---------------------------------------------------------------------------------------------


def _items(held: Any) -> Iterable[Any]:
    """What a loop with one variable goes over."""
    if isinstance(held, list):
        return held
    if isinstance(held, dict):
        return keys_of(held)
    raise not_iterable(held)


def not_iterable(held: Any, variables: int = 1) -> CelError:
    """The error of a loop over what has no items, in cel-go's words."""
    shown = _GO_NAMES.get(held.__class__, held.__class__.__name__)
    if variables == 2:
        return CelError(f"unsupported comprehension range type: {shown}")
    return CelError(f"got '{shown}', expected iterable type")


_GO_NAMES: Mapping[type, str] = {
    bool: "types.Bool",
    bytes: "types.Bytes",
    float: "types.Double",
    int: "types.Int",
    str: "types.String",
    type(None): "types.Null",
    Duration: "types.Duration",
    Optional: "*types.Optional",
    Timestamp: "types.Timestamp",
    TypeValue: "*types.Type",
    Uint: "types.Uint",
}


def _plain_quantifier(decides: bool) -> Callable[[Closure, int, Closure, Closure | None], Closure]:
    usual = not decides

    def make(over: Closure, place: int, body: Closure, _: Closure | None) -> Closure:
        def quantified(f: list[Any]) -> Any:
            problem: CelError | None = None
            for f[place] in _items(over(f)):  # noqa: B020 - the frame's place is the loop's variable
                try:
                    value = body(f)
                except CelError as error:
                    problem = problem or error
                    continue
                if value is decides:
                    return decides
                if value is not usual:
                    problem = problem or CelError("no such overload")
            if problem is not None:
                raise problem
            return usual

        return quantified

    return make


def _plain_list(over: Closure, place: int, body: Closure, where: Closure | None) -> Closure:
    if where is None:
        return lambda f: [body(f) for f[place] in _items(over(f))]

    def listed(f: list[Any]) -> list[Any]:
        made = []
        for f[place] in _items(over(f)):  # noqa: B020 - the frame's place is the loop's variable
            verdict = where(f)
            if verdict is True:
                made.append(body(f))
            elif verdict is not False:
                raise CelError("no such overload")
        return made

    return listed


_PLAIN: Mapping[str, Callable[[Closure, int, Closure, Closure | None], Closure]] = {
    "all": _plain_quantifier(decides=False),
    "exists": _plain_quantifier(decides=True),
    "map": _plain_list,
    "filter": _plain_list,
}


def _rounds(over: Closure, place: int, second: int | None) -> Rounds:
    """The rounds of a loop: each leaves its item, or key and value, in the frame."""

    def rounds(f: list[Any]) -> Iterator[None]:
        held = over(f)
        if isinstance(held, list):
            if second is None:
                for f[place] in held:
                    yield
            else:
                for f[place], f[second] in enumerate(held):
                    yield
        elif isinstance(held, dict):
            for key in held:
                f[place] = key_value(key)
                if second is not None:
                    f[second] = held[key]
                yield
        else:
            raise not_iterable(held, 1 if second is None else 2)

    return rounds
