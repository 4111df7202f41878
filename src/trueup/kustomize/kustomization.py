"""A kustomization file, read and checked.

Called by `build`, `generate` and the edits. Bytes come in, a `Kustomization` leaves, with old field names moved to today's.
Source: ``types.Kustomization`` of kustomize's API, and Go's ``encoding/json`` for what it takes and how it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kube.documents import YamlProblem, parse
from trueup.kustomize.loading import Files
from trueup.kustomize.problem import KustomizeProblem

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
VERSION, KIND = "kustomize.config.k8s.io/v1beta1", "Kustomization"
COMPONENT_VERSION, COMPONENT = "kustomize.config.k8s.io/v1alpha1", "Component"

_S, _B, _I, _ANY = "string", "bool", "int", "any"
_SS: Any = [_S]
_MAP: Any = {"*": _S}
_GVK = {"group": _S, "version": _S, "kind": _S}
_ID = {**_GVK, "name": _S, "namespace": _S}
_SELECTOR = {**_ID, "annotationSelector": _S, "labelSelector": _S}
_OPTIONS = {"labels": _MAP, "annotations": _MAP, "disableNameSuffixHash": _B, "immutable": _B}
_SOURCES = {
    "namespace": _S, "name": _S, "behavior": _S, "literals": _SS, "files": _SS, "envs": _SS, "env": _S, "options": _OPTIONS,
}  # fmt: skip
_PATCH = {"path": _S, "patch": _S, "target": _SELECTOR, "options": {"allowNameChange": _B, "allowKindChange": _B}}
_IMAGE = {"name": _S, "newName": _S, "tagSuffix": _S, "newTag": _S, "digest": _S}
_FIELD = {"delimiter": _S, "index": _I, "encoding": _S, "create": _B}
_SPEC = {**_GVK, "path": _S, "create": _B}
_CHART = {
    "name": _S, "version": _S, "repo": _S, "releaseName": _S, "namespace": _S, "additionalValuesFiles": _SS,
    "valuesFile": _S, "valuesInline": {"*": _ANY}, "valuesMerge": _S, "includeCRDs": _B, "skipHooks": _B,
    "apiVersions": _SS, "kubeVersion": _S, "nameTemplate": _S, "skipTests": _B, "debug": _B, "devel": _B,
}  # fmt: skip
_OLD_CHART = {
    "chartName": _S, "chartVersion": _S, "chartRepoUrl": _S, "chartHome": _S, "chartRepoName": _S, "helmBin": _S,
    "helmHome": _S, "values": _S, "valuesLocal": {"*": _ANY}, "valuesMerge": _S, "releaseName": _S,
    "releaseNamespace": _S, "extraArgs": _SS,
}  # fmt: skip
_FIELDS: Mapping[str, Any] = {
    "apiVersion": _S,
    "kind": _S,
    "metadata": {"name": _S, "namespace": _S, "labels": _MAP, "annotations": _MAP},
    "openapi": _MAP,
    "namePrefix": _S,
    "nameSuffix": _S,
    "namespace": _S,
    "commonLabels": _MAP,
    "labels": [{"pairs": _MAP, "includeSelectors": _B, "includeTemplates": _B, "fields": [_SPEC]}],
    "commonAnnotations": _MAP,
    "patchesStrategicMerge": _SS,
    "patchesJson6902": [_PATCH],
    "patches": [_PATCH],
    "images": [_IMAGE],
    "imageTags": [_IMAGE],
    "replacements": [{
        "path": _S,
        "source": {**_ID, "fieldPath": _S, "options": _FIELD},
        "targets": [{"select": _SELECTOR, "reject": [_SELECTOR], "fieldPaths": _SS, "options": _FIELD}],
        "sourceValue": _S,
    }],
    "replicas": [{"name": _S, "count": _I}],
    "vars": [{"name": _S, "objref": {"apiVersion": _S, **_ID}, "fieldref": {"fieldPath": _S}}],
    "sortOptions": {"order": _S, "legacySortOptions": {"orderFirst": _SS, "orderLast": _SS}},
    "resources": _SS,
    "components": _SS,
    "crds": _SS,
    "bases": _SS,
    "configMapGenerator": [_SOURCES],
    "secretGenerator": [{**_SOURCES, "type": _S}],
    "helmGlobals": {"chartHome": _S, "configHome": _S},
    "helmCharts": [_CHART],
    "helmChartInflationGenerator": [_OLD_CHART],
    "generatorOptions": _OPTIONS,
    "configurations": _SS,
    "generators": _SS,
    "transformers": _SS,
    "validators": _SS,
    "buildMetadata": _SS,
}  # fmt: skip
_DEPRECATED = {
    "bases": "resources",
    "commonLabels": "labels",
    "imageTags": "images",
    "patchesJson6902": "patches",
    "patchesStrategicMerge": "patches",
    "vars": "replacements",
}


@dataclass(frozen=True, slots=True)
class Kustomization:
    """The fields of one file; ``path`` is the file."""

    fields: Mapping[str, Any]
    path: str
    warnings: tuple[str, ...] = ()

    def text(self, field: str) -> str:
        return str(self.fields.get(field) or "")

    def items(self, field: str) -> list[Any]:
        return list(self.fields.get(field) or ())

    def map(self, field: str) -> dict[str, Any]:
        return dict(self.fields.get(field) or {})

    @property
    def is_component(self) -> bool:
        return self.fields.get("kind") == COMPONENT


def find(files: Files, folder: str) -> str:
    """The path of the kustomization file of a folder. Raises `KustomizeProblem` when there is none, or several."""
    prefix = f"{folder}/" if folder else ""
    found = [prefix + name for name in FILE_NAMES if files.kind(prefix + name) == "file"]
    if not found:
        *names, last = [f"'{name}'" for name in FILE_NAMES]
        raise KustomizeProblem(
            f"unable to find one of {', '.join(names)} or {last} in directory '/{folder}'", path=folder
        )
    if len(found) > 1:
        raise KustomizeProblem(f"Found multiple kustomization files under: /{folder}\n", path=folder)
    return found[0]


def read(data: bytes, path: str, folder: str) -> Kustomization:
    """Reads a kustomization file. Raises `KustomizeProblem` naming file and field."""
    try:
        documents = parse(data, path)
    except YamlProblem as problem:
        raise KustomizeProblem(
            f"invalid Kustomization: yaml: line {problem.line}: {problem.message}", path=path, line=problem.line
        ) from None
    value = documents[0].value if documents else None
    return of_value(value, path, folder)


def of_value(value: Any, path: str, folder: str) -> Kustomization:
    """From what a file holds."""
    if value is None:
        value = {}
    fields = _decode(value, _FIELDS, "Kustomization", path)
    warnings = tuple(
        f"{path}: '{old}' is deprecated, use '{new}' instead" for old, new in _DEPRECATED.items() if old in fields
    )
    if all(item in ("", 0) for key, item in fields.items() if key not in ("apiVersion", "kind")):
        raise KustomizeProblem("kustomization.yaml is empty", path=path)
    _modernise(fields)
    _enforce(fields, path, folder)
    return Kustomization(fields, path, warnings)


def _modernise(fields: dict[str, Any]) -> None:
    kind = fields["kind"] = fields.get("kind") or KIND
    fields["apiVersion"] = fields.get("apiVersion") or (COMPONENT_VERSION if kind == COMPONENT else VERSION)
    for old, new in (("bases", "resources"), ("imageTags", "images")):
        if old in fields:
            fields[new] = [*(fields.get(new) or ()), *(fields.pop(old) or ())]
    for name in ("configMapGenerator", "secretGenerator"):
        for entry in fields.get(name) or ():
            if entry.get("env"):
                entry["envs"] = [*(entry.get("envs") or ()), entry.pop("env")]
    charts = fields.pop("helmChartInflationGenerator", None) or ()
    homes = {
        new: chart[old] for chart in charts for old, new in (("helmHome", "configHome"), ("chartHome", "chartHome"))
        if chart.get(old)
    }  # fmt: skip
    if homes and not fields.get("helmGlobals"):
        fields["helmGlobals"] = homes
    renamed = {
        "chartName": "name", "chartVersion": "version", "chartRepoUrl": "repo", "values": "valuesFile",
        "valuesLocal": "valuesInline", "valuesMerge": "valuesMerge", "releaseName": "releaseName",
    }  # fmt: skip
    for chart in charts:
        moved = {new: chart[old] for old, new in renamed.items() if old in chart}
        fields["helmCharts"] = [*(fields.get("helmCharts") or ()), moved]


def _enforce(fields: Mapping[str, Any], path: str, folder: str) -> None:
    wrong = []
    kind = fields["kind"]
    if kind not in (KIND, COMPONENT):
        wrong.append(f"kind should be {KIND} or {COMPONENT}")
    version = COMPONENT_VERSION if kind == COMPONENT else VERSION
    if fields["apiVersion"] != version:
        wrong.append(f"apiVersion for {kind} should be {version}")
    if wrong:
        raise KustomizeProblem(f"Failed to read kustomization file under /{folder}:\n" + "\n".join(wrong), path=path)


def _decode(value: Any, shape: Mapping[str, Any], where: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KustomizeProblem(
            f"invalid Kustomization: json: cannot unmarshal {_json_kind(value)} into Go value of type types.Kustomization",
            path=path,
        )
    decoded: dict[str, Any] = _typed(value, shape, where, path)
    return decoded


def _typed(value: Any, shape: Any, where: str, path: str) -> Any:
    """A value of a shape; a null is left out, as Go leaves a field at its zero."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise _mismatch(value, where, "[]" + (shape[0] if isinstance(shape[0], str) else "struct"), path)
        return [_zero(shape[0]) if item is None else _typed(item, shape[0], where, path) for item in value]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _mismatch(value, where, "map[string]string" if "*" in shape else "struct", path)
        return _struct(value, shape, where, path)
    if shape == _ANY:
        return value
    fits = {
        _S: isinstance(value, str),
        _B: isinstance(value, bool),
        _I: isinstance(value, int) and not isinstance(value, bool),
    }
    if not fits[shape]:
        raise _mismatch(value, where, shape, path)
    return value


def _struct(value: dict[str, Any], shape: Mapping[str, Any], where: str, path: str) -> dict[str, Any]:
    if "*" in shape:
        inner = shape["*"]
        return {
            key: ("" if item is None and inner == _S else _typed(item, inner, where, path))
            for key, item in value.items()
        }
    out = {}
    for key, item in value.items():
        name = key if key in shape else next((known for known in shape if known.lower() == key.lower()), None)
        if name is None:
            raise KustomizeProblem(f'invalid Kustomization: json: unknown field "{key}"', path=path, field=key)
        if item is not None:
            out[name] = _typed(item, shape[name], f"{where}.{name}", path)
    return out


def _zero(shape: Any) -> Any:
    return {_S: "", _B: False, _I: 0}.get(shape) if isinstance(shape, str) else {} if isinstance(shape, dict) else []


def _mismatch(value: Any, where: str, wanted: str, path: str) -> KustomizeProblem:
    return KustomizeProblem(
        f"invalid Kustomization: json: cannot unmarshal {_json_kind(value)} into Go struct field {where} of type {wanted}",
        path=path, field=where.partition(".")[2],
    )  # fmt: skip


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
