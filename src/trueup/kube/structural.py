"""Whether a definition's schema is structural: every value's type is known from the schema alone. Pure.

Called by the API server for each version of a definition. Source: Kubernetes documentation, "Specifying a structural
schema"; apiextensions-apiserver ``pkg/apiserver/schema/{validation,complete}.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.kube.patterns import BadPattern, pattern
from trueup.kube.problems import Cause
from trueup.kube.validation.causes import forbidden, invalid, required

Schema = Mapping[str, Any]
INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
RULES = "x-kubernetes-validations"
_EITHER = [{"type": "integer"}, {"type": "string"}]
_NOT_BELOW_LOGIC = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (PRESERVE, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    (RULES, "must be empty to be structural"),
)
"""What may not be said inside of allOf, anyOf, oneOf and not: they narrow values, and say nothing new of them."""
_OF_METADATA = frozenset({"name", "generateName"})
_MISSING = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def problems(schema: Schema, path: str) -> list[Cause]:
    """What keeps a schema from being structural, sorted as Kubernetes sorts it."""
    found = [*_invariants(schema, "root", path), *_completeness(schema, schema, path, path)]
    return sorted(found, key=lambda cause: f"{cause.field}: {cause.message}")


def _invariants(schema: Schema, level: str, path: str) -> Iterator[Cause]:
    items, further = schema.get("items"), schema.get("additionalProperties")
    properties = schema.get("properties") or {}
    if schema.get("type") == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _invariants(items, "item", f"{path}.items")
    for name, below in properties.items():
        yield from _invariants(below, "field", f"{path}.properties[{name}]")
    if further is not None:
        if level == "root":
            yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(further, Mapping):
            yield from _invariants(further, "field", f"{path}.additionalProperties")
    yield from _extensions(schema, path)
    yield from _values(schema, path)
    yield from _type(schema, level, path)
    if level == "root" or schema.get(EMBEDDED):
        yield from _meta(properties, path)
    if level == "root" and "metadata" in properties and not _says_names_alone(properties["metadata"]):
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(f"{path}.properties[metadata]", detail)
    if schema.get(EMBEDDED) and not schema.get(PRESERVE) and not properties:
        detail = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield required(f"{path}.properties", detail)


def _extensions(schema: Schema, path: str) -> Iterator[Cause]:
    for other in (PRESERVE, EMBEDDED):
        if schema.get(INT_OR_STRING) and schema.get(other):
            yield invalid(f"{path}.{other}", True, f"must be false if {INT_OR_STRING} is true")


def _type(schema: Schema, level: str, path: str) -> Iterator[Cause]:
    kind = schema.get("type") or ""
    if schema.get(EMBEDDED) and kind != "object":
        detail = f"must be object if {EMBEDDED} is true"
        yield invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail)
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        yield required(f"{path}.type", _MISSING[level])
    if schema.get(EMBEDDED) and schema.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if level == "root" and kind and kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")


def _meta(properties: Schema, path: str) -> Iterator[Cause]:
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        kind = properties[name].get("type") or "" if name in properties else wanted
        if kind != wanted:
            yield invalid(f"{path}.properties[{name}].type", kind, f"must be {wanted}")


def _says_names_alone(metadata: Schema) -> bool:
    """Whether a schema of metadata says no more than what names must be like. A default is refused elsewhere."""
    said = {word for word, value in metadata.items() if value not in (None, "", False, [], {})} - {"type", "default"}
    names = metadata.get("properties") or {}
    return said <= {"properties"} and names.keys() <= _OF_METADATA


def _values(schema: Schema, path: str) -> Iterator[Cause]:
    """What narrows values: it may not say what they are."""
    skip_any = schema.get("anyOf") == _EITHER
    inner = schema.get("allOf") or ()
    skip_in_first = any(part.get("anyOf") == _EITHER for part in inner[:1])
    if not skip_any:
        for index, part in enumerate(schema.get("anyOf") or ()):
            yield from _narrowing(part, f"{path}.anyOf[{index}]")
    for index, part in enumerate(inner):
        yield from _narrowing(part, f"{path}.allOf[{index}]", skip_any=skip_in_first and index == 0)
    for index, part in enumerate(schema.get("oneOf") or ()):
        yield from _narrowing(part, f"{path}.oneOf[{index}]")
    if isinstance(schema.get("not"), Mapping):
        yield from _narrowing(schema["not"], f"{path}.not")
    text = str(schema.get("pattern") or "")
    try:
        pattern(text)
    except BadPattern as problem:
        yield invalid(f"{path}.pattern", text, f"must be a valid regular expression, but isn't: {problem}")


def _narrowing(part: Schema, path: str, *, skip_any: bool = False) -> Iterator[Cause]:
    yield from _values({**part, "anyOf": ()} if skip_any else part, path)
    if isinstance(part.get("items"), Mapping):
        yield from _narrowing(part["items"], f"{path}.items")
    properties = part.get("properties") or {}
    for name, below in properties.items():
        yield from _narrowing(below, f"{path}.properties[{name}]")
    for word, why in _NOT_BELOW_LOGIC:
        if part.get(word) not in (None, "", False, []):
            yield forbidden(f"{path}.{word}", why)
    if "metadata" in properties:
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _completeness(part: Schema, schema: Schema, path: str, said_at: str) -> Iterator[Cause]:
    """What is narrowed must be there: ``schema`` and ``path`` tell where ``part`` has to be defined."""
    if isinstance(part.get("not"), Mapping):
        yield from _defined(part["not"], schema, path, f"{said_at}.not")
    for word in ("allOf", "anyOf", "oneOf"):
        for index, below in enumerate(part.get(word) or ()):
            yield from _defined(below, schema, path, f"{said_at}.{word}[{index}]")


def _defined(part: Schema, schema: Schema | None, path: str, said_at: str) -> Iterator[Cause]:
    if schema is None:
        yield required(path, f"because it is defined in {said_at}")
        return
    yield from _completeness(part, schema, path, said_at)
    if isinstance(part.get("items"), Mapping):
        items = schema.get("items")
        known = items if isinstance(items, Mapping) else None
        yield from _defined(part["items"], known, f"{path}.items", f"{said_at}.items")
    properties = schema.get("properties") or {}
    for name, below in (part.get("properties") or {}).items():
        at = f"properties[{name}]"
        yield from _defined(below, properties.get(name), f"{path}.{at}", f"{said_at}.{at}")
