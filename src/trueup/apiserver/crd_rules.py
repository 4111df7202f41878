"""The rules of custom resources, ``x-kubernetes-validations``: compiled once for a schema, run on every write.

Called where custom objects are checked (``verbs.prepare``) and where definitions are (``crd_rule_checks``). A structural
schema in; causes and warnings out, worded as Kubernetes words them.
Source: apiextensions-apiserver ``apiserver/schema/cel/{compilation,validation}.go``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.cel import BudgetExceeded, CelError, CelProblem, Environment, Program, compile, kubernetes
from trueup.cel.escaping import escaped
from trueup.cel.program import Measured
from trueup.cel.schemas import REQUEST_SIZE, Adapter, Declared, adapter, declare, with_meta
from trueup.cel.types import BOOL, STRING, optional_of
from trueup.cel.values import NONE, Optional
from trueup.kube.names import Object
from trueup.kube.problems import Cause

BUDGET = 10_000_000
"""What all rules may cost for one object."""
PER_CALL = 1_000_000
LONGEST_MESSAGE = 5 * 1024
TYPE_NAME = "selfType"
_REASONS = {"FieldValueForbidden": "Forbidden", "FieldValueRequired": "Required value"}
_NO_MORE = "no further validation rules will be run"
Schema = Mapping[str, Any]


@dataclass(slots=True)
class Rule:
    """One rule, or what is wrong with it: nothing compiled and no error for a rule without text."""

    spec: Mapping[str, Any]
    program: Program | None = None
    error: str = ""
    message: Program | None = None
    message_error: str = ""
    uses_old: bool = False
    cost: int = 0
    message_cost: int = 0

    @property
    def shown(self) -> str:
        """The rule as errors name it."""
        return str(self.spec.get("message") or self.spec.get("rule") or "").strip()


@dataclass(slots=True)
class Node:
    """The rules at one place of a schema and below."""

    kind: str
    rules: list[Rule]
    adapt: Adapter | None = None
    fields: dict[str, Node] = field(default_factory=dict)
    values: Node | None = None
    items: Node | None = None
    all_of: list[Node] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    """A keyed list's keys: its items are compared with those that had the same."""
    cheap: bool = False
    """At the root: whether all rules together can never cost what they may not, so that nobody need count."""

    def within(self) -> Iterator[Node]:
        """Everything below."""
        yield from self.fields.values()
        yield from filter(None, (self.values, self.items))
        yield from self.all_of


def compile_rules(schema: Schema, *, root: bool = True) -> Node | None:
    """The rules of a schema; None where there are none."""
    if not has_rules(schema):
        return None
    declared = declare(schema, TYPE_NAME, root)
    known = kubernetes()
    if declared is not None:
        known = known.with_objects(declared.objects())
    node = _node(schema, schema, declared, known, root)
    if node is not None:
        total, dearest = _worst(node, schema, declared, 1)
        node.cheap = total <= BUDGET and dearest <= PER_CALL
    return node


def _worst(node: Node, schema: Schema, declared: Declared | None, times: int | None) -> tuple[int, int]:
    """What all rules may cost for one object, and one of them for one place: Kubernetes' own estimates, with bounds."""
    often = times if times is not None else most_often(declared.smallest if declared else 0)
    costs = [cost for rule in node.rules for cost in (rule.cost, rule.message_cost)]
    total, dearest = sum(costs) * often, max(costs, default=0)
    factor = most_within(schema)
    inside = None if times is None or factor is None else times * factor
    element = declared.element if declared else None
    fields = (declared.fields or {}) if declared else {}
    below = [(node.items, schema.get("items"), element), (node.values, schema.get("additionalProperties"), element)]
    for name, inner in node.fields.items():
        word = escaped(name) or ""
        below.append((inner, (schema.get("properties") or {}).get(name), fields[word][1] if word in fields else None))
    for one, data, of in below:
        if one is not None:
            sum_, most = _worst(one, data or {}, of, inside)
            total, dearest = total + sum_, max(dearest, most)
    for one in node.all_of:
        sum_, most = _worst(one, schema, declared, times)
        total, dearest = total + sum_, max(dearest, most)
    return total, dearest


def most_within(schema: Schema) -> int | None:
    """How many parts a schema's data may have; None without a bound."""
    if schema.get("type") == "object" and schema.get("additionalProperties"):
        most = schema.get("maxProperties")
    elif schema.get("type") == "array":
        most = schema.get("maxItems")
    else:
        return 1
    return None if most is None else max(int(most), 0)


def has_rules(schema: Any) -> bool:
    """Whether a schema holds rules on its structural spine."""
    if not isinstance(schema, Mapping):
        return False
    return (
        bool(schema.get("x-kubernetes-validations"))
        or has_rules(schema.get("items"))
        or has_rules(schema.get("additionalProperties"))
        or any(map(has_rules, (schema.get("properties") or {}).values()))
    )


def _node(rules_of: Schema, schema: Schema, declared: Declared | None, known: Environment, root: bool) -> Node | None:
    """``rules_of`` says the rules, ``schema`` the data: they differ within ``allOf``."""
    specs = rules_of.get("x-kubernetes-validations") or ()
    made = Node(str(schema.get("type") or ""), compile_at(specs, declared, known))
    if specs:
        made.adapt = adapter(with_meta(schema) if root else schema)
    if schema.get("x-kubernetes-list-type") == "map":
        made.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    element = declared.element if declared else None
    for part, place in (("items", "items"), ("additionalProperties", "values")):
        inner, data = rules_of.get(part), schema.get(part)
        if isinstance(inner, Mapping) and isinstance(data, Mapping):
            embedded = bool(data.get("x-kubernetes-embedded-resource"))
            setattr(made, place, _node(inner, data, element, known, embedded))
    for name, inner in (rules_of.get("properties") or {}).items():
        data = (schema.get("properties") or {}).get(name)
        if data is None or not (inner.get("x-kubernetes-validations") or _has_more(inner)):
            continue
        embedded = bool(data.get("x-kubernetes-embedded-resource"))
        below, wider = _declared_field(declared, name, data, embedded, known)
        found = _node(inner, data, below, wider, embedded) if below is not None else None
        if found is not None:
            made.fields[name] = found
    for inner in rules_of.get("allOf") or ():
        found = _node(inner, schema, declared, known, root)
        if found is not None:
            made.all_of.append(found)
    return made if made.rules or any(True for _ in made.within()) else None


def _has_more(schema: Schema) -> bool:
    return has_rules(schema) or any(map(has_rules, schema.get("allOf") or ()))


def _declared_field(
    declared: Declared | None, name: str, schema: Schema, embedded: bool, known: Environment
) -> tuple[Declared | None, Environment]:
    word = escaped(name)
    if word is not None:
        fields = declared.fields if declared is not None else None
        return (fields[word][1] if fields and word in fields else None), known
    alone = declare(schema, TYPE_NAME, embedded)  # no expression can name the field, but its own rules see it
    return alone, known.with_objects(alone.objects()) if alone else known


def compile_at(specs: Any, declared: Declared | None, known: Environment) -> list[Rule]:
    """The rules of one place."""
    if not specs:
        return []
    if declared is None:
        return [Rule(spec, error="failed to convert to declType for CEL validation rules") for spec in specs]
    plain = known.with_variables({"self": declared.type, "oldSelf": declared.type})
    optional = known.with_variables({"self": declared.type, "oldSelf": optional_of(declared.type)})
    return [_compiled(spec, optional if spec.get("optionalOldSelf") else plain, declared) for spec in specs]


def _compiled(spec: Mapping[str, Any], known: Environment, declared: Declared) -> Rule:
    rule, text = Rule(spec), str(spec.get("rule") or "")
    if not text.strip():
        return rule
    try:
        program = compile(text, known)
    except CelProblem as problem:
        rule.error = f"compilation failed: {problem}"
        return rule
    if program.type != BOOL:
        rule.error = "cel expression must evaluate to a bool"
        return rule
    rule.program, rule.uses_old = program, program.uses("oldSelf")
    rule.cost = program.estimate(declared).high
    message = str(spec.get("messageExpression") or "")
    if not message:
        return rule
    try:
        words = compile(message, known)
    except CelProblem as problem:
        rule.message_error = f"messageExpression compilation failed: {problem}"
        return rule
    if words.type != STRING:
        rule.message_error = "messageExpression must evaluate to a string"
        return rule
    rule.message, rule.message_cost = words, words.estimate(declared).high
    return rule


# --- running -----------------------------------------------------------------------------------------------------


class _Stop(Exception):
    """The budget is spent."""


_ABSENT = object()


class Run:
    """The rules run on one object. ``causes`` and ``warnings`` are what they say."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self.warnings: list[str] = []
        self._left = BUDGET
        self._cheap = False

    def run(self, node: Node, obj: Any, old: Any, path: str = "") -> None:
        """All rules of an object, or of a value that stands at ``path``; ``old`` is what it was, None if it was not."""
        correlated = _ABSENT if old is None else old
        self._cheap = node.cheap
        try:
            self._visit(node, obj, old, path, correlated, None)
        except _Stop:
            return

    def _visit(self, node: Node, value: Any, old: Any, path: str, twin: Any, same: bool | None) -> None:
        """``twin``: what the value was, if that is known; ``same``: whether the nearest known place around is unchanged."""
        if value is None:
            return
        if node.rules:
            self._rules(node, value, old, path, value == twin if twin is not _ABSENT else bool(same))
        for inner in node.all_of:
            self._visit(inner, value, old, path, _ABSENT, same)
        if isinstance(value, dict):
            self._map(node, value, old if isinstance(old, dict) else {}, path, twin, same)
        elif isinstance(value, list) and node.items is not None:
            self._list(node, value, old if isinstance(old, list) else [], path, twin, same)

    def _map(self, node: Node, value: Object, old: Object, path: str, twin: Any, same: bool | None) -> None:
        around = same if twin is _ABSENT else value == twin
        was = twin if isinstance(twin, dict) else {}
        if node.values is not None:
            for key, item in value.items():
                self._visit(node.values, item, old.get(key), f"{path}[{key}]", was.get(key, _ABSENT), around)
        for name, inner in node.fields.items():
            if name in value:
                at = f"{path}.{name}" if path else name
                self._visit(inner, value[name], old.get(name), at, was.get(name, _ABSENT), around)

    def _list(self, node: Node, value: list[Any], old: list[Any], path: str, twin: Any, same: bool | None) -> None:
        assert node.items is not None
        around = same if twin is _ABSENT else value == twin
        before = {_key(item, node.keys): item for item in old} if node.keys else {}
        known = {_key(item, node.keys): item for item in twin} if node.keys and isinstance(twin, list) else {}
        for index, item in enumerate(value):
            key = _key(item, node.keys) if node.keys else None
            self._visit(node.items, item, before.get(key), f"{path}[{index}]", known.get(key, _ABSENT), around)

    def _rules(self, node: Node, value: Any, old: Any, path: str, unchanged: bool) -> None:
        try:
            adapt = node.adapt
            mine = value if adapt is None else adapt(value)
            before = old if adapt is None or old is None else adapt(old)
        except ValueError as error:
            self._say(_invalid(path, node.kind, str(error)))
            return
        for rule in node.rules:
            if rule.error:
                self._say(_invalid(path, node.kind, f"rule compile error: {rule.error}"))
                continue
            optional = bool(rule.spec.get("optionalOldSelf"))
            if rule.program is None or (rule.uses_old and old is None and not optional):
                continue
            bindings = {"self": mine}
            if optional:
                bindings["oldSelf"] = NONE if old is None else Optional(before)
            elif old is not None:
                bindings["oldSelf"] = before
            if self._holds(node, rule, bindings, path):
                continue
            cause = self._failed(node, rule, bindings, path, value)
            if unchanged and not rule.uses_old:
                self.warnings.append(f"{cause.field}: {cause.message}")
            else:
                self._say(cause)

    def _holds(self, node: Node, rule: Rule, bindings: Mapping[str, Any], path: str) -> bool:
        """Whether the rule holds; what keeps it from an answer is said at once."""
        assert rule.program is not None
        value: Any
        if self._cheap:
            try:
                value = rule.program.evaluate(bindings)
            except CelError as error:
                value = error
        else:
            try:
                measured = rule.program.measure(bindings, PER_CALL)
            except BudgetExceeded as error:
                why = f"'{error}': {_NO_MORE} due to call cost exceeds limit for rule: {rule.shown}"
                self._stop(path, node.kind, why)
            self._spend(measured, path, node.kind)
            value = measured.value
        if not isinstance(value, CelError):
            return value is True
        if str(value).startswith("no such overload"):
            why = "call arguments did not match a supported operator, function or macro signature for rule"
            self._say(_invalid(path, node.kind, f"'{value}': {why}: {rule.shown}"))
        else:
            self._say(_invalid(path, node.kind, f"{value} evaluating rule: {rule.shown}"))
        return True

    def _spend(self, measured: Measured, path: str, kind: str) -> None:
        self._left -= measured.cost
        if self._left < 0:
            self._stop(path, kind, f"validation failed due to running out of cost budget, {_NO_MORE}")

    def _stop(self, path: str, kind: str, why: str) -> None:
        self._say(_invalid(path, kind, why))
        raise _Stop

    def _say(self, cause: Cause) -> None:
        self.causes.append(cause)

    def _failed(self, node: Node, rule: Rule, bindings: Mapping[str, Any], path: str, value: Any) -> Cause:
        at = path
        if rule.spec.get("fieldPath"):
            at = _joined(path, str(rule.spec["fieldPath"]).strip())
        detail = self._message(node, rule, bindings, at) if rule.message is not None else ""
        if not detail:
            text = str(rule.spec.get("message") or "").strip()
            detail = text or f"failed rule: {rule.shown}"
        reason = str(rule.spec.get("reason") or "FieldValueInvalid")
        word = _REASONS.get(reason)
        if word is not None:
            return Cause(reason, f"{word}: {detail}", at or "<nil>")
        shown = "" if node.kind in ("object", "array") else f": {json.dumps(value, ensure_ascii=False)}"
        if reason == "FieldValueDuplicate":
            return Cause(reason, f"Duplicate value{shown}", at or "<nil>")
        return Cause("FieldValueInvalid", f"Invalid value{shown}: {detail}", at or "<nil>")

    def _message(self, node: Node, rule: Rule, bindings: Mapping[str, Any], path: str) -> str:
        """What ``messageExpression`` says; empty where it says nothing that may stand."""
        assert rule.message is not None
        text = json.dumps(rule.spec["messageExpression"], ensure_ascii=False)
        try:
            measured = rule.message.measure(bindings, PER_CALL)
        except BudgetExceeded:
            why = f"{_NO_MORE} due to call cost exceeds limit for messageExpression: {text}"
            self._stop(path, node.kind, why)
        self._left -= measured.cost
        if self._left < 0:
            why = f"messageExpression evaluation failed due to running out of cost budget, {_NO_MORE}"
            self._stop(path, node.kind, why)
        said = measured.value.strip() if isinstance(measured.value, str) else ""
        return "" if len(said.encode()) > LONGEST_MESSAGE or "\n" in said else said


def _key(item: Any, keys: tuple[str, ...]) -> Any:
    return tuple([item.get(key) for key in keys]) if isinstance(item, dict) else item


def _joined(path: str, inner: str) -> str:
    """A rule's ``fieldPath`` below where the rule is."""
    if not path:
        return inner.lstrip(".")
    return f"{path}{inner}" if inner.startswith(("[", ".")) else f"{path}.{inner}"


def _invalid(path: str, kind: str, detail: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{kind}": {detail}', path or "<nil>")


def most_often(smallest: int) -> int:
    """How often data of a size may be in a request, where the schema sets no bound."""
    return REQUEST_SIZE // (smallest + 1)
