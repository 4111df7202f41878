"""The kinds that the server serves as types of expressions. Used where policies are checked against them.

A built-in kind's types bear the names of their OpenAPI definitions, which may hold one another; a custom one's its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver.registry import Served
from trueup.cel import types
from trueup.cel.escaping import escaped
from trueup.cel.schemas import declare
from trueup.cel.types import Field, ObjectType, Type
from trueup.kube.types import Types

_REF = "#/definitions/"
_SIMPLE: Mapping[str, Type] = {"boolean": types.BOOL, "integer": types.INT, "number": types.DOUBLE}
_FORMATS: Mapping[str, Type] = {
    "byte": types.BYTES,
    "date": types.TIMESTAMP,
    "date-time": types.TIMESTAMP,
    "duration": types.DURATION,
}


def typed(served: Served, known: Types) -> tuple[Type, list[ObjectType]]:
    """A kind's type, and every object type that it is made of; ``dyn`` where no schema is known."""
    if served.crd is None:
        name = known.definition_name(served.kind)
        return (types.struct(name), list(_reachable(name, known.definitions))) if name else (types.DYN, [])
    schema = ((served.version_spec or {}).get("schema") or {}).get("openAPIV3Schema") or {}
    declared = declare(schema, served.kind.kind, root=True)
    if declared is None:
        return types.DYN, []
    return declared.type, list(declared.objects())


def _reachable(root: str, definitions: Mapping[str, Any]) -> Iterator[ObjectType]:
    waiting, seen = [root], {root}
    while waiting:
        name = waiting.pop()
        fields: dict[str, Field] = {}
        for raw, schema in (definitions[name].get("properties") or {}).items():
            word = escaped(raw)
            of = _type(schema, definitions)
            if word is None or of is None:
                continue
            fields[word] = Field(raw, of)
            for inner in _structs(of):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)
        yield ObjectType(name, fields)


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Type | None:
    ref = schema.get("$ref")
    if ref is not None:
        name = str(ref).removeprefix(_REF)
        target = definitions.get(name) or {}
        if target.get("properties"):
            return types.struct(name)
        return _type(target, definitions)
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return types.DYN
    kind = schema.get("type")
    if kind == "array":
        item = _type(schema.get("items") or {}, definitions)
        return types.list_of(item) if item is not None else None
    if kind == "object":
        further = schema.get("additionalProperties")
        value = _type(further, definitions) if isinstance(further, Mapping) else None
        return types.map_of(types.STRING, value) if value is not None else None
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), types.STRING)
    return _SIMPLE.get(str(kind))


def _structs(of: Type) -> Iterator[str]:
    if of.kind == "struct":
        yield of.name
    for inner in of.params:
        yield from _structs(inner)
