"""Kubernetes' protobuf bodies to objects and back. Called by the API server: kubectl's create verbs send nothing else.

Bytes in, an object out, as its JSON would have been; and the other way round. Fields and their numbers come from `messages`.
Source: Kubernetes API concepts, "Kubernetes Protobuf encoding"; the protocol buffers' wire format.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from trueup.kube.messages import Field, Message, for_kind
from trueup.kube.names import Kind, Object
from trueup.kube.problems import BadRequest, UnsupportedMediaType
from trueup.kube.protobuf_values import SPECIAL
from trueup.kube.protobuf_writing import sized, varint, write

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
    api_version, kind = str(obj.get("apiVersion") or ""), str(obj["kind"])
    return envelope(api_version, kind, write(obj, _message(Kind.parse(api_version, kind))))


def encode_list(kind: Kind, meta: Object, items: Iterable[bytes]) -> bytes:
    """A list, ``kind`` its own, put together from its items' bytes."""
    numbers = _message(kind).by_name
    at = varint(numbers["items"].number << 3 | 2)
    head = sized(numbers["metadata"].number, write(meta, numbers["metadata"].message))
    parts = [at + varint(len(item)) + item for item in items]
    parts.insert(0 if numbers["metadata"].number < numbers["items"].number else len(parts), head)
    return envelope(kind.api_version, kind.kind, b"".join(parts))


def item(obj: Object, kind: Kind) -> bytes:
    """An object without its envelope, as a list holds it."""
    return write(obj, _message(kind))


def event(type_: str, body: bytes) -> bytes:
    """One frame of a watch: its length in four bytes, then a ``WatchEvent`` around an object with its envelope."""
    held = sized(1, type_.encode()) + sized(2, sized(1, body))
    return len(held).to_bytes(4, "big") + held


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """``runtime.Unknown`` with the magic number before it."""
    type_meta = sized(1, api_version.encode()) + sized(2, kind.encode())
    return b"".join((MAGIC, sized(1, type_meta), sized(2, raw), b"\x1a\x00\x22\x00"))


def _message(kind: Kind) -> Message:
    found = for_kind(kind)
    if found is None:
        raise UnsupportedMediaType(f"{kind.kind} in {kind.api_version} cannot be written as protobuf: ask for JSON")
    return found


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
