"""Checks stored policies against the kinds that they are for, and writes down what will not fit.

Runs beside the verbs, as Kubernetes' controller does: a policy is stored first, its status says later what was found.
Source: apiserver ``validating/typechecking.go``; ``pkg/controller/validatingadmissionpolicystatus``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.policies.definitions import GROUP
from trueup.apiserver.policies.expressions import Composed, each, environment
from trueup.apiserver.policies.schemas import typed
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.update import change
from trueup.cel import CelProblem, Environment, compile, types
from trueup.kube.names import Kind, Object
from trueup.store.state import Event

_POLICY = Kind(GROUP, "v1", "ValidatingAdmissionPolicy")
_MOST_TYPES = 10


class TypeChecks:
    """Takes up a policy whenever it was changed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._work = Following("checking the types of a policy", self._check)
        self.run = self._work.run
        bucket = hub.store.bucket(f"validatingadmissionpolicies.{GROUP}")
        bucket.listeners.append(self._hear)
        for _, name, entry in bucket.scan():
            self._take(name, entry.obj)

    def _hear(self, event: Event) -> None:
        if event.type != "DELETED":
            self._take(event.name, event.entry.obj)

    def _take(self, name: str, policy: Object) -> None:
        if _is_due(policy):
            self._work.take(name)

    async def _check(self, name: str) -> None:
        served = self._hub.registry.of_kind(_POLICY)
        if served is None or self._hub.store.bucket(served.storage).newest("", name) is None:
            return

        def judged(stored: Object) -> tuple[Object, bool]:
            if not _is_due(stored):
                return stored, False
            new = prepare.copy(stored)
            checking: Object = {}
            warnings = list(warnings_of(self._hub, stored["spec"]))
            if warnings:
                checking["expressionWarnings"] = warnings
            status = {**(stored.get("status") or {}), "typeChecking": checking}
            new["status"] = {**status, "observedGeneration": stored["metadata"].get("generation")}
            return new, False

        write = Write(manager="validatingadmissionpolicy-status", subresource="status")
        await change(self._hub, served, "", name, judged, write)


def _is_due(policy: Object) -> bool:
    generation = int(policy["metadata"].get("generation") or 0)
    return generation > int((policy.get("status") or {}).get("observedGeneration") or 0)


def warnings_of(hub: Hub, spec: Mapping[str, Any]) -> Iterator[Object]:
    """What a policy's expressions have against the types of what they are to judge."""
    kinds = list(_kinds(hub, spec))
    for index, validation in enumerate(each(spec, "validations")):
        for field in ("expression", "messageExpression"):
            text = validation.get(field)
            found = [problem for served in kinds if text for problem in _problems(hub, spec, served, str(text))]
            if found:
                yield {"fieldRef": f"spec.validations[{index}].{field}", "warning": "\n".join(found)}


def _kinds(hub: Hub, spec: Mapping[str, Any]) -> Iterator[Served]:
    """The kinds that a policy names outright, in order."""
    found: dict[Kind, Served] = {}
    for rule in each(spec.get("matchConstraints") or {}, "resourceRules"):
        named = [list(rule.get(part) or ()) for part in ("apiGroups", "apiVersions", "resources")]
        if any("*" in item for part in named[:2] for item in part):
            continue
        for served in hub.registry.all():
            resource = served.resource
            wanted = zip((resource.group, resource.version, resource.name), named, strict=True)
            if all(item in part for item, part in wanted):
                found[served.kind] = served
    ordered = sorted(found.values(), key=lambda served: (served.kind.group, served.kind.version, served.kind.kind))
    yield from ordered[:_MOST_TYPES]


def _problems(hub: Hub, spec: Mapping[str, Any], served: Served, text: str) -> Iterator[str]:
    known = _environment(hub, spec, served)
    composed = Composed()
    for variable in each(spec, "variables"):
        composed.add(str(variable.get("name")), str(variable.get("expression")), known)
    try:
        compile(text, composed.within(known))
    except CelProblem as problem:
        kind = served.kind
        yield f"{kind.group}/{kind.version}, Kind={kind.kind}: {problem}\n"


def _environment(hub: Hub, spec: Mapping[str, Any], served: Served) -> Environment:
    params = spec.get("paramKind")
    known = environment(bool(params), authorizer=True, patches=False)
    of, objects = typed(served, hub.types)
    variables = {"object": of, "oldObject": of}
    if params:
        group, _, version = str(params.get("apiVersion") or "").rpartition("/")
        by = hub.registry.of_kind(Kind(group, version, str(params.get("kind") or "")))
        variables["params"], more = typed(by, hub.types) if by is not None else (types.DYN, [])
        objects += more
    return known.with_objects(objects).with_variables(variables)
