"""Shapes out of schemas: OpenAPI definitions of built-in kinds and structural schemas of custom ones. Pure.

Called by `kube.types` and by the API server when a CRD is installed. Source: KEP-555, "x-kubernetes-*" extensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.kube.shapes import ANY, SCALAR, Shape

Resolve = Callable[[str], Mapping[str, Any]]

_KEY_DEFAULTS = {"protocol": "TCP"}
"""Key fields of built-in associative lists that may be left out (ports)."""

_EMBEDDED: Mapping[str, Shape] = {
    "apiVersion": SCALAR,
    "kind": SCALAR,
    "metadata": Shape("map", preserve_unknown=True, make=lambda: ({}, ANY, None)),
}
"""What an embedded resource has without its schema saying so."""


def shape_of_definition(schema: Mapping[str, Any], resolve: Callable[[str], Shape]) -> Shape:
    """The shape of an OpenAPI definition; ``resolve`` answers the shape of a ``$ref``."""
    return _shape(schema, resolve, builtin=True)


def shape_of_schema(schema: Mapping[str, Any]) -> Shape:
    """The shape of a CRD's ``openAPIV3Schema``; the object's own metadata is Kubernetes' to know."""

    def refuse(name: str) -> Shape:
        raise ValueError(f"a structural schema has no references: {name}")

    return _shape(schema, refuse, builtin=False)


def _shape(schema: Mapping[str, Any], resolve: Callable[[str], Shape], *, builtin: bool) -> Shape:
    ref = schema.get("$ref")
    if ref:
        found = resolve(str(ref))
        if schema.get("x-kubernetes-map-type") == "atomic" or schema.get("x-kubernetes-patch-strategy"):
            return _with(found, schema)
        return found
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, resolve, builtin)
    if kind == "object" or schema.get("properties"):
        return _map(schema, resolve, builtin)
    if kind is None and (schema.get("x-kubernetes-preserve-unknown-fields") or not schema):
        return Shape("any", preserve_unknown=True, schema=schema)
    if schema.get("x-kubernetes-int-or-string") or kind in ("string", "integer", "number", "boolean"):
        return Shape("scalar", schema=schema)
    return Shape("any", schema=schema)


def _list(schema: Mapping[str, Any], resolve: Callable[[str], Shape], builtin: bool) -> Shape:
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    made = Shape(
        "list",
        list_type=schema.get("x-kubernetes-list-type") or "atomic",
        map_keys=keys,
        patch_merge_key=str(schema.get("x-kubernetes-patch-merge-key") or ""),
        patch_strategy=_strategy(schema),
        schema=schema,
        make=lambda: ({}, None, _shape(schema.get("items") or {}, resolve, builtin=builtin)),
    )
    if builtin:
        made.defaults = {key: _KEY_DEFAULTS[key] for key in keys if key in _KEY_DEFAULTS}
    else:
        properties = (schema.get("items") or {}).get("properties") or {}
        made.defaults = {key: properties[key]["default"] for key in keys if "default" in properties.get(key, {})}
    return made


def _map(schema: Mapping[str, Any], resolve: Callable[[str], Shape], builtin: bool) -> Shape:
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    properties = schema.get("properties") or {}
    further = schema.get("additionalProperties")
    free = (not properties and further is None) or further is True

    def make() -> tuple[Mapping[str, Shape], Shape | None, Shape | None]:
        fields = {name: _shape(below, resolve, builtin=builtin) for name, below in properties.items()}
        if schema.get("x-kubernetes-embedded-resource"):
            fields = {"apiVersion": SCALAR, "kind": SCALAR, "metadata": ANY, **fields}
        if schema.get("x-kubernetes-embedded-resource"):
            fields = {**_EMBEDDED, **fields}
            fields["metadata"] = _EMBEDDED["metadata"]
        if isinstance(further, Mapping):
            return fields, _shape(further, resolve, builtin=builtin), None
        return fields, ANY if preserve or free else None, None

    return Shape(
        "map",
        map_type=schema.get("x-kubernetes-map-type") or "granular",
        patch_strategy=_strategy(schema),
        preserve_unknown=preserve or further is True or (free and builtin),
        schema=schema,
        make=make,
    )


def _strategy(schema: Mapping[str, Any]) -> frozenset[str]:
    text = str(schema.get("x-kubernetes-patch-strategy") or "")
    return frozenset(filter(None, text.split(",")))


def _with(shape: Shape, schema: Mapping[str, Any]) -> Shape:
    """The referenced shape with what the reference itself says."""
    return Shape(
        shape.of,
        list_type=shape.list_type,
        map_keys=shape.map_keys,
        map_type=schema.get("x-kubernetes-map-type") or shape.map_type,
        patch_merge_key=shape.patch_merge_key,
        patch_strategy=_strategy(schema) or shape.patch_strategy,
        preserve_unknown=shape.preserve_unknown,
        schema=shape.schema,
        make=lambda: (shape.fields, shape.values, shape.items),
    )


__all__ = ["ANY", "SCALAR", "shape_of_definition", "shape_of_schema"]
