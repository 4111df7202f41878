"""Kubernetes' protobuf bodies to objects and back. Called by the API server: kubectl's create verbs send nothing else.

Bytes in, an object out, as its JSON would have been; and the other way round. Fields and their numbers come from `messages`.
Source: Kubernetes API concepts, "Kubernetes Protobuf encoding"; the protocol buffers' wire format.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import orjson

from trueup.kube.messages import Field, Message, for_kind
from trueup.kube.names import Kind, Object
from trueup.kube.problems import BadRequest, UnsupportedMediaType
from trueup.kube.protobuf_values import SPECIAL

MAGIC = b"k8s\0"
_FIXED = {"double": "<d", "float": "<f"}


def decode(body: bytes) -> Object:
    """The object in an ``application/vnd.kubernetes.protobuf`` body.

    Raises ``BadRequest`` for a broken body, ``UnsupportedMediaType`` for a kind that has no Go type.
    """
    if not body.startswith(MAGIC):
        raise BadRequest("the body is no Kubernetes protobuf: it does not begin with k8s\\0")
    try:
        envelope = dict(_fields(body[4:]))
        type_meta = dict(_fields(envelope.get(1, b"")))
        api_version, kind = type_meta.get(1, b"").decode(), type_meta.get(2, b"").decode()
        raw = envelope.get(2, b"")
        if envelope.get(4) == b"application/json":
            found: Object = orjson.loads(raw)
            return found
        message = for_kind(Kind.parse(api_version, kind))
        if message is None:
            raise UnsupportedMediaType(f"{kind} in {api_version} cannot be read from protobuf: send JSON")
        return {"apiVersion": api_version, "kind": kind, **_read(raw, message)}
    except (IndexError, struct.error, ValueError, AttributeError, TypeError) as problem:
        # The last two: a field has another wire type than its message says.
        raise BadRequest(f"the protobuf body is broken: {problem}") from None


def encode(obj: Object) -> bytes:
    """The object as such a body. Raises ``UnsupportedMediaType`` for a kind that has no Go type."""
    kind = Kind.of(obj)
    message = for_kind(kind)
    if message is None:
        raise UnsupportedMediaType(f"{kind.kind} in {kind.api_version} cannot be written as protobuf: ask for JSON")
    type_meta = _sized(1, kind.api_version.encode()) + _sized(2, kind.kind.encode())
    return b"".join(
        (MAGIC, _sized(1, type_meta), _sized(2, _write(obj, message)), _sized(3, b""), _sized(4, b"")),
    )


# --- reading -----------------------------------------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their raw values: integers, or bytes."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} is unknown")
        if position + size > end:
            raise ValueError("a field is longer than the body")
        yield tag >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _read(data: bytes, message: Message) -> Any:
    special = SPECIAL.get(message.name)
    if special is not None:
        return special.read(data, _read, _fields)
    out: Object = {}
    for number, raw in _fields(data):
        field = message.by_number.get(number)
        if field is None:
            continue
        if field.inline:
            out.update(_read(raw, field.message))
        elif field.many == "list":
            out.setdefault(field.name, []).append(_value(raw, field))
        elif field.many == "map":
            pair = dict(_fields(raw))
            out.setdefault(field.name, {})[pair.get(1, b"").decode()] = _value(pair.get(2, b""), field)
        else:
            value = _value(raw, field)
            # Go writes every field that is no pointer, and its JSON leaves out what is marked so.
            if field.pointer or not field.omitempty or value or (isinstance(value, dict) and not field.omitzero):
                if value is not None:
                    out[field.name] = value
            elif value == 0 and not field.scalar:
                out[field.name] = value
    return out.get("items", []) if message.is_list else out


def _value(raw: Any, field: Field) -> Any:
    kind = field.kind
    if kind == "string":
        return raw.decode()
    if not field.scalar:
        return _read(raw, field.message)
    if kind == "bool":
        return bool(raw)
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    if kind in _FIXED:
        return struct.unpack(_FIXED[kind], raw)[0]
    return raw - (1 << 64) if kind.startswith("int") and raw >= 1 << 63 else raw + 0


# --- writing -----------------------------------------------------------------------------------------------------


def _number(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(number: int, data: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(data)) + data


def _write(value: Any, message: Message) -> bytes:
    special = SPECIAL.get(message.name)
    if special is not None:
        return special.write(value, _write, _sized, _number)
    if message.is_list:
        value = {"items": value or []}
    out: list[bytes] = []
    for field in message.fields:
        if field.inline:
            out.append(_sized(field.number, _write(value, field.message)))
            continue
        held = value.get(field.name) if value else None
        if field.many == "list":
            out.extend(_one(field.number, item, field) for item in held or ())
        elif field.many == "map":
            out.extend(
                _sized(field.number, _sized(1, key.encode()) + _one(2, item, field))
                for key, item in sorted((held or {}).items())
            )
        elif held is not None or not (field.pointer or field.kind == "bytes"):
            out.append(_one(field.number, held, field))
    return b"".join(out)


def _one(number: int, value: Any, field: Field) -> bytes:
    kind = field.kind
    if not field.scalar:
        return _sized(number, _write(value, field.message))
    if kind == "string":
        return _sized(number, (value or "").encode())
    if kind == "bytes":
        return _sized(number, base64.b64decode(value or ""))
    if kind in _FIXED:
        return _number(number << 3 | (1 if kind == "double" else 5)) + struct.pack(_FIXED[kind], value or 0)
    return _number(number << 3) + _number(int(value or 0))
