"""Objects in an Application's namespace that nobody delivers, where its project asks to be warned of them.

Called by `reconcile.py`. Every kind of the namespace is watched from then on, so it costs only those who ask. Source:
Argo CD, ``getResourceTree`` (orphaned nodes), ``isKnownOrphanedResourceExclusion``, the default resource exclusions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from trueup.families.argocd import globs, projects
from trueup.families.argocd.run import Run
from trueup.families.argocd.types import APPLICATION, HOME
from trueup.families.argocd.wanted import owner_in
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.plan.plan import Plan
from trueup.plan.prune import identity
from trueup.ports import Cluster

_NEVER = frozenset(
    {("", "Event"), ("events.k8s.io", "Event"), ("", "Endpoints"), ("discovery.k8s.io", "EndpointSlice")}
    | {("coordination.k8s.io", "Lease")}
)
"""Kinds that Argo CD does not look at unless told."""
_EVERYWHERE = frozenset(
    {
        ("", "Service", "default", "kubernetes"),
        ("", "ServiceAccount", "", "default"),
        ("", "ConfigMap", "", "kube-root-ca.crt"),
    }
)
"""What is in every namespace (the empty one), or in the one named, without anybody's doing."""


async def warn(run: Run, cluster: Cluster, plan: Plan) -> None:
    """A condition that counts the orphans, where ``spec.orphanedResources.warn`` of the project is true."""
    settings = (run.project or {}).get("orphanedResources") or {}
    namespace = run.app.destination.namespace
    if not settings.get("warn") or not namespace:
        return
    managed = {identity(change.ref) for change in plan}
    found = 0
    async for obj in _top(cluster, namespace):
        ref = Ref.of(obj)
        if identity(ref) not in managed and _counts(run, settings, ref) and not _belongs(run, obj):
            found += 1 + _below(cluster, obj)
    if found:
        run.say("OrphanedResourceWarning", f"Application has {found} orphaned resources")


async def _top(cluster: Cluster, namespace: str) -> AsyncIterator[Object]:
    """The objects of a namespace that have no owner, each kind in one version."""
    seen: set[tuple[str, str]] = set()
    for info in await cluster.client.resources():
        kind = (info.kind.group, info.kind.kind)
        if not info.namespaced or kind in seen or kind in _NEVER or not {"list", "watch"} <= info.verbs:
            continue
        seen.add(kind)
        for obj in await cluster.live.list(info.kind, namespace):
            if not obj["metadata"].get("ownerReferences"):
                yield obj


def _counts(run: Run, settings: Mapping[str, Any], ref: Ref) -> bool:
    """Whether the project may deliver such an object, and does not say that it be ignored."""
    kind: Kind = ref.kind
    if {(kind.group, kind.kind, space, ref.name) for space in ("", ref.namespace)} & _EVERYWHERE:
        return False
    ignored: Iterable[Mapping[str, Any]] = settings.get("ignore") or ()
    for entry in ignored:
        words = (str(entry.get("kind") or ""), str(entry.get("name") or ""))
        if (
            globs.matches(str(entry.get("group") or ""), kind.group)
            and (not words[0] or globs.matches(words[0], kind.kind))
            and (not words[1] or globs.matches(words[1], ref.name))
        ):
            return False
    return projects.allows_kind(run.project or {}, kind, ref.name, True)


def _belongs(run: Run, obj: Object) -> bool:
    """Whether another Application that exists delivers it."""
    owner = owner_in(obj)
    namespace, underscore, name = owner.partition("_")
    key = Key(namespace, name) if underscore else Key(HOME, owner)
    return bool(owner) and run.tools.cache(APPLICATION).get(key) is not None


def _below(cluster: Cluster, obj: Object) -> int:
    """How many objects an orphan owns, theirs too."""
    return sum(1 + _below(cluster, owned) for owned in cluster.live.owned(str(obj["metadata"].get("uid"))))
