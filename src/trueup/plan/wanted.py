"""An object that a unit wants live, with all that a dialect says of how: phase, wave, hook, options.

The dialects (``families/argocd``, ``families/flux``) make these from rendered objects and their annotations; ``compare``
and ``machine`` read them. The words are Argo CD's where only Argo CD has the thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from trueup.kube.names import Kind, Object, Ref

Phase = Literal["PreDelete", "PreSync", "Sync", "PostSync", "SyncFail", "PostDelete"]
"""``SyncFail`` runs only after a failure. ``PreDelete`` and ``PostDelete`` run only when the unit itself is deleted."""

PHASES: tuple[Phase, ...] = ("PreDelete", "PreSync", "Sync", "PostSync", "SyncFail", "PostDelete")

DeletePolicy = Literal["BeforeHookCreation", "HookSucceeded", "HookFailed"]

How = Literal["apply", "replace", "create-only", "merge", "ignore"]
"""How an object reaches the API.

``apply``: server-side apply, taking over fields of others.
``replace``: ``update`` with the whole object (Argo CD ``Replace=true``), ``create`` when absent.
``create-only``: applied when absent, left alone otherwise (Flux ``ssa: IfNotPresent``).
``merge``: as ``apply``; what others added beside stays, whatever the policy says (Flux ``ssa: Merge``).
``ignore``: never written, yet part of the unit (Flux ``ssa: Ignore``).
"""

Removal = Literal["yes", "no", "confirm"]
"""Whether an object may be removed: ``confirm`` waits until a person approves (Argo CD ``Prune=confirm``)."""


@dataclass(frozen=True, slots=True)
class Hook:
    """What makes an object a hook of its phase: created anew in each operation, run to its end, deleted by policy."""

    delete: frozenset[DeletePolicy] = frozenset({"BeforeHookCreation"})
    kind: str = ""
    """The dialect's own word for reports, e.g. ``PreSync``; the phase's name when empty."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be said of one object. None: as the operation's ``Policy`` says."""

    how: How | None = None
    force: bool | None = None
    """Delete and create again when a change is refused as immutable (Argo CD: ``Force=true``, Flux: ``force: enabled``)."""
    prune: Removal = "yes"
    delete: Removal = "yes"
    """The same when the unit itself is deleted (Argo CD ``Delete=false``)."""
    prune_last: bool | None = None
    validate: bool | None = None
    """False: unknown fields are dropped silently instead of refused (Argo CD ``Validate=false``)."""
    skip_dry_run_on_missing: bool | None = None
    """The kind may not be served yet: say nothing before it is this object's turn."""
    respect_ignored: bool | None = None
    extraneous: bool = False
    """Does not count against the unit when it is not wanted (Argo CD ``compare-options: IgnoreExtraneous``)."""
    ignore_health: bool = False
    """Its health neither counts nor is waited for (Argo CD ``ignore-healthcheck``)."""
    secret: bool = False
    """It was encrypted in its source: its values are told to nobody, whatever its kind."""


DEFAULT = Options()
CORE = "core"
"""How an ``Ignore`` names the group that has no name."""


@dataclass(frozen=True, slots=True)
class LiveMarks:
    """What a live object says of itself, read by the dialect from its labels and annotations."""

    owned: bool = True
    """Whether it carries this unit's mark. What does not is never pruned."""
    options: Options = DEFAULT
    wave: int = 0
    why: str = ""
    """Why it is not owned, for people: whose it is."""
    shared_with: str = ""
    """Another unit that also claims this object; empty: none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One wanted object. A hook that belongs to several phases is several of these, one per phase.

    ``object`` is shared with the render cache and never modified. A hook may have ``generateName`` instead of a name:
    ``delivery`` names it after revision, phase and start, so that a repeated attempt finds it again.
    """

    object: Object
    origin: str = ""
    """Where it was written, for people: ``apps/web/deployment.yaml:12``."""
    phase: Phase = "Sync"
    wave: int = 0
    hook: Hook | None = None
    options: Options = DEFAULT
    owned: bool = True
    """Whether it belongs to the unit: marked, in the inventory, pruned one day. A namespace made on the way does not."""
    ref: Ref = field(default=Ref(Kind("", "", ""), "", ""))
    """By the object's own metadata unless given."""

    def __post_init__(self) -> None:
        if not self.ref.kind.kind:
            object.__setattr__(self, "ref", Ref.of(self.object))

    def with_object(self, obj: Object) -> Wanted:
        """The same, said of another object (marked, named, its namespace filled in)."""
        return Wanted(obj, self.origin, self.phase, self.wave, self.hook, self.options, self.owned, Ref.of(obj))


@dataclass(frozen=True, slots=True)
class Ignore:
    """Fields whose difference does not count. Empty ``group``, ``kind``... match any; they may be globs. ``core`` is the
    group without a name.

    Source: Argo CD ``ignoreDifferences``, Flux ``ignore`` rules. ``pointers`` are JSON pointers, ``jq`` path expressions,
    ``managers`` field managers whose fields are ignored.
    """

    group: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    pointers: tuple[str, ...] = ()
    jq: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    def matches(self, ref: Ref) -> bool:
        """Whether the rule speaks of this object."""
        return (
            _fits(self.group, ref.kind.group or CORE)
            and _fits(self.kind, ref.kind.kind)
            and self.namespace in ("", "*", ref.namespace)
            and self.name in ("", "*", ref.name)
        )


def _fits(pattern: str, text: str) -> bool:
    return pattern in ("", "*", text) or ("*" in pattern and fnmatchcase(text, pattern))
