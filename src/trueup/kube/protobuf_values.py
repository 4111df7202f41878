"""Messages whose JSON is not their fields: times, quantities, int-or-string, raw JSON. Read and written for `protobuf`.

Source: the ``MarshalJSON`` and ``UnmarshalJSON`` methods of apimachinery and apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from trueup.kube.messages import META, Message, message
from trueup.kube.times import format_micro, format_time, parse_time

Read = Callable[[bytes, Message], Any]
Fields = Callable[[bytes], Iterator[tuple[int, Any]]]
Write = Callable[[Any, Message], bytes]
Sized = Callable[[int, bytes], bytes]
Number = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Special:
    """How one message is read and written."""

    read: Callable[[bytes, Read, Fields], Any]
    write: Callable[[Any, Write, Sized, Number], bytes]


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _read_int_or_string(data: bytes, _: Read, fields: Fields) -> Any:
    found = dict(fields(data))
    return found.get(3, b"").decode() if found.get(1) == 1 else _signed(found.get(2, 0))


def _write_int_or_string(value: Any, _: Write, sized: Sized, number: Number) -> bytes:
    text = value if isinstance(value, str) else ""
    count = value if isinstance(value, int) else 0
    return b"\x08" + number(int(isinstance(value, str))) + b"\x10" + number(count) + sized(3, text.encode())


def _read_time(data: bytes, _: Read, fields: Fields) -> Any:
    found = dict(fields(data))
    return format_time(_signed(found.get(1, 0))) if found else None


def _read_micro(data: bytes, _: Read, fields: Fields) -> Any:
    found = dict(fields(data))
    return format_micro(_signed(found.get(1, 0)), found.get(2, 0)) if found else None


def _write_time(value: Any, _: Write, sized: Sized, number: Number) -> bytes:
    return _time_bytes(value, number) if value else b""


@lru_cache(maxsize=1024)
def _time_bytes(text: str, number: Number) -> bytes:
    seconds, nanos = parse_time(text)
    return b"\x08" + number(seconds) + b"\x10" + number(nanos)


def _read_text(data: bytes, _: Read, fields: Fields) -> Any:
    return dict(fields(data)).get(1, b"").decode()


def _write_text(value: Any, _: Write, sized: Sized, number: Number) -> bytes:
    return sized(1, str(value or "0").encode())


def _read_duration(data: bytes, _: Read, fields: Fields) -> Any:
    nanos = _signed(dict(fields(data)).get(1, 0))
    return f"{nanos / 1e9:g}s" if nanos else "0s"


def _write_duration(value: Any, _: Write, sized: Sized, number: Number) -> bytes:
    return b"\x08" + number(round(float(str(value or "0s").removesuffix("s")) * 1e9))


def _read_json(data: bytes, read: Read, fields: Fields) -> Any:
    raw = dict(fields(data)).get(1, b"")
    return orjson.loads(raw) if raw else None


def _write_json(value: Any, _: Write, sized: Sized, number: Number) -> bytes:
    return b"" if value is None else sized(1, orjson.dumps(value))


_EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions."


def _schemas(version: str) -> Mapping[str, Special]:
    """A schema, or something simpler in its place. Source: apiextensions ``v1/marshal.go``."""
    package = f"{_EXTENSIONS}{version}."

    def props() -> Message:
        return message(f"{package}JSONSchemaProps")

    def read_or_array(data: bytes, read: Read, fields: Fields) -> Any:
        found = list(fields(data))
        one = next((raw for number, raw in found if number == 1), None)
        return [read(raw, props()) for number, raw in found if number == 2] if one is None else read(one, props())

    def write_or_array(value: Any, write: Write, sized: Sized, number: Number) -> bytes:
        if isinstance(value, list):
            return b"".join(sized(2, write(item, props())) for item in value)
        return sized(1, write(value, props()))

    def read_or_bool(data: bytes, read: Read, fields: Fields) -> Any:
        found = dict(fields(data))
        return read(found[2], props()) if 2 in found else bool(found.get(1))

    def write_or_bool(value: Any, write: Write, sized: Sized, number: Number) -> bytes:
        if isinstance(value, dict):
            return b"\x08\x01" + sized(2, write(value, props()))
        return b"\x08" + number(int(bool(value)))

    def read_or_strings(data: bytes, read: Read, fields: Fields) -> Any:
        found = list(fields(data))
        one = next((raw for number, raw in found if number == 1), None)
        return [raw.decode() for number, raw in found if number == 2] if one is None else read(one, props())

    def write_or_strings(value: Any, write: Write, sized: Sized, number: Number) -> bytes:
        if isinstance(value, list):
            return b"".join(sized(2, item.encode()) for item in value)
        return sized(1, write(value, props()))

    return {
        f"{package}JSON": Special(_read_json, _write_json),
        f"{package}JSONSchemaPropsOrArray": Special(read_or_array, write_or_array),
        f"{package}JSONSchemaPropsOrBool": Special(read_or_bool, write_or_bool),
        f"{package}JSONSchemaPropsOrStringArray": Special(read_or_strings, write_or_strings),
    }


SPECIAL: Mapping[str, Special] = {
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": Special(_read_int_or_string, _write_int_or_string),
    "k8s.io.apimachinery.pkg.api.resource.Quantity": Special(_read_text, _write_text),
    f"{META}Time": Special(_read_time, _write_time),
    f"{META}MicroTime": Special(_read_micro, _write_time),
    f"{META}Duration": Special(_read_duration, _write_duration),
    f"{META}FieldsV1": Special(_read_json, _write_json),
    "k8s.io.apimachinery.pkg.runtime.RawExtension": Special(_read_json, _write_json),
    **_schemas("v1"),
    **_schemas("v1beta1"),
}
