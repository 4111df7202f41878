"""An OpenAPI v3 document as protobuf, which client-go asks for. Pure; called by `openapi`.

The document as JSON has it in, bytes out. Field numbers are those of ``openapi.v3`` (gnostic's ``OpenAPIv3.proto``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kube.protobuf_writing import sized, varint
from trueup.kube.yaml_printing import dump

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
_Fields = Mapping[str, tuple[int, str]]
_FIELDS: Mapping[str, _Fields] = {
    "Document": {
        "openapi": (1, "text"),
        "info": (2, "Info"),
        "paths": (4, "named PathItem"),
        "components": (5, "Components"),
        "security": (6, "each Requirement"),
    },
    "Info": {"title": (1, "text"), "description": (2, "text"), "version": (6, "text")},
    "Components": {"schemas": (1, "named Schema?"), "securitySchemes": (7, "named SecurityScheme?")},
    "SecurityScheme": {"type": (1, "text"), "description": (2, "text"), "name": (3, "text"), "in": (4, "text")},
    "PathItem": {
        "get": (4, "Operation"),
        "put": (5, "Operation"),
        "post": (6, "Operation"),
        "delete": (7, "Operation"),
        "options": (8, "Operation"),
        "head": (9, "Operation"),
        "patch": (10, "Operation"),
        "parameters": (13, "each Parameter?"),
    },
    "Operation": {
        "tags": (1, "texts"),
        "summary": (2, "text"),
        "description": (3, "text"),
        "operationId": (5, "text"),
        "parameters": (6, "each Parameter?"),
        "requestBody": (7, "RequestBody?"),
        "responses": (8, "Responses"),
        "deprecated": (10, "bool"),
    },
    "Parameter": {
        "name": (1, "text"),
        "in": (2, "text"),
        "description": (3, "text"),
        "required": (4, "bool"),
        "schema": (10, "Schema?"),
    },
    "RequestBody": {"description": (1, "text"), "content": (2, "named MediaType"), "required": (3, "bool")},
    "Response": {"description": (1, "text"), "content": (3, "named MediaType")},
    "MediaType": {"schema": (1, "Schema?")},
    "Schema": {
        "nullable": (1, "bool"),
        "readOnly": (3, "bool"),
        "example": (7, "any"),
        "title": (9, "text"),
        "multipleOf": (10, "double"),
        "maximum": (11, "double"),
        "exclusiveMaximum": (12, "bool"),
        "minimum": (13, "double"),
        "exclusiveMinimum": (14, "bool"),
        "maxLength": (15, "int"),
        "minLength": (16, "int"),
        "pattern": (17, "text"),
        "maxItems": (18, "int"),
        "minItems": (19, "int"),
        "uniqueItems": (20, "bool"),
        "maxProperties": (21, "int"),
        "minProperties": (22, "int"),
        "required": (23, "texts"),
        "enum": (24, "anys"),
        "type": (25, "text"),
        "allOf": (26, "each Schema?"),
        "oneOf": (27, "each Schema?"),
        "anyOf": (28, "each Schema?"),
        "not": (29, "Schema"),
        "items": (30, "item"),
        "properties": (31, "named Schema?"),
        "additionalProperties": (32, "additional"),
        "default": (33, "default"),
        "description": (34, "text"),
        "format": (35, "text"),
    },
}
_EXTENSIONS = {"Document": 9, "PathItem": 14, "Operation": 13, "Parameter": 14, "Response": 5, "Schema": 36}
"""Where a message keeps what begins with ``x-``."""


def document(doc: Object) -> bytes:
    """``openapi.v3.Document``."""
    return _message("Document", doc)


def _message(kind: str, value: Mapping[str, Any]) -> bytes:
    if kind == "Responses":
        return _responses(value)
    if kind == "Requirement":
        return b"".join(_entry(1, name, b"".join(_text(1, one) for one in below)) for name, below in value.items())
    fields = sorted((at, form, value[name]) for name, (at, form) in _FIELDS[kind].items() if name in value)
    parts = [_field(at, form, below) for at, form, below in fields]
    extra = _EXTENSIONS.get(kind)
    if extra is not None:
        parts += [_entry(extra, name, _any(below)) for name, below in value.items() if name.startswith("x-")]
    return b"".join(parts)


def _field(at: int, form: str, value: Any) -> bytes:
    how, _, of = form.partition(" ")
    match how:
        case "text":
            return _text(at, str(value))
        case "texts":
            return b"".join(sized(at, str(each).encode()) for each in value)
        case "bool" | "int":
            return varint(at << 3) + varint(int(value)) if value else b""
        case "double":
            return varint(at << 3 | 1) + struct.pack("<d", value) if value else b""
        case "any":
            return sized(at, _any(value))
        case "anys":
            return b"".join(sized(at, _any(each)) for each in value)
        case "each":
            return b"".join(sized(at, _one(of, each)) for each in value)
        case "named":
            return sized(at, b"".join(_entry(1, name, _one(of, each)) for name, each in value.items()))
        case "item":
            return sized(at, sized(1, _one("Schema?", value)))
        case "additional":
            return sized(
                at, varint(2 << 3) + varint(int(value)) if isinstance(value, bool) else sized(1, _one("Schema?", value))
            )
        case "default":
            return _default(at, value)
    return sized(at, _one(form, value))


def _one(kind: str, value: Mapping[str, Any]) -> bytes:
    """A message; one that may be a reference instead (``?``) says which it is."""
    if not kind.endswith("?"):
        return _message(kind, value)
    if "$ref" in value:
        return sized(2, _text(1, value["$ref"]) + _text(3, str(value.get("description") or "")))
    return sized(1, _message(kind[:-1], value))


def _responses(value: Mapping[str, Any]) -> bytes:
    first = sized(1, _one("Response?", value["default"])) if "default" in value else b""
    others = (_entry(2, code, _one("Response?", each)) for code, each in value.items() if code != "default")
    return first + b"".join(others)


def _default(at: int, value: Any) -> bytes:
    """A scalar; the messages have no word for another default, nor does Kubernetes send one."""
    if isinstance(value, bool):
        return sized(at, varint(2 << 3) + varint(int(value)))
    if isinstance(value, (int, float)):
        return sized(at, varint(1 << 3 | 1) + struct.pack("<d", value))
    return sized(at, sized(3, value.encode())) if isinstance(value, str) else sized(at, b"")


def _any(value: Any) -> bytes:
    return _text(2, _yaml(value))


def _yaml(value: Any) -> str:
    """In the order of the document."""
    if isinstance(value, dict) and value:
        return "".join(dump({name: below}) for name, below in value.items())
    if isinstance(value, list) and value:
        return "".join("- " + _yaml(each).rstrip("\n").replace("\n", "\n  ") + "\n" for each in value)
    return dump(value)


def _entry(at: int, name: str, value: bytes) -> bytes:
    return sized(at, sized(1, name.encode()) + sized(2, value))


def _text(at: int, text: str) -> bytes:
    return sized(at, text.encode()) if text else b""
