"""Parts of a definition as Kubernetes shows them in a refusal: its internal Go structs as JSON. Pure.

Called by ``crd_checks`` and ``crd_schema_checks``. Source: apiextensions-apiserver ``pkg/apis/apiextensions/types*.go``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SCHEMA: tuple[tuple[str, str, Any], ...] = (
    ("ID", "id", ""), ("Schema", "$schema", ""), ("Ref", "$ref", None), ("Description", "description", ""),
    ("Type", "type", ""), ("Nullable", "nullable", False), ("Format", "format", ""), ("Title", "title", ""),
    ("Default", "default", None), ("Maximum", "maximum", None), ("ExclusiveMaximum", "exclusiveMaximum", False),
    ("Minimum", "minimum", None), ("ExclusiveMinimum", "exclusiveMinimum", False), ("MaxLength", "maxLength", None),
    ("MinLength", "minLength", None), ("Pattern", "pattern", ""), ("MaxItems", "maxItems", None),
    ("MinItems", "minItems", None), ("UniqueItems", "uniqueItems", False), ("MultipleOf", "multipleOf", None),
    ("Enum", "enum", None), ("MaxProperties", "maxProperties", None), ("MinProperties", "minProperties", None),
    ("Required", "required", None), ("Items", "items", None), ("AllOf", "allOf", None), ("OneOf", "oneOf", None),
    ("AnyOf", "anyOf", None), ("Not", "not", None), ("Properties", "properties", None),
    ("AdditionalProperties", "additionalProperties", None), ("PatternProperties", "patternProperties", None),
    ("Dependencies", "dependencies", None), ("AdditionalItems", "additionalItems", None),
    ("Definitions", "definitions", None), ("ExternalDocs", "externalDocs", None), ("Example", "example", None),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", False),
    ("XIntOrString", "x-kubernetes-int-or-string", False), ("XListMapKeys", "x-kubernetes-list-map-keys", None),
    ("XListType", "x-kubernetes-list-type", None), ("XMapType", "x-kubernetes-map-type", None),
    ("XValidations", "x-kubernetes-validations", None),
)  # fmt: skip
_RULE = (
    ("Rule", "rule", ""), ("Message", "message", ""), ("MessageExpression", "messageExpression", ""),
    ("Reason", "reason", None), ("FieldPath", "fieldPath", ""), ("OptionalOldSelf", "optionalOldSelf", None),
)  # fmt: skip
_COLUMN = (
    ("Name", "name", ""), ("Type", "type", ""), ("Format", "format", ""), ("Description", "description", ""),
    ("Priority", "priority", 0), ("JSONPath", "jsonPath", ""),
)  # fmt: skip
_SCALE = (
    ("SpecReplicasPath", "specReplicasPath", ""), ("StatusReplicasPath", "statusReplicasPath", ""),
    ("LabelSelectorPath", "labelSelectorPath", None),
)  # fmt: skip
_SCHEMAS = frozenset({"properties", "patternProperties", "definitions"})
_LISTS = frozenset({"allOf", "oneOf", "anyOf"})


def as_go_says(schema: Mapping[str, Any]) -> str:
    """A schema."""
    return text_of(_schema(schema))


def rule(spec: Mapping[str, Any]) -> str:
    """A rule."""
    return text_of(_struct(spec, _RULE))


def versions(found: Any, together: frozenset[str]) -> str:
    """A definition's versions. ``together``: what they all say the same of, which Kubernetes takes out of them."""
    return text_of(None if found is None else [_version(version, together) for version in found])


def text_of(value: Any) -> str:
    """JSON as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _version(version: Mapping[str, Any], together: frozenset[str]) -> dict[str, Any]:
    own = {word: value for word, value in version.items() if word not in together}
    schema, parts = own.get("schema"), own.get("subresources")
    columns, selectable = own.get("additionalPrinterColumns"), own.get("selectableFields")
    if schema is not None:
        inner = schema.get("openAPIV3Schema")
        schema = {"OpenAPIV3Schema": _schema(inner) if inner is not None else None}
    if parts is not None:
        scale = parts.get("scale")
        parts = {"Status": parts.get("status"), "Scale": _struct(scale, _SCALE) if scale is not None else None}
    return {
        "Name": own.get("name") or "",
        "Served": bool(own.get("served")),
        "Storage": bool(own.get("storage")),
        "Deprecated": bool(own.get("deprecated")),
        "DeprecationWarning": own.get("deprecationWarning"),
        "Schema": schema,
        "Subresources": parts,
        "AdditionalPrinterColumns": [_struct(column, _COLUMN) for column in columns] if columns else None,
        "SelectableFields": [{"JSONPath": each.get("jsonPath") or ""} for each in selectable] if selectable else None,
    }


def _struct(value: Mapping[str, Any], fields: tuple[tuple[str, str, Any], ...]) -> dict[str, Any]:
    return {name: value.get(word, empty) for name, word, empty in fields}


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _part(word, schema[word]) if word in schema else empty for name, word, empty in _SCHEMA}


def _part(word: str, value: Any) -> Any:
    if word in _SCHEMAS:
        return {name: _schema(value[name]) for name in sorted(value)}
    if word in _LISTS:
        return [_schema(part) for part in value]
    if word == "not":
        return _schema(value)
    if word == "items":
        listed = isinstance(value, list)
        return {
            "Schema": None if listed else _schema(value),
            "JSONSchemas": list(map(_schema, value)) if listed else None,
        }
    if word in ("additionalProperties", "additionalItems"):
        return {"Allows": value is not False, "Schema": _schema(value) if isinstance(value, Mapping) else None}
    if word == "x-kubernetes-validations":
        return [_struct(spec, _RULE) for spec in value]
    if word == "externalDocs":
        return {"Description": value.get("description") or "", "URL": value.get("url") or ""}
    return value
