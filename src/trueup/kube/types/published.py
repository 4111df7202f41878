"""What Kubernetes publishes of built-in kinds beyond their definitions: words that a property may hold, and what it is when
nothing is said.

A definition's name and schema in, the fuller schema out. Called by the API server's OpenAPI. The words are those of
Kubernetes 1.36, distilled by ``scripts/distil_answers.py``; of definitions that it does not serve, what is never absent follows
from the Go types. Source of the latter: kube-openapi ``generators`` (``mustEnforceDefault``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import orjson

from trueup.kube.messages import Field, known
from trueup.kube.names import Object
from trueup.kube.protobuf_values import SPECIAL

_ZEROS: Object = {"string": "", "bool": False}


def published(name: str, schema: Object, *, defaults: bool) -> Object:
    """The schema of a definition as it is published, in OpenAPI v3 with ``defaults``; itself when there is nothing to add."""
    words = _words().get(name) or {}
    properties = schema.get("properties")
    if not properties:
        return {"description": words[""]["told"], **schema} if "" in words else schema
    told = dict(properties)
    for called, said in words.items():
        key = called.rstrip("[]")
        if key in told:
            told[key] = _with_words(told[key], said, called.count("[]"), defaults)
    message = known(name.replace("io.k8s.", "k8s.io.", 1).replace("-", "_")) if defaults else None
    if message is not None:
        for called, field in message.by_name.items():
            if called in told:
                told[called] = _never_absent(told[called], field)
    return {**schema, "properties": told}


def _with_words(whole: Object, said: Object, depth: int, defaults: bool) -> Object:
    """With what is said of the property, or of what it holds so many levels below."""
    if depth:
        below = "items" if "items" in whole else "additionalProperties"
        return {**whole, below: _with_words(whole[below], said, depth - 1, defaults)} if below in whole else whole
    out = dict(whole)
    if "enum" in said:
        out["enum"] = said["enum"]
    if "told" in said and "Possible enum values:" not in out.get("description", ""):
        out["description"] = (out.get("description", "") + said["told"]).lstrip()
    return _with_default(out, said["default"]) if defaults and "default" in said else out


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
    return _with_default(value, default)


def _with_default(value: Object, default: Any) -> Object:
    """Beside a reference there may be nothing else."""
    if "$ref" in value:
        value = {"allOf": [{"$ref": value["$ref"]}]}
    return {**value, "default": default}


@cache
def _words() -> Mapping[str, Mapping[str, Object]]:
    found: Mapping[str, Mapping[str, Object]] = orjson.loads(
        resources.files("trueup.kube.types").joinpath("words.json").read_bytes()
    )
    return found
