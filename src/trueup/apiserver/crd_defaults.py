"""Whether the defaults that a schema names fit the schema itself. Called by ``crd_schema_checks``.

Source: apiextensions-apiserver ``pkg/apiserver/schema/defaulting/validation.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from trueup.apiserver.crd_rules import Run, compile_rules, has_rules
from trueup.kube.problems import Cause
from trueup.kube.schema import prune_unknown, validate
from trueup.kube.shape_of import shape_of_schema
from trueup.kube.structural import EMBEDDED
from trueup.kube.validation.causes import invalid

Schema = Mapping[str, Any]


def default_problems(schema: Schema, path: str, *, root: bool = False) -> Iterator[Cause]:
    """Every mistake in the defaults of a structural schema, and of what is below it."""
    if root:
        schema = {**schema, EMBEDDED: True}
    if schema.get("default") is not None:
        yield from _default(schema, f"{path}.default")
    if isinstance(schema.get("items"), Mapping):
        yield from default_problems(schema["items"], f"{path}.items")
    for name, below in (schema.get("properties") or {}).items():
        yield from default_problems(below, f"{path}.properties[{name}]")


def _default(schema: Schema, path: str) -> Iterator[Cause]:
    value = schema["default"]
    pruned = orjson.loads(orjson.dumps(value))
    if prune_unknown(pruned, shape_of_schema(schema)):
        yield invalid(path, value, "must not have unknown fields")
    wrong = list(validate(value, schema))
    for cause in wrong:
        message = cause.message.replace(": <nil> in body", ":  in body")  # what stands at no path is told so elsewhere
        yield Cause(cause.reason, message, f"{path}.{cause.field}" if cause.field not in ("", "<nil>") else path)
    if not wrong and has_rules(schema):
        yield from _by_rules(schema, value, path)


def _by_rules(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    """By the schema's own rules, as a value that is new and as one that was there before."""
    node = compile_rules(schema, root=False)
    for old in (value, None):
        if node is None:
            return
        run = Run()
        run.run(node, value, old, path)
        if run.causes:
            yield from run.causes
            return
