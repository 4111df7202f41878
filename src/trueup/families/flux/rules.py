"""A Kustomization's spec as what to render and how to deliver it. Pure.

Called by `kustomization.py`. Sources: Flux documentation, "Kustomization"; kustomize-controller's `build` and `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.delivery.request import LiveMarks
from trueup.families.flux.types import (
    FORCE,
    OWNER_NAME,
    OWNER_NAMESPACE,
    PRUNE,
    RECONCILE_ANNOTATION,
    SSA,
    Kustomization,
)
from trueup.kube.names import Object
from trueup.plan.order import FLUX
from trueup.plan.policy import Policy
from trueup.plan.wanted import DEFAULT, How, Options, Wanted
from trueup.ports import Origin

_HOW: Mapping[str, How] = {"ifnotpresent": "create-only", "merge": "merge", "ignore": "ignore"}


def render_options(kustomization: Kustomization, variables: Mapping[str, str] | None) -> Object:
    """The kustomize options: the fields that Flux writes into the folder's kustomization before it builds."""
    spec = kustomization.spec
    edits: Object = {}
    if kustomization.target_namespace:
        edits["namespace"] = kustomization.target_namespace
    for same in ("namePrefix", "nameSuffix", "images", "components"):
        if spec.get(same):
            edits[same] = spec[same]
    if spec.get("patches"):
        edits["patches"] = [{k: v for k, v in patch.items() if k in ("patch", "target")} for patch in spec["patches"]]
    options: Object = {"edits": edits, "generate": True}
    if variables is not None:
        options["substitute"] = dict(variables)
    return options


def policy(kustomization: Kustomization) -> Policy:
    """How Flux goes about an apply: staged kinds, every object tried, health at the end where asked."""
    return Policy(
        order=FLUX,
        prune=kustomization.prune,
        propagation="Background",
        allow_empty=True,
        force=kustomization.force,
        dry_run_first=False,
        prune_last=True,
        eager_prune=True,
        adopt=("kubectl", "before-first-apply"),
        wait=kustomization.wait,
        wait_prune=False,
        wait_for=frozenset() if kustomization.wait else frozenset(kustomization.health_checks),
        timeout=kustomization.timeout,
    )


def wanted(objects: Sequence[Object], origins: Sequence[Origin]) -> list[Wanted]:
    """Every object with its own annotations' say."""
    return [
        Wanted(obj, f"{origin.path}:{origin.line}" if origin.line else origin.path, options=options_of(obj))
        for obj, origin in zip(objects, origins, strict=True)
    ]


def options_of(obj: Object) -> Options:
    """What an object's annotations (or, for pruning, labels) ask for."""
    meta = obj.get("metadata") or {}
    said = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
    ssa = str(said.get(SSA) or "").lower()
    how = _HOW.get(ssa)
    if str(said.get(RECONCILE_ANNOTATION) or "").lower() == "disabled":
        how = "ignore"
    keep = str(said.get(PRUNE) or "").lower() == "disabled"
    force = str(said.get(FORCE) or "").lower() == "enabled"
    if not how and not keep and not force:
        return DEFAULT
    return Options(
        how=how, prune="no" if keep else "yes", delete="no" if keep else "yes", force=True if force else None
    )


def mark(obj: Object, kustomization: Kustomization) -> Object:
    """The object with the owner's labels and the common metadata on it."""
    meta = obj.get("metadata") or {}
    common = kustomization.spec.get("commonMetadata") or {}
    labels = {
        **(meta.get("labels") or {}),
        **(common.get("labels") or {}),
        OWNER_NAME: kustomization.key.name,
        OWNER_NAMESPACE: kustomization.key.namespace,
    }
    changed: Object = {**meta, "labels": labels}
    if common.get("annotations"):
        changed["annotations"] = {**(meta.get("annotations") or {}), **common["annotations"]}
    return {**obj, "metadata": changed}


def read_live(obj: Object, kustomization: Kustomization) -> LiveMarks:
    """Whether a live object is this Kustomization's, by its owner's labels."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    name, namespace = labels.get(OWNER_NAME), labels.get(OWNER_NAMESPACE)
    mine = (name, namespace) == (kustomization.key.name, kustomization.key.namespace)
    other = f"{namespace}/{name}" if name and not mine else ""
    return LiveMarks(
        owned=mine,
        options=options_of(obj),
        why=f"it belongs to the Kustomization {other}" if other else "it carries no owner's label",
        shared_with=other,
    )


def refuses(obj: Object | None) -> str:
    """Why an object cannot be applied as it is in the source; empty when it can."""
    if obj is not None and isinstance(obj.get("sops"), dict) and obj["sops"].get("mac"):
        return "it is encrypted with SOPS, which is not supported yet"
    return ""


def unsupported(kustomization: Kustomization) -> str:
    """A field of the spec that would change the outcome and that is not carried out yet; empty when there is none."""
    spec = kustomization.spec
    if spec.get("healthCheckExprs"):
        return "spec.healthCheckExprs is not supported yet: use healthChecks or wait"
    if (spec.get("kubeConfig") or {}).get("configMapRef"):
        return "spec.kubeConfig.configMapRef is not supported yet: use secretRef"
    return ""


def ready_dependency(dependency: Object | None, revision: str, same_source: bool) -> str:
    """Why a dependency holds its dependents back; empty when it does not."""
    if dependency is None:
        return "not found"
    status: Mapping[str, Any] = dependency.get("status") or {}
    current = status.get("observedGeneration") == dependency["metadata"].get("generation")
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    if not current or (conditions.get("Ready") or {}).get("status") != "True":
        return "is not ready"
    if same_source and revision != status.get("lastAppliedRevision"):
        return "revision is not up to date"
    return ""
