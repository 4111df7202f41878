"""One Application, one run: compare it with its sources, decide, take the steps that can be taken now, write the status.

The shell of the dialect: reads through caches and `delivery`; every decision is in `rules.py`, every word of the status in
`status.py`. Source of the behaviour: Argo CD's application controller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trueup.delivery.outcome import Desired, Outcome
from trueup.delivery.request import LiveMarks, Request, SourceRequest
from trueup.delivery.tools import DeliveryTools
from trueup.families.argocd import projects, rules, status
from trueup.families.argocd.secrets import repository_secret
from trueup.families.argocd.sources import git_spec, options_of, tool_of
from trueup.families.argocd.types import APPLICATION, FINALIZER, PROJECT, REFRESH, Application, Source
from trueup.families.argocd.wanted import instance_name, mark, owner_in, wanted, wave_of
from trueup.families.argocd.wanted import options_of as object_options
from trueup.family import Result
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.merge.jsonpatch import diff_merge
from trueup.plan.plan import Plan
from trueup.plan.policy import Policy as PlanPolicy
from trueup.plan.progress import Progress
from trueup.ports import Cluster, RenderProblem, SourceProblem, Target
from trueup.timing.rfc3339 import format_time

MANAGER = "argocd-controller"
HOME = "argocd"
"""The namespace whose Applications go by their bare name in tracking ids."""
UNDER_WAY = ("Running", "Terminating")
COMPARISON = PlanPolicy(prune=True, allow_empty=True)
"""What may be pruned is a difference; whether it is pruned, the sync policy says."""


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring one Application closer to its source and its status closer to the truth."""
    ref = Ref(APPLICATION, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(APPLICATION).get(key))
    if raw is None:
        return Result()
    run = Run(tools, Application.parse(raw))
    if raw["metadata"].get("deletionTimestamp"):
        return await run.delete()
    return await run.go()


async def look(tools: DeliveryTools, raw: Object) -> tuple[Desired, Plan]:
    """What the sources render to and what a sync would do, without doing or reporting anything."""
    run = Run(tools, Application.parse(raw))
    project = projects.spec_of(tools.cache(PROJECT).get(Key(HOME, run.app.project)), run.app.project)
    cluster = await run.cluster()
    desired = await run.desire(cluster, run.app.sources)
    policy = PlanPolicy(prune=True)
    return desired, await tools.delivery.plan(await run.request(cluster, desired, {}, policy, project))


class Run:
    """The state of one run. ``status`` begins as the old status and is written once at the end, if it changed."""

    def __init__(self, tools: DeliveryTools, app: Application) -> None:
        self.tools, self.app = tools, app
        self.ref = Ref(APPLICATION, app.namespace, app.name)
        self.raw = app.raw
        self.now = tools.clock.now()
        self.status: Object = dict(app.raw.get("status") or {})
        self.conditions: dict[str, list[str]] = {}
        self.instance = instance_name(app.namespace, app.name, HOME)
        self.refresh = str((app.raw["metadata"].get("annotations") or {}).get(REFRESH) or "")

    # --- the run -------------------------------------------------------------------------------------------------

    async def go(self) -> Result:
        """Compare, decide, advance, report."""
        rules_of_project = projects.spec_of(
            self.tools.cache(PROJECT).get(Key(HOME, self.app.project)), self.app.project
        )
        wrong = projects.problems(self.app, rules_of_project) or _incomplete(self.app)
        if wrong or rules_of_project is None:
            return await self.give_up("InvalidSpecError", wrong)
        if self.refresh:
            self.tools.fetcher.forget(source.repo for source in self.app.sources)
        try:
            cluster = await self.cluster()
            desired = await self.desire(cluster, self.app.sources)
            plan = await self.tools.delivery.plan(
                await self.request(cluster, desired, {}, COMPARISON, rules_of_project)
            )
        except (SourceProblem, RenderProblem) as problem:
            return await self.give_up("ComparisonError", [str(problem)])
        except ApiProblem as problem:
            return await self.give_up("ComparisonError", [problem.message])
        after = await self.operate(cluster, desired, plan, rules_of_project)
        return Result(after=min(after, rules.REFRESH_EVERY))

    async def operate(self, cluster: Cluster, desired: Desired, plan: Plan, project: object) -> float:
        """Decide on an operation and take its next steps; report; seconds until the next look."""
        old = self.status.get("operationState") or {}
        operation: Object | None = self.raw.get("operation")
        running = old.get("phase") in UNDER_WAY
        if running:
            operation = old.get("operation") or {}
            if rules.preempts(self.app, operation, desired.revisions):
                running = False
                operation = None
        hold = rules.Hold()
        if operation is None:
            verdict = rules.automatic(self.app, plan, desired.revisions, self.now)
            if isinstance(verdict, rules.Hold):
                hold = verdict
                if hold.error:
                    self.conditions["SyncError"] = [hold.why]
            else:
                operation = verdict.operation
        next_look = hold.after
        if operation is not None:
            plan, outcome = await self.advance(cluster, desired, plan, operation, old if running else {}, project)
            next_look = None if outcome is None else outcome.next_after
        self.report(desired, plan)
        await self.write()
        return rules.REFRESH_EVERY if next_look is None else next_look

    async def advance(
        self, cluster: Cluster, desired: Desired, plan: Plan, operation: Object, state: Object, project: object
    ) -> tuple[Plan, Outcome | None]:
        """The next steps of an operation, new or under way; the plan as it is afterwards."""
        sources = rules.sources_of(self.app, operation)
        pins = rules.pinned(operation, len(sources))
        progress = self.progress(state) if state else Progress(started=format_time(self.now))
        try:
            known = [s.raw for s in sources] == [s.raw for s in self.app.sources]
            if not known or any(pin and pin != at for pin, at in zip(pins, desired.revisions, strict=False)):
                desired = await self.desire(cluster, sources, pins)
            policy = rules.plan_policy(self.app, operation, plan, started=progress.started)
            request = await self.request(cluster, desired, operation, policy, project)
            progress = replace(progress, revision=request.revision)

            async def save(reached: Progress) -> None:
                await self.save(operation, reached, sources, desired)

            if not state:
                await save(progress)
            steps = await self.tools.delivery.plan(request)
            if state.get("phase") == "Terminating":
                await self.tools.delivery.terminate(request, steps, progress, save)
                self.end_operation(state, "Failed", "Operation terminated")
                return plan, None
            outcome = await self.tools.delivery.advance(request, steps, progress, save)
        except (SourceProblem, RenderProblem, ApiProblem) as problem:
            begun = status.running_state(operation, progress, sources, self.app.several, ())
            self.end_operation(begun, "Error", getattr(problem, "message", str(problem)))
            return plan, None
        self.status["operationState"] = status.operation_state(
            operation, outcome, sources, self.app.several, desired.revisions, self.tools.clock.now()
        )
        if not outcome.final:
            self.tools.progress[self.ref] = outcome.progress
        else:
            self.tools.progress.pop(self.ref, None)
            self.status["history"] = status.history(self.app, self.status["operationState"])
            self.tell(outcome)
        if outcome.changed:
            compare = await self.request(cluster, await self.desire(cluster, self.app.sources), {}, COMPARISON, project)
            plan = await self.tools.delivery.plan(compare)
        return plan, outcome

    def progress(self, state: Object) -> Progress:
        """How far the operation of the status has come: as remembered, which knows since when it waits, else as written."""
        written = status.progress_of(state)
        known = self.tools.progress.get(self.ref)
        same = known is not None and (known.started, known.attempt) == (written.started, written.attempt)
        return known if known is not None and same else written

    async def delete(self) -> Result:
        """Deleted Applications with the finalizer take their resources along; without it they just go."""
        finalizers = list(self.raw["metadata"].get("finalizers") or ())
        mine = [name for name in finalizers if name.partition("/")[0] == FINALIZER]
        if not mine:
            return Result()
        background = any(name.endswith("/background") for name in mine)
        policy = PlanPolicy(prune=True, allow_empty=True, propagation="Background" if background else "Foreground")
        try:
            cluster = await self.cluster()
            request = replace(
                await self.request(cluster, await self.deletion_hooks(cluster), {}, policy, None), deleting=True
            )
            state = self.status.get("operationState") or {}
            going = state.get("phase") == "Running" and state.get("message") == DELETING
            progress = status.progress_of(state) if going else Progress(started=format_time(self.now))

            async def save(reached: Progress) -> None:
                self.status["operationState"] = status.running_state({}, reached, (), False, (), DELETING)
                await self.write()

            outcome = await self.tools.delivery.advance(
                request, await self.tools.delivery.plan(request), progress, save
            )
        except (SourceProblem, RenderProblem, ApiProblem) as problem:
            return await self.give_up("DeletionError", [getattr(problem, "message", str(problem))])
        if outcome.phase != "Succeeded":
            if outcome.final:
                return await self.give_up("DeletionError", [outcome.message])
            return Result(after=outcome.next_after)
        rest = [name for name in finalizers if name not in mine]
        try:
            await self.tools.client.patch(
                self.ref, {"metadata": {"finalizers": rest or None}}, "merge", manager=MANAGER
            )
        except NotFound:
            return Result()
        return Result()

    # --- what it asks for ----------------------------------------------------------------------------------------

    async def cluster(self) -> Cluster:
        """The destination."""
        where = self.app.destination
        return await self.tools.clusters.of(*(("", "") if where.in_cluster else (where.server, where.name)))

    async def desire(self, cluster: Cluster, sources: Sequence[Source], pins: Sequence[str] = ()) -> Desired:
        """Fetch and render."""
        pins = pins or [""] * len(sources)
        secrets = self.tools.cache
        asked = [
            SourceRequest(
                spec=git_spec(source, repository_secret(secrets, HOME, source.repo)),
                path=source.path or ".",
                tool=tool_of(source),
                options=options_of(source, release=self.app.name, namespace=self.app.destination.namespace),
                revision=pin,
                name=source.ref,
                render=bool(source.path or source.chart or not source.ref),
            )
            for source, pin in zip(sources, pins, strict=True)
        ]
        target = Target(kubernetes_version=await cluster.client.version(), namespace=self.app.destination.namespace)
        return await self.tools.delivery.desire(asked, target)

    async def deletion_hooks(self, cluster: Cluster) -> Desired:
        """The sources' PreDelete and PostDelete hooks; nothing when the sources cannot be had any more."""
        try:
            desired = await self.desire(cluster, self.app.sources)
        except (SourceProblem, RenderProblem) as problem:
            self.tools.events.record(
                self.raw, "Warning", "DeletionHooksSkipped", f"deletion hooks are not run: {problem}"
            )
            return Desired([], [], (), ())
        return desired

    async def request(
        self, cluster: Cluster, desired: Desired, operation: Object, policy: PlanPolicy, project: object
    ) -> Request:
        """The neutral request for these objects."""
        deleting = bool(self.raw["metadata"].get("deletionTimestamp"))
        wishes = wanted(desired.objects, desired.origins)
        if deleting:
            wishes = [wish for wish in wishes if wish.phase in ("PreDelete", "PostDelete")]
        namespace, instance = self.app.destination.namespace, self.instance
        scopes = {info.kind: info.namespaced for info in await cluster.client.resources()}

        def permits(ref: Ref, _: Object | None) -> str:
            if not isinstance(project, dict):
                return ""
            return projects.permits(self.app, project, ref, scopes.get(ref.kind, bool(ref.namespace)))

        def read_live(obj: Object) -> LiveMarks:
            owner = owner_in(obj)
            annotations = (obj.get("metadata") or {}).get("annotations") or {}
            return LiveMarks(
                owned=owner == instance,
                options=object_options(annotations),
                wave=wave_of(annotations),
                why=f"it belongs to the Application {owner}" if owner else "it carries no tracking id",
                shared_with=owner if owner and owner != instance else "",
            )

        return Request(
            unit=self.ref,
            cluster=cluster,
            manager=MANAGER,
            wanted=tuple(wishes),
            revision=",".join(desired.revisions),
            actor=_actor(operation),
            namespace=namespace,
            inventory=self.inventory(),
            mark=lambda obj: mark(obj, instance, namespace),
            read_live=read_live,
            permits=permits,
            ignore=rules.ignore_rules(self.app),
            policy=policy,
            deleting=deleting,
        )

    def inventory(self) -> tuple[Ref, ...]:
        """All that the status knows of: what was compared last, and what the operation has touched since."""
        return status.inventory(self.raw.get("status") or {}, self.status)

    # --- what it reports -----------------------------------------------------------------------------------------

    def report(self, desired: Desired, plan: Plan) -> None:
        """Put the comparison into the status."""
        self.status["sync"] = status.compared(self.app, plan, desired.revisions)
        self.status["resources"] = status.resources(plan)
        self.set_health(status.app_health(plan))
        kinds = [status.SOURCE_TYPES.get(tool, "Directory") for tool in desired.tools]
        if self.app.several:
            self.status["sourceTypes"] = kinds
        elif kinds:
            self.status["sourceType"] = kinds[0]
        summary = {"images": status.images(plan), "externalURLs": status.urls(plan)}
        self.status["summary"] = {name: found for name, found in summary.items() if found}
        warnings = [*desired.warnings, *plan.warnings]
        if warnings:
            self.conditions["RepeatedResourceWarning"] = warnings
        refused = [f"{change.ref}: {change.why}" for change in plan if change.action == "refused"]
        if refused:
            self.conditions["ComparisonError"] = refused

    def set_health(self, health: Object) -> None:
        """The time stays while the word does."""
        old = self.status.get("health") or {}
        same = old.get("status") == health["status"]
        health["lastTransitionTime"] = (old.get("lastTransitionTime") if same else None) or format_time(self.now)
        self.status["health"] = health

    async def give_up(self, condition: str, messages: Sequence[str]) -> Result:
        """Nothing can be compared: say why; a running operation goes on at the next run."""
        self.conditions[condition] = list(messages)
        self.status["sync"] = {**status.compared(self.app, None, ()), **_last_revision(self.status)}
        if condition == "InvalidSpecError" or not self.status.get("health"):
            self.set_health({"status": "Unknown"})
        waiting: Object | None = self.raw.get("operation")
        if waiting is not None:
            begun = status.running_state(waiting, Progress(started=format_time(self.now)), (), self.app.several, ())
            self.end_operation(begun, "Error", "; ".join(messages))
        await self.write()
        return Result(after=rules.REFRESH_EVERY / 6)

    def end_operation(self, state: Object, phase: str, message: str) -> None:
        """An operation that ends without an outcome of its own."""
        self.status["operationState"] = {
            **state,
            "phase": phase,
            "message": message,
            "finishedAt": format_time(self.now),
        }
        self.tools.events.record(self.raw, "Warning", "OperationCompleted", f"{phase}: {message}")

    def tell(self, outcome: Outcome) -> None:
        """An event for the operation's end."""
        well = outcome.phase == "Succeeded"
        self.tools.events.record(
            self.raw,
            "Normal" if well else "Warning",
            "OperationCompleted",
            f"Sync operation to {self.status['operationState']['syncResult'].get('revision')} "
            f"{'succeeded' if well else 'failed'}: {outcome.message}",
        )

    async def save(self, operation: Object, progress: Progress, sources: Sequence[Source], desired: Desired) -> None:
        """Write down how far the operation has come, before it goes further."""
        self.status["operationState"] = status.running_state(
            operation, progress, sources, self.app.several, desired.revisions, "waiting for the next step"
        )
        await self.patch({"operation": operation})

    async def write(self) -> None:
        """Write the status if it says anything new; drop the refresh annotation and an operation that is over."""
        old = self.raw.get("status") or {}
        self.status["conditions"] = status.conditions(old.get("conditions") or (), self.conditions, self.now)
        if not self.status["conditions"]:
            self.status.pop("conditions")
        extra: Object = {}
        if self.refresh:
            extra["metadata"] = {"annotations": {REFRESH: None}}
        over = (self.status.get("operationState") or {}).get("phase") not in UNDER_WAY
        if self.raw.get("operation") is not None and over:
            extra["operation"] = None
        await self.patch(extra)

    async def patch(self, extra: Object) -> None:
        """One merge patch with what changed; nothing is sent when nothing did."""
        old = self.raw.get("status") or {}
        changed = diff_merge(old, self.status)
        if changed or self.refresh:
            self.status["reconciledAt"] = format_time(self.now)
            changed = diff_merge(old, self.status)
        if extra.get("operation") is not None and extra["operation"] == self.raw.get("operation"):
            extra = {name: value for name, value in extra.items() if name != "operation"}
        body = {**extra, **({"status": changed} if changed else {})}
        if not body:
            return
        try:
            self.raw = await self.tools.client.patch(self.ref, body, "merge", manager=MANAGER)
        except NotFound:
            return  # it went away meanwhile: its deletion has its own run
        self.tools.writes.note(self.ref, self.raw)


DELETING = "deleting the Application's resources"


def _actor(operation: Object) -> str:
    by = operation.get("initiatedBy") or {}
    return "automated" if by.get("automated") else str(by.get("username") or "")


def _last_revision(old: Object) -> Object:
    sync = old.get("sync") or {}
    return {name: sync[name] for name in ("revision", "revisions") if sync.get(name)}


def _incomplete(app: Application) -> list[str]:
    """What the spec lacks, as Argo CD words it."""
    found = []
    if not app.sources:
        found.append("spec.source and spec.sources are both missing: name a repository in one of them")
    for source in app.sources:
        if not source.repo:
            found.append("spec.source.repoURL is required")
        elif not source.path and not source.chart and not source.ref:
            found.append("spec.source.path or spec.source.chart is required")
        elif source.chart:
            found.append(
                f"chart {source.chart} of {source.repo}: Helm repositories are not supported yet, Git sources are"
            )
        elif source.raw.get("plugin") is not None:
            found.append("spec.source.plugin: config management plugins are not supported yet")
    if app.destination.server and app.destination.name:
        found.append("application destination can't have both name and server defined")
    return found
