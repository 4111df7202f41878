"""Field specs out of the OpenAPI definitions that a kustomization lists under ``crds``. Called by `build`.

Source: ``loadconfigfromcrds`` of kustomize's accumulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube.documents import YamlProblem, parse_one
from trueup.kustomize.fieldspecs import EMPTY, Config, FieldSpec, NameReference
from trueup.kustomize.ids import Gvk
from trueup.kustomize.problem import KustomizeProblem

_PREFIX = "x-kubernetes-"


def config_from(data: bytes, path: str) -> Config:
    """The field specs of one file: type names to ``{Schema: …}``."""
    try:
        value = parse_one(data, path)
    except YamlProblem as problem:
        raise KustomizeProblem(
            f"unable to parse open API definition from '{path}': {problem.message}", path=path, line=problem.line
        ) from None
    definitions = _definitions(value, path)
    config = EMPTY
    for name, definition in definitions.items():
        if all(field in _properties(definition) for field in ("kind", "apiVersion", "metadata")):
            kind = Gvk(kind=name.rpartition(".")[2])
            config = config.merged(_collect(kind, definitions, name, (), frozenset()))
    return config


def _definitions(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise KustomizeProblem(f"unable to parse open API definition from '{path}': not a map of types", path=path)
    found: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(item, dict):
            continue
        schema = next((inner for key, inner in item.items() if key.lower() == "schema"), None)
        if isinstance(schema, dict):
            found[name] = schema
    return found


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _collect(
    kind: Gvk, definitions: Mapping[str, Any], name: str, path: tuple[str, ...], seen: frozenset[str]
) -> Config:
    """What the marks on the properties of a type say, and of the types that they refer to."""
    config = EMPTY
    if name not in definitions or name in seen:
        return config
    for field, schema in _properties(definitions[name]).items():
        if not isinstance(schema, dict):
            continue
        here = (*path, field)
        spec = FieldSpec("/".join(here), kind)
        if f"{_PREFIX}annotation" in schema:
            config = config.merged(Config(common_annotations=(spec,)))
        if f"{_PREFIX}label-selector" in schema:
            config = config.merged(Config(common_labels=(spec,)))
        if f"{_PREFIX}identity" in schema:
            config = config.merged(Config(name_prefix=(spec,)))
        version, target = schema.get(f"{_PREFIX}object-ref-api-version"), schema.get(f"{_PREFIX}object-ref-kind")
        if isinstance(version, str) and isinstance(target, str):
            key = schema.get(f"{_PREFIX}object-ref-name-key") or "name"
            referrer = FieldSpec("/".join((*here, key)), kind)
            config = config.merged(Config(name_reference=(NameReference(Gvk("", version, target), (referrer,)),)))
        if isinstance(schema.get("$ref"), str):
            config = config.merged(_collect(kind, definitions, schema["$ref"], here, seen | {name}))
    return config
