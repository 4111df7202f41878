"""What an admission policy, its binding or a webhook's conditions get wrong. Pure; called by strategies before one is stored.

Source: ``pkg/apis/admissionregistration/validation/validation.go``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trueup.apiserver.policies.expressions import Composed, Expression, compiled, each, environment
from trueup.apiserver.policies.mutating import mutation
from trueup.cel import Environment
from trueup.cel.parser import RESERVED
from trueup.cel.types import BOOL, NULL, STRING
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation.formats import dns1035, path_segment, qualified, subdomain
from trueup.kube.validation.object_meta import selector

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_MOST_CONDITIONS, _MOST_ANNOTATIONS = 64, 20
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_MUTATED = ("*", "CONNECT", "CREATE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
Spec = Mapping[str, Any]


def validating_policy(obj: Object, _: Object | None) -> Iterator[Cause]:
    """A ValidatingAdmissionPolicy."""
    spec = obj.get("spec") or {}
    yield from _common(spec)
    params = bool(spec.get("paramKind"))
    full, plain = (
        environment(params, authorizer=True, patches=False),
        environment(params, authorizer=False, patches=False),
    )
    composed = Composed()
    yield from _variables(spec, composed, full)
    if spec.get("variables"):
        full, plain = composed.within(full), composed.within(plain)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        why = "validations or auditAnnotations must contain at least one item"
        yield _required("spec.validations", why)
        yield _required("spec.auditAnnotations", why)
        return
    for index, one in enumerate(each(spec, "validations")):
        yield from _validation(one, f"spec.validations[{index}]", full, plain)
    yield from _annotations(obj, spec, full)


def mutating_policy(obj: Object, _: Object | None) -> Iterator[Cause]:
    """A MutatingAdmissionPolicy."""
    spec = obj.get("spec") or {}
    yield from _common(spec)
    yield from _mutated(spec.get("matchConstraints") or {}, "spec.matchConstraints.resourceRules.operations")
    known = environment(bool(spec.get("paramKind")), authorizer=True, patches=True)
    composed = Composed()
    yield from _variables(spec, composed, known)
    known = composed.within(known)
    if not spec.get("mutations"):
        yield _required("spec.mutations", "mutations must contain at least one item")
    for index, one in enumerate(each(spec, "mutations")):
        yield from _mutation(one, f"spec.mutations[{index}]", known)
    again = spec.get("reinvocationPolicy")
    if not again:
        yield _required("spec.reinvocationPolicy")
    elif again not in ("IfNeeded", "Never"):
        yield _unsupported(again, ("IfNeeded", "Never"), "spec.reinvocationPolicy")


def validating_binding(obj: Object, _: Object | None) -> Iterator[Cause]:
    """A ValidatingAdmissionPolicyBinding."""
    spec = obj.get("spec") or {}
    yield from _binding(spec)
    actions = list(spec.get("validationActions") or ())
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield _unsupported(action, _ACTIONS, f"spec.validationActions[{index}]")
        if action in actions[:index]:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{action}"', f"spec.validationActions[{index}]")
    if {"Deny", "Warn"} <= set(actions):
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response "
            "and headers serves no purpose)"
        )
        yield _invalid(actions, why, "spec.validationActions")
    if not actions:
        yield _required("spec.validationActions", "at least one validation action is required")


def mutating_binding(obj: Object, _: Object | None) -> Iterator[Cause]:
    """A MutatingAdmissionPolicyBinding."""
    spec = obj.get("spec") or {}
    yield from _binding(spec)
    yield from _mutated(spec.get("matchResources") or {}, "spec.matchResources.resourceRules.operations")


# --- parts -------------------------------------------------------------------------------------------------------


def _common(spec: Spec) -> Iterator[Cause]:
    policy = spec.get("failurePolicy")
    if policy is None:
        yield _required("spec.failurePolicy")
    elif policy not in ("Fail", "Ignore"):
        yield _unsupported(policy, ("Fail", "Ignore"), "spec.failurePolicy")
    if spec.get("paramKind") is not None:
        yield from _param_kind(spec["paramKind"])
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield _required("spec.matchConstraints")
    else:
        yield from _resources(constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            yield _required("spec.matchConstraints.resourceRules")
    yield from condition_problems(spec, "spec")


def _param_kind(kind: Spec) -> Iterator[Cause]:
    version = str(kind.get("apiVersion") or "")
    if not version:
        yield _required("spec.paramKind.apiVersion")
    elif version.count("/") > 1:
        yield _invalid(version, f"unexpected GroupVersion string: {version}", "spec.paramKind.apiVersion")
    else:
        group, _, short = version.rpartition("/")
        if group and (problems := subdomain(group)):
            yield _invalid(group, ",".join(problems), "spec.paramKind.apiVersion")
        if not short:
            yield _invalid(version, "version must be specified", "spec.paramKind.apiVersion")
        elif problems := dns1035(short):
            yield _invalid(short, ",".join(problems), "spec.paramKind.apiVersion")
    name = str(kind.get("kind") or "")
    if not name:
        yield _required("spec.paramKind.kind")
    elif problems := dns1035(name.lower()):
        why = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        yield _invalid(name, why, "spec.paramKind.kind")


def _resources(found: Spec, path: str) -> Iterator[Cause]:
    policy = found.get("matchPolicy")
    if policy is None:
        yield _required(f"{path}.matchPolicy")
    elif policy not in ("Equivalent", "Exact"):
        yield _unsupported(policy, ("Equivalent", "Exact"), f"{path}.matchPolicy")
    for name in ("namespaceSelector", "objectSelector"):
        if found.get(name) is None:
            yield _required(f"{path}.{name}")
        yield from selector(found.get(name), f"{path}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(each(found, name)):
            yield from rule_problems(rule, f"{path}.{name}[{index}]")


def rule_problems(rule: Spec, path: str) -> Iterator[Cause]:
    """What is wrong with a rule of a policy or a webhook."""
    for name in ("operations", "apiGroups", "apiVersions"):
        items = list(rule.get(name) or ())
        if not items:
            yield _required(f"{path}.{name}")
        if "*" in items and len(items) > 1:
            yield _invalid(items, f"if '*' is present, must not specify other {_PLURALS[name]}", f"{path}.{name}")
        for index, item in enumerate(items):
            if name == "operations" and item not in _OPERATIONS:
                yield _unsupported(item, _OPERATIONS, f"{path}.operations[{index}]")
            elif name == "apiVersions" and not item:
                yield _required(f"{path}.apiVersions[{index}]")
    yield from _named(list(rule.get("resources") or ()), f"{path}.resources")
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        yield _unsupported(scope, _SCOPES, f"{path}.scope")
    names = list(rule.get("resourceNames") or ())
    for index, name in enumerate(names):
        for problem in path_segment(name):
            yield _invalid(name, problem, f"{path}.resourceNames[{index}]")
        if name in names[:index]:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{path}.resourceNames[{index}]")


def _named(items: list[str], path: str) -> Iterator[Cause]:
    """Resources that others of the list stand for already."""
    if not items:
        yield _required(path)
    whole: set[str] = set()
    anywhere: set[str] = set()
    alone = False
    for index, item in enumerate(items):
        resource, slash, sub = item.partition("/")
        if not item:
            yield _required(f"{path}[{index}]")
        elif not slash:
            alone = item != "*"  # the last one decides, as in Kubernetes
        else:
            if resource in whole:
                yield _invalid(item, f"if '{resource}/*' is present, must not specify {item}", f"{path}[{index}]")
            if sub in anywhere:
                yield _invalid(item, f"if '*/{sub}' is present, must not specify {item}", f"{path}[{index}]")
            if sub == "*":
                whole.add(resource)
            if resource == "*":
                anywhere.add(sub)
    if len(items) > 1 and "*/*" in items:
        yield _invalid(items, "if '*/*' is present, must not specify other resources", path)
    if "*" in items and alone:
        yield _invalid(items, "if '*' is present, must not specify other resources without subresources", path)


_PLURALS = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}


def condition_problems(spec: Spec, path: str) -> Iterator[Cause]:
    """What is wrong with the match conditions of a policy or a webhook."""
    known = environment(bool(spec.get("paramKind")), authorizer=True, patches=False)
    conditions = list(each(spec, "matchConditions"))
    if len(conditions) > _MOST_CONDITIONS:
        text = f"Too many: {len(conditions)}: must have at most {_MOST_CONDITIONS} items"
        yield Cause("FieldValueTooMany", text, f"{path}.matchConditions")
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        at = f"{path}.matchConditions[{index}]"
        text, name = str(condition.get("expression") or "").strip(), str(condition.get("name") or "")
        if not text:
            yield _required(f"{at}.expression")
        else:
            yield from _uncompiled(compiled(text, known, BOOL), f"{at}.expression")
        if not name:
            yield _required(f"{at}.name")
        for problem in qualified(name) if name else ():
            yield _invalid(name, problem, f"{at}.name")
        if name in names:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{at}.name")
        names.add(name)


def _variables(spec: Spec, composed: Composed, known: Environment) -> Iterator[Cause]:
    for index, variable in enumerate(each(spec, "variables")):
        at = f"spec.variables[{index}]"
        name, text = str(variable.get("name") or ""), str(variable.get("expression") or "")
        if not name.strip():
            yield _required(f"{at}.name", "name is not specified")
        elif not _NAME.fullmatch(name) or name in RESERVED:
            yield _invalid(name, "must be a valid CEL identifier", f"{at}.name")
        if not text.strip():
            yield _required(f"{at}.expression", "expression is not specified")
        else:
            yield from _uncompiled(composed.add(name, text, known), f"{at}.expression")


def _validation(one: Spec, path: str, full: Environment, plain: Environment) -> Iterator[Cause]:
    text, message = str(one.get("expression") or ""), str(one.get("message") or "")
    words = str(one.get("messageExpression") or "")
    if not text.strip():
        yield _required(f"{path}.expression", "expression is not specified")
    else:
        yield from _uncompiled(compiled(text, full, BOOL), f"{path}.expression")
    if words and not words.strip():
        yield _invalid(words, "must be non-empty if specified", f"{path}.messageExpression")
    elif words:
        yield from _uncompiled(compiled(words, plain, STRING), f"{path}.messageExpression")
    if message and not message.strip():
        yield _invalid(message, "must be non-empty if specified", f"{path}.message")
    elif "\n" in message.strip() or "\r" in message.strip():
        yield _invalid(message, "must not contain line breaks", f"{path}.message")
    reason = one.get("reason")
    if reason is not None and reason not in _REASONS:
        yield _unsupported(reason, _REASONS, f"{path}.reason")


def _annotations(obj: Object, spec: Spec, known: Environment) -> Iterator[Cause]:
    annotations = list(each(spec, "auditAnnotations"))
    if len(annotations) > _MOST_ANNOTATIONS:
        why = f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"
        yield _invalid(annotations, why, "spec.auditAnnotations")
    keys: set[str] = set()
    for index, annotation in enumerate(annotations):
        at, key = f"spec.auditAnnotations[{index}]", str(annotation.get("key") or "")
        name = f"{obj['metadata'].get('name') or ''}/{key}"
        for problem in qualified(name):
            yield _invalid(name, problem, f"{at}.key")
        text = str(annotation.get("valueExpression") or "").strip()
        if not text:
            yield _required(f"{at}.valueExpression", "valueExpression is not specified")
        else:
            yield from _uncompiled(compiled(text, known, STRING, NULL), f"{at}.valueExpression")
        if key in keys:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{key}"', f"{at}.key")
        keys.add(key)


def _mutation(one: Spec, path: str, known: Environment) -> Iterator[Cause]:
    kind = str(one.get("patchType") or "")
    fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    if not kind:
        yield _required(f"{path}.patchType")
        return
    if kind not in fields:
        yield _unsupported(kind, tuple(fields), f"{path}.patchType")
        return
    mine = fields.pop(kind)
    (other,) = fields.values()
    if one.get(mine) is None:
        yield _required(f"{path}.{mine}", f"must be specified when patchType is {kind}")
    elif not str(one[mine].get("expression") or "").strip():
        yield _required(f"{path}.{mine}.expression")
    else:
        yield from _uncompiled(mutation(one, known)[1], f"{path}.{mine}.expression")
    if one.get(other) is not None:
        yield _invalid(f"{{{other}}}", f"must not be specified when patchType is {kind}", f"{path}.{other}")


def _mutated(match: Spec, path: str) -> Iterator[Cause]:
    """What goes is not changed before."""
    for rule in each(match, "resourceRules"):
        for operation in rule.get("operations") or ():
            if operation not in _MUTATED:
                yield _unsupported(operation, _MUTATED, path)


def _binding(spec: Spec) -> Iterator[Cause]:
    policy = str(spec.get("policyName") or "")
    if not policy:
        yield _required("spec.policyName")
    for problem in subdomain(policy) if policy else ():
        yield _invalid(policy, problem, "spec.policyName")
    ref = spec.get("paramRef")
    if ref is not None:
        yield from _param_ref(ref)
    if spec.get("matchResources") is not None:
        yield from _resources(spec["matchResources"], "spec.matchResources")


def _param_ref(ref: Spec) -> Iterator[Cause]:
    for problem in path_segment(str(ref.get("name") or "")):
        yield _invalid(ref["name"], problem, "spec.paramRef.name")
    yield from selector(ref.get("selector"), "spec.paramRef.selector")
    both = "Forbidden: name and selector are mutually exclusive"
    if ref.get("name") and ref.get("selector") is not None:
        yield Cause("FieldValueForbidden", both, "spec.paramRef.name")
        yield Cause("FieldValueForbidden", both, "spec.paramRef.selector")
    if not ref.get("name") and ref.get("selector") is None:
        yield _required("spec.paramRef", "one of name or selector must be specified")
    action = ref.get("parameterNotFoundAction")
    if not action:
        yield _required("spec.paramRef.parameterNotFoundAction")
    elif action not in ("Deny", "Allow"):
        yield _unsupported(action, ("Deny", "Allow"), "spec.paramRef.parameterNotFoundAction")


def _uncompiled(expression: Expression, path: str) -> Iterator[Cause]:
    if expression.error:
        yield _invalid(expression.text, expression.error, path)


def _required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", field)


def _invalid(value: Any, detail: str, field: str) -> Cause:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Cause("FieldValueInvalid", f"Invalid value: {text}: {detail}", field)


def _unsupported(value: Any, known: Iterable[str], field: str) -> Cause:
    listed = ", ".join(f'"{each}"' for each in known)
    return Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {listed}', field)
