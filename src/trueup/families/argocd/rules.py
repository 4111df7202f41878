"""What an Application asks for, as decisions: the policy of an operation, ignore rules, what is wrong with the spec. Pure.

Called by `ask.py`, `operate.py`, `delete.py` and `reconcile.py`; answers values, never acts. Sources: Argo CD user guide,
"Sync Options", "Diffing Customization", "Selective Sync"; ``SyncAppState``, ``validateSourcePermissions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.families.argocd.operation import is_automated
from trueup.families.argocd.types import Application, Destination, Source, parse_options
from trueup.kube.names import Ref
from trueup.plan.adopt import CLIENT_SIDE
from trueup.plan.order import ARGOCD
from trueup.plan.plan import Plan
from trueup.plan.policy import Policy, Propagation, Retry
from trueup.plan.wanted import CORE, Ignore
from trueup.timing.durations import parse_duration
from trueup.timing.rfc3339 import parse_time

REFRESH_EVERY = 180.0
"""Seconds between two looks at a source that announces nothing (``timeout.reconciliation``)."""
APPROVED = "argocd.argoproj.io/deletion-approved"
NOT_YET = (("", "tagPrefix"), ("directory", "disableExtensionFilter"))
"""Fields of a source, by block, that change what it renders to and are not heeded yet."""
MIGRATION = "argocd.argoproj.io/client-side-apply-migration-manager"
HOOK_FINALIZER = "argocd.argoproj.io/hook-finalizer"

_PROPAGATION: Mapping[str, Propagation] = {"foreground": "Foreground", "background": "Background", "orphan": "Orphan"}


def options_of(asked: Mapping[str, Any]) -> dict[str, str]:
    """The sync options of an operation."""
    return parse_options((asked.get("sync") or {}).get("syncOptions") or ())


def comparison(app: Application) -> Policy:
    """How live and wanted are compared: what may be pruned is a difference; whether it is pruned, the sync policy says."""
    return Policy(
        prune=True,
        allow_empty=True,
        adopt=adopted(app, app.policy.options),
        validate=app.policy.options.get("Validate") != "false",
        skip_dry_run_on_missing=app.policy.on("SkipDryRunOnMissingResource"),
    )


def plan_policy(app: Application, asked: Mapping[str, Any], plan: Plan | None = None, *, started: str = "") -> Policy:
    """The policy of one operation. ``plan`` is needed to tell which objects a selective sync means."""
    sync = asked.get("sync") or {}
    options = options_of(asked)
    strategy = sync.get("syncStrategy") or {}
    how = strategy.get("apply") or strategy.get("hook") or {}
    selected = sync.get("resources")
    automated = app.policy.automated
    metadata = app.policy.namespace_metadata or {}
    return Policy(
        order=ARGOCD,
        prune=bool(sync.get("prune")),
        prune_last=options.get("PruneLast") == "true",
        propagation=_PROPAGATION.get(options.get("PrunePropagationPolicy", ""), "Foreground"),
        prune_approved=approved(app, started),
        allow_empty=automated is None or automated.allow_empty or not is_automated(asked),
        replace=options.get("Replace") == "true",
        force=bool(how.get("force")) or options.get("Force") == "true",
        adopt=adopted(app, options),
        validate=options.get("Validate") != "false",
        server_side=options.get("ServerSideApply") == "true",
        skip_dry_run_on_missing=options.get("SkipDryRunOnMissingResource") == "true",
        dry_run=bool(sync.get("dryRun")),
        skip_hooks=strategy.get("apply") is not None or bool(selected),
        hook_finalizer=HOOK_FINALIZER,
        fail_on_shared=options.get("FailOnSharedResource") == "true",
        only=None if not selected else chosen(selected, plan),
        out_of_sync_only=options.get("ApplyOutOfSyncOnly") == "true",
        respect_ignored=options.get("RespectIgnoreDifferences") == "true",
        create_namespace=options.get("CreateNamespace") == "true",
        namespace_labels=tuple(sorted((metadata.get("labels") or {}).items())),
        namespace_annotations=tuple(sorted((metadata.get("annotations") or {}).items())),
        retry=retry_of(asked.get("retry")),
    )


def adopted(app: Application, options: Mapping[str, str]) -> tuple[str, ...]:
    """The field manager whose fields an Application takes over, so that what people once applied and Git does not say goes."""
    if options.get("ClientSideApplyMigration") == "false":
        return ()
    named = (app.raw["metadata"].get("annotations") or {}).get(MIGRATION)
    return (str(named or CLIENT_SIDE),)


def deletion_policy(app: Application, finalizers: Sequence[str]) -> Policy:
    """The policy of taking everything along when the Application goes."""
    background = any(name.endswith("/background") for name in finalizers)
    return Policy(
        prune=True,
        allow_empty=True,
        propagation="Background" if background else "Foreground",
        prune_approved=approved(app, str(app.raw["metadata"].get("deletionTimestamp") or "")),
        hook_finalizer=HOOK_FINALIZER,
    )


def retry_of(raw: Mapping[str, Any] | None) -> Retry:
    """``retry`` with Argo CD's defaults; none means one attempt. Raises ``ValueError`` for a duration that is none."""
    if not raw:
        return Retry()
    backoff = raw.get("backoff") or {}
    return Retry(
        limit=int(raw.get("limit") or 0),
        first=_seconds(backoff.get("duration"), 5.0),
        factor=float(backoff.get("factor") or 2),
        longest=_seconds(backoff.get("maxDuration"), 180.0),
    )


def _seconds(text: object, default: float) -> float:
    """A duration; a bare number is seconds."""
    if text in (None, ""):
        return default
    plain = str(text)
    return float(plain) if plain.isdigit() else parse_duration(plain)


def approved(app: Application, started: str) -> bool:
    """Whether a person approved deletions after the operation began."""
    at = str((app.raw["metadata"].get("annotations") or {}).get(APPROVED) or "")
    try:
        return bool(at and started) and parse_time(at) >= parse_time(started)
    except ValueError:
        return False


def chosen(selected: Sequence[Mapping[str, Any]], plan: Plan | None) -> frozenset[Ref]:
    """The objects of the plan that a selective sync names; ``exclude`` turns a line into its opposite."""
    refs = [change.ref for change in plan or ()]
    included = [entry for entry in selected if not entry.get("exclude")]
    excluded = [entry for entry in selected if entry.get("exclude")]
    return frozenset(
        ref
        for ref in refs
        if (not included or any(_means(entry, ref) for entry in included))
        and not any(_means(entry, ref) for entry in excluded)
    )


def _means(entry: Mapping[str, Any], ref: Ref) -> bool:
    return (
        (entry.get("group") or "") in (ref.kind.group, "*")
        and entry.get("kind") in (ref.kind.kind, "*")
        and entry.get("name") in (ref.name, "*")
        and (not entry.get("namespace") or entry["namespace"] == ref.namespace)
    )


def ignore_rules(app: Application) -> tuple[Ignore, ...]:
    """``ignoreDifferences``."""
    return tuple(
        Ignore(
            group=str(entry.get("group") or CORE),
            kind=str(entry.get("kind") or ""),
            namespace=str(entry.get("namespace") or ""),
            name=str(entry.get("name") or ""),
            pointers=tuple(entry.get("jsonPointers") or ()),
            jq=tuple(entry.get("jqPathExpressions") or ()),
            managers=tuple(entry.get("managedFieldsManagers") or ()),
        )
        for entry in app.ignore
    )


def wrong(app: Application) -> list[str]:
    """What the spec lacks, as Argo CD words it, and what is not supported yet."""
    spec = app.raw.get("spec") or {}
    if spec.get("sourceHydrator"):
        return ["spec.sourceHydrator: the source hydrator is not supported yet; name spec.source"]
    for source in app.sources or (Source.parse({}),):
        found = _wrong_source(source, app.several)
        if found:
            return [found]
    where = app.destination
    if where.server and where.name:
        return [f"application destination can't have both name and server defined: {where.name} {where.server}"]
    if not where.server and not where.name:
        return ["Destination server missing from app spec"]
    return []


def unknown_cluster(where: Destination) -> str:
    """That nobody knows an Application's destination."""
    if where.name:
        return f"there are no clusters with this name: {where.name}"
    return f'error getting cluster by server "{where.server}": cluster "{where.server}" not found'


def _wrong_source(source: Source, several: bool) -> str:
    if several and (not source.repo or not (source.path or source.chart or source.ref)):
        named = source.repo or "without repoURL"
        return (
            f"spec.source.repoURL and either source.path, source.chart, or source.ref are required for source {named}"
        )
    if not several and (not source.repo or not (source.path or source.chart)):
        return "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
    if source.chart and not source.raw.get("targetRevision"):
        return "spec.source.targetRevision is required if the manifest source is a helm chart"
    if source.raw.get("plugin") is not None:
        return "spec.source.plugin: config management plugins are not supported yet"
    for block, name in NOT_YET:
        if (source.raw.get(block) or {}).get(name) if block else source.raw.get(name):
            return f"spec.source.{f'{block}.' if block else ''}{name} is not supported yet"
    return ""
