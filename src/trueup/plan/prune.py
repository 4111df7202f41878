"""Which owned objects go, and in which wave: inventory arithmetic. Called by ``delivery``; answers lines of the plan.

Source: Argo CD user guide, "Sync options" (Prune, PruneLast, Delete); gitops-engine ``getSyncTasks`` (waves are mirrored,
so that what was created last goes first).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from trueup.kube.names import Object, Ref
from trueup.plan.plan import Change
from trueup.plan.policy import Policy
from trueup.plan.wanted import LiveMarks

Identity = tuple[str, str, str, str]
"""Group, kind, namespace, name: an object whatever version it is written in."""

NOTHING_WANTED = "nothing is wanted any more; all of it would be pruned, which must be allowed (allowEmpty)"


def identity(ref: Ref) -> Identity:
    """What makes two references one object."""
    return (ref.kind.group, ref.kind.kind, ref.namespace, ref.name)


def prunes(
    inventory: Iterable[Ref],
    wanted: Iterable[Ref],
    live: Mapping[Ref, Object | None],
    marks: Callable[[Object], LiveMarks],
    policy: Policy,
    *,
    deleting: bool = False,
) -> list[Change]:
    """A line for each owned, live object that is not wanted: to be pruned, or left with the reason."""
    kept = {identity(ref) for ref in wanted}
    emptied = not kept and not deleting and not policy.allow_empty
    lines, seen = [], set()
    for ref in inventory:
        key = identity(ref)
        obj = live.get(ref)
        if key in kept or key in seen or obj is None:
            continue
        seen.add(key)
        said = marks(obj)
        if not said.owned:
            continue
        line = Change(ref, "prune", live=obj, wave=said.wave, options=said.options)
        removal = said.options.delete if deleting else said.options.prune
        if removal == "no":
            line = replace(line, action="leave", why="ignored (no delete)" if deleting else "ignored (no prune)")
        elif not deleting and not policy.prune:
            line = replace(line, action="leave", why="ignored (requires pruning)")
        elif emptied:
            line = replace(line, action="leave", why=NOTHING_WANTED)
        elif removal == "confirm" and not policy.prune_approved:
            line = replace(line, unconfirmed=True, why="waits for a person to confirm that it may go")
        lines.append(line)
    return lines


def placed(changes: Sequence[Change], policy: Policy) -> list[Change]:
    """All lines with the waves of prunes mirrored, and those that are to come last moved behind the last wave."""
    waves = sorted({c.wave for c in changes if c.orphan})
    mirror = dict(zip(waves, reversed(waves), strict=True))
    placed = [replace(c, wave=mirror[c.wave]) if c.orphan and mirror[c.wave] != c.wave else c for c in changes]
    if not any(_last(c, policy) for c in placed):
        return placed
    behind = max((c.wave for c in placed if c.phase == "Sync"), default=0) + 1
    return [replace(c, wave=behind) if _last(c, policy) else c for c in placed]


def _last(change: Change, policy: Policy) -> bool:
    if not change.orphan:
        return False
    return policy.prune_last if change.options.prune_last is None else change.options.prune_last
