"""ValidatingAdmissionPolicy: expressions that refuse, warn of or note a write.

Source: apiserver ``admission/plugin/policy/validating/{dispatcher,validator,message}.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from trueup.apiserver.admission.plugin import forbidden
from trueup.apiserver.hub import Hub
from trueup.apiserver.policies.asked import EXEMPT_GROUP, Asked, Matcher
from trueup.apiserver.policies.definitions import Definitions, Misconfigured
from trueup.apiserver.policies.expressions import (
    BUDGET,
    CONDITIONS_BUDGET,
    Composed,
    Expression,
    OutOfBudget,
    Values,
    bindings,
    compiled,
    conditions_hold,
    each,
    environment,
)
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.cel import CelError
from trueup.cel.types import BOOL, NULL, STRING
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, Cause, Forbidden, Invalid, TooLarge

_LONGEST = 5 * 1024
_LONGEST_NOTE = 10 * 1024
"""Bytes of an audit annotation."""
_MOST_FAILURES = 50
_FAILURE = "validation.policy.admission.k8s.io/validation_failure"
_REASONS: Mapping[str, type[ApiProblem]] = {
    "Forbidden": Forbidden,
    "RequestEntityTooLarge": TooLarge,
}


@dataclass(slots=True)
class Validation:
    """One validation, compiled."""

    spec: Mapping[str, Any]
    expression: Expression
    message: Expression | None


@dataclass(slots=True)
class Policy:
    """A policy's expressions, compiled."""

    composed: Composed
    conditions: list[Expression]
    validations: list[Validation]
    annotations: list[tuple[str, Expression]]


def compile_policy(spec: Mapping[str, Any]) -> Policy:
    """All expressions of a policy."""
    params = bool(spec.get("paramKind"))
    full = environment(params, authorizer=True, patches=False)
    plain = environment(params, authorizer=False, patches=False)
    composed = Composed()
    for variable in each(spec, "variables"):
        composed.add(str(variable.get("name")), str(variable.get("expression")), full)
    full, plain = composed.within(full), composed.within(plain)
    validations = [
        Validation(
            one,
            compiled(str(one.get("expression")), full, BOOL),
            compiled(one["messageExpression"], plain, STRING) if one.get("messageExpression") else None,
        )
        for one in each(spec, "validations")
    ]
    conditions = [compiled(str(one.get("expression")), full, BOOL) for one in each(spec, "matchConditions")]
    annotations = [
        (str(one.get("key")), compiled(str(one.get("valueExpression")), plain, STRING, NULL))
        for one in each(spec, "auditAnnotations")
    ]
    return Policy(composed, conditions, validations, annotations)


@dataclass(slots=True)
class Denial:
    """What a policy has against a write."""

    message: str
    reason: str = ""
    index: int = 0
    """Which validation it is of."""
    always: bool = False
    """Whatever the binding's actions: the policy could not do its work."""


class ValidatingPolicies:
    """The admission plugin."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._matcher = Matcher(hub.store, hub.registry)
        self._definitions: Definitions[Policy] = Definitions(
            hub.store, hub.registry, "validatingadmission", compile_policy
        )

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises what the first denying policy wants raised; adds warnings and what the audit log is to hold."""
        if not self._definitions.pairs() or not write.reviewed or served.resource.group == EXEMPT_GROUP:
            return
        asked = Asked(served, operation, None if operation == "DELETE" else obj, old, write)
        denied: list[ApiProblem] = []
        failures: list[Object] = []
        for policy, bound in self._definitions.pairs():
            matched = self._matcher.match(policy["spec"].get("matchConstraints") or {}, asked)
            if matched is None:
                continue
            case = _Case(policy, matched, asked, await self._as_version(asked, matched), obj)
            for binding in bound:
                self._bound(case, binding)
            denied += case.denied
            failures += case.failures
            for key, values in case.annotations.items():
                write.annotations.setdefault(f"{policy['metadata']['name']}/{key}", ", ".join(values))
        if failures:
            write.annotations.setdefault(_FAILURE, orjson.dumps(failures[:_MOST_FAILURES]).decode())
        if denied:
            raise denied[0]

    async def _as_version(self, asked: Asked, matched: Served) -> Asked:
        """The write as the matched version shows it."""
        if matched is asked.served:
            return asked
        obj = None if asked.obj is None else await self._hub.converted(matched, asked.obj)
        old = None if asked.old is None else await self._hub.converted(matched, asked.old)
        return Asked(asked.served, asked.operation, obj, old, asked.write)

    def _bound(self, case: _Case, binding: Object) -> None:
        resources = binding["spec"].get("matchResources")
        if resources and self._matcher.match(resources, case.asked) is None:
            return
        fail = case.policy["spec"].get("failurePolicy") != "Ignore"
        try:
            found = [
                denial
                for params in self._definitions.params(case.policy, binding, case.asked)
                for denial in self._judged(case, params, fail)
            ]
        except Misconfigured as problem:
            if fail:
                named = None if problem.whole else binding
                case.denied.append(_denied(case.asked, case.obj, case.policy, named, Denial(str(problem))))
            return
        for denial in found:
            case.act(denial, binding)

    def _judged(self, case: _Case, params: Object | None, fail: bool) -> Iterator[Denial]:
        program = self._definitions.compiled(case.policy)
        namespace = self._matcher.namespace(case.asked)
        given = bindings(case.seen, case.matched, namespace, params, self._hub.authorizer)
        try:
            conditions = Values(given, program.composed, CONDITIONS_BUDGET)
            if not conditions_hold(conditions, program.conditions, fail):
                return
            values = Values(given, program.composed, BUDGET)
            for index, validation in enumerate(program.validations):
                yield from _validated(index, validation, values, fail)
            for key, annotation in program.annotations:
                found = Values(given, program.composed, BUDGET).evaluate(annotation)
                if isinstance(found, CelError):
                    if fail:
                        yield Denial(str(found), always=True)
                elif isinstance(found, str) and found.strip():
                    case.note(key, found.strip())
        except (CelError, OutOfBudget) as error:
            if fail:
                yield Denial(str(error))


@dataclass(slots=True)
class _Case:
    """One policy's judgement of one write: what its bindings deny and what the audit log is to hold."""

    policy: Object
    matched: Served
    asked: Asked
    seen: Asked
    obj: Object
    denied: list[ApiProblem] = field(default_factory=list)
    failures: list[Object] = field(default_factory=list)
    annotations: dict[str, list[str]] = field(default_factory=dict)

    def note(self, key: str, value: str) -> None:
        """An audit annotation; bindings that say the same say it once."""
        values = self.annotations.setdefault(key, [])
        cut = value.encode()[:_LONGEST_NOTE].decode(errors="ignore")
        if cut not in values:
            values.append(cut)

    def act(self, denial: Denial, binding: Object) -> None:
        """Do with a denial what the binding says."""
        actions = binding["spec"].get("validationActions") or ()
        name = binding["metadata"]["name"]
        if denial.always:
            self.denied.append(_denied(self.asked, self.obj, self.policy, binding, denial))
            return
        if "Deny" in actions:
            self.denied.append(_denied(self.asked, self.obj, self.policy, binding, denial))
        if "Audit" in actions:
            self.failures.append(
                {
                    "message": denial.message,
                    "policy": self.policy["metadata"]["name"],
                    "binding": name,
                    "expressionIndex": denial.index,
                    "validationActions": list(actions),
                }
            )
        if "Warn" in actions:
            lead = f"Validation failed for ValidatingAdmissionPolicy '{self.policy['metadata']['name']}'"
            self.asked.write.warnings.append(f"{lead} with binding '{name}': {denial.message}")


def _validated(index: int, validation: Validation, values: Values, fail: bool) -> Iterator[Denial]:
    verdict = values.evaluate(validation.expression)
    if isinstance(verdict, CelError):
        if fail:
            yield Denial(str(verdict), index=index)
        return
    if verdict is True:
        return
    text = ""
    if validation.message is not None:
        said = values.evaluate(validation.message)
        text = said.strip() if isinstance(said, str) else ""
        if len(text.encode()) > _LONGEST or "\n" in text:
            text = ""
    text = text or str(validation.spec.get("message") or "").strip()
    reason = str(validation.spec.get("reason") or "Invalid")
    yield Denial(text or f"failed expression: {validation.expression.text.strip()}", reason, index)


def _denied(asked: Asked, obj: Object, policy: Object, binding: Object | None, denial: Denial) -> ApiProblem:
    bound = f" with binding '{binding['metadata']['name']}'" if binding is not None else ""
    message = f"ValidatingAdmissionPolicy '{policy['metadata']['name']}'{bound} denied request: {denial.message}"
    plain = forbidden(asked.served, asked.old or obj, message)
    problem = _REASONS.get(denial.reason, Invalid)
    return problem(plain.message, causes=[Cause("", message)], details=plain.details)
