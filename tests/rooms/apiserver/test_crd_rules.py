"""The rules of custom resources: at a definition's door, on every write, and kept quiet about what did not change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rooms.apiserver.opened import custom, definition, opened
from trueup.apiserver.crd_rules import Run, compile_rules
from trueup.apiserver.crd_schema_checks import schema_problems
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.ratcheting import still_wrong
from trueup.kube.names import Object
from trueup.kube.problems import Invalid
from trueup.kube.schema import validate

Schema = dict[str, Any]
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def whole(spec: Schema) -> Schema:
    """A kind's schema."""
    return {"type": "object", "properties": {"spec": spec}}


def ruled(properties: Schema, *rules: Schema) -> Schema:
    """An object with rules."""
    return {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}


def run(schema: Schema, obj: Object, old: Object | None = None) -> Run:
    """What the rules of a schema say of an object."""
    node = compile_rules(schema)
    assert node is not None
    made = Run()
    made.run(node, obj, old)
    return made


def said(schema: Schema, spec: Any, old: Any = None) -> list[tuple[str, str]]:
    """Field and message of each cause."""
    found = run(whole(schema), {"spec": spec}, None if old is None else {"spec": old})
    return [(cause.field, cause.message) for cause in found.causes]


def wrong(schema: Schema) -> list[tuple[str, str]]:
    """What is wrong with a schema's rules."""
    return [(cause.field, cause.message) for cause in schema_problems(schema, "s")]


MESSAGES = [
    ({"rule": "self.a < 3"}, "spec", "Invalid value: failed rule: self.a < 3"),
    ({"rule": "self.a < 3", "message": " too many "}, "spec", "Invalid value: too many"),
    (
        {"rule": "self.a < 3", "messageExpression": "'a is ' + string(self.a)", "message": "no"},
        "spec",
        "Invalid value: a is 5",
    ),
    ({"rule": "self.a < 3", "messageExpression": "string(self.a / 0)", "message": "no"}, "spec", "Invalid value: no"),
    ({"rule": "self.a < 3", "reason": "FieldValueForbidden"}, "spec", "Forbidden: failed rule: self.a < 3"),
    ({"rule": "self.a < 3", "reason": "FieldValueRequired"}, "spec", "Required value: failed rule: self.a < 3"),
    ({"rule": "self.a < 3", "reason": "FieldValueDuplicate"}, "spec", "Duplicate value"),
    ({"rule": "self.a < 3", "fieldPath": ".a"}, "spec.a", "Invalid value: failed rule: self.a < 3"),
    (
        {"rule": "self.a / 0 == 1"},
        "spec",
        'Invalid value: "object": division by zero evaluating rule: self.a / 0 == 1',
    ),
]


@pytest.mark.parametrize(("rule", "field", "message"), MESSAGES)
def test_words(rule: Schema, field: str, message: str) -> None:
    """A broken rule is worded by its message, its expression, its reason and its field."""
    assert said(ruled({"a": NUMBER}, rule), {"a": 5}) == [(field, message)]


def test_scalars_show_their_value() -> None:
    """A rule on a scalar shows the scalar, wherever it is."""
    items = {"type": "array", "items": {**TEXT, "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}]}}
    assert said({"type": "object", "properties": {"l": items}}, {"l": ["ab", "b"]}) == [
        ("spec.l[1]", "Invalid value: \"b\": failed rule: self.startsWith('a')")
    ]


def test_transition_rules() -> None:
    """A rule on ``oldSelf`` counts once there is an old value; an optional one counts always."""
    schema = ruled({"a": NUMBER}, {"rule": "self.a >= oldSelf.a"})
    assert said(schema, {"a": 1}) == []
    assert said(schema, {"a": 1}, {"a": 2}) == [("spec", "Invalid value: failed rule: self.a >= oldSelf.a")]
    optional = ruled({"a": NUMBER}, {"rule": "oldSelf.hasValue() || self.a == 1", "optionalOldSelf": True})
    assert said(optional, {"a": 2}) != []
    assert said(optional, {"a": 2}, {"a": 1}) == []


def test_keyed_items_meet_their_former_selves() -> None:
    """In a keyed list an item's old self is the one of the same key, wherever it stood."""
    item = ruled({"k": TEXT, "v": NUMBER}, {"rule": "self.v == oldSelf.v"})
    schema = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    old = {"l": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]}
    around = {"type": "object", "properties": {"l": schema}}
    assert said(around, {"l": [{"k": "b", "v": 2}, {"k": "c", "v": 9}, {"k": "a", "v": 1}]}, old) == []
    assert said(around, {"l": [{"k": "b", "v": 3}]}, old) == [
        ("spec.l[0]", "Invalid value: failed rule: self.v == oldSelf.v")
    ]


def test_what_did_not_change_is_only_warned_of() -> None:
    """A rule that unchanged data break is a warning; data that changed are refused."""
    schema = whole({"type": "object", "properties": {"a": ruled({"x": NUMBER}, {"rule": "self.x < 3"}), "b": NUMBER}})
    old = {"spec": {"a": {"x": 5}, "b": 1}}
    kept = run(schema, {"spec": {"a": {"x": 5}, "b": 2}}, old)
    assert kept.causes == []
    assert kept.warnings == ["spec.a: Invalid value: failed rule: self.x < 3"]
    assert run(schema, {"spec": {"a": {"x": 6}, "b": 1}}, old).causes != []


def test_formats_are_values() -> None:
    """Times, durations, bytes, numbers and odd names come as their types; sets are equal in any order."""
    properties: Schema = {
        "at": {**TEXT, "format": "date-time"},
        "for": {**TEXT, "format": "duration"},
        "raw": {**TEXT, "format": "byte"},
        "part": {"type": "number"},
        "odd-name": TEXT,
        "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
        "any": {"x-kubernetes-int-or-string": True},
    }
    rule = (
        "self.at > timestamp('2020-01-01T00:00:00Z') && self.__for__ == duration('90s') && self.raw == b'hi'"
        " && self.part == 2.0 && self.odd__dash__name == 'x' && self.set == ['b', 'a'] && type(self.any) == int"
    )
    spec = {"at": "2021-01-01T00:00:00Z", "for": "1m30s", "raw": "aGk=", "part": 2, "odd-name": "x", "any": 3}
    assert said(ruled(properties, {"rule": rule}), {**spec, "set": ["a", "b"]}) == []


def test_what_costs_too_much_stops() -> None:
    """A rule beyond the limit of a call says so, and nothing more is run."""
    text = {"rule": "self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))"}
    schema = ruled({"l": {"type": "array", "items": NUMBER}}, text, {"rule": "false"})
    ((field, message),) = said(schema, {"l": list(range(100))})
    assert field == "spec"
    assert message.startswith(
        "Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further"
    )


WRONG = [
    ({"rule": " "}, "rule", "Required value: rule is not specified"),
    ({"rule": "true", "message": "a\nb"}, "message", 'Invalid value: "a\\nb": must not contain line breaks'),
    ({"rule": "true", "fieldPath": ".b"}, "fieldPath", 'Invalid value: ".b": must be a valid path'),
    (
        {"rule": "true", "reason": "Why"},
        "reason",
        'Unsupported value: "Why": supported values: "FieldValueDuplicate", "FieldValueForbidden", '
        '"FieldValueInvalid", "FieldValueRequired"',
    ),
    (
        {"rule": "self.a == 1", "optionalOldSelf": True},
        "optionalOldSelf",
        "Invalid value: true: may not be set if oldSelf is not used in rule",
    ),
    (
        {"rule": "self.b"},
        "rule",
        'Invalid value: {"Rule":"self.b","Message":"","MessageExpression":"","Reason":null,"FieldPath":"",'
        "\"OptionalOldSelf\":null}: compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b\n | ....^",
    ),
    (
        {"rule": "self.a"},
        "rule",
        'Invalid value: {"Rule":"self.a","Message":"","MessageExpression":"","Reason":null,"FieldPath":"",'
        '"OptionalOldSelf":null}: cel expression must evaluate to a bool',
    ),
]


@pytest.mark.parametrize(("rule", "field", "message"), WRONG)
def test_wrong_rules(rule: Schema, field: str, message: str) -> None:
    """A definition's rule that cannot be is named with what is wrong in it."""
    assert wrong(ruled({"a": NUMBER}, rule)) == [(f"s.x-kubernetes-validations[0].{field}", message)]


def test_dear_rules_are_refused() -> None:
    """A rule over data without bounds costs too much; with bounds it may stand."""
    rule = {"rule": "self.l.all(x, self.l.all(y, x == y))"}
    free = ruled({"l": {"type": "array", "items": TEXT}}, rule)
    bound = ruled({"l": {"type": "array", "items": {**TEXT, "maxLength": 10}, "maxItems": 10}}, rule)
    assert [message.split(" (")[0] for _, message in wrong(free)] == [
        "Forbidden: estimated rule cost exceeds budget by factor of more than 100x",
        "Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
        "Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by "
        "factor of more than 100x",
    ]
    assert wrong(bound) == []


async def test_writes_obey_rules() -> None:
    """A custom object that breaks its definition's rule is refused; one that is wrong otherwise is not judged by rules."""
    spec = ruled({"a": {**NUMBER, "maximum": 9}, "b": TEXT}, {"rule": "self.a < 3", "message": "few"})
    async with opened() as hub:
        client = InProcessClient(hub)
        await client.create(definition(spec={**spec, "required": ["a"]}))
        await client.create({**custom(), "spec": {"a": 1}})
        with pytest.raises(Invalid, match=r'"two" is invalid: spec: Invalid value: few$'):
            await client.create({**custom("two"), "spec": {"a": 4}})
        with pytest.raises(Invalid, match=r"some validation rules were not checked because the object was invalid"):
            await client.create({**custom("two"), "spec": {"b": "x"}})


RATCHETED: list[tuple[Object, Object, list[str]]] = [
    ({"a": 9, "b": "x"}, {"a": 9, "b": "y"}, []),
    ({"a": 9}, {"a": 8}, ["spec.a"]),
    ({"l": [{"k": "x", "n": 9}, {"k": "y", "n": 1}]}, {"l": [{"k": "y", "n": 2}, {"k": "x", "n": 9}]}, []),
    ({"l": [{"k": "x", "n": 9}]}, {"l": [{"k": "z", "n": 9}]}, ["spec.l[0].n"]),
    ({"o": [9]}, {"o": [9], "b": "x"}, []),
    ({"o": [9]}, {"o": [9, 1]}, ["spec.o[0]"]),
    ({"m": {"a.b": 9}}, {"m": {"a.b": 9, "c": 1}}, []),
    ({"r": {}}, {"r": {}, "b": "x"}, []),
    ({"r": {}}, {"r": {"y": "z"}}, ["spec.r.x"]),
    ({"s": [1]}, {"s": [1, 1, 1, 2, 2, 1.0, True]}, ["spec.s[1]", "spec.s[4]"]),
    ({"s": [1, 1]}, {"s": [1, 1, 2, 2]}, []),
    ({"s": [1, 1]}, {"l": [{"k": "x"}, {"k": "x"}]}, []),
    ({"l": [{"k": "x"}]}, {"l": [{"k": "x"}, {"k": "x"}]}, ["spec.l[1]"]),
    ({"s": []}, {"l": [{"k": "x"}, {"k": "x", "n": 1}]}, ["spec.l[1]"]),
]


@pytest.mark.parametrize(("old", "new", "refused"), RATCHETED)
def test_schema_is_ratcheted(old: Object, new: Object, refused: list[str]) -> None:
    """What was wrong before and is not touched is no reason to refuse an update; what changed is."""
    few = {**NUMBER, "maximum": 5}
    item = {"type": "object", "properties": {"k": TEXT, "n": few}}
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    properties = {
        "a": few,
        "b": TEXT,
        "l": keyed,
        "o": {"type": "array", "items": few},
        "m": {"type": "object", "additionalProperties": few},
        "r": {"type": "object", "required": ["x"], "properties": {"x": TEXT, "y": TEXT}},
        "s": {
            "type": "array",
            "items": {"x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-list-type": "set",
        },
    }
    schema = whole({"type": "object", "properties": properties})
    found = still_wrong(validate({"spec": new}, schema), {"spec": new}, {"spec": old}, schema)
    assert [cause.field for cause in found] == refused
