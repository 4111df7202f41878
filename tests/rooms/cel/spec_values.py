"""Reads cel-spec's conformance cases: bindings and expected values from protobuf's JSON. Used by the corpus tests."""

from __future__ import annotations

import base64
from typing import Any

from trueup.cel import messages, times, types
from trueup.cel.types import Type
from trueup.cel.values import BoolKey, Duration, Optional, Timestamp, TypeValue, Uint, equals, key_of

NEEDS_MESSAGES = ("google.", "cel.expr.", "TestAllTypes", "GlobalEnum", "NestedTestAllTypes", "cel.block", "cel.index")


class Beyond(Exception):
    """The case needs what Kubernetes' environment does not have."""


def value_of(shown: dict[str, Any]) -> Any:
    """A ``cel.expr.Value``."""
    ((kind, held),) = shown.items()
    if kind == "int64Value":
        return int(held)
    if kind == "uint64Value":
        return Uint(int(held))
    if kind == "doubleValue":
        return float(held.replace("Infinity", "inf")) if isinstance(held, str) else float(held)
    if kind == "bytesValue":
        return base64.b64decode(held)
    if kind in ("boolValue", "stringValue"):
        return held
    if kind == "nullValue":
        return None
    if kind == "typeValue":
        return TypeValue(held)
    if kind == "listValue":
        return [value_of(each) for each in held.get("values", ())]
    if kind == "mapValue":
        return {key_of(value_of(each["key"])): value_of(each["value"]) for each in held.get("entries", ())}
    if kind == "objectValue":
        return _object(held)
    raise Beyond(kind)


def _object(held: dict[str, Any]) -> Any:
    """A well-known message, as protobuf's JSON shows it."""
    name, value = held["@type"].rpartition("/")[2], held.get("value")
    if name == "google.protobuf.Duration":
        return times.parse_duration(str(value))
    if name == "google.protobuf.Timestamp":
        return times.parse_timestamp(str(value))
    if name not in messages.TYPES or name == "google.protobuf.Any":
        raise Beyond(name)
    kind = messages.TYPES[name].kind
    if kind in ("int", "uint"):
        return Uint(int(str(value))) if kind == "uint" else int(str(value))
    if kind == "bytes":
        return base64.b64decode(str(value))
    return _doubles(value)


def _doubles(value: Any) -> Any:
    """JSON's numbers are doubles."""
    if isinstance(value, dict):
        return {key: _doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_PRIMITIVES = {
    "BOOL": types.BOOL,
    "INT64": types.INT,
    "UINT64": types.UINT,
    "DOUBLE": types.DOUBLE,
    "STRING": types.STRING,
    "BYTES": types.BYTES,
}


def type_of(shown: dict[str, Any]) -> Type:
    """A ``cel.expr.Type``."""
    ((kind, held),) = shown.items()
    if kind == "primitive":
        return _PRIMITIVES[held]
    if kind == "wrapper":
        return types.wrapper(_PRIMITIVES[held])
    if kind == "dyn":
        return types.DYN
    if kind == "null":
        return types.NULL
    if kind == "listType":
        return types.list_of(type_of(held["elemType"]))
    if kind == "mapType":
        return types.map_of(type_of(held["keyType"]), type_of(held["valueType"]))
    if kind == "wellKnown":
        return {"TIMESTAMP": types.TIMESTAMP, "DURATION": types.DURATION, "ANY": types.ANY}[held]
    if kind == "typeParam":
        return types.param(held)
    if kind == "type":
        return types.type_of_type(type_of(held)) if held else types.TYPE
    if kind == "abstractType":
        name = {"net.IP": "net.IP", "net.CIDR": "net.CIDR"}.get(held["name"], held["name"])
        return types.opaque(name, *(type_of(each) for each in held.get("parameterTypes", ())))
    if kind == "messageType" and held in messages.TYPES:
        return messages.TYPES[held]
    raise Beyond(kind)


def same(wanted: Any, found: Any) -> bool:
    """Whether a value is the wanted one, type and all."""
    if isinstance(wanted, float) and wanted != wanted:
        return isinstance(found, float) and found != found
    if wanted.__class__ is not found.__class__ and not (
        isinstance(wanted, (dict, list)) and isinstance(found, (dict, list))
    ):
        return False
    if isinstance(wanted, list):
        return len(wanted) == len(found) and all(map(same, wanted, found))
    if isinstance(wanted, dict):
        return len(wanted) == len(found) and all(
            any(same(key, each) and same(item, found[each]) for each in found) for key, item in wanted.items()
        )
    return equals(wanted, found) or (wanted.__class__ is BoolKey and wanted is found)


__all__ = ["Beyond", "Duration", "Optional", "Timestamp", "same", "type_of", "value_of"]
