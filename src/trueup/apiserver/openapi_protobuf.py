"""The OpenAPI v2 document as protobuf, for clients that read no JSON: kubectl's fallbacks, Argo CD, older Helm. Pure.

Called by `openapi`: the document as JSON has it in, bytes out. Field numbers are those of ``openapi.v2`` (gnostic's
``OpenAPIv2.proto``); what a Kubernetes client never reads (responses, tags, security, shared parameters) is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import orjson

from trueup.kube.names import Object

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_TEXT = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_WHOLE = {
    "maxLength": 11, "minLength": 12, "maxItems": 14, "minItems": 15, "maxProperties": 17, "minProperties": 18,
    "exclusiveMaximum": 8, "exclusiveMinimum": 10, "uniqueItems": 16, "readOnly": 27,
}  # fmt: skip
_REAL = {"multipleOf": 6, "maximum": 7, "minimum": 9}
_ANY = {"default": 5, "example": 30}
_VERBS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def document(doc: Object) -> bytes:
    """``openapi.v2.Document``."""
    info = doc.get("info") or {}
    paths = b"".join(_part(2, _named(path, _path_item(item))) for path, item in doc["paths"].items())
    definitions = b"".join(_part(1, _named(name, schema(each))) for name, each in doc["definitions"].items())
    return b"".join(
        (
            _text(1, str(doc["swagger"])),
            _part(2, _text(1, str(info.get("title", ""))) + _text(2, str(info.get("version", "")))),
            _part(8, paths),
            _part(9, definitions),
        )
    )


def schema(value: Mapping[str, Any]) -> bytes:
    """``openapi.v2.Schema``."""
    parts: list[bytes] = []
    for key, below in value.items():
        if key in _TEXT:
            parts.append(_text(_TEXT[key], str(below)))
        elif key in _WHOLE:
            parts.append(_whole(_WHOLE[key], int(below)))
        elif key in _REAL:
            parts.append(_varint(_REAL[key] << 3 | 1) + struct.pack("<d", below))
        elif key in _ANY:
            parts.append(_part(_ANY[key], _any(below)))
        elif key.startswith("x-"):
            parts.append(_part(31, _named(key, _any(below))))
        else:
            parts.append(_structure(key, below))
    return b"".join(parts)


def _structure(key: str, below: Any) -> bytes:
    match key:
        case "properties":
            return _part(25, b"".join(_part(1, _named(name, schema(each))) for name, each in below.items()))
        case "items":
            return _part(23, _part(1, schema(below)))
        case "additionalProperties":
            return _part(21, _whole(2, 1) if below is True else _part(1, schema(below or {})))
        case "type":
            return _part(22, _text(1, str(below)))
        case "required":
            return b"".join(_text(19, str(name)) for name in below)
        case "enum":
            return b"".join(_part(20, _any(each)) for each in below)
        case "allOf":
            return b"".join(_part(24, schema(each)) for each in below)
    return b""  # OpenAPI v2 has no word for it: oneOf, anyOf, not, nullable


def _path_item(item: Object) -> bytes:
    return b"".join(_part(_VERBS[verb], _operation(each)) for verb, each in item.items() if verb in _VERBS)


def _operation(operation: Object) -> bytes:
    parameters = (
        _part(8, _part(1, _part(2, _part(3, _query_parameter(each)))))
        for each in operation.get("parameters") or ()
        if each.get("in") == "query"
    )
    extensions = (_part(13, _named(key, _any(each))) for key, each in operation.items() if key.startswith("x-"))
    return b"".join((*parameters, *extensions))


def _query_parameter(parameter: Object) -> bytes:
    return b"".join(
        (
            _text(2, "query"),
            _text(4, str(parameter["name"])),
            _text(6, str(parameter.get("type", "string"))),
            _whole(20, int(bool(parameter.get("uniqueItems")))),
        )
    )


def _any(value: Any) -> bytes:
    """``openapi.v2.Any``: YAML, of which JSON is a part."""
    return _part(2, orjson.dumps(value) + b"\n")


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _part(2, value)


def _part(number: int, content: bytes) -> bytes:
    return b"".join((_varint(number << 3 | 2), _varint(len(content)), content))


def _text(number: int, text: str) -> bytes:
    return _part(number, text.encode()) if text else b""


def _whole(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value & 0xFFFFFFFFFFFFFFFF) if value else b""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
