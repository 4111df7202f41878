"""A Kustomization's spec as what to render and how to deliver it. Pure.

Called by `kustomization.py`. Sources: Flux documentation, "Kustomization"; kustomize-controller's `build` and `apply`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trueup.delivery.request import LiveMarks
from trueup.families.flux.messages import subject
from trueup.families.flux.types import (
    DECRYPT,
    FORCE,
    KUSTOMIZATION,
    OWNER_NAME,
    OWNER_NAMESPACE,
    PRUNE,
    RECONCILE_ANNOTATION,
    SSA,
    Kustomization,
)
from trueup.kube import selectors
from trueup.kube.names import Object, Ref
from trueup.kube.patterns import pattern
from trueup.plan.order import FLUX
from trueup.plan.plan import Plan
from trueup.plan.policy import Policy
from trueup.plan.wanted import DEFAULT, How, Ignore, Options, Removal, Wanted
from trueup.ports import Origin
from trueup.timing.rfc3339 import parse_time

_VARIABLE = re.compile(r"[_A-Za-z][_A-Za-z0-9]*\Z")
FIRST_RETRY = 5.0
_HOW: Mapping[str, How] = {"ifnotpresent": "create-only", "merge": "merge", "ignore": "ignore"}


def render_options(
    kustomization: Kustomization, variables: Mapping[str, str] | None, there: Callable[[str], bool]
) -> Object:
    """The kustomize options: the fields that Flux writes into the folder's kustomization before it builds.

    ``there``: whether a path, seen from that folder, is in the source.
    """
    spec = kustomization.spec
    edits: Object = {}
    if kustomization.target_namespace:
        edits["namespace"] = kustomization.target_namespace
    for same in ("namePrefix", "nameSuffix", "images", "components", "buildMetadata"):
        if spec.get(same):
            edits[same] = spec[same]
    if spec.get("ignoreMissingComponents") and "components" in edits:
        edits["components"] = [path for path in edits["components"] if there(str(path))]
    if spec.get("patches"):
        edits["patches"] = [{k: v for k, v in patch.items() if k in ("patch", "target")} for patch in spec["patches"]]
    options: Object = {"edits": edits, "generate": True}
    if variables is not None:
        options |= {"substitute": dict(variables), "substituteStrict": True}  # the default from Flux 2.9 on
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
        wait_for=awaited(kustomization),
        respect_ignored=True,
        timeout=kustomization.timeout,
    )


def awaited(kustomization: Kustomization) -> frozenset[Ref]:
    """``healthChecks``, less the Kustomization itself: it would wait for itself for ever."""
    itself = (KUSTOMIZATION.kind, kustomization.key.namespace, kustomization.key.name)
    checks = () if kustomization.wait else kustomization.health_checks
    return frozenset(ref for ref in checks if (ref.kind.kind, ref.namespace, ref.name) != itself)


def wanted(objects: Sequence[Object], origins: Sequence[Origin], opened: Collection[Ref] = ()) -> list[Wanted]:
    """Every object with its own annotations' say. ``opened``: those that were encrypted in the source."""
    return [
        Wanted(
            obj,
            f"{origin.path}:{origin.line}" if origin.line else origin.path,
            options=replace(options_of(obj), secret=True) if opened and Ref.of(obj) in opened else options_of(obj),
        )
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
    keep = how == "ignore" or str(said.get(PRUNE) or "").lower() == "disabled"
    force = str(said.get(FORCE) or "").lower() == "enabled"
    if not how and not keep and not force:
        return DEFAULT
    removal: Removal = "no" if keep else "yes"
    return Options(how=how, prune=removal, delete=removal, force=True if force else None, ignore_health=how == "ignore")


def ignores(kustomization: Kustomization, objects: Sequence[Object]) -> tuple[Ignore, ...]:
    """``spec.ignore``: fields that are not watched for drift, of the objects that each rule's target selects.

    Raises ``BadPattern`` for a target that is no regular expression.
    """
    found = []
    for rule in kustomization.spec.get("ignore") or ():
        pointers = tuple(str(path) for path in rule.get("paths") or ())
        target = rule.get("target")
        if not target:
            found.append(Ignore(pointers=pointers))
            continue
        for obj in objects:
            ref = Ref.of(obj)
            if selects(target, obj):
                found.append(Ignore(ref.kind.group, ref.kind.kind, ref.namespace, ref.name, pointers))
    return tuple(found)


def selects(target: Mapping[str, Any], obj: Object) -> bool:
    """Whether a selector means an object: names are regular expressions, as in kustomize's patches."""
    ref, meta = Ref.of(obj), obj.get("metadata") or {}
    values = {
        "group": ref.kind.group,
        "version": ref.kind.version,
        "kind": ref.kind.kind,
        "namespace": ref.namespace,
        "name": ref.name,
    }
    return (
        all(not target.get(name) or pattern(f"^(?:{target[name]})$").found(value) for name, value in values.items())
        and selectors.labels(str(target.get("labelSelector") or "")).matches(meta.get("labels") or {})
        and selectors.labels(str(target.get("annotationSelector") or "")).matches(meta.get("annotations") or {})
    )


def variables(inline: Mapping[str, Any], found: Mapping[str, str], strategy: str) -> tuple[dict[str, str] | None, str]:
    """The variables of ``postBuild`` (inline ones win; None: nothing is substituted), and what is wrong with them."""
    both = {**found, **{name: str(value) for name, value in inline.items()}}
    values = {name: value.replace("\n", "") for name, value in both.items()}
    for name in values:
        if not _VARIABLE.match(name):
            return None, f"'{name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
    return (values if values or strategy == "Always" else None), ""


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


def refuses(obj: Object | None, closed: str = "") -> str:
    """Why an object cannot be applied as it is in the source; empty when it can. ``closed``: why it was not decrypted."""
    if obj is not None and closed:
        return f"{subject(Ref.of(obj))} is SOPS encrypted, and cannot be decrypted: {closed}"
    if obj is None or not isinstance(obj.get("sops"), dict) or not obj["sops"].get("mac"):
        return ""
    if str(((obj.get("metadata") or {}).get("annotations") or {}).get(DECRYPT) or "").lower() == "disabled":
        return ""
    return (
        f"{subject(Ref.of(obj))} is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
    )


def unsupported(kustomization: Kustomization) -> str:
    """A field of the spec that would change the outcome and that is not carried out yet; empty when there is none."""
    spec = kustomization.spec
    if (spec.get("kubeConfig") or {}).get("configMapRef"):
        return "spec.kubeConfig.configMapRef is not supported yet: use secretRef"
    return ""


def left_to_others(plan: Plan, exists: Callable[[str], bool]) -> Plan:
    """What another Kustomization has claimed since this one was through with its revision is left to that one until there is
    something new to apply. Two that wish for one object would otherwise undo each other's work without end; Flux's do, at
    each interval. Such an overlap is common: a cluster's own Kustomization delivers what it was begun with, too."""
    return replace(
        plan,
        changes=tuple(
            replace(change, action="keep", fields=(), why=f"left to {change.shared_with}, which claimed it later")
            if change.action == "update" and change.shared_with and exists(change.shared_with)
            else change
            for change in plan
        ),
    )


def retry_after(reason: str, before: Mapping[str, Any], wish: Kustomization, now: float) -> float:
    """Seconds until a failure is tried again. What the API refused may want a definition or a namespace that another unit
    brings: that is tried after as long as it has been failing, at most the interval."""
    if reason != "ReconciliationFailed":
        return wish.retry_interval
    since = before.get("lastTransitionTime") if before.get("status") == "False" else None
    lasted = now - parse_time(str(since)) if since else 0.0
    return min(max(lasted, FIRST_RETRY), wish.retry_interval)


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
