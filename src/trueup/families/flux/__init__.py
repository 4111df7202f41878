"""Flux: GitRepository, ArtifactGenerator, Kustomization; its further kinds are served and say that they are not reconciled."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.families.flux import generator, kustomization, source, unsupported, view
from trueup.families.flux.credentials import SECRET
from trueup.families.flux.types import (
    EXTERNAL_ARTIFACT,
    GENERATOR,
    GIT_REPOSITORY,
    KUSTOMIZATION,
    OWNER_NAME,
    OWNER_NAMESPACE,
    Kustomization,
)
from trueup.family import Controller, Family, Unit, Watch
from trueup.kube.names import Key, Kind, Object

_UNSUPPORTED = (
    Kind("source.toolkit.fluxcd.io", "v1", "OCIRepository"),
    Kind("source.toolkit.fluxcd.io", "v1", "HelmRepository"),
    Kind("source.toolkit.fluxcd.io", "v1", "HelmChart"),
    Kind("source.toolkit.fluxcd.io", "v1", "Bucket"),
    Kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease"),
    Kind("notification.toolkit.fluxcd.io", "v1beta3", "Alert"),
    Kind("notification.toolkit.fluxcd.io", "v1beta3", "Provider"),
    Kind("notification.toolkit.fluxcd.io", "v1", "Receiver"),
    Kind("image.toolkit.fluxcd.io", "v1", "ImageRepository"),
    Kind("image.toolkit.fluxcd.io", "v1", "ImagePolicy"),
    Kind("image.toolkit.fluxcd.io", "v1", "ImageUpdateAutomation"),
)


CONFIG_MAP = Kind("", "v1", "ConfigMap")


def _source_index(obj: Object) -> Iterable[str]:
    ref = Kustomization.parse(obj).source
    yield f"{ref.kind.kind}/{ref.namespace}/{ref.name}"


def _url(obj: Object) -> Iterable[str]:
    yield str((obj.get("spec") or {}).get("url") or "")


def _include_index(obj: Object) -> Iterable[str]:
    namespace = (obj.get("metadata") or {}).get("namespace") or ""
    for entry in (obj.get("spec") or {}).get("include") or ():
        yield f"{namespace}/{(entry.get('repository') or {}).get('name')}"


def _dependency_index(obj: Object) -> Iterable[str]:
    return (str(key) for key in Kustomization.parse(obj).depends_on)


def _inventory_index(obj: Object) -> Iterable[str]:
    return (str(entry.get("id")) for entry in ((obj.get("status") or {}).get("inventory") or {}).get("entries") or ())


def _own_name(obj: Object) -> Iterable[str]:
    yield str(Key.of(obj))


def _as_source(obj: Object) -> Iterable[str]:
    yield f"{obj['kind']}/{Key.of(obj)}"


def _variables_index(obj: Object) -> Iterable[str]:
    namespace, spec = (obj.get("metadata") or {}).get("namespace") or "", obj.get("spec") or {}
    for entry in (spec.get("postBuild") or {}).get("substituteFrom") or ():
        yield f"{entry.get('kind')}/{namespace}/{entry.get('name')}"
    if keys := (spec.get("decryption") or {}).get("secretRef"):
        yield f"Secret/{namespace}/{keys.get('name')}"


def _generator_index(obj: Object) -> Iterable[str]:
    namespace = (obj.get("metadata") or {}).get("namespace") or ""
    for entry in (obj.get("spec") or {}).get("sources") or ():
        yield f"{entry.get('kind')}/{entry.get('namespace') or namespace}/{entry.get('name')}"


def _generated_by(obj: Object) -> Iterable[Key]:
    ref = (obj.get("spec") or {}).get("sourceRef") or {}
    if ref.get("kind") == GENERATOR.kind:
        yield Key(str(ref.get("namespace") or obj["metadata"].get("namespace") or ""), str(ref.get("name") or ""))


def _owner(obj: Object) -> Iterable[Key]:
    labels = (obj.get("metadata") or {}).get("labels") or {}
    if OWNER_NAME in labels and OWNER_NAMESPACE in labels:
        yield Key(labels[OWNER_NAMESPACE], labels[OWNER_NAME])


FAMILY = Family(
    name="flux",
    crds=(
        "gitrepositories.yaml",
        "kustomizations.yaml",
        "sources.yaml",
        "helmreleases.yaml",
        "notifications.yaml",
        "images.yaml",
        "generators.yaml",
    ),
    home="home.yaml",
    controllers=(
        Controller(
            "flux-source",
            GIT_REPOSITORY,
            source.reconcile,
            index={"include": _include_index},
            watches=(Watch(GIT_REPOSITORY, by={"include": _own_name}),),
            reads=_url,
        ),
        Controller(
            "flux-kustomization",
            KUSTOMIZATION,
            kustomization.reconcile,
            index={
                "source": _source_index,
                "dependsOn": _dependency_index,
                "variables": _variables_index,
                "inventory": _inventory_index,
            },
            watches=(
                Watch(GIT_REPOSITORY, by={"source": _as_source}),
                Watch(EXTERNAL_ARTIFACT, by={"source": _as_source}),
                # What one lets go of may be what another gave way to.
                Watch(KUSTOMIZATION, by={"dependsOn": _own_name, "inventory": _inventory_index}),
                Watch(CONFIG_MAP, by={"variables": _as_source}),
                Watch(SECRET, by={"variables": _as_source}),
            ),
            live=_owner,
        ),
        Controller(
            "flux-generator",
            GENERATOR,
            generator.reconcile,
            index={"source": _generator_index},
            watches=(
                Watch(GIT_REPOSITORY, by={"source": _as_source}),
                Watch(EXTERNAL_ARTIFACT, keys=_generated_by, by={"source": _as_source}),
            ),
        ),
        *(Controller(f"flux-{kind.kind.lower()}", kind, unsupported.reconciler(kind)) for kind in _UNSUPPORTED),
    ),
    units=(
        Unit(
            KUSTOMIZATION,
            view.view,
            {
                "sync": view.sync,
                "refresh": view.refresh,
                "suspend": view.suspend,
                "resume": view.resume,
                "rollback": view.rollback,
            },
            plan=kustomization.look,
        ),
    ),
)
