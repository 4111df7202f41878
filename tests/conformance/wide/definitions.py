"""Custom kinds of many shapes: rules, values, lists, versions, and one that lives in no namespace."""

from __future__ import annotations

from typing import Any

from tests.conformance.sequences import obj
from tests.conformance.wide.objects import GROUP
from trueup.kube.names import Object

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}


def record(properties: Schema, **more: Any) -> Schema:
    """A schema of an object."""
    return {"type": "object", "properties": properties, **more}


def items(of: Schema, **more: Any) -> Schema:
    """A schema of a list."""
    return {"type": "array", "items": of, **more}


def rule(rule: str, **more: Any) -> Schema:
    """One validation rule."""
    return {"rule": rule, **more}


def definitions() -> list[Object]:
    """All of them."""
    return [
        _definition("Ruled", [_version("v1", ruled(), {"status": {}})]),
        _definition("Valued", [_version("v1", valued())]),
        _definition("Listed", [_version("v1", listed(), {"status": {}})]),
        _definition("Versioned", _versions()),
        _definition("Wide", [_version("v1", wide())], "Cluster"),
    ]


def ruled() -> Schema:
    """Rules, also of transitions, with every way of saying what is wrong."""
    limits = record(
        {"min": INTEGER, "max": INTEGER},
        **{
            "x-kubernetes-validations": [
                rule("!has(self.min) || !has(self.max) || self.min <= self.max", fieldPath=".max")
            ]
        },
    )
    mode = {**TEXT, "maxLength": 20, "x-kubernetes-validations": [rule("self == oldSelf", message="mode is immutable")]}
    names = items({**TEXT, "maxLength": 10}, maxItems=5, **{"x-kubernetes-list-type": "set"})
    names["x-kubernetes-validations"] = [rule("self.all(n, n != 'x')", messageExpression="'no x beside ' + self[0]")]
    optional = rule(
        "!oldSelf.hasValue() || self >= oldSelf.value()", optionalOldSelf=True, reason="FieldValueForbidden"
    )
    top = [
        rule("self.size <= 10 || self.mode == 'big'", message="too big", reason="FieldValueDuplicate"),
        rule("has(self.names) == has(oldSelf.names)", message="names come and go not"),
        rule("!has(self.pattern) || self.pattern.matches('^[a-z]+$')"),
        rule("!has(self.start) || self.start < timestamp('2029-01-01T00:00:00Z')", reason="FieldValueInvalid"),
        rule("!has(self.wait) || self.wait > duration('1s')"),
        rule("!has(self.address) || isIP(self.address)", message="no address", reason="FieldValueRequired"),
        rule("!has(self.amount) || quantity(self.amount).isGreaterThan(quantity('1'))"),
    ]
    spec = record(
        {
            "size": {
                "type": "integer",
                "default": 2,
                "x-kubernetes-validations": [rule("self >= 0", message="negative")],
            },
            "mode": mode,
            "grow": {**INTEGER, "x-kubernetes-validations": [optional]},
            "names": names,
            "pattern": {**TEXT, "maxLength": 30},
            "start": {**TEXT, "format": "date-time"},
            "wait": {**TEXT, "format": "duration"},
            "address": {**TEXT, "maxLength": 50},
            "amount": {"x-kubernetes-int-or-string": True},
            "limits": limits,
        },
        required=["mode"],
        **{"x-kubernetes-validations": top[:6]},
    )
    status = record({"phase": {**TEXT, "enum": ["On", "Off"]}, "observed": INTEGER})
    return record({"spec": spec, "status": status})


def valued() -> Schema:
    """Every bound that a value may have."""
    formats = {
        name: {**TEXT, "format": form}
        for name, form in {
            "when": "date-time", "day": "date", "id": "uuid", "mail": "email", "host": "hostname", "four": "ipv4", "six": "ipv6",
            "range": "cidr", "link": "uri", "bytes": "byte", "span": "duration", "mac": "mac",
            "secret": "password", "odd": "unknown",
        }.items()
    }  # fmt: skip
    spec: Schema = {
        **formats,
        "count": {**INTEGER, "minimum": 1, "maximum": 100},
        "even": {**INTEGER, "multipleOf": 2},
        "small": {"type": "integer", "format": "int32"},
        "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 10, "exclusiveMaximum": True},
        "code": {**TEXT, "pattern": "^[a-z]{2,5}$"},
        "long": {**TEXT, "minLength": 2, "maxLength": 4},
        "colour": {**TEXT, "enum": ["red", "green", ""]},
        "number": {**INTEGER, "enum": [1, 2, 3]},
        "flag": {"type": "boolean", "default": True},
        "nothing": {**TEXT, "nullable": True},
        "given": {**TEXT, "nullable": True, "default": "given"},
        "list": items(INTEGER, minItems=1, maxItems=3),
        "map": {"type": "object", "additionalProperties": INTEGER, "minProperties": 1, "maxProperties": 2},
        "either": {"x-kubernetes-int-or-string": True},
        "any": {**TEXT, "anyOf": [{"pattern": "^a"}, {"pattern": "z$"}]},
        "of": {**TEXT, "oneOf": [{"pattern": "x"}, {"pattern": "y"}]},
        "all": {**INTEGER, "allOf": [{"minimum": 2}, {"maximum": 8}]},
        "never": {**TEXT, "not": {"enum": ["never"]}},
        "inner": record(
            {"a": TEXT, "b": {**INTEGER, "default": 4}, "c": TEXT}, required=["a", "c"], default={"a": "x", "c": "y"}
        ),
        "text": {**TEXT, "default": "some"},
    }
    return record({"spec": record(spec, required=["count"])}, required=["spec"])


def listed() -> Schema:
    """Every kind of list and map."""
    pair = record({"key": TEXT, "value": INTEGER, "more": items(TEXT)}, required=["key"])
    port = record({"port": INTEGER, "protocol": {**TEXT, "default": "TCP"}, "name": TEXT}, required=["port"])
    spec: Schema = {
        "sets": items(TEXT, **{"x-kubernetes-list-type": "set"}),
        "numbers": items(INTEGER, **{"x-kubernetes-list-type": "set"}),
        "keyed": items(pair, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]}),
        "double": items(port, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}),
        "atoms": items(record({"a": INTEGER, "b": TEXT}), **{"x-kubernetes-list-type": "atomic"}),
        "plain": items(record({"a": INTEGER}, required=["a"])),
        "whole": {"type": "object", "additionalProperties": TEXT, "x-kubernetes-map-type": "atomic"},
        "grains": {"type": "object", "additionalProperties": record({"a": INTEGER, "b": {**TEXT, "default": "d"}})},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"known": INTEGER}},
        "inside": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "deep": items(items(record({"a": INTEGER}))),
    }
    status = record({"conditions": items(record({"type": TEXT, "status": TEXT}, required=["type"]), **{
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})})  # fmt: skip
    return record({"spec": record(spec), "status": status})


def wide() -> Schema:
    """Open wherever it may be."""
    spec: Schema = {
        "any": {"type": "object", "additionalProperties": True},
        "numbers": {"type": "object", "additionalProperties": INTEGER},
        "free": {"x-kubernetes-preserve-unknown-fields": True},
    }
    return record({"spec": {**record(spec), "x-kubernetes-preserve-unknown-fields": True}})


def _versions() -> list[Object]:
    spec = record(
        {"size": INTEGER, "colour": TEXT, "replicas": {**INTEGER, "minimum": 0}, "selector": TEXT}, required=["size"]
    )
    status = record({"replicas": INTEGER, "selector": TEXT, "phase": TEXT})
    schema = record({"spec": spec, "status": status})
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    parts: Schema = {"status": {}, "scale": scale}
    newest = _version("v1", schema, parts)
    newest["selectableFields"] = [{"jsonPath": ".spec.colour"}, {"jsonPath": ".spec.size"}]
    newest["additionalPrinterColumns"] = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    former = record({"spec": record({**spec["properties"], "old": TEXT}), "status": status})
    older = {**_version("v1beta1", former, parts), "storage": False, "deprecated": True}
    oldest = {**_version("v1alpha1", former, parts), "storage": False, "served": False}
    warned = {
        **_version("v1beta2", former, parts),
        "storage": False,
        "deprecated": True,
        "deprecationWarning": "use v1 now",
    }
    return [newest, older, oldest, warned]


def _version(name: str, schema: Schema, subresources: Schema | None = None) -> Object:
    made: Object = {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return made if subresources is None else {**made, "subresources": subresources}


def _definition(kind: str, versions: list[Object], scope: str = "Namespaced") -> Object:
    plural = f"{kind.lower()}s"
    names = {"plural": plural, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"}
    spec = {"group": GROUP, "scope": scope, "names": names, "versions": versions}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{GROUP}", spec=spec)
