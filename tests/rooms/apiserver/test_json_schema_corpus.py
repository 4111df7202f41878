"""JSON schema's own tests for draft 4, as far as the schema of a definition can say what they say.

A case counts when Kubernetes would take its schema for a property of a custom kind; that property may hold anything where
the schema names no type. All others are left out by what Kubernetes says against them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.corpora import corpus
from trueup.apiserver.crd_schema_checks import schema_problems
from trueup.kube.schema import validate
from trueup.kube.structural import PRESERVE

Case = tuple[str, Any, Any, bool]
OTHERWISE = {
    "optional/ecmascript-regex": "patterns are Go's, RE2, not ECMAScript's",
    "optional/non-bmp-regex": "patterns are Go's, RE2, not ECMAScript's",
    "optional/bignum": "integers have 64 bits",
    "optional/float-overflow": "numbers are Go's",
    "optional/zeroTerminatedFloats": "1.0 is an integer, as in JSON",
}
"""Whole files about what Kubernetes decided otherwise."""

AGAINST = {
    "multipleOf: by number: 35 is not multiple of 1.5": "whole numbers count by the whole part of the factor",
    "multipleOf: small multiple of large integer": "whole numbers count by the whole part of the factor",
    "optional/format/date-time: validation of date-time strings: a valid date-time with a leap second": "none has 60",
    "optional/format/date-time: validation of date-time strings: an invalid offset": "offsets are any four digits",
    "optional/format/hostname: validation of host names: a valid punycoded": "the last label has letters alone",
    "optional/format/hostname: validation of host names: single label with hyphen": "one label has none past its second sign",
    "optional/format/hostname: validation of host names: invalid non-ASCII KELVIN": "letters of all alphabets are let in",
    "optional/format/ipv4: validation of IP addresses: an IPv4-mapped": "either family may be written in the other's form",
    "optional/format/uri: validation of URIs: an invalid protocol-relative": "a path will do, with two slashes too",
    "optional/format/uri: validation of URIs: an invalid relative": "a path will do",
    "optional/format/uri: validation of URIs: unescaped": "a path may hold any printable sign",
    **{
        f"optional/format/uri: validation of URIs: invalid {sign} character": "a path may hold any printable sign"
        for sign in ("backslash", '"', "<>", "{}", "^", "`", "SPACE", "|")
    },
    "optional/format/uri: validation of URIs: square brackets": "a path may hold any printable sign",
}
"""Cases in which Kubernetes says the opposite of draft 4, and so has to be said here: asked of a genuine one."""


def cases() -> Iterator[Case]:
    """File, schema, data, and whether the data fits."""
    folder = corpus("json-schema-draft4") / "tests/draft4"
    for path in sorted(folder.rglob("*.json")):
        for group in json.loads(path.read_text()):
            for test in group["tests"]:
                name = str(path.relative_to(folder).with_suffix(""))
                yield (
                    f"{name}: {group['description']}: {test['description']}",
                    group["schema"],
                    test["data"],
                    test["valid"],
                )


def _refused(name: str, schema: Any, data: Any) -> str:
    """Why no custom kind can have this; empty when one can."""
    if why := OTHERWISE.get(name.partition(":")[0], ""):
        return why
    if data is None:
        return "nulls are dropped before an object is validated"
    if not isinstance(schema, dict):
        return "no schema"
    whole = {"type": "object", "properties": {"value": schema}}
    try:
        found = schema_problems(whole, "schema")
    except (AttributeError, TypeError):
        return "cannot be read as a schema of Kubernetes"
    return f"{found[0].reason.removeprefix('FieldValue')}: {_class(found[0].message)}" if found else ""


def _otherwise(name: str) -> bool:
    return name.startswith(tuple(AGAINST))


def _class(message: str) -> str:
    return message.rpartition(": ")[2][:90]


def test_schemas_hold_what_draft_4_says() -> None:
    """What fits is accepted, what does not is refused."""
    right, wrong, left = 0, [], Counter[str]()
    for name, schema, data, valid in cases():
        if isinstance(schema, dict) and "type" not in schema:
            schema = {**schema, PRESERVE: True}
        if why := _refused(name, schema, data):
            left[why] += 1
        elif (next(validate(data, schema, "value"), None) is None) == (valid is not _otherwise(name)):
            right += 1
        else:
            wrong.append(name)
    for why, count in left.most_common():
        print(f"json-schema-draft4: {count} left out: {why}")
    for name, why in AGAINST.items():
        print(
            f"json-schema-draft4: the opposite holds in Kubernetes, and here (left out of the draft's): {name}: {why}"
        )
    print(f"json-schema-draft4: {right} of {right + len(wrong)}; {left.total()} left out")
    assert wrong == []
