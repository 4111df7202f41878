"""One Kustomization, one run: build the folder, plan, take the steps that can be taken now, write the status.

The shell of the dialect: decisions are in `rules.py`, words in `status.py` and `messages.py`, lookups in `inputs.py`, writes in
`report.py`. Source of the behaviour: Flux's kustomize-controller; unlike it, drift is repaired when a live object changes, not at
the next interval, and a newer revision does not wait for the health of an older one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trueup.delivery.outcome import Desired, Outcome
from trueup.delivery.request import Request
from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import messages, rules
from trueup.families.flux import status as words
from trueup.families.flux.finalize import finalize
from trueup.families.flux.inputs import Inputs, NotYet
from trueup.families.flux.report import Reporter
from trueup.families.flux.status import Condition, not_ready, ready
from trueup.families.flux.types import KUSTOMIZATION, Kustomization
from trueup.family import Result
from trueup.health.kstatus import compute
from trueup.health.verdict import Health
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.plan.plan import Plan
from trueup.plan.progress import Progress
from trueup.ports import Cluster, RenderProblem
from trueup.timing.durations import format_duration
from trueup.timing.rfc3339 import format_time, parse_time

FETCHING, BUILDING, APPLYING = "Fetching manifests", "Building manifests", "Detecting drift"
CHECKING = "Running health checks"
ENDS = ("ReconciliationSucceeded", "ReconciliationFailed", "HealthCheckFailed", "PruneFailed")


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring one Kustomization closer to its source and its status closer to the truth."""
    ref = Ref(KUSTOMIZATION, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(KUSTOMIZATION).get(key))
    if raw is None:
        tools.progress.pop(ref, None)
        return Result()
    reporter = Reporter(tools, raw)
    try:
        wish = Kustomization.parse(raw)
    except ValueError as problem:
        stalled = Condition("Stalled", "True", "InvalidSpec", str(problem))
        await reporter.report([not_ready("InvalidSpec", str(problem)), stalled], observed=True)
        return Result()
    if raw["metadata"].get("deletionTimestamp"):
        return await finalize(reporter, wish)
    if wish.suspend:
        tools.progress.pop(ref, None)
        await reporter.answer()
        return Result()
    run = Run(reporter, wish)
    try:
        return await run.go()
    except NotYet as wait:
        return await run.not_yet(wait)


async def look(tools: DeliveryTools, raw: Object) -> tuple[Desired, Plan]:
    """What the folder builds to and what applying it would do, without doing or reporting anything."""
    inputs = Inputs(tools, Kustomization.parse(raw))
    try:
        source = inputs.source()
        revision = str(source["status"]["artifact"]["revision"])
        cluster = await inputs.cluster()
        desired = await inputs.build(cluster, await inputs.artifact(source, revision))
    except NotYet as wait:
        raise RenderProblem(wait.message) from wait
    inventory = words.inventory_refs(raw.get("status") or {})
    return desired, await tools.delivery.plan(inputs.request(cluster, desired, revision, inventory))


class Run:
    """The state of one run."""

    def __init__(self, reporter: Reporter, wish: Kustomization) -> None:
        self.reporter, self.wish, self.tools = reporter, wish, reporter.tools
        self.inputs = Inputs(self.tools, wish)
        self.status = reporter.status
        self.revision, self.stage = "", ""

    @property
    def waits(self) -> bool:
        """Whether health is checked at the end."""
        return self.wish.wait or bool(rules.awaited(self.wish))

    async def go(self) -> Result:
        """Source, dependencies, build, plan, advance, report."""
        wish, inputs = self.wish, self.inputs
        if unsupported := rules.unsupported(wish):
            raise NotYet("NotSupported", unsupported, None, stalled=True)
        inputs.judge()  # an expression that cannot be used ends it before anything is looked at
        await self.reporter.hold_finalizer()
        source = inputs.source()
        self.revision = str(source["status"]["artifact"]["revision"])
        inputs.check_dependencies(self.revision)
        try:
            self.stage = FETCHING
            artifact = await inputs.artifact(source, self.revision)
            self.status["lastAttemptedRevision"] = self.revision
            self.stage = BUILDING
            cluster = await inputs.cluster()
            desired = await inputs.build(cluster, artifact)
            self.stage = APPLYING
            inventory = words.inventory_refs(self.status)
            request = inputs.request(cluster, desired, self.revision, inventory)
            plan = await self.tools.delivery.plan(request)
            if self.ended_before():
                plan = rules.left_to_others(plan, self.exists)
            if not self.waits and self.is_done(plan):
                return await self.well(plan, desired, 0.0, changed=False)
            return await self.deliver(request, plan, desired)
        except ApiProblem as problem:
            self.tools.progress.pop(self.reporter.ref, None)
            raise NotYet("ReconciliationFailed", problem.message, wish.retry_interval) from problem

    async def deliver(self, request: Request, plan: Plan, desired: Desired) -> Result:
        """Advance, and say how it stands."""
        ref, held = self.reporter.ref, self.held_back()
        progress = self.progress(request, plan)

        async def save(reached: Progress) -> None:
            self.tools.progress[ref] = reached

        outcome = await self.tools.delivery.advance(request, plan, progress, save)
        written, pruned = messages.changed(plan, outcome)
        self.reporter.event("Normal", "Progressing", "\n".join(written), self.revision)
        self.reporter.event("Normal", "Progressing", "\n".join(pruned), self.revision)
        self.status["inventory"] = words.inventory(outcome.inventory)
        if not outcome.final:
            if held is not None and not outcome.changed:
                self.tools.progress.pop(ref, None)
                return Result(after=held)
            self.tools.progress[ref] = outcome.progress
            await self.reporter.report(self.under_way(plan, outcome), final=False)
            return Result(after=outcome.next_after)
        self.tools.progress.pop(ref, None)
        took = max(0.0, self.tools.clock.now() - min(self.reporter.now, parse_time(outcome.progress.started)))
        if outcome.phase == "Succeeded":
            return await self.well(plan, desired, took, changed=bool(outcome.changed))
        return await self.unwell(request.cluster, plan, desired, outcome, took)

    # --- how it ends ---------------------------------------------------------------------------------------------

    async def well(self, plan: Plan, desired: Desired, took: float, *, changed: bool) -> Result:
        """Applied, and healthy where that was asked for."""
        reporter, wish = self.reporter, self.wish
        done = ready("ReconciliationSucceeded", f"Applied revision: {self.revision}")
        conditions = [done]
        passed = Condition("Healthy", "True", "Succeeded", f"Health check passed in {_duration(took)}")
        told = changed or bool(reporter.asked) or reporter.before("Ready").get("status") != "True"
        news = told or self.status.get("lastAppliedRevision") != self.revision
        if self.waits:
            conditions.append(passed)
            if reporter.before("Healthy").get("status") != "True" or (news and changed):
                reporter.event("Normal", "Progressing", passed.message, self.revision)
        self.status["inventory"] = words.inventory(change.ref for change in plan if not change.orphan)
        self.status["lastAppliedRevision"] = self.revision
        if news:
            self.remember(desired, "ReconciliationSucceeded", took, again=changed or bool(reporter.asked))
        await reporter.report(conditions, observed=True)
        if told:  # a commit that changes nothing of this one is in its status alone
            said = f"Reconciliation finished in {_duration(took)}, next run in {format_duration(wish.interval)}"
            reporter.event("Normal", done.reason, said, self.revision)
        return Result(after=wish.interval)

    async def unwell(self, cluster: Cluster, plan: Plan, desired: Desired, outcome: Outcome, took: float) -> Result:
        """Something was refused, or is not healthy in time."""
        refused = [result for result in outcome.results if result.status == "SyncFailed"]
        conditions = []
        if not refused and self.all_begun(plan, outcome):
            timed_out = outcome.message.startswith("timed out")
            bad = messages.unhealthy(await self.health(cluster, plan), timed_out=timed_out)
            reason, message, self.stage = (
                "HealthCheckFailed",
                f"health check failed after {_duration(took)}: {bad}",
                CHECKING,
            )
            conditions.append(Condition("Healthy", "False", reason, bad))
        else:
            pruning = bool(refused) and all((c := plan.of(r.ref)) is not None and c.orphan for r in refused)
            reason, message = "PruneFailed" if pruning else "ReconciliationFailed", messages.failure(plan, outcome)
        told = not_ready(reason, message)
        self.remember(desired, reason, took, again=bool(outcome.changed or self.reporter.asked))
        if self.reporter.news(told) or self.reporter.asked:
            self.reporter.event("Warning", reason, message, self.revision)
        await self.reporter.report([told, *self.again(), *conditions])
        return Result(after=rules.retry_after(told.reason, self.reporter.before("Ready"), self.wish, self.reporter.now))

    async def not_yet(self, wait: NotYet) -> Result:
        """It could not even begin."""
        told = not_ready(wait.reason, wait.message)
        news = self.reporter.news(told) or bool(self.reporter.asked)
        also = [Condition("Stalled", "True", wait.reason, wait.message)] if wait.stalled else self.again()
        await self.reporter.report([told, *also], observed=wait.stalled)
        if news:
            kind = "Warning" if wait.event is None else "Normal"
            text = wait.message if wait.event is None else wait.event
            self.reporter.event("Warning" if kind == "Warning" else "Normal", wait.reason, text, self.revision)
        return Result(after=wait.after)

    # --- what it reports -----------------------------------------------------------------------------------------

    def again(self) -> list[Condition]:
        """It will be tried again; nothing when the run did not come so far."""
        if not self.stage:
            return []
        message = messages.stage(self.stage, self.revision, self.wish.timeout)
        return [Condition("Reconciling", "True", "ProgressingWithRetry", message)]

    def under_way(self, plan: Plan, outcome: Outcome) -> list[Condition]:
        """It goes on when what it waits for changes."""
        checking = self.all_begun(plan, outcome)
        text = messages.stage(CHECKING if checking else APPLYING, self.revision, self.wish.timeout)
        text += messages.waiting(outcome.waiting_for)
        conditions = [
            Condition("Ready", "Unknown", "Progressing", messages.IN_PROGRESS),
            Condition("Reconciling", "True", "Progressing", text),
        ]
        return [*conditions, Condition("Healthy", "Unknown", "Progressing", text)] if checking else conditions

    def all_begun(self, plan: Plan, outcome: Outcome) -> bool:
        """Whether everything is applied, so that only health is left to wait for."""
        return all(outcome.progress.of(change.phase, change.ref) is not None for change in plan)

    def ended_before(self) -> bool:
        """Whether an attempt at this revision of this generation came to its end, and nobody asks for another."""
        told = self.reporter.before("Ready")
        return (
            not self.reporter.asked
            and told.get("reason") in ENDS
            and told.get("observedGeneration") == self.reporter.generation
            and (self.reporter.raw.get("status") or {}).get("lastAttemptedRevision") == self.revision
        )

    def exists(self, name: str) -> bool:
        """Whether there is a Kustomization ``namespace/name``."""
        return self.tools.cache(KUSTOMIZATION).get(Key(*name.split("/", 1))) is not None

    def is_done(self, plan: Plan) -> bool:
        """Whether this revision of this generation was applied before and nothing has drifted since."""
        return (
            all(change.action in ("keep", "leave") and not change.orphan for change in plan)
            and self.status.get("lastAppliedRevision") == self.revision
            and self.status.get("observedGeneration") == self.reporter.generation
        )

    def remember(self, desired: Desired, outcome: str, took: float, *, again: bool) -> None:
        """A line of ``status.history``; the same once more only counts ``again`` when something was done."""
        digest, past = words.snapshot_digest(desired.objects), self.status.get("history") or ()
        if again or words.is_news(past, digest, self.revision, outcome):
            self.status["history"] = words.history(past, digest, self.revision, outcome, took, self.tools.clock.now())

    async def health(self, cluster: Cluster, plan: Plan) -> dict[Ref, str]:
        """kstatus' word on each object that is waited for."""
        if self.wish.wait:
            refs: Sequence[Ref] = [c.ref for c in plan if not c.orphan and not c.options.ignore_health]
        else:
            refs = sorted(rules.awaited(self.wish))
        found: dict[Ref, str] = {}
        judged = self.inputs.judge()
        for ref in refs:
            try:
                live = await cluster.live.get(ref)
            except NotFound:
                live = None
            found[ref] = kstatus_word(judged(live), live) if live is not None else "NotFound"
        return found

    # --- how far it was ------------------------------------------------------------------------------------------

    def progress(self, request: Request, plan: Plan) -> Progress:
        """Where the last run left off; another revision or another spec begins anew, drift meanwhile is applied again."""
        progress = self.tools.progress.get(self.reporter.ref)
        waited_for = self.reporter.before("Reconciling").get("observedGeneration")
        if progress is None or progress.revision != request.revision or waited_for != self.reporter.generation:
            return Progress(started=format_time(self.reporter.now), revision=request.revision)
        drifted = [c for c in plan if c.action not in ("keep", "leave") and progress.of(c.phase, c.ref) is not None]
        return replace(progress, results={}) if drifted else progress

    def held_back(self) -> float | None:
        """Seconds until a failed health check is tried again; recovery is seen at once, so this only stills the waiting."""
        told = self.reporter.before("Ready")
        if (
            self.reporter.asked
            or (told.get("status"), told.get("reason")) != ("False", "HealthCheckFailed")
            or told.get("observedGeneration") != self.reporter.generation
            or self.reporter.raw["status"].get("lastAttemptedRevision") != self.revision
        ):
            return None
        left = parse_time(str(told.get("lastTransitionTime"))) + self.wish.retry_interval - self.reporter.now
        return left if left > 0 else None


def kstatus_word(health: Health, live: Object) -> str:
    """A verdict in kstatus' words, which health checks are told in."""
    if health.rule == "kstatus":
        return compute(live).status
    return {"Healthy": "Current", "Degraded": "Failed", "Progressing": "InProgress"}.get(health.status, "Unknown")


def _duration(seconds: float) -> str:
    return format_duration(round(seconds, 3))
