"""The types that expressions are checked against. Used by the checker, the libraries and the cost estimate.

Source: CEL language definition, "Values" and "Gradual type checking"; cel-go ``common/types/types.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Type:
    """A kind, a name where the kind needs one, and parameters. Equal by content; ``nullable`` is a wrapper type."""

    __slots__ = ("_hash", "kind", "name", "nullable", "params")

    def __init__(self, kind: str, name: str = "", params: tuple[Type, ...] = (), nullable: bool = False) -> None:
        self.kind = kind
        self.name = name
        self.params = params
        self.nullable = nullable
        self._hash = hash((kind, name, params, nullable))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Type)
            and self._hash == other._hash
            and self.kind == other.kind
            and self.name == other.name
            and self.nullable == other.nullable
            and self.params == other.params
        )

    def __repr__(self) -> str:
        return shown(self)


DYN = Type("dyn")
ANY = Type("any")
ERROR = Type("error")
NULL = Type("null_type")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")
TYPE = Type("type")
SCALARS = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})
_LONG_NAMES: Mapping[str, str] = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}


def list_of(item: Type) -> Type:
    """A list's type."""
    return Type("list", "", (item,))


def map_of(key: Type, value: Type) -> Type:
    """A map's type."""
    return Type("map", "", (key, value))


def optional_of(value: Type) -> Type:
    """An optional value's type."""
    return Type("opaque", "optional_type", (value,))


def param(name: str) -> Type:
    """A type that a call decides: ``T`` in ``list(T)``."""
    return Type("param", name)


def struct(name: str) -> Type:
    """A message or object type by name; its fields are the environment's to know."""
    return Type("struct", name)


def opaque(name: str, *params: Type) -> Type:
    """A type that is known by its functions alone."""
    return Type("opaque", name, params)


def type_of_type(inner: Type) -> Type:
    """The type of a type."""
    return Type("type", "", (inner,))


def wrapper(inner: Type) -> Type:
    """A scalar that may be null."""
    return Type(inner.kind, inner.name, inner.params, nullable=True)


def is_dyn(of: Type) -> bool:
    """Whether anything goes."""
    return of.kind in ("dyn", "any")


def is_optional(of: Type) -> bool:
    """Whether the type is ``optional_type(T)``."""
    return of.kind == "opaque" and of.name == "optional_type"


def unwrapped(of: Type) -> tuple[Type, bool]:
    """What an optional type holds, and whether it was one."""
    return (of.params[0], True) if is_optional(of) else (of, False)


def type_name(of: Type) -> str:
    """The name that the type has in an expression."""
    if of.kind in ("struct", "opaque"):
        return of.name
    return _LONG_NAMES.get(of.kind, of.kind)


def shown(of: Type) -> str:
    """A type as messages write it. Source: cel-go ``checker/format.go``."""
    kind = of.kind
    if of.nullable:
        return f"wrapper({kind})"
    if kind == "null_type":
        return "null"
    if kind == "error":
        return "!error!"
    if kind in ("struct", "param"):
        return of.name
    if kind == "type" and not of.params:
        return "type"
    if kind in ("list", "map", "type", "opaque"):
        name = of.name if kind == "opaque" else kind
        return f"{name}({', '.join(map(shown, of.params))})" if of.params else name
    return kind


def type_word(of: Type) -> str:
    """A type as Kubernetes writes an expression's: as in messages, but with the full names of times and null."""
    if of.kind in ("list", "map", "type", "opaque") and of.params:
        name = of.name if of.kind == "opaque" else of.kind
        return f"{name}({', '.join(map(type_word, of.params))})"
    return "null_type" if of.kind == "null_type" else _LONG_NAMES.get(of.kind, "") or shown(of)


class Field(NamedTuple):
    """A field of a declared object type: its name in the data and its type."""

    name: str
    type: Type


class ObjectType(NamedTuple):
    """A declared object type: its fields by the names that expressions use."""

    name: str
    fields: Mapping[str, Field]
