"""The plan: what an operation would do to each object, and why.

Made by ``compare``, walked by ``machine``, printed by ``show``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trueup.health.verdict import Health
from trueup.kube.names import Object, Ref
from trueup.merge.changes import FieldChange
from trueup.plan.policy import Policy
from trueup.plan.wanted import DEFAULT, Options, Phase, Wanted

Action = Literal["create", "update", "replace", "keep", "prune", "leave", "hook", "refused", "forbidden"]
"""``keep``: in sync. ``leave``: not as wanted, but not to be touched (``why`` says the reason). ``hook``: run in its
phase. ``refused``: the API will not have it. ``forbidden``: the unit may not write it, or its kind is not served.
``why`` says the reason."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object's line in the plan. ``wanted`` is None for what is to be pruned, ``live`` for what does not exist."""

    ref: Ref
    action: Action
    wanted: Wanted | None = None
    """Settled: with its namespace, its name and the unit's mark."""
    live: Object | None = None
    """Without ``managedFields``; never modified."""
    fields: tuple[FieldChange, ...] = ()
    """What differs, live against what the server would make of the wanted object; secret values hidden."""
    why: str = ""
    health: Health | None = None
    phase: Phase = "Sync"
    wave: int = 0
    options: Options = DEFAULT
    write: Object | None = None
    """What to send when it is not the wanted object itself: with the live values of ignored fields."""
    unconfirmed: bool = False
    """It may go only once a person has said so."""
    adopt: bool = False
    """Fields of ``Policy.adopt`` managers are to be taken over before it is applied."""
    shared_with: str = ""
    """Another unit that claims the live object; empty: none."""

    @property
    def in_sync(self) -> bool:
        """Whether live is as wanted. Hooks never count against a unit."""
        return self.action in ("keep", "hook")

    @property
    def orphan(self) -> bool:
        """Whether it is live and owned but not wanted any more."""
        return self.wanted is None


@dataclass(frozen=True, slots=True)
class Plan:
    """All lines, in the order in which they would be carried out."""

    changes: tuple[Change, ...] = ()
    policy: Policy = Policy()  # noqa: RUF009 - frozen
    warnings: tuple[str, ...] = ()
    """What is odd about the request but stops nothing: an ignore rule that cannot be read, an empty render."""
    revision: str = ""
    repeated: tuple[tuple[Ref, int], ...] = ()
    """Objects that are wanted several times, and how often; the last one counts."""

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    @property
    def in_sync(self) -> bool:
        """Whether nothing differs; extraneous objects that are marked so do not count."""
        return all(change.in_sync or (change.orphan and change.options.extraneous) for change in self.changes)

    def of(self, ref: Ref) -> Change | None:
        """The line of one object (of its first phase), by group, kind, namespace and name."""
        wanted = (ref.kind.group, ref.kind.kind, ref.namespace, ref.name)
        for change in self.changes:
            r = change.ref
            if (r.kind.group, r.kind.kind, r.namespace, r.name) == wanted:
                return change
        return None
