"""The messages that every CEL environment can make: protobuf's well-known types, which become plain values at once.

Used by the environments and the planner. Source: CEL language definition, "Dynamic Values"; protobuf's JSON mapping.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from trueup.cel import numbers, times, types
from trueup.cel.problems import CelError
from trueup.cel.types import Field, ObjectType, Type
from trueup.cel.values import Duration, Timestamp, Uint

PACKAGE = "google.protobuf"
_DYN_MAP, _DYN_LIST = types.map_of(types.STRING, types.DYN), types.list_of(types.DYN)
Fields = Mapping[str, Any]


def _int32(value: int) -> int:
    if not -(2**31) <= value < 2**31:
        raise _misfit("Int32Value", "integer overflow")
    return value


def _uint32(value: int) -> Uint:
    if value >= 2**32:
        raise _misfit("UInt32Value", "unsigned integer overflow")
    return Uint(value)


def _float(value: float) -> float:
    """As near as 32 bits come to it."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _misfit(name: str, why: str) -> CelError:
    return CelError(f"field type conversion error for {PACKAGE}.{name}.value value type: {why}")


def _same(value: Any) -> Any:
    return value


def _wrapped(convert: Callable[[Any], Any], empty: Any) -> Callable[[Fields], Any]:
    def make(fields: Fields) -> Any:
        value = fields.get("value", empty)
        return convert(empty if value is None else value)

    return make


def _value(fields: Fields) -> Any:
    """Exactly one kind of a ``Value``; nothing is null."""
    for name, value in fields.items():
        return None if name == "null_value" else value
    return None


def _any(fields: Fields) -> Any:
    raise CelError(f"unsupported conversion to ref.Val: ({PACKAGE}.Any) {dict(fields)}")


def _nanos(fields: Fields) -> int:
    return int(fields.get("seconds") or 0) * times.SECOND + int(fields.get("nanos") or 0)


def _timestamp(fields: Fields) -> Timestamp:
    return times.checked_timestamp(_nanos(fields))


def _duration(fields: Fields) -> Duration:
    return times.checked_duration(_nanos(fields))


_WRAPPERS: Mapping[str, tuple[Type, Callable[[Any], Any], Any]] = {
    "BoolValue": (types.BOOL, _same, False),
    "BytesValue": (types.BYTES, _same, b""),
    "DoubleValue": (types.DOUBLE, _same, 0.0),
    "FloatValue": (types.DOUBLE, _float, 0.0),
    "Int32Value": (types.INT, _int32, 0),
    "Int64Value": (types.INT, numbers.checked_int, 0),
    "StringValue": (types.STRING, _same, ""),
    "UInt32Value": (types.UINT, _uint32, Uint(0)),
    "UInt64Value": (types.UINT, Uint, Uint(0)),
}
_OTHERS: Mapping[str, tuple[Type, Mapping[str, Type], Callable[[Fields], Any]]] = {
    "Any": (types.ANY, {"type_url": types.STRING, "value": types.BYTES}, _any),
    "Duration": (types.DURATION, {"seconds": types.INT, "nanos": types.INT}, _duration),
    "ListValue": (_DYN_LIST, {"values": _DYN_LIST}, lambda fields: fields.get("values") or []),
    "Struct": (_DYN_MAP, {"fields": _DYN_MAP}, lambda fields: fields.get("fields") or {}),
    "Timestamp": (types.TIMESTAMP, {"seconds": types.INT, "nanos": types.INT}, _timestamp),
    "Value": (
        types.DYN,
        {
            "null_value": types.INT,
            "number_value": types.DOUBLE,
            "string_value": types.STRING,
            "bool_value": types.BOOL,
            "struct_value": _DYN_MAP,
            "list_value": _DYN_LIST,
        },
        _value,
    ),
}
TYPES: Mapping[str, Type] = {
    **{f"{PACKAGE}.{name}": types.wrapper(row[0]) for name, row in _WRAPPERS.items()},
    **{f"{PACKAGE}.{name}": row[0] for name, row in _OTHERS.items()},
}
MAKERS: Mapping[str, Callable[[Fields], Any]] = {
    **{f"{PACKAGE}.{name}": _wrapped(row[1], row[2]) for name, row in _WRAPPERS.items()},
    **{f"{PACKAGE}.{name}": row[2] for name, row in _OTHERS.items()},
}
CONSTANTS: Mapping[str, tuple[Any, Type]] = {f"{PACKAGE}.NullValue.NULL_VALUE": (0, types.INT)}


def _declared(name: str, fields: Mapping[str, Type]) -> ObjectType:
    return ObjectType(name, {key: Field(key, of) for key, of in fields.items()})


MESSAGES: Mapping[str, ObjectType] = {
    f"{PACKAGE}.{name}": _declared(f"{PACKAGE}.{name}", fields)
    for name, fields in [
        *((name, {"value": types.wrapper(row[0])}) for name, row in _WRAPPERS.items()),
        *((name, row[1]) for name, row in _OTHERS.items()),
    ]
}
