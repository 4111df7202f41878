"""A kustomization file, read and checked.

Called by `build`, `generate` and the edits. Bytes come in, a `Kustomization` leaves, with old field names moved to today's.
Source: ``types.Kustomization`` of kustomize's API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kube.documents import YamlProblem, parse
from trueup.kustomize.loading import Files
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.reading import go_yaml_error
from trueup.kustomize.shape import decode

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
VERSION, KIND = "kustomize.config.k8s.io/v1beta1", "Kustomization"
COMPONENT_VERSION, COMPONENT = "kustomize.config.k8s.io/v1alpha1", "Component"

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
        """A field that is text; empty if it is not there."""
        return str(self.fields.get(field) or "")

    def items(self, field: str) -> list[Any]:
        """A field that is a list."""
        return list(self.fields.get(field) or ())

    def map(self, field: str) -> dict[str, Any]:
        """A field that is a map."""
        return dict(self.fields.get(field) or {})

    @property
    def is_component(self) -> bool:
        """Whether it is built into its parent instead of beside it."""
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


def read(data: bytes, path: str, folder: str, *, empty_allowed: bool = False) -> Kustomization:
    """Reads a kustomization file. Raises `KustomizeProblem` naming file and field."""
    try:
        documents = parse(data, path)
    except YamlProblem as problem:
        raise KustomizeProblem(
            f"invalid Kustomization: {go_yaml_error(data) or problem.message}", path=path, line=problem.line
        ) from None
    value = documents[0].value if documents else None
    return of_value(value, path, folder, empty_allowed=empty_allowed)


def of_value(value: Any, path: str, folder: str, *, empty_allowed: bool = False) -> Kustomization:
    """From what a file holds."""
    if value is None:
        value = {}
    fields = decode(value, path)
    warnings = tuple(
        f"{path}: '{old}' is deprecated, use '{new}' instead" for old, new in _DEPRECATED.items() if old in fields
    )
    if not empty_allowed and all(item in ("", 0) for key, item in fields.items() if key not in ("apiVersion", "kind")):
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
