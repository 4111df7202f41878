"""What a CustomResourceDefinition gets wrong beyond its own schema. Pure; called by the hub before one is stored.

Kubernetes looks at a form of it in which what all versions have in common stands above them: the paths of fields tell of that
form. Source: apiextensions-apiserver ``pkg/apis/apiextensions/validation/validation.go``, ``v1/conversion.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from trueup.apiserver import crd_words
from trueup.apiserver.crd_conversion_checks import conversion
from trueup.apiserver.crd_schema_checks import schema_problems
from trueup.apiserver.field_paths import BadPath, walk
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation.causes import duplicate, invalid, not_supported, required, too_many
from trueup.kube.validation.formats import dns1035, subdomain

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_PROTECTED = re.compile(r"(?:.+\.)?(?:k8s|kubernetes)\.io")
_APPROVED = "api-approved.kubernetes.io"
_MOST_SELECTABLE = 8
_SHARED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
"""What stands above the versions when they all say the same of it."""


def wrong(definition: Object, old: Object | None = None) -> Iterator[Cause]:
    """Every mistake, in Kubernetes' order. ``old``: what the definition was."""
    spec = definition.get("spec") or {}
    group = str(spec.get("group") or "")
    if old is None:
        yield from _name(definition, spec, group)
    yield from _group(group)
    yield from _enumerated(spec.get("scope"), _SCOPES, "spec.scope")
    yield from _versions(spec)
    yield from _names(spec.get("names") or {})
    yield from _together(spec)
    yield from conversion(spec)
    if old is not None:
        yield from _immutable(spec, old)
    yield from _stored_versions(spec, old)
    yield from _approval(definition, group, old)
    if spec.get("preserveUnknownFields") and not (old and old["spec"].get("preserveUnknownFields")):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        yield invalid("spec.preserveUnknownFields", True, detail)


def _name(definition: Object, spec: Object, group: str) -> Iterator[Cause]:
    name = definition["metadata"].get("name")
    if name and name != f"{(spec.get('names') or {}).get('plural') or ''}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _group(group: str) -> Iterator[Cause]:
    if not group:
        yield required("spec.group")
    elif problems := subdomain(group):
        yield invalid("spec.group", group, ",".join(problems))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _enumerated(value: Any, known: tuple[str, ...], path: str) -> Iterator[Cause]:
    if not value:
        yield required(path)
    elif value not in known:
        yield not_supported(path, value, known)


def together(spec: Object) -> frozenset[str]:
    """What all versions say the same of."""
    versions = spec.get("versions") or []
    return frozenset(
        word for word in _SHARED if versions and all(each.get(word) == versions[0].get(word) for each in versions)
    )


def _versions(spec: Object) -> Iterator[Cause]:
    versions, alike = spec.get("versions") or [], together(spec)
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema") and "openAPIV3Schema" not in (
            version.get("schema") or {}
        ):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, version in enumerate(versions):
        at, name = f"spec.versions[{index}]", str(version.get("name") or "")
        if problems := dns1035(name):
            yield invalid(f"{at}.name", name, ",".join(problems))
        yield from _deprecation(version, f"{at}.deprecationWarning")
        yield from _parts(version, at, frozenset(_SHARED) - alike)
    names = [version.get("name") for version in versions]
    shown = crd_words.versions(spec.get("versions"), alike)
    if len(set(names)) != len(names):
        yield Cause("FieldValueInvalid", f"Invalid value: {shown}: must contain unique version names", "spec.versions")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", "spec.versions")
    if names and names[0] and (problems := dns1035(str(names[0]))):
        yield invalid("spec.version", names[0], ",".join(problems))


def _together(spec: Object) -> Iterator[Cause]:
    versions = spec.get("versions") or []
    if versions:
        yield from _parts(versions[0], "spec", together(spec))


def _parts(version: Object, at: str, words: frozenset[str]) -> Iterator[Cause]:
    """Those parts of a version that stand at ``at``."""
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if "schema" in words and schema is not None:
        path = f"{'spec.validation' if at == 'spec' else f'{at}.schema'}.openAPIV3Schema"
        yield from schema_problems(
            schema, path, with_status=(version.get("subresources") or {}).get("status") is not None
        )
    if "subresources" in words:
        yield from _scale((version.get("subresources") or {}).get("scale"), f"{at}.subresources.scale")
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        if "additionalPrinterColumns" in words:
            yield from _column(column, f"{at}.additionalPrinterColumns[{index}]")
    if "selectableFields" in words and version.get("selectableFields"):
        yield from _selectable(version["selectableFields"], schema or {}, f"{at}.selectableFields")


def _deprecation(version: Object, path: str) -> Iterator[Cause]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield invalid(path, text, "must be <= 256 characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    at = next((index for index, char in enumerate(text) if not char.isprintable()), None)
    if at is not None:
        where = f"non-printable character found at index {len(text[:at].encode())}"
        yield invalid(path, text, f"must only contain printable UTF-8 characters; {where}")


def _column(column: Object, path: str) -> Iterator[Cause]:
    if not column.get("name"):
        yield required(f"{path}.name")
    kind, form, at = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    detail = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        yield required(f"{path}.type", detail)
    elif kind not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", kind, detail)
    if form and form not in _COLUMN_FORMATS:
        yield invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not at:
        yield required(f"{path}.JSONPath")
    elif not at.startswith("."):
        yield invalid(f"{path}.JSONPath", at, "must be a simple json path starting with .")


def _scale(scale: Object | None, path: str) -> Iterator[Cause]:
    if scale is None:
        return
    for word, heads in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        if not scale.get(word):
            yield required(f"{path}.{word}")
        else:
            yield from _under(scale[word], heads, f"under {heads[0][:-1]}", f"{path}.{word}")
    if scale.get("labelSelectorPath"):
        where = "under either .spec or .status"
        yield from _under(scale["labelSelectorPath"], (".spec.", ".status."), where, f"{path}.labelSelectorPath")


def _under(at: str, heads: tuple[str, ...], where: str, path: str) -> Iterator[Cause]:
    if not at.startswith("."):
        yield invalid(path, at, "must be a simple json path starting with .")
    elif not at.startswith(heads):
        yield invalid(path, at, f"should be a json path {where}")


def _selectable(fields: list[Object], schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    seen: set[tuple[str, ...]] = set()
    for index, field in enumerate(fields):
        at, place = f"{path}[{index}].jsonPath", field.get("jsonPath") or ""
        if not place:
            yield required(at)
            continue
        try:
            names, found = walk(place, schema, brackets=False)
        except BadPath as problem:
            yield invalid(at, place, f"is an invalid path: {problem}")
            continue
        if names[0] == "metadata":
            yield invalid(at, place, "must not point to fields in metadata")
        if found.get("type") not in ("string", "boolean", "integer"):
            detail = "must point to a field of type string, boolean or integer. "
            detail += "Enum string fields and strings with formats are allowed."
            yield invalid(at, place, detail)
        if names in seen:
            yield duplicate(at, place)
        seen.add(names)
    if len(seen) > _MOST_SELECTABLE:
        yield too_many(path, len(seen), _MOST_SELECTABLE)


def _names(names: Mapping[str, Any]) -> Iterator[Cause]:
    for field in ("plural", "singular", "kind", "listKind"):
        filled = field in ("singular", "listKind") and names.get("kind")
        if not names.get(field) and not filled:
            yield required(f"spec.names.{field}")
    for field in ("plural", "singular"):
        if names.get(field) and (problems := dns1035(str(names[field]))):
            yield invalid(f"spec.names.{field}", names[field], ",".join(problems))
    for field in ("kind", "listKind"):
        value = str(names.get(field) or "")
        if value and (problems := dns1035(value.lower())):
            detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
            yield invalid(f"spec.names.{field}", value, detail)
    yield from _each(names.get("shortNames") or (), "spec.names.shortNames")
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")
    yield from _each(names.get("categories") or (), "spec.names.categories")


def _each(names: Any, path: str) -> Iterator[Cause]:
    for index, name in enumerate(names):
        if problems := dns1035(str(name)):
            yield invalid(f"{path}[{index}]", name, ",".join(problems))


def _immutable(spec: Object, old: Object) -> Iterator[Cause]:
    before, names = old["spec"], spec.get("names") or {}
    established = any(
        each.get("type") == "Established" and each.get("status") == "True"
        for each in (old.get("status") or {}).get("conditions") or ()
    )
    if established and spec.get("scope") != before.get("scope"):
        yield invalid("spec.scope", spec.get("scope"), "field is immutable")
    for field in ("kind", "plural"):
        if (established or field == "plural") and names.get(field) != before["names"].get(field):
            yield invalid(f"spec.names.{field}", names.get(field), "field is immutable")
        if field == "kind" and spec.get("group") != before.get("group"):
            yield invalid("spec.group", spec.get("group"), "field is immutable")


def _stored_versions(spec: Object, old: Object | None) -> Iterator[Cause]:
    path, known = "status.storedVersions", [version.get("name") for version in spec.get("versions") or ()]
    storage = [version.get("name") or "" for version in spec.get("versions") or () if version.get("storage")]
    stored = [*((old or {}).get("status") or {}).get("storedVersions", ())]
    stored += [name for name in storage[:1] if name not in stored]
    if not stored:
        yield invalid(path, None, "must have at least one stored version")
    for name in storage:
        if stored and name not in stored:
            yield invalid(path, stored, f"must have the storage version {name}")
    for index, name in enumerate(stored):
        if name not in known:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a "
                f"storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            )
            yield invalid(f"{path}[{index}]", name, why)


def _approval(definition: Object, group: str, old: Object | None) -> Iterator[Cause]:
    if not _PROTECTED.fullmatch(group):
        return
    said = str((definition["metadata"].get("annotations") or {}).get(_APPROVED) or "")
    state = _approved(said)
    if old is not None and _approved(str((old["metadata"].get("annotations") or {}).get(_APPROVED) or "")) == state:
        return
    path, head = f"metadata.annotations[{_APPROVED}]", f'protected groups must have approval annotation "{_APPROVED}"'
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    if state == "missing":
        yield required(path, f"{head}, {see}")
    elif state == "invalid":
        yield invalid(path, said, f'{head} with either a URL or a reason starting with "unapproved", {see}')


def _approved(said: str) -> str:
    if not said:
        return "missing"
    if said.startswith("unapproved"):
        return "bypassed"
    url = urlsplit(said)
    return "approved" if url.scheme and url.netloc else "invalid"
