"""What an AppProject allows its Applications: sources, destinations, kinds, who may use it. Pure.

Source: Argo CD, ``AppProject`` (``IsSourcePermitted``, ``IsDestinationPermitted``, ``IsGroupKindNamePermitted``) and
``ValidatePermissions``. The project ``default`` allows everything until an object of that name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.families.argocd import globs
from trueup.families.argocd.types import Application
from trueup.kube.names import Kind, Object, Ref

EVERYTHING: Mapping[str, Any] = {
    "sourceRepos": ["*"],
    "sourceNamespaces": ["*"],
    "destinations": [{"server": "*", "namespace": "*"}],
    "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
}
NOT_YET = ("signatureKeys", "sourceIntegrity", "permitOnlyProjectScopedClusters")
"""What would let in what the project forbids if it were passed over in silence."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster by both of its names."""

    server: str
    name: str


def spec_of(project: Object | None, name: str) -> Mapping[str, Any] | None:
    """The rules of a project; None when it does not exist."""
    if project is not None:
        return project.get("spec") or {}
    return EVERYTHING if name == "default" else None


def problems(app: Application, spec: Mapping[str, Any] | None, place: Place, home: str) -> list[str]:
    """Why an Application may not be delivered at all, in words for an ``InvalidSpecError``."""
    if spec is None:
        return [f"Application referencing project {app.project} which does not exist"]
    if app.namespace != home and not globs.any_matches(spec.get("sourceNamespaces") or (), app.namespace):
        return [
            f"application '{app.name}' in namespace '{app.namespace}' is not permitted to use project '{app.project}'"
        ]
    found = [f"project '{app.project}': {name} is not supported yet" for name in NOT_YET if spec.get(name)]
    found += [
        f"application repo {source.repo} is not permitted in project '{app.project}'"
        for source in app.sources
        if not allows_source(spec, source.repo)
    ]
    if not allows_destination(spec, place, app.destination.namespace):
        server = place.name if app.destination.name else place.server
        found.append(
            f"application destination server '{server}' and namespace '{app.destination.namespace}' "
            f"do not match any of the allowed destinations in project '{app.project}'"
        )
    return found


def allows_source(spec: Mapping[str, Any], repo: str) -> bool:
    """By glob; a line that begins with ``!`` forbids what it matches and allows the rest."""
    url, allowed = globs.repository(repo), False
    for pattern in spec.get("sourceRepos") or ():
        denies = globs.denies(str(pattern))
        normal = "!" + globs.repository(str(pattern)[1:]) if denies else globs.repository(str(pattern))
        if globs.says(normal, url, "/"):
            allowed = True
        elif denies:
            return False
    return allowed


def allows_destination(spec: Mapping[str, Any], place: Place, namespace: str) -> bool:
    """By server or name, and namespace; the words with ``!`` refuse as the original has them refuse."""
    allowed = False
    for entry in spec.get("destinations") or ():
        by_server, by_name = str(entry.get("server") or ""), str(entry.get("name") or "")
        space = str(entry.get("namespace") or "")
        name = bool(place.name) and globs.says(by_name, place.name)
        server = bool(place.server) and globs.says(by_server, place.server)
        within = globs.says(space, namespace)
        if (server or name) and within:
            allowed = True
        elif (
            (not name and globs.denies(by_name))
            or (not server and globs.denies(by_server) and within)
            or (not within and globs.denies(space) and server)
        ):
            return False
    return allowed


def allows_kind(spec: Mapping[str, Any], kind: Kind, name: str, namespaced: bool) -> bool:
    """By the lists for namespaced and for cluster-scoped kinds."""
    if namespaced:
        white, black = spec.get("namespaceResourceWhitelist"), spec.get("namespaceResourceBlacklist") or ()
        return (white is None or _listed(white, kind)) and not _listed(black, kind)
    white, black = spec.get("clusterResourceWhitelist") or (), spec.get("clusterResourceBlacklist") or ()
    return _listed(white, kind, name) and not _listed(black, kind, name)


def unbounded(spec: Mapping[str, Any] | None) -> bool:
    """Whether a project plainly lets every object pass."""
    if spec is None or any(spec.get(name) for name in ("namespaceResourceBlacklist", "clusterResourceBlacklist")):
        return False
    places: Sequence[Mapping[str, Any]] = spec.get("destinations") or ()
    return (
        spec.get("namespaceResourceWhitelist") is None
        and {"group": "*", "kind": "*"} in (spec.get("clusterResourceWhitelist") or ())
        and len(places) == 1
        and (places[0].get("server"), places[0].get("namespace")) == ("*", "*")
        and not globs.denies(str(places[0].get("name") or ""))
    )


def permits(app: Application, spec: Mapping[str, Any], place: Place, ref: Ref, namespaced: bool) -> str:
    """Why one object is not allowed; empty when it is."""
    if not allows_kind(spec, ref.kind, ref.name, namespaced):
        return f"resource {ref.kind.group}:{ref.kind.kind} is not permitted in project {app.project}"
    if namespaced and not allows_destination(spec, place, ref.namespace):
        return f"namespace {ref.namespace} is not permitted in project '{app.project}'"
    return ""


def _listed(entries: Sequence[Mapping[str, Any]], kind: Kind, name: str | None = None) -> bool:
    return any(
        globs.is_kind(str(entry.get("kind") or ""), kind.kind)
        and globs.is_kind(str(entry.get("group") or ""), kind.group)
        and (name is None or not entry.get("name") or globs.is_kind(str(entry["name"]), name))
        for entry in entries
    )
