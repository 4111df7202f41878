"""What is wrong with the schema of a definition's version. Called by ``crd_checks``.

First whether it is structural, then its defaults, its own words and its rules. Source: apiextensions-apiserver
``pkg/apis/apiextensions/validation/validation.go`` (``ValidateCustomResourceDefinitionOpenAPISchema``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.apiserver.crd_defaults import default_problems
from trueup.apiserver.crd_rule_checks import rule_problems, rule_words
from trueup.apiserver.crd_words import as_go_says
from trueup.kube import structural
from trueup.kube.problems import Cause
from trueup.kube.structural import EMBEDDED, PRESERVE, RULES
from trueup.kube.validation.causes import forbidden, invalid, not_supported, required

Schema = Mapping[str, Any]
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_META = ("metadata", "kind", "apiVersion")
_AT_ROOT = (
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items", "properties",
    "externalDocs", "example", PRESERVE, RULES,
)  # fmt: skip
_AT_ROOT_SAID = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems "
    "MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations"
)
_NOT_SUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


def schema_problems(schema: Schema, path: str, *, with_status: bool = False) -> list[Cause]:
    """Every mistake, in Kubernetes' order. ``with_status``: whether the version has the status subresource."""
    found = list(_root(schema, path)) if with_status else []
    if schema.get("nullable"):
        found.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    broken = (
        []
        if _unreadable(schema)
        else structural.problems(schema, path) or list(default_problems(schema, path, root=True))
    )
    found += broken
    words = list(_words(schema, path, _Around(), root=True))
    found += words
    if not broken and not _unreadable(schema):
        found += rule_problems(schema, path, [cause.field for cause in words])
    return found


def _root(schema: Schema, path: str) -> Iterator[Cause]:
    """What the root may say, when the status is looked at apart from it."""
    for word, value in schema.items():
        if value in (None, "", False, [], {}) and word != "default":
            continue
        if word == "type" and value != "object":
            detail = (
                'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            )
            yield invalid(f"{path}.type", value, detail)
            return
        if word not in _AT_ROOT:
            detail = f"only [{_AT_ROOT_SAID}] fields are allowed at the root of the schema if the status subresource is enabled"
            yield Cause("FieldValueInvalid", f"Invalid value: {as_go_says(schema)}: {detail}", path)
            return


def _unreadable(schema: Any) -> bool:
    """Whether it says what structural schemas have no place for; that is told by the words."""
    if isinstance(schema, list):
        return any(map(_unreadable, schema))
    if not isinstance(schema, Mapping):
        return False
    if any(schema.get(word) not in (None, "", {}) for word in _NOT_SUPPORTED) or isinstance(schema.get("items"), list):
        return True
    below = [schema.get(word) for word in ("items", "not", "allOf", "anyOf", "oneOf", "additionalProperties")]
    return schema.get(PRESERVE) is False or any(map(_unreadable, [*below, *(schema.get("properties") or {}).values()]))


@dataclass(frozen=True, slots=True)
class _Around:
    """What holds because of the schemas around one."""

    no_defaults: str | None = None
    """Why there may be no defaults."""
    in_meta: bool = False


def _words(schema: Schema, path: str, around: _Around, *, root: bool = False) -> Iterator[Cause]:
    yield from _allowed(schema, path, around)
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", detail)
    further, properties = schema.get("additionalProperties"), schema.get("properties") or {}
    if further is not None and further is not True and properties:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if isinstance(further, Mapping):
        why = "inside additionalProperties applying to object metadata"
        inner = replace(around, no_defaults=why) if around.in_meta else around
        yield from _words(further, f"{path}.additionalProperties", inner)
    for name, below in properties.items():
        inner = around
        if (root or schema.get(EMBEDDED)) and name in _META:
            inner = replace(inner, in_meta=True, no_defaults=f"in top-level {name}" if root else inner.no_defaults)
        yield from _words(below, f"{path}.properties[{name}]", inner)
    yield from _parts(schema, path, around)
    if schema.get(PRESERVE) is False:
        yield invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
    yield from _map_type(schema, path)
    yield from _list_type(schema, path)
    yield from rule_words(schema, path)


def _parts(schema: Schema, path: str, around: _Around) -> Iterator[Cause]:
    if isinstance(schema.get("not"), Mapping):
        yield from _words(schema["not"], f"{path}.not", around)
    for word in ("allOf", "oneOf", "anyOf"):
        for index, part in enumerate(schema.get(word) or ()):
            yield from _words(part, f"{path}.{word}[{index}]", around)
    for name, below in (schema.get("definitions") or {}).items():
        yield from _words(below, f"{path}.definitions[{name}]", around)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _words(items, f"{path}.items", around)
    for index, part in enumerate(items if isinstance(items, list) else ()):
        yield from _words(part, f"{path}.items[{index}]", around)
    for name, below in (schema.get("dependencies") or {}).items():
        if isinstance(below, Mapping):
            yield from _words(below, f"{path}.dependencies[{name}]", around)


def _allowed(schema: Schema, path: str, around: _Around) -> Iterator[Cause]:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        yield not_supported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and around.no_defaults is not None:
        yield forbidden(f"{path}.default", f"must not be set {around.no_defaults}")
    for word in _NOT_SUPPORTED:
        if schema.get(word) not in (None, "", {}):
            yield forbidden(f"{path}.{word}", f"{word} is not supported")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list) and schema["items"]:
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if around.in_meta and schema.get(EMBEDDED):
        yield forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")


def _map_type(schema: Schema, path: str) -> Iterator[Cause]:
    found = schema.get("x-kubernetes-map-type")
    if found is not None:
        yield from _of_type(schema, path, "object", "x-kubernetes-map-type")
        if found not in ("atomic", "granular"):
            yield not_supported(f"{path}.x-kubernetes-map-type", found, ("atomic", "granular"))


def _of_type(schema: Schema, path: str, wanted: str, word: str) -> Iterator[Cause]:
    kind, detail = schema.get("type") or "", f"must be {wanted} if {word} is specified"
    if not kind:
        yield required(f"{path}.type", detail)
    elif kind != wanted:
        yield invalid(f"{path}.type", kind, detail)


def _list_type(schema: Schema, path: str) -> Iterator[Cause]:
    found, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    at = f"{path}.x-kubernetes-list-type"
    if found is not None:
        yield from _of_type(schema, path, "array", "x-kubernetes-list-type")
        yield from _set_of_atoms(schema, path)
        if found not in ("atomic", "set", "map"):
            yield not_supported(at, found, ("atomic", "set", "map"))
    if keys and found != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield required(at, detail) if found is None else invalid(at, found, detail)
    if found == "map":
        yield from _keyed(schema, keys, path)
    items = schema.get("items")
    if found in ("map", "set") and isinstance(items, Mapping):
        if items.get("nullable"):
            yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {found}")
        for key in keys if found == "map" else ():
            yield from _key(items, key, f"{path}.items.properties[{key}]")


def _set_of_atoms(schema: Schema, path: str) -> Iterator[Cause]:
    items = schema.get("items")
    if schema.get("type") != "array" or schema["x-kubernetes-list-type"] != "set" or not isinstance(items, Mapping):
        return
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    listed = items.get("x-kubernetes-list-type")
    if items.get("type") == "array" and listed not in (None, "atomic"):
        yield invalid(f"{path}.items.x-kubernetes-list-type", listed, detail)
    elif items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        yield invalid(f"{path}.items.x-kubernetes-map-type", listed, detail)


def _keyed(schema: Schema, keys: list[str], path: str) -> Iterator[Cause]:
    at, items = f"{path}.x-kubernetes-list-map-keys", schema.get("items")
    if not keys:
        yield required(at, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, Mapping):
        return
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", detail)
        return
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield invalid(at, keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.properties[{key}].type", items["type"], detail)
        if key in keys[:index]:
            yield invalid(at, keys, "must not contain duplicate entries")


def _key(items: Schema, key: str, path: str) -> Iterator[Cause]:
    schema = (items.get("properties") or {}).get(key)
    if schema is None:
        return
    if key not in (items.get("required") or ()) and schema.get("default") is None:
        detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        yield required(f"{path}.default", detail)
    if schema.get("nullable"):
        yield forbidden(f"{path}.nullable", "this property is in x-kubernetes-list-map-keys, so it cannot be nullable")
