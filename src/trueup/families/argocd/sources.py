"""A source entry of an Application -> what to fetch and what to render. Pure.

Called by `reconcile.py`; the options are those of `RenderRequest`. Source: Argo CD user guide, "Tools", "Tracking and
Deployment Strategies", "Multiple Sources".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trueup.families.argocd.environment import Environment, expand, expand_path
from trueup.families.argocd.types import Source
from trueup.kube.names import Object
from trueup.ports import GitSpec

_CONSTRAINT = re.compile(r"[*<>=~^|,]|\s-\s|^v?\d+(\.\d+)?(\.[xX])?$|\.[xX]($|\.)")
_BUILD_OPTIONS = "kustomize.buildOptions"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PLAIN_VERSION = re.compile(r"^v?\d+(\.\d+){0,2}$")


def git_spec(source: Source, secret: Mapping[str, bytes] | None = None) -> GitSpec:
    """What a source names: a semver range of tags, else a branch, tag, commit or ``HEAD``."""
    secret = secret or {}
    if is_range(source.revision):
        return GitSpec(source.repo, semver=source.revision, secret=secret)
    return GitSpec(source.repo, ref=source.revision or "HEAD", secret=secret)


def is_range(revision: str) -> bool:
    """Whether a target revision is a semver constraint (``1.x``, ``>=1.2``, ``~1.2``) and no name of its own."""
    return bool(_CONSTRAINT.search(revision)) and not _PLAIN_VERSION.match(revision)


def is_commit(revision: str) -> bool:
    """Whether a revision is a full commit id."""
    return bool(_COMMIT.fullmatch(revision))


def tool_of(source: Source) -> str:
    """The tool that the entry asks for by naming its block; ``""`` leaves it to detection."""
    if source.chart or source.raw.get("helm"):
        return "helm"
    if source.raw.get("kustomize"):
        return "kustomize"
    if source.raw.get("plugin") is not None:
        return "plugin"
    return "directory" if source.raw.get("directory") else ""


def options_of(
    source: Source, *, release: str, namespace: str, environment: Environment, settings: Object | None = None
) -> Mapping[str, Any]:
    """The options of the tool that `tool_of` names; while that is left open, what a chart or a kustomization would need.

    ``settings``: ConfigMap argocd-cm.
    """
    tool, flags = tool_of(source), _build_options(source, settings)
    if tool == "kustomize":
        raw = source.raw.get("kustomize") or {}
        lenient = {"ignoreMissingComponents": True} if raw.get("ignoreMissingComponents") else {}
        return {"edits": kustomize_edits(raw, environment), **lenient, **flags}
    if tool == "directory":
        return _directory(source.raw["directory"], environment)
    chart = _helm(source.raw.get("helm") or {}, environment)
    return {"releaseName": release, "namespace": namespace, **chart, **({} if tool else flags)}


def _build_options(source: Source, settings: Object | None) -> Mapping[str, str]:
    """``kustomize.buildOptions``: flags of ``kustomize build``; a version that the source names may have its own."""
    data: Mapping[str, str] = (settings or {}).get("data") or {}
    version = (source.raw.get("kustomize") or {}).get("version")
    found = data.get(f"{_BUILD_OPTIONS}.{version}") if version else None
    found = data.get(_BUILD_OPTIONS) if found is None else found
    return {"buildOptions": str(found)} if found else {}


def _helm(raw: Mapping[str, Any], environment: Environment) -> Object:
    """``source.helm`` with the build environment put in where Argo CD puts it in."""
    out = dict(raw)
    if raw.get("valueFiles"):
        out["valueFiles"] = [expand_path(str(path), environment) for path in raw["valueFiles"]]
    for field, part in (("parameters", "value"), ("fileParameters", "path")):
        if raw.get(field):
            out[field] = [{**entry, part: expand(str(entry.get(part) or ""), environment)} for entry in raw[field]]
    return out


def _directory(raw: Mapping[str, Any], environment: Environment) -> Object:
    jsonnet = dict(raw.get("jsonnet") or {})
    for field in ("extVars", "tlas"):
        if jsonnet.get(field):
            jsonnet[field] = [
                {**entry, "value": expand(str(entry.get("value") or ""), environment)} for entry in jsonnet[field]
            ]
    return {**raw, **({"jsonnet": jsonnet} if jsonnet else {})}


def kustomize_edits(raw: Mapping[str, Any], environment: Environment) -> Object:
    """``source.kustomize`` as the fields that the renderer hands to ``kustomize edit``."""
    edits: Object = {}
    for same in (
        "namePrefix", "nameSuffix", "namespace", "components", "patches", "labelWithoutSelector", "labelIncludeTemplates",
        "forceCommonLabels", "forceCommonAnnotations",
    ):  # fmt: skip
        if raw.get(same):
            edits[same] = raw[same]
    if raw.get("images"):
        edits["images"] = [expand(str(text), environment) for text in raw["images"]]
    if raw.get("replicas"):
        edits["replicas"] = [{"name": entry["name"], "count": int(entry["count"])} for entry in raw["replicas"]]
    if raw.get("commonAnnotations"):
        kept = dict(raw["commonAnnotations"])
        substituted = {name: expand(str(value), environment) for name, value in kept.items()}
        edits["commonAnnotations"] = substituted if raw.get("commonAnnotationsEnvsubst") else kept
    labels = {name: expand(str(value), environment) for name, value in (raw.get("commonLabels") or {}).items()}
    if labels:
        edits["commonLabels"] = labels
    return edits
