"""ValidatingAdmissionPolicy: expressions that refuse, warn of or note a write.

Source: apiserver ``admission/plugin/policy/validating/{dispatcher,validator,message}.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


class ValidatingPolicies:
    """The admission plugin."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._matcher = Matcher(hub.store, hub.registry)
        self._definitions: Definitions[Policy] = Definitions(
            hub.store, hub.registry, "validatingadmission", compile_policy
        )

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises what the first denying policy wants raised; adds warnings."""
        if not self._definitions.pairs() or served.resource.group == EXEMPT_GROUP:
            return
        asked = Asked(served, operation, None if operation == "DELETE" else obj, old, write)
        for policy, bound in self._definitions.pairs():
            matched = self._matcher.match(policy["spec"].get("matchConstraints") or {}, asked)
            if matched is not None:
                for binding in bound:
                    self._bound(policy, binding, matched, asked, obj)

    def _bound(self, policy: Object, binding: Object, matched: Served, asked: Asked, obj: Object) -> None:
        resources = binding["spec"].get("matchResources")
        if resources and self._matcher.match(resources, asked) is None:
            return
        fail = policy["spec"].get("failurePolicy") != "Ignore"
        try:
            found = [
                denial
                for params in self._definitions.params(policy, binding, asked)
                for denial in self._judged(policy, matched, asked, params, fail)
            ]
        except Misconfigured as problem:
            if not fail:
                return
            raise _denied(asked, obj, policy, None if problem.whole else binding, Denial(str(problem))) from None
        actions = binding["spec"].get("validationActions") or ()
        for denial in found:
            if "Warn" in actions:
                lead = f"Validation failed for ValidatingAdmissionPolicy '{policy['metadata']['name']}'"
                asked.write.warnings.append(f"{lead} with binding '{binding['metadata']['name']}': {denial.message}")
            if "Deny" in actions:
                raise _denied(asked, obj, policy, binding, denial)

    def _judged(
        self, policy: Object, matched: Served, asked: Asked, params: Object | None, fail: bool
    ) -> Iterator[Denial]:
        program = self._definitions.compiled(policy)
        seen = _as_version(self._hub, asked, matched)
        given = bindings(seen, matched, self._matcher.namespace(asked), params, self._hub.authorizer)
        try:
            conditions = Values(given, program.composed, CONDITIONS_BUDGET)
            if not conditions_hold(conditions, program.conditions, fail):
                return
            values = Values(given, program.composed, BUDGET)
            for validation in program.validations:
                yield from _validated(validation, values, fail)
            for key, annotation in program.annotations:
                yield from _annotated(key, annotation, Values(given, program.composed, BUDGET), fail)
        except (CelError, OutOfBudget) as error:
            if fail:
                yield Denial(str(error))


def _as_version(hub: Hub, asked: Asked, matched: Served) -> Asked:
    """The write as the matched version shows it."""
    if matched is asked.served:
        return asked
    obj, old = (None if one is None else hub.as_version(matched, one) for one in (asked.obj, asked.old))
    return Asked(asked.served, asked.operation, obj, old, asked.write)


def _validated(validation: Validation, values: Values, fail: bool) -> Iterator[Denial]:
    verdict = values.evaluate(validation.expression)
    if isinstance(verdict, CelError):
        if fail:
            yield Denial(str(verdict))
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
    yield Denial(text or f"failed expression: {validation.expression.text.strip()}", reason)


def _annotated(key: str, annotation: Expression, values: Values, fail: bool) -> Iterator[Denial]:
    """An annotation of the audit log: nobody keeps one yet, but what cannot be computed refuses all the same."""
    found = values.evaluate(annotation)
    if isinstance(found, CelError) and fail:
        yield Denial(str(found))


def _denied(asked: Asked, obj: Object, policy: Object, binding: Object | None, denial: Denial) -> ApiProblem:
    bound = f" with binding '{binding['metadata']['name']}'" if binding is not None else ""
    message = f"ValidatingAdmissionPolicy '{policy['metadata']['name']}'{bound} denied request: {denial.message}"
    plain = forbidden(asked.served, asked.old or obj, message)
    problem = _REASONS.get(denial.reason, Invalid)
    return problem(plain.message, causes=[Cause("", message)], details=plain.details)
