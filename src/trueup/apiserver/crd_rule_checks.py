"""What a definition's rules get wrong: they do not compile, or may cost too much. Called by ``crd_checks``.

Source: apiextensions-apiserver ``apis/apiextensions/validation/{validation,cel_validation}.go``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from trueup.apiserver import crd_words
from trueup.apiserver.crd_rules import TYPE_NAME, Rule, compile_at, has_rules, most_often, most_within
from trueup.apiserver.field_paths import is_path
from trueup.cel import Environment, kubernetes
from trueup.cel.escaping import escaped
from trueup.cel.schemas import Declared, declare
from trueup.kube.problems import Cause

MOST_FOR_RULE, MOST_FOR_SCHEMA = 10_000_000, 100_000_000
_LARGEST = 2**64 - 1
_WORST = 4
"""So many of the dearest rules are named when all together cost too much."""
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
Schema = Mapping[str, Any]


def rule_problems(schema: Schema, path: str, wrong: Collection[str] = ()) -> Iterator[Cause]:
    """Every mistake in the rules of a version's schema. ``wrong``: fields with other mistakes, whose rules are not looked at."""
    if not _mentions_rules(schema):
        return
    declared = declare(schema, TYPE_NAME, root=True)
    known = kubernetes()
    if declared is not None:
        known = known.with_objects(declared.objects())
    check = _Check(wrong)
    check.visit(schema, path, declared, known, 1, "")
    yield from check.causes
    yield from check.total(path)


def rule_words(schema: Schema, path: str) -> Iterator[Cause]:
    """What is wrong in how the rules of one place are written."""
    for index, spec in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from _words(schema, spec, f"{path}.x-kubernetes-validations[{index}]")


def _mentions_rules(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "x-kubernetes-validations" in value or any(map(_mentions_rules, value.values()))
    return isinstance(value, list) and any(map(_mentions_rules, value))


class _Check:
    """Walks one schema."""

    def __init__(self, wrong: Collection[str]) -> None:
        self._wrong = wrong
        self.causes: list[Cause] = []
        self._cost = 0
        self._dear: list[tuple[int, str]] = []

    def visit(
        self, schema: Schema, path: str, declared: Declared | None, known: Environment, times: int | None, loose: str
    ) -> None:
        """``times``: how often the data may be there, None without a bound; ``loose``: where old values get lost."""
        factor = most_within(schema)
        inside = None if times is None or factor is None else times * factor
        element = declared.element if declared is not None else None
        further = schema.get("additionalProperties")
        if isinstance(further, Mapping):
            self.visit(further, f"{path}.additionalProperties", element, known, inside, loose)
        for name, below in (schema.get("properties") or {}).items():
            one, wider = _field(declared, name, below, known)
            self.visit(below, f"{path}.properties[{name}]", one, wider, inside, loose)
        items = schema.get("items")
        if isinstance(items, Mapping):
            lost = loose or (path if schema.get("x-kubernetes-list-type") != "map" else "")
            self.visit(items, f"{path}.items", element, known, inside, lost)
        specs = schema.get("x-kubernetes-validations") or ()
        if specs and not any(field.startswith(path) for field in self._wrong):
            self._rules(specs, f"{path}.x-kubernetes-validations", declared, known, times, loose)

    def _rules(
        self,
        specs: Any,
        path: str,
        declared: Declared | None,
        known: Environment,
        times: int | None,
        loose: str,
    ) -> None:
        if declared is None:
            why = "internal error: failed to construct type information for x-kubernetes-validations rules: "
            text = f"Internal error: {why}unable to convert structural schema to CEL declarations"
            self.causes.append(Cause("InternalError", text, path))
            return
        often = times if times is not None else most_often(declared.smallest)
        for index, rule in enumerate(compile_at(specs, declared, known)):
            self._rule(rule, f"{path}[{index}]", often, loose)

    def _rule(self, rule: Rule, path: str, often: int, loose: str) -> None:
        cost = min(rule.cost * often, _LARGEST)
        if cost > MOST_FOR_RULE:
            self._forbid(f"{path}.rule", _too_dear("estimated rule cost", cost, MOST_FOR_RULE))
        self._count(f"{path}.rule", cost)
        if rule.error:
            self._invalid(f"{path}.rule", crd_words.rule(rule.spec), rule.error)
        if rule.message_error:
            self._invalid(f"{path}.messageExpression", crd_words.rule(rule.spec), rule.message_error)
        elif rule.message is not None:
            if rule.message_cost > MOST_FOR_RULE:
                why = _too_dear("estimated messageExpression cost", rule.message_cost, MOST_FOR_RULE)
                self._forbid(f"{path}.messageExpression", why)
            self._count(f"{path}.messageExpression", rule.message_cost)
        if rule.uses_old and loose:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {loose}"
            self._invalid(f"{path}.rule", json.dumps(rule.spec["rule"], ensure_ascii=False), why)
        elif not rule.uses_old and rule.spec.get("optionalOldSelf") is not None:
            shown = json.dumps(rule.spec["optionalOldSelf"])
            self._invalid(f"{path}.optionalOldSelf", shown, "may not be set if oldSelf is not used in rule")

    def _count(self, path: str, cost: int) -> None:
        self._cost = min(self._cost + cost, _LARGEST)
        if cost >= MOST_FOR_SCHEMA // 100:
            self._dear.append((cost, path))

    def _forbid(self, path: str, detail: str) -> None:
        self.causes.append(Cause("FieldValueForbidden", f"Forbidden: {detail}", path))

    def _invalid(self, path: str, value: str, detail: str) -> None:
        self.causes.append(Cause("FieldValueInvalid", f"Invalid value: {value}: {detail}", path))

    def total(self, path: str) -> Iterator[Cause]:
        """What all rules together cost too much."""
        if self._cost <= MOST_FOR_SCHEMA:
            return
        dearest = sorted(self._dear, key=lambda each: -each[0])[:_WORST]
        for _, at in dearest:
            detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield Cause("FieldValueForbidden", f"Forbidden: {detail}", at)
        name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield Cause("FieldValueForbidden", f"Forbidden: {_too_dear(name, self._cost, MOST_FOR_SCHEMA)}", path)


def _words(schema: Schema, spec: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """How a rule is written."""
    rule, message = str(spec.get("rule") or ""), str(spec.get("message") or "")
    if not rule.strip():
        yield Cause("FieldValueRequired", "Required value: rule is not specified", f"{path}.rule")
    elif message and not message.strip():
        yield _invalid(message, "must be non-empty if specified", f"{path}.message")
    elif _broken(message.strip()):
        yield _invalid(message, "must not contain line breaks", f"{path}.message")
    elif _broken(rule.strip()) and not message.strip():
        detail = "message must be specified if rule contains line breaks"
        yield Cause("FieldValueRequired", f"Required value: {detail}", f"{path}.message")
    if spec.get("messageExpression") and not str(spec["messageExpression"]).strip():
        detail = "messageExpression must be non-empty if specified"
        yield Cause("FieldValueRequired", f"Required value: {detail}", f"{path}.messageExpression")
    reason = spec.get("reason")
    if reason is not None and reason not in _REASONS:
        known = ", ".join(f'"{each}"' for each in _REASONS)
        text = f'Unsupported value: "{reason}": supported values: {known}'
        yield Cause("FieldValueNotSupported", text, f"{path}.reason")
    at = str(spec.get("fieldPath") or "")
    if at and not at.strip():
        yield _invalid(at, "must be non-empty if specified", f"{path}.fieldPath")
    if _broken(at):
        yield _invalid(at, "must not contain line breaks", f"{path}.fieldPath")
    if at and not is_path(at, schema):
        yield _invalid(at, "must be a valid path", f"{path}.fieldPath")


def _broken(text: str) -> bool:
    return "\n" in text or "\r" in text


def _invalid(value: str, detail: str, field: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {detail}", field)


def _field(
    declared: Declared | None, name: str, schema: Schema, known: Environment
) -> tuple[Declared | None, Environment]:
    fields = declared.fields if declared is not None else None
    word = escaped(name)
    if fields and word in fields:
        return fields[word][1], known
    if not has_rules(schema):
        return None, known
    alone = declare(schema, TYPE_NAME, bool(schema.get("x-kubernetes-embedded-resource")))
    return alone, known.with_objects(alone.objects()) if alone else known


def _too_dear(name: str, cost: int, most: int) -> str:
    over = cost / most
    factor = "more than 100x" if over > 100 else f"{over:.6f}x" if over < 1.5 else f"{over:.1f}x"
    return f"{name} exceeds budget by factor of {factor} {_ADVICE}"
