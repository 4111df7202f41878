"""Schemas of the API as types of expressions, and the API's data as their values. Used by rules and policies.

A structural or OpenAPI schema in; a ``Declared`` tree out, with the sizes that the cost estimate goes by, and a function
that turns data into values where the two differ (times, durations, bytes, doubles, sets, keyed lists).
Source: ``k8s.io/apiserver/pkg/cel/common/{schemas,valuesunstructured}.go``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trueup.cel import times, types
from trueup.cel.escaping import escaped
from trueup.cel.parser import RESERVED
from trueup.cel.types import Field, ObjectType, Type
from trueup.cel.values import Duration, KeyedList, SetList, Timestamp

REQUEST_SIZE = 3 * 1024 * 1024
"""What a request may hold in bytes: the bound of everything that has no bound of its own."""
Schema = Mapping[str, Any]
Adapter = Callable[[Any], Any]
_LENGTHS = {"duration": 32, "date": 12, "date-time": 32}
_SMALLEST = {"duration": 3, "date": 12, "date-time": 21}
_FORMATS = {"duration": types.DURATION, "date": types.TIMESTAMP, "date-time": types.TIMESTAMP, "byte": types.BYTES}


class Declared:
    """A node of a schema as expressions see it: its type, what is in it, how large it may be."""

    __slots__ = ("element", "fields", "key", "most", "name", "smallest", "type")

    def __init__(self, of: Type, most: int = 0, smallest: int = 0) -> None:
        self.type = of
        self.most = most
        self.smallest = smallest
        self.name = ""
        self.element: Declared | None = None
        self.key: Declared | None = None
        self.fields: dict[str, tuple[str, Declared]] | None = None

    def objects(self) -> Iterator[ObjectType]:
        """Every object type within."""
        if self.fields is not None:
            found = {name: Field(raw, below.type) for name, (raw, below) in self.fields.items()}
            for name, (raw, below) in self.fields.items():
                if raw in RESERVED and name != raw:  # reserved words may stand after a dot as they are
                    found[raw] = Field(raw, below.type)
            yield ObjectType(self.name, found)
            for _, below in self.fields.values():
                yield from below.objects()
        elif self.element is not None:
            yield from self.element.objects()


def declare(schema: Schema, name: str, root: bool = False) -> Declared | None:
    """A schema as a type; None for what expressions may not see. ``root``: a whole object, whose metadata is known."""
    if schema.get("x-kubernetes-int-or-string"):
        return Declared(types.DYN, _string_length(schema, REQUEST_SIZE - 2), 1)
    if root:
        schema = with_meta(schema)
    kind = schema.get("type")
    if isinstance(kind, list):  # OpenAPI documents may hold several
        kind = kind[0] if kind else None
    if kind == "array":
        return _array(schema, name)
    if kind == "object":
        return _object(schema, name)
    if kind == "string":
        return _string(schema)
    simple = {"boolean": (types.BOOL, 4), "number": (types.DOUBLE, 1), "integer": (types.INT, 1)}.get(str(kind))
    return Declared(simple[0], 0, simple[1]) if simple else None


def _array(schema: Schema, name: str) -> Declared | None:
    items = schema.get("items")
    if not items:
        return None
    below = declare(items, f"{name}.@idx", bool(items.get("x-kubernetes-embedded-resource")))
    if below is None:
        return None
    most = schema.get("maxItems")
    made = Declared(types.list_of(below.type), _bound(most, (REQUEST_SIZE - 2) // (below.smallest + 1)), 2)
    made.element = below
    return made


def _object(schema: Schema, name: str) -> Declared | None:
    further = schema.get("additionalProperties")
    if isinstance(further, Mapping):
        below = declare(further, f"{name}.@elem", bool(further.get("x-kubernetes-embedded-resource")))
        if below is None:
            return None
        most = schema.get("maxProperties")
        made = Declared(
            types.map_of(types.STRING, below.type), _bound(most, (REQUEST_SIZE - 2) // (below.smallest + 6)), 2
        )
        made.element = below
        made.key = Declared(types.STRING, 0, 2)
        return made
    fields: dict[str, tuple[str, Declared]] = {}
    smallest = 2
    required = schema.get("required") or ()
    for raw, below_schema in (schema.get("properties") or {}).items():
        word = escaped(raw)
        below = declare(below_schema, f"{name}.{word}", bool(below_schema.get("x-kubernetes-embedded-resource")))
        if below is None:
            continue
        if word is not None:
            fields[word] = (raw, below)
        if raw in required and "default" not in below_schema:
            smallest += len(raw.encode()) + below.smallest + 4
    made = Declared(types.struct(name), 0, smallest)
    made.name = name
    made.fields = fields
    return made


def _string(schema: Schema) -> Declared:
    form = schema.get("format", "")
    of = _FORMATS.get(form, types.STRING)
    if form in _LENGTHS:
        return Declared(of, _LENGTHS[form], _SMALLEST[form])
    if form == "byte":
        return Declared(of, _bound(schema.get("maxLength"), REQUEST_SIZE - 2), 2)
    longest = REQUEST_SIZE - 2
    if schema.get("enum"):
        longest = max((len(each.encode()) for each in schema["enum"] if isinstance(each, str)), default=0)
    return Declared(of, _string_length(schema, longest), 2)


def _string_length(schema: Schema, otherwise: int) -> int:
    most = schema.get("maxLength")
    return max(most, 0) * 4 if most is not None else otherwise  # a character may take four bytes


def _bound(most: int | None, otherwise: int) -> int:
    return max(most, 0) if most is not None else otherwise


_META = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}


def with_meta(schema: Schema) -> Schema:
    """The schema of a whole object, with the type and the names that every object has."""
    known = schema.get("properties") or {}
    text = {"type": "string"}
    meta = known.get("metadata") or {}
    named = meta.get("properties") or {}
    wanted = {"kind": known.get("kind"), "apiVersion": known.get("apiVersion")}
    names = (named.get("name"), named.get("generateName"))
    if all((each or {}).get("type") == "string" for each in (*wanted.values(), *names)):
        return schema
    added = {key: {**(named.get(key) or {}), "type": "string"} for key in ("name", "generateName")}
    return {
        **schema,
        "properties": {**known, "kind": text, "apiVersion": text, "metadata": {**_META, "properties": added}},
    }


# --- data --------------------------------------------------------------------------------------------------------


def adapter(schema: Schema) -> Adapter | None:
    """What turns data of a schema into values; None where data are values as they are. Raises ``ValueError``."""
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return None
    if kind == "number":
        return _double
    if kind == "string":
        return {"duration": _duration, "date": _date, "date-time": _time, "byte": _bytes}.get(schema.get("format", ""))
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return _array_adapter(schema)
    if kind == "object":
        return _object_adapter(schema)
    return None


def _array_adapter(schema: Schema) -> Adapter | None:
    inner = adapter(schema["items"])
    list_type = schema.get("x-kubernetes-list-type")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if inner is None and list_type not in ("set", "map"):
        return None

    def adapt(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        items = value if inner is None else [item if item is None else inner(item) for item in value]
        if list_type == "set":
            return SetList(items)
        return KeyedList(items, keys) if list_type == "map" else items

    return adapt


def _object_adapter(schema: Schema) -> Adapter | None:
    further = schema.get("additionalProperties")
    if isinstance(further, Mapping):
        inner = adapter(further)
        if inner is None:
            return None
        chosen = inner
        return lambda value: (
            {key: item if item is None else chosen(item) for key, item in value.items()}
            if isinstance(value, dict)
            else value
        )
    inners = {name: found for name, below in (schema.get("properties") or {}).items() if (found := adapter(below))}
    if not inners:
        return None

    def adapt(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        changed = {name: inner(value[name]) for name, inner in inners.items() if value.get(name) is not None}
        return {**value, **changed} if changed else value

    return adapt


def _double(value: Any) -> Any:
    return float(value) if value.__class__ is int else value


def _duration(value: Any) -> Duration:
    found = times.parse_duration(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"Invalid duration {value}")
    return found


def _time(value: Any) -> Timestamp:
    found = times.parse_timestamp(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"Invalid date-time formatted string {value}")
    return found


def _date(value: Any) -> Timestamp:
    found = times.parse_timestamp(f"{value}T00:00:00Z") if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"Invalid date formatted string {value}")
    return found


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"Invalid byte formatted string {value}") from error
