"""Whether a definition's schema is structural: every value's type is known from the schema alone. Pure.

Called by the API server for each version of a definition. Source: Kubernetes documentation, "Specifying a structural
schema"; apiextensions-apiserver ``apis/apiextensions/validation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.kube.patterns import BadPattern, pattern
from trueup.kube.problems import Cause

Schema = Mapping[str, Any]
_LOGICAL = ("allOf", "anyOf", "oneOf", "not")
_NOT_BELOW_LOGIC = ("description", "type", "default", "additionalProperties", "nullable")
"""What may not be said inside of allOf, anyOf, oneOf and not."""
_TYPES = ("string", "integer", "number", "boolean", "object", "array")


def problems(schema: Schema, path: str) -> Iterator[Cause]:
    """What keeps a schema from being structural."""
    if schema.get("type") != "object":
        yield _of("must be object at the root", f"{path}.type", schema.get("type"))
        return
    yield from _schema(schema, path, "")


def _schema(schema: Schema, path: str, where: str) -> Iterator[Cause]:
    kind = schema.get("type")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not kind and not free:
        yield Cause("FieldValueRequired", f"Required value: must not be empty for specified {where}", f"{path}.type")
    elif kind and kind not in _TYPES:
        known = ", ".join(f'"{each}"' for each in sorted(_TYPES))
        yield Cause("FieldValueNotSupported", f'Unsupported value: "{kind}": supported values: {known}', f"{path}.type")
    if schema.get("x-kubernetes-int-or-string") and kind:
        detail = "must be empty if x-kubernetes-int-or-string is true"
        yield Cause("FieldValueForbidden", f"Forbidden: {detail}", f"{path}.type")
    yield from _forbidden(schema, path)
    yield from _pattern(schema, path)
    yield from _list_type(schema, path)
    yield from _children(schema, path)
    for word in _LOGICAL:
        for index, part in enumerate(schema.get(word) or () if word != "not" else filter(None, [schema.get(word)])):
            at = f"{path}.{word}" if word == "not" else f"{path}.{word}[{index}]"
            yield from _logical(part, at, schema)


def _pattern(schema: Schema, path: str) -> Iterator[Cause]:
    text = str(schema.get("pattern") or "")
    try:
        pattern(text)
    except BadPattern as problem:
        yield _of(f"must be a valid regular expression, but isn't: {problem}", f"{path}.pattern", text)


def _forbidden(schema: Schema, path: str) -> Iterator[Cause]:
    if "$ref" in schema:
        yield Cause("FieldValueForbidden", "Forbidden: $ref is not supported", f"{path}.$ref")
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield Cause("FieldValueForbidden", f"Forbidden: {detail}", f"{path}.uniqueItems")
    if schema.get("properties") and "additionalProperties" in schema:
        detail = "must be mutual exclusive to additionalProperties"
        yield Cause("FieldValueForbidden", f"Forbidden: {detail}", f"{path}.properties")
    if schema.get("additionalProperties") is False:
        detail = "must not be set to false"
        yield Cause("FieldValueForbidden", f"Forbidden: {detail}", f"{path}.additionalProperties")


def _list_type(schema: Schema, path: str) -> Iterator[Cause]:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    if kind is None and keys is None:
        return
    if kind not in ("atomic", "set", "map"):
        known = '"atomic", "map", "set"'
        text = f'Unsupported value: "{kind or ""}": supported values: {known}'
        yield Cause("FieldValueNotSupported", text, f"{path}.x-kubernetes-list-type")
        return
    if schema.get("type") != "array":
        yield _of("must be array if x-kubernetes-list-type is specified", f"{path}.type", schema.get("type"))
        return
    if kind != "map":
        return
    if not keys:
        detail = "must not be empty if x-kubernetes-list-type is map"
        yield Cause("FieldValueRequired", f"Required value: {detail}", f"{path}.x-kubernetes-list-map-keys")
        return
    items = schema.get("items") or {}
    properties, required = items.get("properties") or {}, items.get("required") or ()
    for index, key in enumerate(keys):
        if key not in properties:
            at = f"{path}.x-kubernetes-list-map-keys[{index}]"
            yield _of("entries must all be names of item properties", at, key)
        elif key not in required and "default" not in properties[key]:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            yield Cause("FieldValueRequired", f"Required value: {detail}", f"{path}.items.properties[{key}].default")


def _children(schema: Schema, path: str) -> Iterator[Cause]:
    for name, below in (schema.get("properties") or {}).items():
        yield from _schema(below, f"{path}.properties[{name}]", "object fields")
    further, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(further, Mapping):
        yield from _schema(further, f"{path}.additionalProperties", "object fields")
    if isinstance(items, Mapping):
        yield from _schema(items, f"{path}.items", "array items")
    elif isinstance(items, list):
        yield Cause("FieldValueForbidden", "Forbidden: items must be a schema object and not an array", f"{path}.items")
    elif schema.get("type") == "array":
        yield Cause("FieldValueRequired", "Required value: must be specified", f"{path}.items")


def _logical(part: Schema, path: str, above: Schema) -> Iterator[Cause]:
    """A part of allOf and the like narrows what is said above it, and says nothing new."""
    for word in _NOT_BELOW_LOGIC:
        if word == "type" and above.get("x-kubernetes-int-or-string"):
            continue
        if part.get(word) not in (None, "", False):
            yield Cause("FieldValueForbidden", "Forbidden: must be empty to be structural", f"{path}.{word}")
    known = above.get("properties") or {}
    for name, below in (part.get("properties") or {}).items():
        at = f"{path}.properties[{name}]"
        if name in known:
            yield from _logical(below, at, known[name])
        elif "x-kubernetes-preserve-unknown-fields" not in above and not isinstance(
            above.get("additionalProperties"), Mapping
        ):
            yield Cause("FieldValueRequired", f"Required value: because it is defined in {at}", _outside(at))


def _outside(path: str) -> str:
    """Where a field that a logical part names would have to be defined."""
    for word in _LOGICAL:
        head, found, tail = path.partition(f".{word}")
        if found:
            return head + tail[tail.index(".") :]
    return path


def _of(detail: str, field: str, found: Any) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{found or ""}": {detail}', field)
