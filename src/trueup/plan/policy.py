"""How an operation goes about it: what the dialects read from a unit's sync policy. Read by ``compare`` and ``machine``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trueup.kube.names import Ref
from trueup.plan.order import ARGOCD, Order

Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts after a failed one. Seconds; ``limit`` -1: without end. Defaults: Argo CD ``syncPolicy.retry``."""

    limit: int = 0
    first: float = 5.0
    factor: float = 2.0
    longest: float = 180.0

    def after(self, failed: int) -> float | None:
        """Seconds to wait after the ``failed``-th failure (1-based), or None when there is no further attempt."""
        if 0 <= self.limit < failed:
            return None
        return float(min(self.longest, self.first * self.factor ** min(failed - 1, 64)))


@dataclass(frozen=True, slots=True)
class Policy:
    """One operation's policy. The defaults are Argo CD's manual sync."""

    order: Order = ARGOCD
    prune: bool = False
    prune_last: bool = False
    eager_prune: bool = False
    """Prune as soon as all is applied, without waiting for health (Flux; with ``prune_last``)."""
    propagation: Propagation = "Foreground"
    prune_approved: bool = False
    """A person has approved what waits for ``confirm``."""
    allow_empty: bool = False
    """Without it, nothing is pruned when nothing at all is wanted any more."""
    replace: bool = False
    """All objects as ``How`` ``replace`` unless an object says otherwise."""
    force: bool = False
    """Take ownership of conflicting fields is always done; this deletes and recreates what is refused as immutable."""
    force_conflicts: bool = True
    """Take over fields that other managers applied; without it such an object fails with the conflict."""
    adopt: tuple[str, ...] = ()
    """Field managers, by prefix, whose fields are taken over before applying, so that what they added and Git does not
    say goes (Flux: ``kubectl``, ``before-first-apply``). Not for objects with ``How`` ``merge``."""
    server_side: bool = False
    """Reports say that objects were applied by the server (Argo CD ``ServerSideApply=true``); they are either way."""
    skip_dry_run_on_missing: bool = False
    """Any kind may not be served yet: say nothing before it is an object's turn."""
    validate: bool = True
    dry_run: bool = False
    """Say what would be done: every write is sent as a dry run, hooks are not created."""
    dry_run_first: bool = True
    """What is not allowed, and a change that the server refuses (seen while comparing), fail the operation before anything is
    written. Without it such an object fails alone."""
    skip_hooks: bool = False
    """Argo CD's ``apply`` strategy: objects without hooks."""
    hook_finalizer: str = ""
    """Put on hooks and taken off at their end, so that one which cleans up after itself is still seen to end."""
    only: frozenset[Ref] | None = None
    """Selective sync: write and prune these alone (hooks are skipped, as in Argo CD). None: all."""
    out_of_sync_only: bool = False
    """Do not even mention in the results what is in sync already."""
    respect_ignored: bool = False
    """Ignored fields keep their live value when the object is written for another reason."""
    create_namespace: bool = False
    """Create the request's default namespace first when it is absent (Argo CD ``CreateNamespace=true``)."""
    namespace_labels: tuple[tuple[str, str], ...] = ()
    namespace_annotations: tuple[tuple[str, str], ...] = ()
    """``managedNamespaceMetadata``."""
    fail_on_shared: bool = False
    """Refuse to write what another unit claims (Argo CD ``FailOnSharedResource=true``)."""
    stop_at_failure: bool = False
    """Flux: the first object that cannot be written ends the attempt. Argo CD tries all of the wave."""
    wait: bool = False
    """Also wait for the health of the last wave (Flux ``wait``); Argo CD succeeds once all is applied."""
    wait_prune: bool = True
    """Wait until pruned objects are gone before going on."""
    wait_for: frozenset[Ref] = frozenset()
    """Flux ``healthChecks``: further or fewer objects whose health is waited for at the end; used when ``wait`` is off."""
    fail_early: bool = True
    """While waiting, a degraded object fails at once; without it only the timeout does."""
    timeout: float | None = None
    """Seconds that one wait may take; None: as long as it takes."""
    retry: Retry = field(default_factory=Retry)
