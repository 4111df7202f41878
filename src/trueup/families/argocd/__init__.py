"""Argo CD: Applications and their projects; ApplicationSets are served and say that they are not reconciled yet."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.families.argocd import appset, globs, health, project, reconcile, secrets, view
from trueup.families.argocd.secrets import SECRET
from trueup.families.argocd.types import APPLICATION, APPLICATION_SET, HOME, PROJECT
from trueup.families.argocd.wanted import owner_in
from trueup.family import Controller, Family, Unit, Watch
from trueup.kube.names import Key, Object


def _owner(obj: Object) -> Iterable[Key]:
    """The Application in an object's tracking id: its namespace stands before an underscore."""
    owner = owner_in(obj)
    if owner:
        namespace, underscore, name = owner.partition("_")
        yield Key(namespace, name) if underscore else Key(HOME, owner)


def _project(obj: Object) -> Iterable[str]:
    yield str((obj.get("spec") or {}).get("project") or "default")


def _uses(app: Object) -> Iterable[Key]:
    return (Key(HOME, name) for name in _project(app))


def _urls(obj: Object) -> Iterable[str]:
    spec = obj.get("spec") or {}
    sources = spec.get("sources") or [spec.get("source") or {}]
    return (str(source.get("repoURL") or "") for source in sources)


def _destination(app: Object) -> Iterable[str]:
    where = (app.get("spec") or {}).get("destination") or {}
    return (str(where[field]).rstrip("/") for field in ("server", "name") if where.get(field))


def _repositories(app: Object) -> Iterable[str]:
    return (globs.repository(url) for url in _urls(app))


def _own_name(obj: Object) -> Iterable[str]:
    yield str(obj["metadata"]["name"])


FAMILY = Family(
    name="argocd",
    crds=("applications.yaml", "appprojects.yaml", "applicationsets.yaml"),
    home="home.yaml",
    health={("argoproj.io", "ApplicationSet"): health.application_set},
    controllers=(
        Controller(
            "argocd-application",
            APPLICATION,
            reconcile.reconcile,
            index={"project": _project, "destination": _destination, "repository": _repositories},
            watches=(
                Watch(PROJECT, by={"project": _own_name}),
                Watch(SECRET, by={"destination": secrets.cluster, "repository": secrets.repository}),
            ),
            live=_owner,
            reads=_urls,
        ),
        Controller("argocd-applicationset", APPLICATION_SET, appset.reconcile),
        Controller("argocd-project", PROJECT, project.reconcile, watches=(Watch(APPLICATION, _uses),)),
    ),
    units=(
        Unit(
            APPLICATION,
            view.view,
            {
                "sync": view.sync,
                "refresh": view.refresh,
                "suspend": view.suspend,
                "resume": view.resume,
                "rollback": view.rollback,
                "terminate": view.terminate,
            },
            plan=reconcile.look,
        ),
    ),
)
