"""Rendered objects and their annotations -> what is wanted of each: phase, wave, hook, options, tracking. Pure.

Called by `reconcile.py` before it plans. Sources: Argo CD user guide, "Resource Hooks", "Sync Phases and Waves", "Sync
Options", "Resource Tracking"; Helm's hooks as Argo CD reads them ("Helm Hooks").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trueup.families.argocd.types import (
    COMPARE_OPTIONS,
    HOOK,
    HOOK_DELETE_POLICY,
    SYNC_OPTIONS,
    SYNC_WAVE,
    TRACKING_ID,
    parse_options,
)
from trueup.kube.names import Object, Ref
from trueup.plan.wanted import DEFAULT, PHASES, DeletePolicy, Hook, How, Options, Phase, Removal, Wanted
from trueup.ports import Origin

IGNORE_HEALTH = "argocd.argoproj.io/ignore-healthcheck"
HELM_HOOK = "helm.sh/hook"
RESOURCE_POLICY = "helm.sh/resource-policy"
HELM_WEIGHT = "helm.sh/hook-weight"
HELM_DELETE_POLICY = "helm.sh/hook-delete-policy"

_RBAC = "rbac.authorization.k8s.io/v1"
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")
_HELM_PHASES: Mapping[str, Phase] = {
    "pre-install": "PreSync",
    "pre-upgrade": "PreSync",
    "post-install": "PostSync",
    "post-upgrade": "PostSync",
    "pre-delete": "PreDelete",
    "post-delete": "PostDelete",
}
"""Helm's other hooks (tests, rollbacks) are not run by Argo CD."""
_HELM_POLICIES: Mapping[str, DeletePolicy] = {
    "before-hook-creation": "BeforeHookCreation",
    "hook-succeeded": "HookSucceeded",
    "hook-failed": "HookFailed",
}
_POLICIES: Mapping[str, DeletePolicy] = {
    "BeforeHookCreation": "BeforeHookCreation",
    "HookSucceeded": "HookSucceeded",
    "HookFailed": "HookFailed",
}


def wanted(objects: Sequence[Object], origins: Sequence[Origin]) -> list[Wanted]:
    """All that is wanted; a hook of several phases once for each, objects marked ``Skip`` not at all."""
    out: list[Wanted] = []
    for obj, origin in zip(objects, origins, strict=True):
        out += wanted_of(obj, f"{origin.path}:{origin.line}" if origin.line else origin.path)
    return out


def wanted_of(obj: Object, origin: str = "") -> list[Wanted]:
    """What one object asks for by its annotations."""
    annotations = (obj.get("metadata") or {}).get("annotations")
    if not annotations:
        return [Wanted(obj, origin, options=_own_options(obj, {}))]
    options, wave = _own_options(obj, annotations), wave_of(annotations)
    phases = hook_phases(annotations)
    if phases is None:
        return [Wanted(obj, origin, wave=wave, options=options)]
    policies = delete_policies(annotations)
    return [
        Wanted(obj, origin, phase=phase, wave=wave, hook=Hook(policies, phase), options=options) for phase in phases
    ]


def hook_phases(annotations: Mapping[str, str]) -> tuple[Phase, ...] | None:
    """The phases of a hook (none for one that never runs), or None for an object that is no hook."""
    own, helm = annotations.get(HOOK), annotations.get(HELM_HOOK)
    if own is None and (helm is None or helm == "crd-install"):
        return None  # a CRD that Helm 2 would install as a hook is an ordinary object to Argo CD
    words = {word.strip() for word in (own or "").split(",")}
    found = {phase for phase in PHASES if phase in words}
    if not found and "Skip" not in words:
        found = {_HELM_PHASES[word] for word in map(str.strip, (helm or "").split(",")) if word in _HELM_PHASES}
    return tuple(phase for phase in PHASES if phase in found)


def delete_policies(annotations: Mapping[str, str]) -> frozenset[DeletePolicy]:
    """When a hook is deleted; ``BeforeHookCreation`` when nothing is said."""
    words = [word.strip() for word in annotations.get(HOOK_DELETE_POLICY, "").split(",")]
    found = {_POLICIES[word] for word in words if word in _POLICIES}
    helm = [word.strip() for word in annotations.get(HELM_DELETE_POLICY, "").split(",")]
    found |= {_HELM_POLICIES[word] for word in helm if word in _HELM_POLICIES}
    return frozenset(found or {"BeforeHookCreation"})


def wave_of(annotations: Mapping[str, str]) -> int:
    """The sync wave; a Helm hook's weight counts when no wave is given. What is no number is wave 0, as in Argo CD."""
    for name in (SYNC_WAVE, HELM_WEIGHT):
        text = str(annotations.get(name, "")).strip()
        if text:
            try:
                return int(text)
            except ValueError:
                continue
    return 0


def _own_options(obj: Object, annotations: Mapping[str, str]) -> Options:
    """A binding whose role is another one is made anew: ``kubectl auth reconcile``, by which Argo CD applies them, does so."""
    options = options_of(annotations)
    if options.force is None and obj.get("kind") in _BINDINGS and obj.get("apiVersion") == _RBAC:
        return replace(options, force=True)
    return options


Removals = tuple[Removal, Removal]
"""Whether an object may be pruned, and whether it may be deleted with the Application, where it does not say so itself."""
ALLOWED: Removals = ("yes", "yes")
_SPOKEN = frozenset({SYNC_OPTIONS, COMPARE_OPTIONS, IGNORE_HEALTH})


def removals(options: Mapping[str, str]) -> Removals:
    """What an Application's or an operation's sync options say of removing objects."""
    return _removal(options, "Prune", "yes"), _removal(options, "Delete", "yes")


def options_of(annotations: Mapping[str, str], defaults: Removals = ALLOWED, live: Object | None = None) -> Options:
    """An object's own sync and compare options; of a live one, whether it may go with the Application too."""
    stays = live is not None and _stays(live, annotations)
    if not stays and defaults == ALLOWED and _SPOKEN.isdisjoint(annotations):
        return DEFAULT
    sync = parse_options(str(annotations.get(SYNC_OPTIONS, "")).split(","))
    compare = parse_options(str(annotations.get(COMPARE_OPTIONS, "")).split(","))
    ignore_health = annotations.get(IGNORE_HEALTH) == "true"
    prune, delete = _removal(sync, "Prune", defaults[0]), _removal(sync, "Delete", defaults[1])
    return Options(
        how=_how(sync),
        force=_flag(sync, "Force"),
        prune=prune,
        delete="no" if stays else "confirm" if delete == "yes" and prune == "confirm" else delete,
        prune_last=_flag(sync, "PruneLast"),
        validate=_flag(sync, "Validate"),
        skip_dry_run_on_missing=_flag(sync, "SkipDryRunOnMissingResource"),
        respect_ignored=_flag(sync, "RespectIgnoreDifferences"),
        extraneous=compare.get("IgnoreExtraneous") == "true",
        ignore_health=ignore_health,
    )


def _stays(live: Object, annotations: Mapping[str, str]) -> bool:
    """Definitions of kinds never go with an Application, for all objects of theirs would; nor what Helm is told to keep."""
    defines = live.get("kind") == "CustomResourceDefinition"
    return defines or "keep" in [word.strip() for word in str(annotations.get(RESOURCE_POLICY, "")).split(",")]


def _how(options: Mapping[str, str]) -> How | None:
    """Server-side apply wins over replace, as in gitops-engine."""
    if options.get("ServerSideApply") == "true":
        return "apply"
    return "replace" if options.get("Replace") == "true" else None


def _flag(options: Mapping[str, str], name: str) -> bool | None:
    return {"true": True, "false": False}.get(options.get(name, ""))


def _removal(options: Mapping[str, str], name: str, default: Removal) -> Removal:
    if name not in options:
        return default
    said: Mapping[str, Removal] = {"false": "no", "confirm": "confirm"}
    return said.get(options[name], "yes")


def tracking_id(app: str, ref: Ref, namespace: str) -> str:
    """``app:group/Kind:namespace/name``; cluster-scoped objects carry the destination's namespace."""
    return f"{app}:{ref.kind.group}/{ref.kind.kind}:{ref.namespace or namespace}/{ref.name}"


def instance_name(namespace: str, name: str, home: str) -> str:
    """How an Application is named in tracking ids: with its namespace when that is not the controllers' own."""
    return name if namespace == home else f"{namespace}_{name}"


def mark(obj: Object, app: str, namespace: str) -> Object:
    """The object with its tracking annotation; the one handed in stays as it is."""
    meta = obj.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), TRACKING_ID: tracking_id(app, Ref.of(obj), namespace)}
    return {**obj, "metadata": {**meta, "annotations": annotations}}


def owner_in(obj: Object) -> str:
    """The instance name in a live object's tracking id, if the id is the object's own (a copy is nobody's).

    A hook with a generated name was marked before it had one.
    """
    annotations = (obj.get("metadata") or {}).get("annotations")
    text = annotations.get(TRACKING_ID) if annotations else None
    if not text:
        return ""
    app, _, rest = str(text).partition(":")
    group_kind, _, name = rest.rpartition(":")
    ref = Ref.of(obj)
    generated = bool((obj.get("metadata") or {}).get("generateName"))
    if group_kind != f"{ref.kind.group}/{ref.kind.kind}" or name.rpartition("/")[2] != ("" if generated else ref.name):
        return ""
    return app if not ref.namespace or name.partition("/")[0] == ref.namespace else ""
