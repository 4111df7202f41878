"""What a policy's expressions may speak of, and their values for one write.

Source: apiserver ``admission/plugin/cel/{compile,activation,composition,condition}.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from trueup.apiserver.policies.asked import Asked, options_of
from trueup.apiserver.rbac import Attributes, Authorizer, known_as
from trueup.apiserver.registry import Served
from trueup.cel import (
    BudgetExceeded,
    CelError,
    CelProblem,
    Environment,
    Program,
    compile,
    kubernetes,
    strings,
    times,
    types,
)
from trueup.cel.authorizing import AUTHORIZER_TYPE, Decision, Question, ResourceCheck
from trueup.cel.authorizing import Authorizer as Asking
from trueup.cel.costs import PER_CALL
from trueup.cel.types import Field, ObjectType, Type, list_of, map_of, struct
from trueup.kube.names import Kind, Object, Resource

BUDGET, CONDITIONS_BUDGET = 10_000_000, 2_500_000
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
VARIABLES = "kubernetes.variables"
_TEXT, _TEXTS, _MAP = types.STRING, list_of(types.STRING), map_of(types.STRING, types.STRING)


def _object(name: str, /, **fields: Type) -> ObjectType:
    return ObjectType(name, {key: Field(key, of) for key, of in fields.items()})


_GVK, _GVR = struct("kubernetes.GroupVersionKind"), struct("kubernetes.GroupVersionResource")
_NAMESPACE = "kubernetes.Namespace"
_TYPES = (
    _object("kubernetes.GroupVersionKind", group=_TEXT, version=_TEXT, kind=_TEXT),
    _object("kubernetes.GroupVersionResource", group=_TEXT, version=_TEXT, resource=_TEXT),
    _object("kubernetes.UserInfo", username=_TEXT, uid=_TEXT, groups=_TEXTS, extra=map_of(_TEXT, _TEXTS)),
    _object(
        "kubernetes.AdmissionRequest", kind=_GVK, resource=_GVR, subResource=_TEXT, requestKind=_GVK, requestResource=_GVR,
        requestSubResource=_TEXT, name=_TEXT, namespace=_TEXT, operation=_TEXT, userInfo=struct("kubernetes.UserInfo"),
        dryRun=types.BOOL, options=types.DYN,
    ),
    _object(f"{_NAMESPACE}Spec", finalizers=_TEXTS),
    _object(
        f"{_NAMESPACE}Condition", status=_TEXT, type=_TEXT, lastTransitionTime=types.TIMESTAMP, message=_TEXT, reason=_TEXT
    ),
    _object(f"{_NAMESPACE}Status", conditions=list_of(struct(f"{_NAMESPACE}Condition")), phase=_TEXT),
    _object(
        f"{_NAMESPACE}Metadata", name=_TEXT, generateName=_TEXT, namespace=_TEXT, labels=_MAP, annotations=_MAP, UID=_TEXT,
        creationTimestamp=types.TIMESTAMP, deletionGracePeriodSeconds=types.INT, deletionTimestamp=types.TIMESTAMP,
        generation=types.INT, resourceVersion=_TEXT, finalizers=_TEXTS,
    ),
    _object(
        _NAMESPACE, metadata=struct(f"{_NAMESPACE}Metadata"), spec=struct(f"{_NAMESPACE}Spec"),
        status=struct(f"{_NAMESPACE}Status"),
    ),
)  # fmt: skip


@cache
def environment(params: bool, authorizer: bool, patches: bool) -> Environment:
    """What expressions may speak of besides the policy's own variables."""
    variables: dict[str, Type] = {
        "object": types.DYN,
        "oldObject": types.DYN,
        "namespaceObject": struct(_NAMESPACE),
        "request": struct("kubernetes.AdmissionRequest"),
    }
    if params:
        variables["params"] = types.DYN
    if authorizer:
        variables["authorizer"] = AUTHORIZER_TYPE
        variables["authorizer.requestResource"] = struct("kubernetes.authorization.ResourceCheck")
    known = kubernetes().with_objects(_TYPES).with_variables(variables)
    if not patches:
        return known
    return known.with_objects([JSON_PATCH]).with_open_type("Object").with_library(strings.patching())


class _Checked(dict[str, Field]):
    """Fields of which an unknown one has a type that nothing is of, as Kubernetes has it."""

    def get(self, name: str, default: Any = None) -> Field:
        """The field, or one that fits no value."""
        return self[name] if name in self else Field(name, struct(""))


_PATCH_FIELDS = {"op": _TEXT, "path": _TEXT, "from": _TEXT, "value": types.DYN}
JSON_PATCH = ObjectType("JSONPatch", _Checked({name: Field(name, of) for name, of in _PATCH_FIELDS.items()}))


@dataclass(slots=True)
class Expression:
    """One expression of a policy, or why it does not compile."""

    text: str
    program: Program | None = None
    error: str = ""


def compiled(text: str, known: Environment, *wanted: Type) -> Expression:
    """An expression that must answer one of some types; any where none is named."""
    try:
        program = compile(text, known)
    except CelProblem as problem:
        return Expression(text, error=f"compilation failed: {problem}")
    if wanted and program.type not in wanted:
        shown = [types.type_word(of) for of in wanted]
        what = shown[0] if len(shown) == 1 else f"one of [{' '.join(shown)}]"
        return Expression(text, error=f"must evaluate to {what} but got {types.type_word(program.type)}")
    return Expression(text, program)


@dataclass(slots=True)
class Composed:
    """A policy's variables, compiled one after another: each may use those before it."""

    variables: dict[str, Expression] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)

    def add(self, name: str, text: str, known: Environment) -> Expression:
        """Compile one more."""
        made = compiled(text, self.within(known))
        self.variables[name] = made
        self.fields[name] = Field(name, types.DYN if made.program is None else made.program.type)
        return made

    def within(self, known: Environment) -> Environment:
        """An environment that knows the variables so far."""
        held = ObjectType(VARIABLES, dict(self.fields))
        return known.with_objects([held]).with_variables({"variables": struct(VARIABLES)})


class OutOfBudget(Exception):
    """The expressions of one policy and binding have cost too much."""


class Values:
    """The variables' values for one write; ``spend`` counts what evaluations cost."""

    def __init__(self, bindings: Mapping[str, Any], composed: Composed, budget: int) -> None:
        self._left = budget
        self._bindings = {**bindings, "variables": Lazy(self, composed.variables)}

    def evaluate(self, expression: Expression) -> Any:
        """The value, or a ``CelError`` in its place. Raises ``OutOfBudget``."""
        if expression.program is None:
            return CelError(f"compilation error: {expression.error}")
        found = self.measured(expression.program)
        if isinstance(found, CelError):
            return CelError(f"expression '{expression.text}' resulted in error: {found}")
        return found

    def measured(self, program: Program) -> Any:
        """A program's value or error, paid for."""
        try:
            found = program.measure(self._bindings, PER_CALL)
        except BudgetExceeded as error:
            self._left -= PER_CALL
            if self._left < 0:
                raise OutOfBudget(_OUT_OF_BUDGET) from None
            return error
        self._left -= found.cost
        if self._left < 0:
            raise OutOfBudget(_OUT_OF_BUDGET)
        return found.value


class Lazy(dict[str, Any]):
    """``variables``: each is evaluated when it is first read."""

    def __init__(self, values: Values, expressions: Mapping[str, Expression]) -> None:
        super().__init__()
        self._values = values
        self._expressions = expressions

    def __contains__(self, name: object) -> bool:
        return name in self._expressions

    def __missing__(self, name: str) -> Any:
        expression = self._expressions[name]
        if expression.program is None:
            raise CelError(f'composited variable "{name}" fails to compile: {expression.error}')
        found = self._values.measured(expression.program)
        if isinstance(found, CelError):
            raise CelError(f'composited variable "{name}" fails to evaluate: {found}')
        self[name] = found
        return found


# --- values for one write ----------------------------------------------------------------------------------------


def bindings(
    asked: Asked, matched: Served, namespace: Object | None, params: Object | None, authorizer: Authorizer
) -> dict[str, Any]:
    """The values of all variables but the policy's own."""
    ask = _asking(asked, authorizer)
    resource = asked.served.resource
    own = Question(
        group=resource.group,
        resource=resource.name,
        subresource=asked.write.subresource,
        namespace=str(asked.meta.get("namespace") or ""),
        name=asked.name,
    )
    return {
        "object": asked.obj,
        "oldObject": asked.old,
        "params": params,
        "request": _request(asked, matched),
        "namespaceObject": None if namespace is None else _namespace(namespace),
        "authorizer": Asking(ask),
        "authorizer.requestResource": ResourceCheck(ask, own),
    }


def _asking(asked: Asked, authorizer: Authorizer) -> Callable[[Question, str], Decision]:
    def ask(question: Question, verb: str) -> Decision:
        user = asked.write.user
        if question.service_account is not None:
            user = known_as("system:serviceaccount:{}:{}".format(*question.service_account))
        wanted = Attributes(
            verb,
            question.group,
            question.resource,
            question.subresource,
            question.namespace,
            question.name,
            question.path,
        )
        return Decision(authorizer.allows(user, wanted))

    return ask


def _kind(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "resource": resource.name}


def _request(asked: Asked, matched: Served) -> Object:
    write, user = asked.write, asked.write.user
    who = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    made: Object = {
        "kind": _kind(matched.kind),
        "resource": _resource(matched.resource),
        "requestKind": _kind(asked.served.kind),
        "requestResource": _resource(asked.served.resource),
        "name": asked.name,
        "operation": asked.operation,
        "userInfo": {key: value for key, value in who.items() if value},
        "dryRun": write.dry_run,
        "options": options_of(asked),
    }
    if user.extra:
        made["userInfo"]["extra"] = {key: list(values) for key, values in user.extra.items()}
    if write.subresource:
        made["subResource"] = made["requestSubResource"] = write.subresource
    if asked.namespace:
        made["namespace"] = asked.namespace
    return made


def _namespace(stored: Object) -> Object:
    """A namespace with its times as values."""
    meta = {**stored["metadata"]}
    for name in ("creationTimestamp", "deletionTimestamp"):
        found = times.parse_timestamp(meta[name]) if meta.get(name) else None
        if found is not None:
            meta[name] = found
        else:
            meta.pop(name, None)
    return {"metadata": meta, "spec": stored.get("spec") or {}, "status": stored.get("status") or {}}


def conditions_hold(values: Values, conditions: Sequence[Expression], fail: bool) -> bool:
    """Whether a policy's match conditions let it judge. Raises ``CelError`` where that cannot be said and must be."""
    errors: list[str] = []
    for condition in conditions:
        verdict = values.evaluate(condition)
        if isinstance(verdict, CelError):
            errors.append(str(verdict))
        elif verdict is False:
            return False
    if errors and fail:
        raise CelError(errors[0] if len(errors) == 1 else f"[{', '.join(dict.fromkeys(errors))}]")
    return not errors


def each(spec: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """A list field's items."""
    yield from spec.get(name) or ()
