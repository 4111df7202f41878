"""What OpenAPI v3 says of built-in kinds that v2 does not: words that a property may hold, and what it is when nothing is said.

A definition's name and schema in, the fuller schema out. Called by the API server's OpenAPI. The words are those of
Kubernetes 1.36, distilled from the published Go modules by ``scripts/distil_enums.py``; what is never absent follows from
the Go types. Source of the latter: kube-openapi ``generators`` (``mustEnforceDefault``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import orjson

from trueup.kube.messages import Field, known
from trueup.kube.names import Object
from trueup.kube.protobuf_values import SPECIAL

_ZEROS: Object = {"string": "", "bool": False}


def published(name: str, schema: Object) -> Object:
    """The schema of a definition as OpenAPI v3 has it; itself when there is nothing to add."""
    properties = schema.get("properties")
    if not properties:
        return schema
    told = dict(properties)
    for key, words in (_words().get(name) or {}).items():
        called = key.removesuffix("[]")
        if called in told:
            told[called] = _with_words(told[called], words, many=key != called)
    message = known(name.replace("io.k8s.", "k8s.io.", 1).replace("-", "_"))
    if message is not None:
        for called, field in message.by_name.items():
            if called in told:
                told[called] = _never_absent(told[called], field)
    return {**schema, "properties": told}


def _with_words(whole: Object, words: Sequence[str], *, many: bool) -> Object:
    return {**whole, "items": {**whole["items"], "enum": words}} if many else {**whole, "enum": words}


def _never_absent(whole: Object, field: Field) -> Object:
    """With a default where Go's type has a value in any case: structs, items, and scalars that are written if empty."""
    below = {"list": "items", "map": "additionalProperties"}.get(field.many, "")
    if below:
        return {**whole, below: _defaulted(whole[below], field)} if below in whole else whole
    if field.pointer or (field.scalar and field.omitempty):
        return whole
    return _defaulted(whole, field)


def _defaulted(value: Object, field: Field) -> Object:
    if "default" in value or field.kind in SPECIAL or field.kind == "bytes":
        return value
    if not field.scalar and field.message.is_list:
        return value
    default: Any = _ZEROS.get(field.kind, 0) if field.scalar else {}
    if "$ref" in value:
        value = {"allOf": [{"$ref": value["$ref"]}]}
    return {**value, "default": default}


@cache
def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    found: Mapping[str, Mapping[str, Sequence[str]]] = orjson.loads(
        resources.files("trueup.kube.types").joinpath("enums.json").read_bytes()
    )
    return found
