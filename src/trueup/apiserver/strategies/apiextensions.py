"""The group apiextensions.k8s.io: definitions are judged as they are written. Pure.

Source: apiextensions-apiserver ``pkg/registry/customresourcedefinition/strategy.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver import crd_checks, crds
from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube import formats
from trueup.kube.names import Object
from trueup.kube.problems import Cause


def _check(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from crd_checks.wrong(obj, old)


def _accept(obj: Object, moment: Moment) -> None:
    if moment.subresource == "":
        crds.accept(obj, moment.now, moment.stored())


def _create(obj: Object, moment: Moment) -> None:
    _fill_nulls(obj["spec"])


def _update(obj: Object, old: Object, moment: Moment) -> None:
    if obj["spec"] != old["spec"]:
        _fill_nulls(obj["spec"])


def _fill_nulls(spec: Object) -> None:
    """A property of null is one of which nothing is said, as Go reads it."""
    for version in spec.get("versions") or ():
        for schema in _schemas((version.get("schema") or {}).get("openAPIV3Schema")):
            properties = schema.get("properties") or {}
            for name in [name for name, below in properties.items() if below is None]:
                properties[name] = {}


def _schemas(schema: Any) -> Iterator[Object]:
    """A schema and all below it."""
    if isinstance(schema, list):
        for part in schema:
            yield from _schemas(part)
    elif isinstance(schema, dict):
        yield schema
        for word in ("items", "allOf", "anyOf", "oneOf", "not", "additionalProperties"):
            yield from _schemas(schema.get(word))
        for below in (schema.get("properties") or {}).values():
            yield from _schemas(below)


def _unknown_formats(definition: Object | None) -> list[str]:
    versions = definition["spec"].get("versions") or () if definition is not None else ()
    return [
        schema["format"]
        for version in versions
        for schema in _schemas((version.get("schema") or {}).get("openAPIV3Schema"))
        if schema.get("format") and not formats.is_known(schema["format"], schema.get("type") or "")
    ]


def _warnings(obj: Object, old: Object | None) -> Iterator[str]:
    known = set(_unknown_formats(old))
    for form in _unknown_formats(obj):
        if form not in known:
            yield f'unrecognized format "{form}"'
    unsupported = crds.not_carried_out(obj["spec"])
    if unsupported:
        yield f"{obj['metadata']['name']}: {unsupported}"


ROWS: Mapping[str, Strategy] = {
    "CustomResourceDefinition": Strategy(
        create=_create, update=_update, check=_check, canonical=_accept, warnings=_warnings
    ),
}
