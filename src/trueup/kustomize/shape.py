"""The fields of a kustomization file and their types, and reading a value by them.

Called by `kustomization`. A value goes in, the same value with its field names in their true case leaves. Go reads the
file into structs, whose names stand in its messages; so they stand here. Source: ``types`` of kustomize's API and Go's
``encoding/json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kustomize.problem import KustomizeProblem


@dataclass(frozen=True, slots=True)
class Scalar:
    """``kind``: ``string``, ``bool``, ``int`` or ``any``; ``name`` as Go names the type."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    items: Any


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with any keys."""

    values: Any


class Struct:
    """Known fields. A field of an embedded struct is reached by a longer path in messages."""

    def __init__(self, name: str, /, *embedded: Struct, **fields: Any) -> None:
        self.name = name
        self.fields: dict[str, tuple[str, Any]] = {field: (field, shape) for field, shape in fields.items()}
        for one in embedded:
            self.fields.update({f: (f"{one.name}.{path}", shape) for f, (path, shape) in one.fields.items()})
        self.lower = {field.lower(): field for field in self.fields}


_S, _B, _I = Scalar("string", "string"), Scalar("bool", "bool"), Scalar("int", "int")
_LONG, _ANY = Scalar("int", "int64"), Scalar("any", "")
_SS, _MAP, _FREE = ListOf(_S), MapOf(_S), MapOf(_ANY)
_GVK = Struct("Gvk", group=_S, version=_S, kind=_S)
_ID = Struct("ResId", _GVK, name=_S, namespace=_S)
_SELECTOR = Struct("Selector", _ID, annotationSelector=_S, labelSelector=_S)
_OPTIONS = Struct("GeneratorOptions", labels=_MAP, annotations=_MAP, disableNameSuffixHash=_B, immutable=_B)
_SOURCES = Struct("KvPairSources", literals=_SS, files=_SS, envs=_SS, env=_S)
_ARGS = Struct("GeneratorArgs", _SOURCES, namespace=_S, name=_S, behavior=_S, options=_OPTIONS)
_PATCH = Struct(
    "Patch", path=_S, patch=_S, target=_SELECTOR,
    options=Struct("PatchArgs", allowNameChange=_B, allowKindChange=_B),
)  # fmt: skip
_IMAGE = Struct("Image", name=_S, newName=_S, tagSuffix=_S, newTag=_S, digest=_S)
_FIELD = Struct("FieldOptions", delimiter=_S, index=_I, encoding=_S, create=_B)
_REPLACEMENT = Struct(
    "Replacement",
    source=Struct("SourceSelector", _ID, fieldPath=_S, options=_FIELD),
    targets=ListOf(
        Struct("TargetSelector", select=_SELECTOR, reject=ListOf(_SELECTOR), fieldPaths=_SS, options=_FIELD)
    ),
    sourceValue=_S,
)
_CHART = Struct(
    "HelmChart", name=_S, version=_S, repo=_S, releaseName=_S, namespace=_S, additionalValuesFiles=_SS, valuesFile=_S,
    valuesInline=_FREE, valuesMerge=_S, includeCRDs=_B, skipHooks=_B, apiVersions=_SS, kubeVersion=_S, nameTemplate=_S,
    skipTests=_B, debug=_B, devel=_B,
)  # fmt: skip
_OLD_CHART = Struct(
    "HelmChartArgs", chartName=_S, chartVersion=_S, chartRepoUrl=_S, chartHome=_S, chartRepoName=_S, helmBin=_S,
    helmHome=_S, values=_S, valuesLocal=_FREE, valuesMerge=_S, releaseName=_S, releaseNamespace=_S, extraArgs=_SS,
)  # fmt: skip
KUSTOMIZATION = Struct(
    "Kustomization",
    Struct("TypeMeta", apiVersion=_S, kind=_S),
    metadata=Struct("ObjectMeta", name=_S, namespace=_S, labels=_MAP, annotations=_MAP),
    openapi=_MAP,
    namePrefix=_S,
    nameSuffix=_S,
    namespace=_S,
    commonLabels=_MAP,
    labels=ListOf(
        Struct(
            "Label",
            pairs=_MAP,
            includeSelectors=_B,
            includeTemplates=_B,
            includeVolumeClaimTemplates=_B,
            fields=ListOf(Struct("FieldSpec", _GVK, path=_S, create=_B)),
        )
    ),
    commonAnnotations=_MAP,
    patchesStrategicMerge=ListOf(Scalar("string", "types.PatchStrategicMerge")),
    patchesJson6902=ListOf(_PATCH),
    patches=ListOf(_PATCH),
    images=ListOf(_IMAGE),
    imageTags=ListOf(_IMAGE),
    replacements=ListOf(Struct("ReplacementField", _REPLACEMENT, path=_S)),
    replicas=ListOf(Struct("Replica", name=_S, count=_LONG)),
    vars=ListOf(
        Struct(
            "Var",
            name=_S,
            objref=Struct("Target", _GVK, apiVersion=_S, name=_S, namespace=_S),
            fieldref=Struct("FieldSelector", fieldPath=_S),
        )
    ),
    sortOptions=Struct(
        "SortOptions",
        order=Scalar("string", "types.SortOrder"),
        legacySortOptions=Struct("LegacySortOptions", orderFirst=_SS, orderLast=_SS),
    ),
    resources=_SS,
    components=_SS,
    crds=_SS,
    bases=_SS,
    configMapGenerator=ListOf(Struct("ConfigMapArgs", _ARGS)),
    secretGenerator=ListOf(Struct("SecretArgs", _ARGS, type=_S)),
    helmGlobals=Struct("HelmGlobals", chartHome=_S, configHome=_S),
    helmCharts=ListOf(_CHART),
    helmChartInflationGenerator=ListOf(_OLD_CHART),
    generatorOptions=_OPTIONS,
    configurations=_SS,
    generators=_SS,
    transformers=_SS,
    validators=_SS,
    buildMetadata=_SS,
)


def decode(value: Any, path: str) -> dict[str, Any]:
    """The fields of a kustomization file. Raises `KustomizeProblem` for a field that there is not or of another type."""
    if not isinstance(value, dict):
        raise KustomizeProblem(
            f"invalid Kustomization: json: cannot unmarshal {_kind(value)} into Go value of type types.Kustomization",
            path=path,
        )
    return _struct(value, KUSTOMIZATION, "", path)


def without_unknown(value: Any, shape: Any = KUSTOMIZATION) -> Any:
    """A kustomization without the fields that there are not."""
    if isinstance(shape, ListOf) and isinstance(value, list):
        return [without_unknown(item, shape.items) for item in value]
    if not isinstance(shape, Struct) or not isinstance(value, dict):
        return value
    names = {key: key if key in shape.fields else shape.lower.get(key.lower()) for key in value}
    return {name: without_unknown(value[key], shape.fields[name][1]) for key, name in names.items() if name is not None}


def _typed(value: Any, shape: Any, struct: str, where: str, path: str) -> Any:
    """A value of a shape. ``struct`` is the innermost struct around it, ``where`` the path of its field."""
    if isinstance(shape, ListOf):
        if not isinstance(value, list):
            raise _mismatch(value, shape, struct, where, path)
        return [
            _zero(shape.items) if item is None else _typed(item, shape.items, struct, where, path) for item in value
        ]
    if isinstance(shape, MapOf):
        if not isinstance(value, dict):
            raise _mismatch(value, shape, struct, where, path)
        return {
            key: _zero(shape.values) if item is None else _typed(item, shape.values, struct, where, path)
            for key, item in value.items()
        }
    if isinstance(shape, Struct):
        if not isinstance(value, dict):
            raise _mismatch(value, shape, struct, where, path)
        return _struct(value, shape, where, path)
    if not _fits(value, shape.kind):
        raise _mismatch(value, shape, struct, where, path)
    return value


def _fits(value: Any, kind: str) -> bool:
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return kind == "any" or isinstance(value, str if kind == "string" else bool)


def _struct(value: Mapping[str, Any], shape: Struct, where: str, path: str) -> dict[str, Any]:
    """Field names are found in any case; a null leaves a field out."""
    out = {}
    for key, item in value.items():
        name = key if key in shape.fields else shape.lower.get(key.lower())
        if name is None:
            raise KustomizeProblem(f'invalid Kustomization: json: unknown field "{key}"', path=path, field=key)
        if item is not None:
            place, inner = shape.fields[name]
            out[name] = _typed(item, inner, shape.name, f"{where}.{place}" if where else place, path)
    return out


def _zero(shape: Any) -> Any:
    if isinstance(shape, Scalar):
        return {"string": "", "bool": False, "int": 0}.get(shape.kind)
    return [] if isinstance(shape, ListOf) else {}


def _mismatch(value: Any, shape: Any, struct: str, where: str, path: str) -> KustomizeProblem:
    found = _kind(value)
    if isinstance(value, float) and getattr(shape, "kind", "") == "int":
        found += f" {value}"
    field = ".".join(part for part in where.split(".") if part[:1].islower())
    return KustomizeProblem(
        f"invalid Kustomization: json: cannot unmarshal {found} into Go struct field {struct}.{where} of type {_go(shape)}",
        path=path,
        field=field,
    )


def _go(shape: Any) -> str:
    if isinstance(shape, ListOf):
        return f"[]{_go(shape.items)}"
    if isinstance(shape, MapOf):
        return f"map[string]{_go(shape.values) or 'interface {}'}"
    return f"types.{shape.name}" if isinstance(shape, Struct) else shape.name


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
