"""From an expression's text to a program that can be run. The room's door: everyone outside comes through here.

``compile`` takes text and an environment, raises ``CelProblem``; ``Program.evaluate`` takes the variables' values, raises
``CelError``. A program is immutable and may run in several tasks at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from trueup.cel.checker import Checker
from trueup.cel.costs import PER_CALL, over_budget
from trueup.cel.environment import Environment
from trueup.cel.estimates import Estimate, by_schema
from trueup.cel.literals import check_literals, nodes
from trueup.cel.parser import Parser
from trueup.cel.planner import FIRST_VARIABLE, Closure, Planner
from trueup.cel.prices import Range
from trueup.cel.problems import BudgetExceeded, CelError, CelProblem, Issue
from trueup.cel.reading import Absent
from trueup.cel.schemas import Declared
from trueup.cel.tree import Ident, Node
from trueup.cel.types import DYN, Type
from trueup.cel.unchecked import Resolver


class Program:
    """A compiled expression. ``type`` is what it answers."""

    __slots__ = ("_metered", "_names", "_plain", "_template", "environment", "root", "text", "type")

    def __init__(self, text: str, environment: Environment, root: Node, of: Type) -> None:
        self.text = text
        self.environment = environment
        self.root = root
        self.type = of
        self._names = {name: FIRST_VARIABLE + place for place, name in enumerate(environment.variables)}
        self._template: list[Any] = []
        self._plain: Closure | None = None
        self._metered: Closure | None = None

    def uses(self, variable: str) -> bool:
        """Whether the expression speaks of a variable."""
        return any(isinstance(node, Ident) and node.name == variable and not node.known for node, _ in nodes(self.root))

    def estimate(self, root: Declared | None = None) -> Range:
        """What an evaluation costs at best and at worst; ``root``: the variables' schema, which bounds their sizes."""
        return Estimate(by_schema(root)).cost(self.root)

    def _plan(self, metered: bool) -> Closure:
        planner = Planner(self._names, metered, self.environment.folding)
        closure = planner.plan(self.root)
        frame: list[Any] = [0, float("inf"), *(Absent(f"no such attribute(s): {name}") for name in self._names)]
        self._template = frame + [None] * (planner.size - len(frame))
        return closure

    def evaluate(self, bindings: Mapping[str, Any]) -> Any:
        """The value, at whatever cost. Raises ``CelError``."""
        closure = self._plain
        if closure is None:
            closure = self._plain = self._plan(metered=False)
        return _run(closure, self._frame(bindings))

    def measure(self, bindings: Mapping[str, Any], limit: float = PER_CALL) -> Measured:
        """The value or the error that stands for it, and what it cost. Raises ``BudgetExceeded`` beyond the limit."""
        closure = self._metered
        if closure is None:
            closure = self._metered = self._plan(metered=True)
        frame = self._frame(bindings)
        frame[1] = limit
        try:
            value = _run(closure, frame)
        except BudgetExceeded:
            raise
        except CelError as error:
            value = error
        if frame[0] > limit:
            raise over_budget()
        return Measured(value, frame[0])

    def _frame(self, bindings: Mapping[str, Any]) -> list[Any]:
        frame = self._template.copy()
        names = self._names
        for name, value in bindings.items():
            place = names.get(name)
            if place is not None:
                frame[place] = value
        return frame


class Measured(NamedTuple):
    """What an evaluation came to: a value, or a ``CelError``, and its cost."""

    value: Any
    cost: int


def _run(closure: Closure, frame: list[Any]) -> Any:
    try:
        return closure(frame)
    except RecursionError as error:
        raise CelError("evaluation nests too deeply") from error


def compile(text: str, environment: Environment, *, checked: bool = True) -> Program:
    """Parse, check and prepare an expression. Raises ``CelProblem``. Unchecked, every type is open until it runs."""
    root = Parser(text, environment.macros, environment.escapes).parse()
    if not checked:
        resolver = Resolver(environment)
        resolver.resolve(root)
        unknown = dict.fromkeys(resolver.unknown - set(environment.variables), DYN)
        return Program(text, environment.with_variables(unknown), root, DYN)
    checker = Checker(environment)
    try:
        of = checker.check(root)
    except RecursionError as error:
        raise CelProblem(text, [Issue(-1, "expression recursion limit exceeded: 250")]) from error
    if checker.issues:
        raise CelProblem(text, checker.issues)
    if environment.check_literals:
        issues = check_literals(root)
        if issues:
            raise CelProblem(text, issues)
    return Program(text, environment, root, of)
