"""From a request to a plan: settle, look at what is live, ask the server where that is needed. Called by ``pipeline``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trueup.delivery import jq
from trueup.delivery.comparing import Comparisons, Way
from trueup.delivery.request import Request
from trueup.delivery.settle import Scopes, Settled, namespace_of, settle
from trueup.health.verdict import MISSING
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import NotFound
from trueup.plan.compare import Compared, veiled
from trueup.plan.ignore import respected, rules_for, stripped
from trueup.plan.lead import led
from trueup.plan.plan import Change, Plan
from trueup.plan.prune import NOTHING_WANTED, placed, prunes
from trueup.plan.steps import Judge
from trueup.plan.wanted import PHASES, Wanted
from trueup.ports import Cluster

NEVER_WRITTEN = "left as it is (never written)"
ONLY_CREATED = "left as it is (written only when absent)"


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    request: Request
    judged: Judge
    unserved: set[Kind]
    defined: Settled
    memory: Comparisons
    changes: list[Change] = field(default_factory=list)
    pairs: list[tuple[Wanted, Object]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Where in ``changes`` the line of each pair stands."""


class Planner:
    """Makes plans; remembers which kinds a cluster serves."""

    def __init__(self) -> None:
        self._scopes: dict[str, Scopes] = {}

    async def plan(self, request: Request, way: Way, memory: Comparisons, judged: Judge) -> Plan:
        """What an operation would do to each object."""
        scopes, unserved = await self._served(request)
        settled = settle(request, scopes)
        draft = _Draft(request, judged, unserved, settled, memory)
        made = namespace_of(request, settled.wanted)
        for wanted in settled.wanted if made is None else [made, *settled.wanted]:
            await self._draft(draft, wanted)
        for place, compared in zip(draft.places, await memory.all(way, draft.pairs), strict=True):
            draft.changes[place] = _compared(request, draft.changes[place], compared)
        lines = [
            change
            for change in draft.changes
            if change.wanted is None or change.wanted.owned or change.action not in ("keep", "leave")
        ]
        warnings = _unread(request)
        lines += await self._prunes(request, settled.wanted, judged, memory)
        if any(change.why == NOTHING_WANTED for change in lines):
            warnings.append(NOTHING_WANTED)
        ordered = _sorted(placed(lines, request.policy), request)
        if not request.policy.order.staged and (moved := led(ordered)) is not ordered:
            ordered = _sorted(moved, request)
        return Plan(
            ordered,
            request.policy,
            tuple(warnings),
            request.revision,
            tuple(settled.repeated),
        )

    async def _served(self, request: Request) -> tuple[Scopes, set[Kind]]:
        """The cluster's scopes, and those of the wanted kinds that it does not serve."""
        client, name = request.cluster.client, request.cluster.name
        scopes = await self._current(request.cluster)
        missing = {wanted.ref.kind for wanted in request.wanted if not scopes.serves(wanted.ref.kind)}
        unserved = set()
        for kind in missing:
            try:
                await client.list(kind, limit=1)  # a miss makes the client read discovery again
            except NotFound:
                unserved.add(kind)
        if missing - unserved:
            self._scopes.pop(name, None)
            scopes = await self._current(request.cluster)
        return scopes, unserved

    async def _current(self, cluster: Cluster) -> Scopes:
        resources = await cluster.client.resources()
        known = self._scopes.get(cluster.name)
        if known is None or known.resources is not resources:
            known = self._scopes[cluster.name] = Scopes(resources)
        return known

    async def _draft(self, draft: _Draft, wanted: Wanted) -> None:
        """One wanted object's line, before the comparison."""
        request, ref = draft.request, wanted.ref
        line = Change(ref, "create", wanted, phase=wanted.phase, wave=wanted.wave, options=wanted.options)
        live = await look(request.cluster, ref, draft.memory) if ref.name and ref.kind not in draft.unserved else None
        draft.changes.append(line)
        if wanted.hook is not None:
            denied = request.permits(ref, wanted.object)
            line = replace(line, action="forbidden" if denied else "hook", live=live, why=denied)
        else:
            health = MISSING if live is None else draft.judged(live)
            line = replace(line, live=live, health=health)
            line = self._judged(draft, line)
        draft.changes[-1] = line
        if line.action == "update" and live is not None:
            draft.places.append(len(draft.changes) - 1)
            draft.pairs.append((wanted, live))

    def _judged(self, draft: _Draft, line: Change) -> Change:
        """What can be said without asking the server; ``update`` stands for: to be compared."""
        request, wanted, live = draft.request, line.wanted, line.live
        assert wanted is not None
        if wanted.owned and (denied := request.permits(line.ref, wanted.object)):
            return replace(line, action="forbidden", why=denied)
        if line.ref.kind in draft.unserved:
            kind = line.ref.kind
            defined = (kind.group, kind.kind) in draft.defined.defined
            if defined or line.options.skip_dry_run_on_missing or request.policy.skip_dry_run_on_missing:
                return line
            return replace(line, action="forbidden", why=_unserved(line.ref))
        if line.options.how == "ignore":
            return replace(line, action="keep", why=NEVER_WRITTEN)
        if live is None:
            return line
        said = request.read_live(live)
        if said.options.how == "ignore" and wanted.owned:
            return replace(line, action="keep", why=NEVER_WRITTEN, options=said.options)
        shared = said.shared_with if wanted.owned else ""
        if shared and request.policy.fail_on_shared:
            return replace(line, action="forbidden", why=f"{line.ref} is part of {shared} too", shared_with=shared)
        if line.options.how == "create-only":
            return replace(line, action="keep", why=ONLY_CREATED, shared_with=shared)
        return replace(line, action="update", shared_with=shared)

    async def _prunes(
        self, request: Request, wanted: Sequence[Wanted], judged: Judge, memory: Comparisons
    ) -> list[Change]:
        """The lines of what is owned and not wanted any more."""
        kept = [item.ref for item in wanted if item.hook is None and item.owned]
        names = {(r.kind.group, r.kind.kind, r.namespace, r.name) for r in kept}
        live = {
            ref: await look(request.cluster, ref, memory)
            for ref in request.inventory
            if (ref.kind.group, ref.kind.kind, ref.namespace, ref.name) not in names
        }
        lines = []
        found = prunes(request.inventory, kept, live, request.read_live, request.policy, deleting=request.deleting)
        for line in found:
            denied = request.permits(line.ref, line.live) if line.action == "prune" else ""
            if denied:
                line = replace(line, action="leave", why=denied)
            lines.append(replace(line, health=judged(line.live) if line.live is not None else MISSING))
        return lines


def _compared(request: Request, line: Change, compared: Compared) -> Change:
    """A line with what the comparison found."""
    if compared.refused:
        forced = request.policy.force if line.options.force is None else line.options.force
        if forced and compared.immutable:
            return replace(line, action="replace", why="a field that cannot be changed is to be changed")
        return replace(line, action="refused", why=compared.refused)
    if not compared.fields:
        return replace(line, action="keep")
    respects = line.options.respect_ignored
    if request.policy.respect_ignored if respects is None else respects:
        line = replace(line, write=_respecting(request, line))
    fields = veiled(compared.fields) if line.options.secret else compared.fields
    return replace(line, fields=fields, adopt=compared.adopt)


def _respecting(request: Request, line: Change) -> Object | None:
    rules = rules_for(request.ignore, line.ref)
    if not rules or line.wanted is None or line.live is None:
        return None
    wanted = line.wanted.object
    return respected(wanted, stripped(wanted, rules, jq.without, {}), line.live)


def _sorted(lines: Sequence[Change], request: Request) -> tuple[Change, ...]:
    order = request.policy.order

    def place(change: Change) -> tuple[int, int, bool, int, int, str, str]:
        kind = change.ref.kind
        return (
            PHASES.index(change.phase),
            change.wave,
            not change.orphan,
            order.stage(kind),
            order.rank(kind),
            kind.kind,
            f"{change.ref.namespace}/{change.ref.name}",
        )

    return tuple(sorted(lines, key=place))


def _unserved(ref: Ref) -> str:
    where = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
    name = f"{ref.kind.group}/{ref.kind.kind}" if ref.kind.group else ref.kind.kind
    return (
        f"The Kubernetes API could not find {name} for requested resource {where}. "
        f'Make sure the "{ref.kind.kind}" CRD is installed on the destination cluster.'
    )


def _unread(request: Request) -> list[str]:
    """Ignore rules that are no jq."""
    return [
        f"the jq path expression {expression!r} cannot be read: {wrong}"
        for rule in request.ignore
        for expression in rule.jq
        if (wrong := jq.check(expression))
    ]


async def look(cluster: Cluster, ref: Ref, memory: Comparisons | None = None) -> Object | None:
    """What is live; nothing when the kind is not even served, or when it is remembered to be gone."""
    try:
        live = await cluster.live.get(ref)
    except NotFound:
        return None
    return live if memory is None else memory.seen(ref, live)
