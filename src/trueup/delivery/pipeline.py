"""The line from sources to live objects: desire, plan, advance. Called by the dialects' reconcilers, over ports alone.

Nothing here blocks on health: ``advance`` does all that can be done now and says what it waits for; the reconciler comes back
when one of those objects changes. Everything that must survive a crash is in the ``Progress`` that ``save`` is handed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from trueup.apply.execute import Executor
from trueup.delivery.comparing import Comparisons, Way
from trueup.delivery.outcome import Desired, OperationPhase, Outcome
from trueup.delivery.planning import Planner, look
from trueup.delivery.reaching import Reaching
from trueup.delivery.record import changed, entry, unit_of
from trueup.delivery.request import Request, SourceRequest
from trueup.delivery.settle import with_names
from trueup.health.judge import Rules, judge, judge_with
from trueup.health.verdict import MISSING, Health
from trueup.kube.names import Object, Ref
from trueup.plan.machine import decide
from trueup.plan.plan import Plan
from trueup.plan.progress import Progress, Result
from trueup.plan.prune import identity
from trueup.plan.steps import Do, Done, Failed, Judge, Step, Verdict, Wait
from trueup.ports import (
    Artifact,
    Client,
    Clock,
    Cluster,
    Clusters,
    Events,
    Fetcher,
    Ledger,
    Rendered,
    Renderer,
    RenderRequest,
    Target,
    Tree,
)
from trueup.timing.rfc3339 import format_time

Save = Callable[[Progress], Awaitable[None]]
Lookup = Callable[[str, str, str, str], Object | None]


@dataclass(slots=True)
class _Operation:
    """One call of ``advance``: what it looks at and what it has done."""

    request: Request
    plan: Plan
    progress: Progress
    judge: Judge
    executor: Executor
    seen: dict[Ref, Object | None]
    changed: list[Ref]


class Delivery:
    """One per process; keeps nothing but memories that may be lost."""

    def __init__(
        self,
        clusters: Clusters,
        fetcher: Fetcher,
        renderer: Renderer,
        ledger: Ledger,
        events: Events,
        clock: Clock,
        rules: Rules | None = None,
    ) -> None:
        self.clusters, self.fetcher, self.renderer = clusters, fetcher, renderer
        self.ledger, self.events, self.clock = ledger, events, clock
        self._judge: Judge = judge_with(rules) if rules else judge
        self._comparisons: dict[str, Comparisons] = {}
        self._planner = Planner()
        self._told: dict[str, tuple[str, str, str]] = {}

    @property
    def judge(self) -> Judge:
        """How it judges what no request judges in its own way."""
        return self._judge

    # -- desire -------------------------------------------------------------------------------------------------

    async def desire(self, sources: Sequence[SourceRequest], target: Target, lookup: Lookup | None = None) -> Desired:
        """Fetch and render all sources. Raises ``SourceProblem`` and ``RenderProblem``."""
        artifacts = await asyncio.gather(*map(self._artifact, sources))
        others = {
            source.name: artifact.tree for source, artifact in zip(sources, artifacts, strict=True) if source.name
        }
        rendered = await asyncio.gather(
            *(
                self._render(source, artifact, target, others, lookup)
                for source, artifact in zip(sources, artifacts, strict=True)
            )
        )
        desired = Desired([], [], tuple(a.revision for a in artifacts), tuple(artifacts))
        warnings: list[str] = []
        tools: list[str] = []
        for source, result in zip(sources, rendered, strict=True):
            if result is not None:
                desired.objects.extend(result.objects)
                desired.origins.extend(result.origins)
                warnings += result.warnings
            origins = result.origins if result is not None else []
            tools.append(origins[0].tool if origins else source.tool if source.render else "")
        return replace(desired, warnings=tuple(warnings), tools=tuple(tools), rendered=tuple(filter(None, rendered)))

    async def _artifact(self, source: SourceRequest) -> Artifact:
        return source.artifact or await self.fetcher.fetch(source.spec, source.revision)

    async def _render(
        self,
        source: SourceRequest,
        artifact: Artifact,
        target: Target,
        others: Mapping[str, Tree],
        lookup: Lookup | None,
    ) -> Rendered | None:
        if not source.render:
            return None
        reaching = Reaching(self.fetcher, source)
        return await self.renderer.render(
            RenderRequest(
                artifact.tree,
                source.path,
                target,
                source.tool,
                source.options,
                others,
                lookup,
                reaching.tree,
                reaching,
                reaching.read if source.schemes else None,
            )
        )

    # -- plan ---------------------------------------------------------------------------------------------------

    async def plan(self, request: Request) -> Plan:
        """What an operation would do, and why.

        Raises ``ApiProblem`` when the cluster cannot be asked; what is the matter with one object is in its line.
        """
        way, memory = self._way(request), self._memory(request.cluster)
        return await self._planner.plan(request, way, memory, self._judged(request))

    def _way(self, request: Request) -> Way:
        return Way.of(
            acting(request),
            request.manager,
            request.identity,
            request.ignore,
            request.policy.adopt,
            lenient=not request.policy.validate,
        )

    def _memory(self, cluster: Cluster) -> Comparisons:
        return self._comparisons.setdefault(cluster.name, Comparisons())

    def _judged(self, request: Request) -> Judge:
        return self._judge if request.judge is judge else request.judge

    # -- advance ------------------------------------------------------------------------------------------------

    async def advance(self, request: Request, plan: Plan, progress: Progress, save: Save) -> Outcome:
        """Carry out every step that is possible now.

        ``save`` is awaited before hooks are created or removed: what it stored is where a restarted process goes on.
        A ``progress`` of another revision is given up: its running hooks are removed, and the operation starts over.
        """
        now = format_time(self.clock.now())
        if progress.revision and progress.revision != request.revision:
            await self._give_up(await self._operation(request, plan, progress), save)
            progress = Progress(started=now)
        progress = replace(progress, revision=request.revision, started=progress.started or now)
        run = await self._operation(request, plan, progress)
        way, memory = self._way(request), self._memory(request.cluster)
        for _ in range(100 + 4 * len(plan.changes)):
            run.progress, verdict = decide(run.plan, run.progress, run.seen, self.clock.now(), run.judge)
            if not isinstance(verdict, Do):
                return await self._outcome(run, verdict)
            if verdict.intents or any(step.act == "remove-hook" for batch in verdict.batches for step in batch):
                run.progress = run.progress.having(verdict.intents)
                await save(run.progress)
            for batch in verdict.batches:
                if not await self._carry_out(run, batch, way, memory) and request.policy.stop_at_failure:
                    break
        raise RuntimeError(f"the operation of {request.unit} goes in circles")

    async def terminate(
        self, request: Request, plan: Plan, progress: Progress, save: Save, *, why: str = "Operation terminated"
    ) -> Outcome:
        """End a running operation: running hooks are removed, nothing else is undone."""
        run = await self._operation(request, plan, progress)
        await self._give_up(run, save)
        return await self._over(run, "Failed", why)

    async def _operation(self, request: Request, plan: Plan, progress: Progress) -> _Operation:
        if progress.started:
            plan = with_names(plan, progress.revision, progress.started)
        seen: dict[Ref, Object | None] = {}
        for ref in [change.ref for change in plan.changes] + list(request.policy.wait_for):
            if ref not in seen:
                seen[ref] = await look(request.cluster, ref, self._memory(request.cluster))
        executor = Executor(acting(request), self.clock, request.policy, request.manager)
        return _Operation(request, plan, progress, self._judged(request), executor, seen, [])

    async def _carry_out(self, run: _Operation, batch: Sequence[Step], way: Way, memory: Comparisons) -> bool:
        """One batch; whether all of it went well."""
        results = []
        live = run.request.cluster.live
        for carried in await run.executor.carry_out(batch):
            change, well = carried.step.change, carried.result is None or not carried.result.failed
            run.seen[change.ref] = carried.live
            if carried.result is not None:
                results.append(carried.result)
            if not well or run.request.policy.dry_run:
                continue
            if changed_by(carried.step, carried.result):
                run.changed.append(change.ref)
            if carried.live is None:
                memory.gone(change.ref, change.live)
                continue
            live.note(carried.live)
            if change.wanted is not None and carried.step.act in ("apply", "recreate") and change.write is None:
                memory.written(way, change.wanted, carried.live)
        run.progress = run.progress.having(results)
        return not any(result.failed for result in results)

    async def _give_up(self, run: _Operation, save: Save) -> None:
        """Remove the hooks of an operation that still run."""
        for result in list(run.progress.results.values()):
            if not result.hook or result.running != "Running":
                continue
            live = await look(run.request.cluster, result.ref, self._memory(run.request.cluster))
            if live is not None:
                await save(run.progress)
                await run.executor.remove(result.ref)
                run.seen[result.ref] = None
                run.changed.append(result.ref)
            run.progress = run.progress.having([replace(result, running="Failed", message="Terminated")])

    # -- outcome ------------------------------------------------------------------------------------------------

    async def _outcome(self, run: _Operation, verdict: Verdict) -> Outcome:
        now = self.clock.now()
        if isinstance(verdict, Wait):
            after = None if verdict.until is None else max(0.0, verdict.until - now)
            return self._report(run, "Running", verdict.why, waiting_for=verdict.refs, next_after=after)
        if isinstance(verdict, Done):
            return await self._over(run, "Succeeded", verdict.message)
        assert isinstance(verdict, Failed)
        failed = run.progress.attempt + 1
        after = None if run.request.policy.dry_run else run.request.policy.retry.after(failed)
        if after is None:
            return await self._over(run, "Failed", verdict.message, waiting_for=verdict.refs)
        message = f"{verdict.message}. Retrying attempt #{failed} at {format_time(now + after)}."
        told = self._report(run, "Running", message, waiting_for=verdict.refs, next_after=after)
        progress = Progress(run.progress.started, run.request.revision, failed, not_before=now + after)
        return replace(told, progress=progress, attempts=failed)

    async def _over(
        self, run: _Operation, phase: OperationPhase, message: str, waiting_for: tuple[Ref, ...] = ()
    ) -> Outcome:
        """The operation is over: into the ledger with it, if it did anything or says anything new."""
        results = tuple(run.progress.results.values())
        unit, news = unit_of(run.request.unit), (run.request.revision, phase, message)
        did = any(changed(result) for result in results)
        if did if phase == "Succeeded" else self._told.get(unit) != news:
            row = entry(run.request, run.plan, results, phase, message, format_time(self.clock.now()))
            await self.ledger.append(row)
        self._told[unit] = news
        return self._report(run, phase, message, waiting_for=waiting_for)

    def _report(
        self,
        run: _Operation,
        phase: OperationPhase,
        message: str,
        *,
        waiting_for: tuple[Ref, ...] = (),
        next_after: float | None = None,
    ) -> Outcome:
        return Outcome(
            phase,
            message,
            run.progress,
            tuple(run.progress.results.values()),
            inventory(run.request, run.plan, run.progress, run.seen),
            {c.ref: health(run.seen.get(c.ref), run.judge) for c in run.plan.changes if c.action != "hook"},
            waiting_for,
            next_after,
            tuple(dict.fromkeys(run.changed)),
            run.progress.attempt,
        )


def inventory(request: Request, plan: Plan, progress: Progress, seen: Mapping[Ref, Object | None]) -> tuple[Ref, ...]:
    """What the unit owns now: what it owned and is still there, and what was written."""
    owned = {identity(ref): ref for ref in request.inventory}
    for change in plan.changes:
        if change.action == "hook" or (change.wanted is not None and not change.wanted.owned):
            continue
        key, result = identity(change.ref), progress.of(change.phase, change.ref)
        if change.orphan:
            if result is not None and result.status == "Pruned" and seen.get(change.ref) is None:
                owned.pop(key, None)
        elif change.action in ("keep", "leave") or (result is not None and result.status == "Synced"):
            owned[key] = change.ref
    # An owned object without a line is gone already, or not this unit's any more.
    planned = {identity(change.ref) for change in plan.changes}
    return tuple(ref for key, ref in owned.items() if key in planned)


def health(live: Object | None, judged: Judge) -> Health:
    """The health of what may not exist."""
    return MISSING if live is None else judged(live)


def changed_by(step: Step, result: Result | None) -> bool:
    """Whether a step changed anything in the cluster."""
    return result is None or changed(result)


def acting(request: Request) -> Client:
    """The target's API under the identity that the request names."""
    client, user = request.cluster.client, request.identity
    if not user:
        return client
    prefix, _, account = user.partition(":serviceaccount:")
    if prefix != "system" or ":" not in account:
        return client.acting_as(user)
    namespace = account.partition(":")[0]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return client.acting_as(user, groups)
