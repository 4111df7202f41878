"""Objects to the bytes of their protobuf messages. Called by `protobuf`, which puts the envelope around them.

Each message gets its writer once: what an absent field is written as is known by then, so that a field which most objects
do not have costs a look-up. Go writes every field that is no pointer, empty or not, and maps by the order of their keys.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from trueup.kube.messages import Field, Message, message
from trueup.kube.protobuf_values import SPECIAL

Writer = Callable[[Any], bytes]
_FIXED = {"double": "<d", "float": "<f"}


def varint(value: int) -> bytes:
    """A varint; what is negative as 64 bits."""
    if 0 <= value < _SHORT:
        return _NUMBERS[value]
    return _long(value)


def _long(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = 4096
_NUMBERS = tuple(map(_long, range(_SHORT)))


def sized(field: int, data: bytes) -> bytes:
    """A field of bytes: tag, size, bytes."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def write(value: Any, of: Message) -> bytes:
    """An object as a message's bytes."""
    return writer(of.name)(value)


@cache
def writer(name: str) -> Writer:
    """What writes one message."""
    special = SPECIAL.get(name)
    if special is not None:
        put = special.write
        return lambda value: put(value, write, sized, varint)
    of = message(name)
    fields = tuple((field.name, _empty(field), _put(field)) for field in of.fields if not field.inline)
    inline = {field.number: (varint(field.number << 3 | 2), field.kind) for field in of.fields if field.inline}
    if inline:
        return _with_inline(of, inline)

    def plain(value: Any) -> bytes:
        held = (value or {}).get
        out = []
        for name, empty, put in fields:
            found = held(name)
            if found is not None:
                out.append(put(found))
            elif empty:
                out.append(empty)
        return b"".join(out)

    return (lambda value: plain({"items": value or []})) if of.is_list else plain


def _with_inline(of: Message, inline: dict[int, tuple[bytes, str]]) -> Writer:
    """For the few messages that hold another without a name in JSON."""
    fields = tuple((f.number, f.name, b"" if f.inline else _empty(f), None if f.inline else _put(f)) for f in of.fields)

    def mixed(value: Any) -> bytes:
        value = value or {}
        out = []
        for at, name, empty, put in fields:
            if put is None:
                tag, below = inline[at]
                raw = writer(below)(value)
                out.append(tag + varint(len(raw)) + raw)
            else:
                found = value.get(name)
                out.append(empty if found is None else put(found))
        return b"".join(out)

    return mixed


def _empty(field: Field) -> bytes:
    """What stands for a field that is not there."""
    if field.many or field.pointer or field.kind == "bytes":
        return b""
    return _one(field.number, field)(None)


def _put(field: Field) -> Writer:
    """What writes one field that is there, its tag included."""
    if field.many == "list":
        each = _one(field.number, field)
        return lambda items: b"".join([each(item) for item in items])
    if field.many == "map":
        tag, held = varint(field.number << 3 | 2), _one(2, field)

        def pairs(found: Any) -> bytes:
            out = []
            for key in sorted(found):
                name = key.encode()
                pair = b"\x0a" + varint(len(name)) + name + held(found[key])
                out.append(tag + varint(len(pair)) + pair)
            return b"".join(out)

        return pairs
    return _one(field.number, field)


def _one(at: int, field: Field) -> Writer:
    """What writes one value; None stands for what Go has when nothing was said."""
    kind = field.kind
    if not field.scalar:
        tag = varint(at << 3 | 2)

        def below(value: Any) -> bytes:
            raw = writer(kind)(value)
            return tag + varint(len(raw)) + raw

        return below
    if kind == "string":
        tag = varint(at << 3 | 2)

        def text(value: str | None) -> bytes:
            raw = value.encode() if value else b""
            return tag + varint(len(raw)) + raw

        return text
    if kind == "bytes":
        return lambda value: sized(at, base64.b64decode(value or ""))
    if kind in _FIXED:
        tag, form = varint(at << 3 | (1 if kind == "double" else 5)), _FIXED[kind]
        return lambda value: tag + struct.pack(form, value or 0)
    tag = varint(at << 3)
    return lambda value: tag + varint(int(value or 0))
