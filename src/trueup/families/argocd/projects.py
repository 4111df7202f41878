"""What an AppProject allows its Applications: sources, destinations, kinds. Pure.

Source: Argo CD user guide, "Projects". The project ``default`` allows everything until an object of that name says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from trueup.families.argocd.types import IN_CLUSTER, Application, Destination
from trueup.kube.names import Kind, Object, Ref

EVERYTHING: Mapping[str, Any] = {
    "sourceRepos": ["*"],
    "destinations": [{"server": "*", "namespace": "*"}],
    "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
}


def spec_of(project: Object | None, name: str) -> Mapping[str, Any] | None:
    """The rules of a project; None when it does not exist."""
    if project is not None:
        return project.get("spec") or {}
    return EVERYTHING if name == "default" else None


def problems(app: Application, spec: Mapping[str, Any] | None) -> list[str]:
    """Why an Application may not be delivered at all, in words for an ``InvalidSpecError``."""
    if spec is None:
        return [f"Application referencing project {app.project} which does not exist"]
    found = [
        f"application repo {source.repo} is not permitted in project '{app.project}'"
        for source in app.sources
        if not allows_source(spec, source.repo)
    ]
    if not allows_destination(spec, app.destination, app.destination.namespace):
        server = app.destination.server or app.destination.name or IN_CLUSTER
        found.append(
            f"application destination server '{server}' and namespace '{app.destination.namespace}' "
            f"do not match any of the allowed destinations in project '{app.project}'"
        )
    return found


def allows_source(spec: Mapping[str, Any], repo: str) -> bool:
    """By glob; a line that begins with ``!`` forbids what it matches."""
    return _allowed(spec.get("sourceRepos") or (), _normal(repo), "/")


def allows_destination(spec: Mapping[str, Any], destination: Destination, namespace: str) -> bool:
    """By server or name, and namespace."""
    server = destination.server or (IN_CLUSTER if destination.in_cluster else "")
    allowed = False
    for entry in spec.get("destinations") or ():
        by_server, by_name = str(entry.get("server") or ""), str(entry.get("name") or "")
        name = destination.name or ("in-cluster" if destination.in_cluster else "")
        place = bool(by_server and _glob(by_server.lstrip("!"), server)) or bool(
            by_name and _glob(by_name.lstrip("!"), name)
        )
        space = str(entry.get("namespace") or "")
        if space.startswith("!") or by_server.startswith("!") or by_name.startswith("!"):
            if place and _glob(space.lstrip("!") or "*", namespace):
                return False
        elif place and _glob(space, namespace):
            allowed = True
    return allowed


def permits(app: Application, spec: Mapping[str, Any], ref: Ref, namespaced: bool) -> str:
    """Why one object is not allowed; empty when it is."""
    if namespaced:
        white, black = spec.get("namespaceResourceWhitelist"), spec.get("namespaceResourceBlacklist") or ()
        allowed = (white is None or _listed(white, ref)) and not _listed(black, ref)
    else:
        white, black = spec.get("clusterResourceWhitelist") or (), spec.get("clusterResourceBlacklist") or ()
        allowed = _listed(white, ref) and not _listed(black, ref)
    if not allowed:
        return f"resource {_words(ref.kind)} is not permitted in project {app.project}"
    if namespaced and ref.namespace and not allows_destination(spec, app.destination, ref.namespace):
        return f"namespace {ref.namespace} is not permitted in project '{app.project}'"
    return ""


def _words(kind: Kind) -> str:
    return f"{kind.group}:{kind.kind}"


def _listed(entries: Sequence[Mapping[str, Any]], ref: Ref) -> bool:
    return any(
        _glob(str(entry.get("group") or ""), ref.kind.group)
        and _glob(str(entry.get("kind") or ""), ref.kind.kind)
        and (not entry.get("name") or _glob(str(entry["name"]), ref.name))
        for entry in entries
    )


def _allowed(patterns: Sequence[str], text: str, separator: str = "") -> bool:
    if any(_glob(_normal(p[1:]), text, separator) for p in patterns if p.startswith("!")):
        return False
    return any(_glob(_normal(p), text, separator) for p in patterns if not p.startswith("!"))


def _normal(url: str) -> str:
    return url.removesuffix("/").removesuffix(".git").lower() if url != "*" else url


def _glob(pattern: str, text: str, separator: str = "") -> bool:
    if pattern == "*":
        return True
    return bool(_compiled(pattern, separator).fullmatch(text))


@lru_cache(maxsize=1024)
def _compiled(pattern: str, separator: str) -> re.Pattern[str]:
    """``**`` crosses separators, ``*`` does not."""
    one = f"[^{re.escape(separator)}]*" if separator else ".*"
    parts = [
        ".*" if part == "**" else one if part == "*" else re.escape(part) for part in re.split(r"(\*\*|\*)", pattern)
    ]
    return re.compile("".join(parts))
