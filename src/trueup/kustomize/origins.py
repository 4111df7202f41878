"""Where an object came from and what changed it, as ``buildMetadata`` asks for. Called by `build` and `plugins`.

Source: ``resource.Origin`` of kustomize's API.
"""

from __future__ import annotations

from typing import Any

from trueup.kube.documents import dump
from trueup.kustomize.loading import is_remote, join
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources

Origin = dict[str, Any]
_ORDER = ("path", "repo", "ref", "configuredIn", "configuredBy")


def appended(origin: Origin, path: str) -> Origin:
    """The origin of what a path leads to from here."""
    if is_remote(path):
        repository, _, ref = path.partition("?")
        ref = next((part[4:] for part in ref.split("&") if part.startswith("ref=")), "")
        return {"repo": repository, **({"ref": ref} if ref else {})}
    return {**origin, "path": relative(origin.get("path", ""), path)}


def relative(folder: str, path: str) -> str:
    """A clean path from where the build began; it may lead upwards."""
    inside = join(folder, path) if not folder.startswith("..") else None
    if inside is not None:
        return inside
    parts: list[str] = []
    for part in f"{folder}/{path}".split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def of_builtin(origin: Origin, file_name: str, kind: str) -> Origin:
    """The origin of what a field of a kustomization makes or changes."""
    found = {key: origin[key] for key in ("repo", "ref") if origin.get(key)}
    found["configuredIn"] = relative(origin.get("path", ""), file_name)
    found["configuredBy"] = {"apiVersion": "builtin", "kind": kind}
    return found


def of_plugin(config: Resource) -> Origin | None:
    """The origin of what a configured plugin makes or changes."""
    if config.origin is None:
        return None
    by = {"apiVersion": config.api_version, "kind": config.kind, "name": config.name, "namespace": config.namespace}
    found = {key: config.origin[key] for key in ("repo", "ref") if config.origin.get(key)}
    found["configuredIn"] = config.origin.get("path", "")
    found["configuredBy"] = {key: value for key, value in by.items() if value}
    return found


def mark_generated(resource: Resource, origin: Origin | None) -> None:
    """Notes the generator of an object that has no origin yet."""
    if origin is not None and resource.origin is None:
        resource.origin = origin


def mark_transformed(resources: Resources, origin: Origin | None) -> None:
    """Notes a transformer on every object; one without an origin counts as made by it."""
    if origin is None:
        return
    for resource in resources:
        texts = resource.texts("annotations")
        if texts:
            resource.metadata()["annotations"] = texts  # upstream writes all annotations anew with its own
        if resource.origin is None:
            resource.origin = origin
        else:
            resource.transformations.append(origin)


def text(origin: Origin) -> str:
    """As the annotation holds it."""
    return "".join(_lines(origin))


def texts(origins: list[Origin]) -> str:
    """A list of them."""
    out = ""
    for origin in origins:
        for at, line in enumerate(_lines(origin)):
            out += ("- " if not at else "  ") + line
    return out


def _lines(origin: Origin) -> list[str]:
    lines: list[str] = []
    for key in _ORDER:
        value = origin.get(key)
        if isinstance(value, dict):
            lines.append(f"{key}:\n")
            lines += [f"  {line}" for part in ("apiVersion", "kind", "name", "namespace") if value.get(part)
                      for line in dump({part: value[part]}).splitlines(keepends=True)]  # fmt: skip
        elif value:
            lines += dump({key: value}).splitlines(keepends=True)
    return lines
