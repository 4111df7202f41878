"""Structural schemas: what is pruned, filled in and refused, in Kubernetes' words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from trueup.kube import formats, structural
from trueup.kube.schema import drop_nulls, fill_defaults, prune_unknown, validate
from trueup.kube.shape_of import shape_of_schema

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def of(**properties: Any) -> dict[str, Any]:
    """A schema of an object with these fields."""
    return {"type": "object", "properties": properties}


def said(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with the field ``f``."""
    return [f"{cause.field}: {cause.message}" for cause in validate({"f": value}, of(f=schema))]


NAMED = {"type": "object", "properties": {"name": STRING, "port": {**INTEGER, "default": 80}}, "required": ["name"]}
BY_NAME = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name", "port"],
    "items": NAMED,
}
REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "type": ("a", INTEGER, 'f: Invalid value: "string": f in body must be of type integer: "string"'),
    "null": (None, STRING, 'f: Invalid value: "null": f in body must be of type string: "null"'),
    "int or string": (
        True,
        {"x-kubernetes-int-or-string": True},
        'f: Invalid value: "boolean": f in body must be of type integer,string: "boolean"',
    ),
    "required": ({"port": 1}, NAMED, "f.name: Required value"),
    "enum": ("c", {**STRING, "enum": ["a", "b"]}, 'f: Unsupported value: "c": supported values: "a", "b"'),
    "minimum": (0, {**INTEGER, "minimum": 1}, "f: Invalid value: 0: f in body should be greater than or equal to 1"),
    "exclusive": (
        1,
        {**INTEGER, "minimum": 1, "exclusiveMinimum": True},
        "f: Invalid value: 1: f in body should be greater than 1",
    ),
    "maximum": (11, {**INTEGER, "maximum": 10}, "f: Invalid value: 11: f in body should be less than or equal to 10"),
    "multiple": (3, {**INTEGER, "multipleOf": 2}, "f: Invalid value: 3: f in body should be a multiple of 2"),
    "short": ("", {**STRING, "minLength": 1}, 'f: Invalid value: "": f in body should be at least 1 chars long'),
    "long": ("abc", {**STRING, "maxLength": 2}, "f: Too long: may not be more than 2 bytes"),
    "pattern": ("b", {**STRING, "pattern": "^a$"}, "f: Invalid value: \"b\": f in body should match '^a$'"),
    "format": (
        "soon",
        {**STRING, "format": "date-time"},
        'f: Invalid value: "soon": f in body must be of type date-time: "soon"',
    ),
    "few": (
        [],
        {"type": "array", "items": STRING, "minItems": 1},
        "f: Invalid value: 0: f in body should have at least 1 items",
    ),
    "many": (
        ["a", "b"],
        {"type": "array", "items": STRING, "maxItems": 1},
        "f: Too many: 2: must have at most 1 items",
    ),
    "set": (
        ["a", "b", "a"],
        {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
        'f[2]: Duplicate value: "a"',
    ),
    "map": ([{"name": "a"}, {"name": "a", "port": 80}], BY_NAME, 'f[1]: Duplicate value: {"name":"a","port":80}'),
    "item": (
        [1],
        {"type": "array", "items": STRING},
        'f[0]: Invalid value: "integer": f[0] in body must be of type string: "integer"',
    ),
    "value": (
        {"a": 1},
        {"type": "object", "additionalProperties": STRING},
        'f.a: Invalid value: "integer": f.a in body must be of type string: "integer"',
    ),
    "one of": (
        {"a": 1, "b": 2},
        {**of(a=INTEGER, b=INTEGER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        '<nil>: Invalid value: "": "f" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ),
    "embedded": (
        {"metadata": {}, "kind": "Pod"},
        {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
        "f.apiVersion: Required value",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """Each kind of mistake is named as Kubernetes names it."""
    value, schema, expected = REFUSED[case]
    assert [expected] == said(value, schema)


def test_a_fraction_is_refused_twice() -> None:
    """As no integer, and by the check of numbers, which names no field."""
    expected = [
        'f: Invalid value: "number": f in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in f',
    ]
    assert expected == said(1.5, INTEGER)


ACCEPTED: dict[str, tuple[Any, dict[str, Any]]] = {
    "whole number written as a fraction": (1.0, INTEGER),
    "number": (1, {"type": "number"}),
    "null where it may stand": (None, {**STRING, "nullable": True}),
    "int of int-or-string": (1, {"x-kubernetes-int-or-string": True}),
    "string of int-or-string": ("10%", {"x-kubernetes-int-or-string": True}),
    "unknown format": ("x", {**STRING, "format": "moon-phase"}),
    "anything where all is kept": ({"a": [1]}, {"x-kubernetes-preserve-unknown-fields": True}),
    "different keys": ([{"name": "a"}, {"name": "a", "port": 81}], BY_NAME),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    """What may stand is not complained about."""
    assert said(*ACCEPTED[case]) == []


def pruned(value: Any, schema: dict[str, Any]) -> tuple[Any, list[str]]:
    """What stays, and the paths of what went."""
    left = copy.deepcopy(value)
    return left, prune_unknown(left, shape_of_schema(schema))


def test_unknown_fields_go_by_path() -> None:
    """Everything that the schema does not name goes, at every depth."""
    schema = of(
        a=of(b=STRING),
        l={"type": "array", "items": of(c=STRING)},
        m={"type": "object", "additionalProperties": of(d=STRING)},
    )
    given = {"a": {"b": "x", "y": 1}, "l": [{"c": "x"}, {"y": 1}], "m": {"k": {"d": "x", "y": 1}}, "z": 1}
    left, gone = pruned(given, schema)
    assert left == {"a": {"b": "x"}, "l": [{"c": "x"}, {}], "m": {"k": {"d": "x"}}}
    assert sorted(gone) == ["a.y", "l[1].y", "m.k.y", "z"]


def test_unknown_fields_stay_where_the_schema_says_so() -> None:
    """What is preserved is preserved as a whole, and what it names is still pruned below."""
    schema = of(a={**of(b=of(c=STRING)), "x-kubernetes-preserve-unknown-fields": True})
    left, _ = pruned({"a": {"free": {"x": 1}, "b": {"c": "x", "y": 1}}}, schema)
    assert left == {"a": {"free": {"x": 1}, "b": {"c": "x"}}}


def test_embedded_objects_keep_what_makes_them_objects() -> None:
    """Version, kind and metadata of an embedded resource are known without being named."""
    schema = of(t={**of(spec=of(a=STRING)), "x-kubernetes-embedded-resource": True})
    given = {"t": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"a": "b"}, "status": {}}}
    left, gone = pruned(given, schema)
    assert "status" not in left["t"]
    assert (left["t"]["metadata"], gone) == ({"name": "x"}, ["t.status"])


DEFAULTS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "missing": ({}, of(a={**STRING, "default": "x"}), {"a": "x"}),
    "there": ({"a": "y"}, of(a={**STRING, "default": "x"}), {"a": "y"}),
    "not below what is missing": ({}, of(a=of(b={**STRING, "default": "x"})), {}),
    "below a default": ({}, of(a={**of(b={**STRING, "default": "x"}), "default": {}}), {"a": {"b": "x"}}),
    "in items": ({"l": [{}]}, of(l={"type": "array", "items": of(b={**STRING, "default": "x"})}), {"l": [{"b": "x"}]}),
    "null with a default": ({"a": None}, of(a={**STRING, "default": "x"}), {"a": "x"}),
    "null without one": ({"a": None}, of(a=STRING), {"a": None}),
    "null that may stand": ({"a": None}, of(a={**STRING, "nullable": True, "default": "x"}), {"a": None}),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_defaults(case: str) -> None:
    """Defaults fill in what is missing; a null that may not stand counts as missing."""
    given, schema, expected = DEFAULTS[case]
    value = copy.deepcopy(given)
    fill_defaults(value, schema)
    assert expected == value


NULLS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "without a default": ({"a": None}, of(a=STRING), {}),
    "with a default": ({"a": None}, of(a={**STRING, "default": "x"}), {"a": None}),
    "that may stand": ({"a": None}, of(a={**STRING, "nullable": True}), {"a": None}),
    "in items": ({"l": [{"b": None}]}, of(l={"type": "array", "items": of(b=STRING)}), {"l": [{}]}),
    "in a map": ({"m": {"k": None}}, of(m={"type": "object", "additionalProperties": STRING}), {"m": {}}),
    "where nothing is said": (
        {"a": None},
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {"a": None},
    ),
}


@pytest.mark.parametrize("case", NULLS)
def test_nulls(case: str) -> None:
    """Those that may not be and have no default go when an object is read."""
    given, schema, expected = NULLS[case]
    value = copy.deepcopy(given)
    drop_nulls(value, schema)
    assert expected == value


def test_defaults_are_not_shared() -> None:
    """Two objects never hold the same default."""
    schema = of(a={"type": "object", "default": {}})
    one: dict[str, Any] = {}
    two: dict[str, Any] = {}
    fill_defaults(one, schema)
    fill_defaults(two, schema)
    assert one["a"] is not two["a"]


STRUCTURAL: dict[str, tuple[dict[str, Any], list[str]]] = {
    "fine": (of(a=STRING, b={"type": "array", "items": STRING}), []),
    "root": (STRING, ['s.type: Invalid value: "string": must be object at the root']),
    "no type": (of(a={}), ["s.properties[a].type: Required value: must not be empty for specified object fields"]),
    "no type of items": (
        of(a={"type": "array", "items": {}}),
        ["s.properties[a].items.type: Required value: must not be empty for specified array items"],
    ),
    "logic narrows": ({**of(a=STRING), "anyOf": [{"properties": {"a": {"minLength": 1}}}, {"required": ["a"]}]}, []),
    "logic says something new": (
        {**of(a=STRING), "anyOf": [{"properties": {"b": {"minLength": 1}}}]},
        ["s.properties[b]: Required value: because it is defined in s.anyOf[0].properties[b]"],
    ),
    "logic gives a type": (
        {**of(a=STRING), "not": {"properties": {"a": STRING}}},
        ["s.not.properties[a].type: Forbidden: must be empty to be structural"],
    ),
    "int or string": (of(a={"x-kubernetes-int-or-string": True, "anyOf": [INTEGER, STRING]}), []),
}


@pytest.mark.parametrize("case", STRUCTURAL)
def test_structural(case: str) -> None:
    """A definition's schema says of every value what it is."""
    schema, expected = STRUCTURAL[case]
    assert expected == [f"{cause.field}: {cause.message}" for cause in structural.problems(schema, "s")]


FORMATS = [
    ("date-time", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05"),
    ("date", "2026-01-31", "2026-13-01"),
    ("duration", "1h30m", "soon"),
    ("byte", "aGk=", "a"),
    ("ipv4", "10.0.0.1", "256.0.0.1"),
    ("ipv6", "::1", "10.0.0.1"),
    ("cidr", "10.0.0.0/8", "10.0.0.0"),
    ("mac", "01:23:45:67:89:ab", "01:23"),
    ("uri", "https://example.com/a", "example"),
    ("hostname", "a.example.com", "a_b"),
    ("email", "a@example.com", "a"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
]


@pytest.mark.parametrize(("form", "right", "wrong"), FORMATS)
def test_formats(form: str, right: str, wrong: str) -> None:
    """Formats that Kubernetes knows are checked."""
    assert (formats.is_of_format(right, form), formats.is_of_format(wrong, form)) == (True, False)
