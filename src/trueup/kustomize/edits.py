"""A build with fields laid over its kustomization, and the kustomization that Flux makes for a folder without one.

Called by the kustomize renderer for Argo CD's ``source.kustomize`` (see `commands`) and the fields of Flux's Kustomization.
Source: the generator of fluxcd/pkg.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.kube.documents import YamlProblem, parse_one
from trueup.kube.names import Object
from trueup.kustomize import kustomization
from trueup.kustomize.build import build
from trueup.kustomize.commands import edited
from trueup.kustomize.loading import Files
from trueup.kustomize.options import Built, Options
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.reading import resources
from trueup.kustomize.shape import without_unknown

_PLACEHOLDER = "_placeholder"
_NOT_IN_ARTIFACTS = frozenset({
    ".git", ".github", ".circleci", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml",
    "codeship-services.yml", "codeship-steps.yml", ".goreleaser.yml", ".sops.yaml", ".flux.yaml",
})  # fmt: skip
"""What Flux's source controller leaves out of every artifact."""


def build_with(
    files: Files, path: str, edits: Mapping[str, Any], options: Options | None = None, *, by_commands: bool = False
) -> Built:
    """Builds a folder as if its kustomization had been edited: as ``kustomize edit`` does (so Argo CD), or with the fields
    laid over it (so Flux). The file stays as it is."""
    folder = "/".join(part for part in path.split("/") if part not in ("", "."))
    edits = {field: value for field, value in edits.items() if value not in (None, "", [], {})}
    if by_commands and not edits:
        return build(files, folder, options)
    place = kustomization.find(files, folder)
    try:
        written = parse_one(files.read(place), place)
    except YamlProblem as problem:
        raise KustomizeProblem(
            f"invalid Kustomization: yaml: line {problem.line}: {problem.message}", path=place, line=problem.line
        ) from None
    if written is not None and not isinstance(written, dict):
        raise KustomizeProblem("invalid Kustomization: not a map", path=place)
    given = edited(files, folder, written or {}, edits) if by_commands else overlaid(written or {}, edits)
    return build(files, folder, options, given=given, given_path=place)


def overlaid(written: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """A kustomization with edits: entries with the same name are merged, other lists grow, maps take the edits' values.

    Flux reads the file without minding fields that there are not, and one that names no resources (which kustomize could
    find empty) gets ``buildMetadata``; so its objects tell their origin.
    """
    out: dict[str, Any] = without_unknown(written)
    if not (out.get("resources") or out.get("namespace") == _PLACEHOLDER):
        out["buildMetadata"] = ["originAnnotations"]
    for field, value in edits.items():
        have = out.get(field)
        if field in ("images", "replicas"):
            out[field] = _by_name(have, value)
        elif isinstance(value, list) and isinstance(have, list) and field != "buildMetadata":
            out[field] = [*have, *value]
        elif isinstance(value, dict) and isinstance(have, dict):
            out[field] = {**have, **value}
        else:
            out[field] = value
    return out


def _by_name(have: Any, edits: list[Mapping[str, Any]]) -> list[Any]:
    """Entries of images and replicas. A new tag or digest of an image takes the place of both."""
    out = [dict(entry) if isinstance(entry, dict) else entry for entry in have or ()]
    for edit in edits:
        given = {key: value for key, value in edit.items() if value not in (None, "")}
        found = next(
            (entry for entry in out if isinstance(entry, dict) and entry.get("name") == edit.get("name")), None
        )
        if found is None:
            out.append(given)
            continue
        if "newTag" in given or "digest" in given:
            found.pop("newTag", None)
            found.pop("digest", None)
        found.update(given)
    return out


# --- a folder without a kustomization ------------------------------------------------------------------------------


def generate_kustomization(files: Files, path: str) -> Object:
    """Lists every manifest below a folder, and every folder that has a kustomization of its own."""
    folder = "/".join(part for part in path.split("/") if part not in ("", "."))
    found = [f"./{place.removeprefix(folder).lstrip('/')}" for place in _manifests(files, folder)]
    out: Object = {"apiVersion": kustomization.VERSION, "kind": kustomization.KIND}
    if found:
        out["resources"] = found
    else:
        out["namespace"] = _PLACEHOLDER  # so that the kustomization is not empty, which would be refused
    return out


def _manifests(files: Files, folder: str) -> Iterator[str]:
    for name in files.list(folder):
        place = f"{folder}/{name}" if folder else name
        if name in _NOT_IN_ARTIFACTS:
            continue
        if files.kind(place) == "folder":
            if any(files.kind(f"{place}/{known}") == "file" for known in kustomization.FILE_NAMES):
                yield place
            else:
                yield from _manifests(files, place)
        elif name.endswith((".yaml", ".yml")) and files.kind(place) == "file":
            try:
                resources(files.read(place), place)
            except KustomizeProblem as problem:
                raise problem.under(f"failed to decode Kubernetes YAML from {place}") from None
            yield place
