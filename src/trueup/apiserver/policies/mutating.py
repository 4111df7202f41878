"""MutatingAdmissionPolicy: expressions that say what a write shall be besides.

Source: apiserver ``admission/plugin/policy/mutating/dispatcher.go``, ``mutating/patch/{json_patch,smd}.go``.
"""

from __future__ import annotations

import base64
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
from trueup.apiserver.verbs import prepare
from trueup.cel import CelError, times
from trueup.cel.types import BOOL, list_of, struct
from trueup.cel.values import Duration, Message, Optional, Timestamp, Uint
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, Cause, Forbidden
from trueup.kube.shapes import Shape
from trueup.merge.combine import combine
from trueup.merge.jsonpatch import PatchProblem, json_patch
from trueup.merge.typed import problems_text

_APPLY, _PATCH = "ApplyConfiguration", "JSONPatch"


class DeniedByPolicy(Forbidden):
    """A policy could not do its work on a write."""

    reason = "Invalid"


class Unfit(Exception):
    """A mutation's answer cannot be carried out."""


@dataclass(slots=True)
class Policy:
    """A policy's expressions, compiled; a mutation is its type and its expression."""

    composed: Composed
    conditions: list[Expression]
    mutations: list[tuple[str, Expression]]


def compile_policy(spec: Mapping[str, Any]) -> Policy:
    """All expressions of a policy."""
    params = bool(spec.get("paramKind"))
    full = environment(params, authorizer=True, patches=True)
    composed = Composed()
    for variable in each(spec, "variables"):
        composed.add(str(variable.get("name")), str(variable.get("expression")), full)
    full = composed.within(full)
    conditions = [compiled(str(one.get("expression")), full, BOOL) for one in each(spec, "matchConditions")]
    return Policy(composed, conditions, [mutation(one, full) for one in each(spec, "mutations")])


def mutation(spec: Mapping[str, Any], known: Any) -> tuple[str, Expression]:
    """One mutation."""
    if spec.get("patchType") == _PATCH:
        text = str((spec.get("jsonPatch") or {}).get("expression") or "")
        return _PATCH, compiled(text, known, list_of(struct("JSONPatch")))
    text = str((spec.get("applyConfiguration") or {}).get("expression") or "")
    return _APPLY, compiled(text, known, struct("Object"))


class MutatingPolicies:
    """The admission plugin."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._matcher = Matcher(hub.store, hub.registry)
        self._definitions: Definitions[Policy] = Definitions(
            hub.store, hub.registry, "mutatingadmission", compile_policy
        )

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Changes the object in place. Raises ``DeniedByPolicy``."""
        if (
            not self._definitions.pairs()
            or not write.reviewed
            or served.resource.group == EXEMPT_GROUP
            or operation == "DELETE"
        ):
            return
        asked = Asked(served, operation, obj, old, write)
        again: list[tuple[Object, Object, Object | None]] = []
        changed = False
        for policy, binding, params in self._invoked(asked):
            changed = self._mutate(asked, policy, binding, params) or changed
            if policy["spec"].get("reinvocationPolicy") == "IfNeeded":
                again.append((policy, binding, params))
        for policy, binding, params in again if changed else ():
            self._mutate(asked, policy, binding, params)

    def _invoked(self, asked: Asked) -> Iterator[tuple[Object, Object, Object | None]]:
        for policy, bound in self._definitions.pairs():
            if self._matcher.match(policy["spec"].get("matchConstraints") or {}, asked) is None:
                continue
            for binding in bound:
                resources = binding["spec"].get("matchResources")
                if resources and self._matcher.match(resources, asked) is None:
                    continue
                try:
                    for params in self._definitions.params(policy, binding, asked):
                        yield policy, binding, params
                except Misconfigured as problem:
                    self._deny(asked, policy, None if problem.whole else binding, str(problem))

    def _mutate(self, asked: Asked, policy: Object, binding: Object, params: Object | None) -> bool:
        """Whether the policy changed anything."""
        program = self._definitions.compiled(policy)
        fail = policy["spec"].get("failurePolicy") != "Ignore"
        before = prepare.copy(asked.obj)
        try:
            given = self._given(asked, params)
            if not conditions_hold(Values(given, program.composed, CONDITIONS_BUDGET), program.conditions, fail):
                return False
            for kind, expression in program.mutations:
                values = Values(self._given(asked, params), program.composed, BUDGET)
                self._patch(asked, kind, values.evaluate(expression))
        except (CelError, OutOfBudget, Unfit) as error:
            self._deny(asked, policy, binding, str(error))
        return bool(before != asked.obj)

    def _given(self, asked: Asked, params: Object | None) -> dict[str, Any]:
        return bindings(asked, asked.served, self._matcher.namespace(asked), params, self._hub.authorizer)

    def _patch(self, asked: Asked, kind: str, found: Any) -> None:
        if isinstance(found, CelError):
            raise found
        obj = asked.obj
        assert obj is not None
        if kind == _PATCH:
            try:
                new = json_patch(obj, [_operation(one) for one in found])
            except PatchProblem as problem:
                if "testing value" in str(problem) or "test failed" in str(problem):
                    return
                raise Unfit(f"JSON Patch: {problem}") from problem
        else:
            _named_as_placed(found, "Object")
            config = {**plain(found), "apiVersion": obj.get("apiVersion"), "kind": obj.get("kind")}
            misfit = problems_text(config, asked.served.shape)
            if misfit:
                raise Unfit(f"error applying patch: failed to convert patch object to typed object: {misfit}")
            atomic = list(_atomics(config, asked.served.shape, ""))
            if atomic:
                why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
                raise Unfit(f"error applying patch: invalid ApplyConfiguration: {why}")
            new = combine(obj, config, asked.served.shape)
        obj_now = prepare.copy(new)
        try:
            prepare.decode(asked.served, obj_now, Write(validation="Strict"))
        except ApiProblem as problem:
            raise Unfit(problem.message) from problem
        prepare.default(asked.served, obj_now)
        obj.clear()
        obj.update(obj_now)

    def _deny(self, asked: Asked, policy: Object, binding: Object | None, why: str) -> None:
        """Refuse the write, unless the policy would rather be ignored."""
        if policy["spec"].get("failurePolicy") == "Ignore":
            return
        bound = f" with binding '{binding['metadata']['name']}'" if binding is not None else ""
        message = f"policy '{policy['metadata']['name']}'{bound} denied request: {why}"
        plain_problem = forbidden(asked.served, asked.obj or {}, why)
        raise DeniedByPolicy(message, causes=[Cause("", message)], details=plain_problem.details)


def _operation(made: Any) -> Object:
    """A JSON patch operation of an expression's ``JSONPatch{…}``."""
    found: Object = plain(made)
    value = made.get("value")
    if isinstance(value, Message):
        _named_as_placed(value, value.type_name)
    return found


def _named_as_placed(value: Any, wanted: str) -> None:
    """Every ``Object.a.b{}`` stands where its name says. Raises ``Unfit``."""
    if isinstance(value, Message):
        if value.type_name != wanted:
            why = f'unexpected type name "{value.type_name}", expected "{wanted}"'
            raise Unfit(f"type mismatch: {why}, which matches field name path from root Object type")
        for name, below in value.items():
            _named_as_placed(below, f"{wanted}.{name}")
    elif isinstance(value, list):
        for item in value:
            _named_as_placed(item, f"{wanted}.item")


def plain(value: Any) -> Any:
    """An expression's value as JSON. Raises ``Unfit``."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if not _absent(item)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Optional):
        return plain(value.value())
    if isinstance(value, Uint):
        return int(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Timestamp):
        return times.show_timestamp(value)
    if isinstance(value, Duration):
        return times.show_duration(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Unfit(f"{value} cannot be written as JSON")


def _absent(value: Any) -> bool:
    return isinstance(value, Optional) and not value.present


def _atomics(value: Any, shape: Shape | None, path: str) -> Iterator[str]:
    """Where a configuration touches what may only be replaced whole."""
    if shape is None:
        return
    if isinstance(value, dict):
        if shape.of == "map" and shape.map_type == "atomic":
            yield path
        for name, below in value.items():
            yield from _atomics(below, shape.fields.get(name), f"{path}.{name}")
    elif isinstance(value, list):
        if shape.of == "list" and shape.list_type == "atomic":
            yield path
        for index, below in enumerate(value):
            yield from _atomics(below, shape.items, f"{path}[{index}]")
