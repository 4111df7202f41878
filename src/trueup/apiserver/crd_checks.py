"""What a CustomResourceDefinition gets wrong beyond its own schema. Pure; called by the hub before one is stored.

Source: apiextensions-apiserver ``apis/apiextensions/validation/validation.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver.crd_rule_checks import rule_problems
from trueup.kube import structural
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation.formats import dns1035, label

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_PROTECTED = re.compile(r"(?:.+\.)?(?:k8s|kubernetes)\.io")
_APPROVED = "api-approved.kubernetes.io"


def wrong(definition: Object) -> Iterator[Cause]:
    """Every mistake, by field."""
    spec = definition.get("spec") or {}
    names, group = spec.get("names") or {}, str(spec.get("group") or "")
    yield from _group(definition, group)
    yield from _names(names)
    name, wanted = definition["metadata"].get("name"), f"{names.get('plural')}.{group}"
    if name != wanted:
        yield _invalid(name, 'must be spec.names.plural+"."+spec.group', "metadata.name")
    scope = spec.get("scope")
    if not scope:
        yield Cause("FieldValueRequired", "Required value", "spec.scope")
    elif scope not in _SCOPES:
        yield _unsupported(scope, _SCOPES, "spec.scope")
    yield from _versions(spec, spec.get("versions") or [])


def _group(definition: Object, group: str) -> Iterator[Cause]:
    if not group:
        yield Cause("FieldValueRequired", "Required value", "spec.group")
    elif "." not in group:
        yield _invalid(group, "should be a domain with at least one dot", "spec.group")
    elif _PROTECTED.fullmatch(group) and not (definition["metadata"].get("annotations") or {}).get(_APPROVED):
        text = "Required value: protected groups must have approval annotation "
        url = "see https://github.com/kubernetes/enhancements/pull/1111"
        yield Cause(
            "FieldValueRequired", f'{text}"{_APPROVED}", {url}', "metadata.annotations[api-approved.kubernetes.io]"
        )


def _names(names: Mapping[str, Any]) -> Iterator[Cause]:
    for field in ("plural", "singular"):
        for problem in dns1035(str(names.get(field) or "")) if names.get(field) else ():
            yield _invalid(names[field], problem, f"spec.names.{field}")
    for field in ("kind", "listKind"):
        value = str(names.get(field) or "")
        for problem in dns1035(value.lower()) if value else ():
            yield _invalid(value, f"may have mixed case, but should otherwise match: {problem}", f"spec.names.{field}")
    for field in ("plural", "kind"):
        if not names.get(field):
            yield Cause("FieldValueRequired", "Required value", f"spec.names.{field}")
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield _invalid(names["listKind"], "kind and listKind may not be the same", "spec.names.listKind")
    for index, short in enumerate(names.get("shortNames") or ()):
        for problem in dns1035(str(short)):
            yield _invalid(short, problem, f"spec.names.shortNames[{index}]")


def _versions(spec: Mapping[str, Any], versions: list[Any]) -> Iterator[Cause]:
    known = [version.get("name") for version in versions]
    # One schema for all versions stands above them where Kubernetes checks it.
    alike = all(version.get("schema") == versions[0].get("schema") for version in versions)
    for index, version in enumerate(versions):
        at, name = f"spec.versions[{index}]", str(version.get("name") or "")
        for problem in label(name):
            yield _invalid(name, problem, f"{at}.name")
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not schema:
            yield Cause("FieldValueRequired", "Required value: schemas are required", f"{at}.schema.openAPIV3Schema")
        elif not spec.get("preserveUnknownFields") and not (alike and index):
            where = f"{'spec.validation' if alike else f'{at}.schema'}.openAPIV3Schema"
            unstructured = list(structural.problems(schema, where))
            yield from unstructured or rule_problems(schema, where)
        for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
            if column.get("type") not in _COLUMN_TYPES:
                field = f"{at}.additionalPrinterColumns[{number}].type"
                yield _unsupported(column.get("type"), _COLUMN_TYPES, field)
    for name in sorted({str(each) for each in known if known.count(each) > 1}):
        yield _invalid(name, "must contain unique version names", "spec.versions")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield Cause("FieldValueInvalid", f"Invalid value: {detail}", "spec.versions")


def _invalid(value: Any, detail: str, field: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {detail}', field)


def _unsupported(value: Any, known: tuple[str, ...], field: str) -> Cause:
    listed = ", ".join(f'"{each}"' for each in known)
    return Cause("FieldValueNotSupported", f'Unsupported value: "{value or ""}": supported values: {listed}', field)
