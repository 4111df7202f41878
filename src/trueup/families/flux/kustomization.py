"""One Kustomization, one run: build the folder, plan, take the steps that can be taken now, write the status.

The shell of the dialect: decisions are in `rules.py`, words in `status.py`. Source of the behaviour: Flux's
kustomize-controller; unlike it, drift is repaired when a live object changes, not at the next interval.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import cast

from trueup.delivery.outcome import Desired, Outcome
from trueup.delivery.request import Request, SourceRequest
from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import rules
from trueup.families.flux import status as words
from trueup.families.flux.source import credentials
from trueup.families.flux.status import Condition, not_ready, ready
from trueup.families.flux.types import (
    FINALIZER,
    GIT_REPOSITORY,
    KUSTOMIZATION,
    MANAGER,
    RECONCILE_AT,
    GitRepository,
    Kustomization,
)
from trueup.family import Result
from trueup.health.kstatus import judge as judge_kstatus
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.merge.jsonpatch import diff_merge
from trueup.plan.plan import Plan
from trueup.plan.progress import Progress
from trueup.ports import Cluster, RenderProblem, SourceProblem, Target
from trueup.timing.durations import format_duration
from trueup.timing.rfc3339 import format_time

SECRET = Kind("", "v1", "Secret")
DEPENDENCY_RETRY = 30.0
SOURCE_RETRY = 30.0


class NotYet(Exception):
    """The run ends here: the condition to report, and when to look again."""

    def __init__(self, reason: str, message: str, after: float | None) -> None:
        super().__init__(message)
        self.reason, self.message, self.after = reason, message, after


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring one Kustomization closer to its source and its status closer to the truth."""
    ref = Ref(KUSTOMIZATION, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(KUSTOMIZATION).get(key))
    if raw is None:
        return Result()
    try:
        kustomization = Kustomization.parse(raw)
    except ValueError as problem:
        await Run(tools, raw, None).report([not_ready("InvalidSpec", str(problem))])
        return Result()
    run = Run(tools, raw, kustomization)
    if raw["metadata"].get("deletionTimestamp"):
        return await run.delete()
    if kustomization.suspend:
        return Result()
    try:
        return await run.go()
    except NotYet as wait:
        await run.report([not_ready(wait.reason, wait.message)])
        return Result(after=wait.after)


async def look(tools: DeliveryTools, raw: Object) -> tuple[Desired, Plan]:
    """What the folder builds to and what applying it would do, without doing or reporting anything."""
    run = Run(tools, raw, Kustomization.parse(raw))
    try:
        source = await run.source()
        revision = str(source["status"]["artifact"]["revision"])
        cluster = await run.cluster()
        desired = await run.build(cluster, source, revision)
    except NotYet as wait:
        raise RenderProblem(wait.message) from wait
    return desired, await tools.delivery.plan(run.request(cluster, desired, revision))


class Run:
    """The state of one run. ``status`` begins as the old status and is written once at the end, if it changed."""

    def __init__(self, tools: DeliveryTools, raw: Object, kustomization: Kustomization | None) -> None:
        self.tools, self.raw = tools, raw
        self._parsed = kustomization
        self.ref = Ref(KUSTOMIZATION, raw["metadata"].get("namespace") or "", raw["metadata"]["name"])
        self.now = tools.clock.now()
        self.status: Object = dict(raw.get("status") or {})

    @property
    def wish(self) -> Kustomization:
        """The parsed spec; a run without one only reports."""
        return cast(Kustomization, self._parsed)

    async def go(self) -> Result:
        """Source, dependencies, build, plan, advance, report."""
        wish = self.wish
        unsupported = rules.unsupported(wish)
        if unsupported:
            raise NotYet("NotSupported", unsupported, None)
        await self.hold_finalizer()
        source = await self.source()
        revision = str(source["status"]["artifact"]["revision"])
        self.check_dependencies(source, revision)
        self.status["lastAttemptedRevision"] = revision
        try:
            cluster = await self.cluster()
            desired = await self.build(cluster, source, revision)
            request = self.request(cluster, desired, revision)
            plan = await self.tools.delivery.plan(request)
        except (SourceProblem, RenderProblem) as problem:
            raise NotYet("BuildFailed", str(problem), wish.retry_interval) from problem
        except ApiProblem as problem:
            raise NotYet("ReconciliationFailed", problem.message, wish.retry_interval) from problem
        if self.is_done(plan, revision) and not wish.wait and not wish.health_checks:
            await self.report(list(self._well(revision)))
            return Result(after=wish.interval)
        return await self.deliver(request, plan, desired, revision)

    async def deliver(self, request: Request, plan: Plan, desired: Desired, revision: str) -> Result:
        """Advance, and say how it stands."""
        wish = self.wish
        progress = self.tools.progress.get(self.ref)
        if progress is None or progress.revision != request.revision:
            progress = Progress(started=format_time(self.now), revision=request.revision)

        async def save(reached: Progress) -> None:
            self.tools.progress[self.ref] = reached

        try:
            outcome = await self.tools.delivery.advance(request, plan, progress, save)
        except ApiProblem as problem:
            self.tools.progress.pop(self.ref, None)
            raise NotYet("ReconciliationFailed", problem.message, wish.retry_interval) from problem
        self.status["inventory"] = words.inventory(outcome.inventory)
        if not outcome.final:
            self.tools.progress[self.ref] = outcome.progress
            await self.report(_under_way(outcome, revision))
            return Result(after=outcome.next_after)
        self.tools.progress.pop(self.ref, None)
        seconds = max(0.0, self.tools.clock.now() - self.now)
        well = outcome.phase == "Succeeded"
        told = "ReconciliationSucceeded" if well else "ReconciliationFailed"
        past = self.status.get("history") or ()
        if outcome.changed or words.is_news(past, desired.objects, revision, told):
            self.status["history"] = words.history(past, desired.objects, revision, told, seconds, self.now)
        if not well:
            reason = "HealthCheckFailed" if _unhealthy(outcome) else "ReconciliationFailed"
            conditions = [not_ready(reason, _failure(outcome))]
            if reason == "HealthCheckFailed":
                conditions.append(Condition("Healthy", "False", reason, _failure(outcome)))
            await self.report(conditions)
            return Result(after=wish.retry_interval)
        self.status["lastAppliedRevision"] = revision
        await self.report(list(self._well(revision)))
        return Result(after=wish.interval)

    async def delete(self) -> Result:
        """Take what was applied along, unless the spec says to leave it; then let the object go."""
        finalizers = list(self.raw["metadata"].get("finalizers") or ())
        if FINALIZER not in finalizers:
            return Result()
        wish = self.wish
        takes_along = {"MirrorPrune": wish.prune, "Delete": True, "WaitForTermination": True}.get(
            wish.deletion_policy, False
        )
        refs = words.inventory_refs(self.status)
        if takes_along and not wish.suspend and refs:
            try:
                cluster = await self.cluster()
                request = replace(self.request(cluster, Desired([], [], (), ()), ""), deleting=True)
                request = replace(
                    request,
                    policy=replace(
                        request.policy,
                        prune=True,
                        wait=False,
                        wait_for=frozenset(),
                        wait_prune=wish.deletion_policy == "WaitForTermination",
                    ),
                )

                async def save(reached: Progress) -> None:
                    return None  # deleting twice has no further effect

                plan = await self.tools.delivery.plan(request)
                started = Progress(started=format_time(self.now))
                outcome = await self.tools.delivery.advance(request, plan, started, save)
            except ApiProblem as problem:
                await self.report([not_ready("PruneFailed", problem.message)])
                return Result(after=wish.retry_interval)
            if outcome.phase != "Succeeded":
                if outcome.final:
                    await self.report([not_ready("PruneFailed", _failure(outcome))])
                return Result(after=outcome.next_after if not outcome.final else wish.retry_interval)
        rest = [name for name in finalizers if name != FINALIZER]
        await self.patch({"metadata": {"finalizers": rest or None}})
        return Result()

    # --- what it stands on ---------------------------------------------------------------------------------------

    async def source(self) -> Object:
        """The source object with an artifact."""
        ref = self.wish.source
        if ref.kind != GIT_REPOSITORY:
            raise NotYet("ArtifactFailed", f"{ref.kind.kind} sources are not supported yet: use a GitRepository", None)
        source = self.tools.cache(GIT_REPOSITORY).get(Key(ref.namespace, ref.name))
        if source is None:
            raise NotYet("ArtifactFailed", f"{ref.kind.kind} '{ref.namespace}/{ref.name}' not found", SOURCE_RETRY)
        if not (source.get("status") or {}).get("artifact"):
            raise NotYet("ArtifactFailed", "Source artifact not found, retrying in 30s", SOURCE_RETRY)
        return source

    def check_dependencies(self, source: Object, revision: str) -> None:
        """Every dependency is ready, and those of the same source at the same revision."""
        for key in self.wish.depends_on:
            dependency = self.tools.cache(KUSTOMIZATION).get(key)
            same = dependency is not None and Kustomization.parse(dependency).source == self.wish.source
            why = rules.ready_dependency(dependency, revision, same)
            if why:
                raise NotYet(
                    "DependencyNotReady",
                    f"dependency '{key}' {why}",
                    DEPENDENCY_RETRY,
                )

    async def cluster(self) -> Cluster:
        """The cluster of ``spec.kubeConfig``, else this one."""
        ref = (self.wish.spec.get("kubeConfig") or {}).get("secretRef")
        if not ref:
            return await self.tools.clusters.of()
        secret = await self.tools.client.get(Ref(SECRET, self.ref.namespace, str(ref["name"])))
        data = secret.get("data") or {}
        chosen = data.get(ref["key"]) if ref.get("key") else data.get("value") or data.get("value.yaml")
        if not chosen:
            raise NotYet(
                "ReconciliationFailed", f"Secret {self.ref.namespace}/{ref['name']} holds no kubeconfig", SOURCE_RETRY
            )
        return await self.tools.clusters.of(kubeconfig=base64.b64decode(chosen))

    async def build(self, cluster: Cluster, source: Object, revision: str) -> Desired:
        """Render the folder at the artifact's commit."""
        repository = GitRepository.parse(source)
        asked = SourceRequest(
            spec=repository.git_spec(await credentials(self.tools, repository)),
            path=self.wish.path or ".",
            tool="kustomize",
            options=rules.render_options(self.wish, await self.variables()),
            revision=words.commit_of(revision),
        )
        target = Target(await cluster.client.version(), namespace=self.wish.target_namespace)
        return await self.tools.delivery.desire([asked], target)

    async def variables(self) -> dict[str, str] | None:
        """``postBuild``: inline variables win over those of ConfigMaps and Secrets; None when nothing is substituted."""
        post = self.wish.spec.get("postBuild")
        if not post:
            return None
        found: dict[str, str] = {}
        local = await self.tools.clusters.of()
        for entry in post.get("substituteFrom") or ():
            ref = Ref(Kind("", "v1", str(entry["kind"])), self.ref.namespace, str(entry["name"]))
            obj = await local.live.get(ref)
            if obj is None:
                if entry.get("optional"):
                    continue
                raise NotYet(
                    "BuildFailed",
                    f"substitute from '{entry['kind']}/{entry['name']}' error: not found",
                    self.wish.retry_interval,
                )
            for name, value in (obj.get("data") or {}).items():
                text = base64.b64decode(value).decode() if entry["kind"] == "Secret" else str(value)
                found[name] = text.replace("\n", "")
        return {**found, **{name: str(value) for name, value in (post.get("substitute") or {}).items()}}

    def request(self, cluster: Cluster, desired: Desired, revision: str) -> Request:
        """The neutral request for these objects."""
        wish = self.wish
        account = wish.spec.get("serviceAccountName")
        return Request(
            unit=self.ref,
            cluster=cluster,
            manager=MANAGER,
            wanted=tuple(rules.wanted(desired.objects, desired.origins)),
            revision=revision,
            actor="automated",
            namespace=wish.target_namespace,
            inventory=words.inventory_refs(self.raw.get("status") or {}),
            mark=lambda obj: rules.mark(obj, wish),
            read_live=lambda obj: rules.read_live(obj, wish),
            permits=lambda _, obj: rules.refuses(obj),
            policy=rules.policy(wish),
            judge=judge_kstatus,
            identity=f"system:serviceaccount:{self.ref.namespace}:{account}" if account else "",
        )

    # --- what it reports -----------------------------------------------------------------------------------------

    def is_done(self, plan: Plan, revision: str) -> bool:
        """Whether this revision of this generation was applied before and nothing has drifted since."""
        status = self.raw.get("status") or {}
        return (
            plan.in_sync
            and status.get("lastAppliedRevision") == revision
            and status.get("observedGeneration") == self.raw["metadata"].get("generation")
        )

    def _well(self, revision: str) -> tuple[Condition, ...]:
        done = ready("ReconciliationSucceeded", f"Applied revision: {revision}")
        if not self.wish.wait and not self.wish.health_checks:
            return (done,)
        old = {c.get("type"): c for c in (self.raw.get("status") or {}).get("conditions") or ()}
        known = old.get("Healthy") or {}
        if known.get("status") == "True":
            return (done, Condition("Healthy", "True", known["reason"], known["message"]))
        took = format_duration(round(max(0.0, self.tools.clock.now() - self.now), 3))
        return (done, Condition("Healthy", "True", "Succeeded", f"Health check passed in {took}"))

    async def report(self, conditions: list[Condition]) -> None:
        """Write the status if it says anything new, and tell it as an event."""
        old = self.raw.get("status") or {}
        meta = self.raw["metadata"]
        generation = int(meta.get("generation") or 0)
        self.status["observedGeneration"] = generation
        self.status["conditions"] = words.conditions(old.get("conditions") or (), conditions, generation, self.now)
        asked = (meta.get("annotations") or {}).get(RECONCILE_AT)
        if asked:
            self.status["lastHandledReconcileAt"] = asked
        changed = diff_merge(old, self.status)
        if not changed:
            return
        await self.patch({"status": changed}, subresource="status")
        told = conditions[0]
        before: Object = next((c for c in old.get("conditions") or () if c.get("type") == "Ready"), {})
        if (before.get("status"), before.get("message")) != (told.status, told.message) and told.status != "Unknown":
            self.tools.events.record(
                self.raw, "Normal" if told.status == "True" else "Warning", told.reason, told.message
            )

    async def hold_finalizer(self) -> None:
        """Before anything is applied, make sure that deletion will be noticed."""
        finalizers = list(self.raw["metadata"].get("finalizers") or ())
        if FINALIZER not in finalizers:
            await self.patch({"metadata": {"finalizers": [*finalizers, FINALIZER]}})

    async def patch(self, body: Object, subresource: str = "") -> None:
        try:
            self.raw = await self.tools.client.patch(self.ref, body, "merge", subresource=subresource, manager=MANAGER)
        except NotFound:
            return  # it went away meanwhile
        self.tools.writes.note(self.ref, self.raw)


def _under_way(outcome: Outcome, revision: str) -> list[Condition]:
    waiting = ", ".join(str(ref) for ref in outcome.waiting_for[:5])
    message = outcome.message or f"Running health checks for revision {revision}"
    text = f"{message}: waiting for {waiting}" if waiting and waiting not in message else message
    return [Condition("Ready", "Unknown", "Progressing", text), Condition("Reconciling", "True", "Progressing", text)]


def _unhealthy(outcome: Outcome) -> bool:
    return not any(result.status == "SyncFailed" for result in outcome.results)


def _failure(outcome: Outcome) -> str:
    """Each object that failed with its own message; the outcome's message when none has."""
    failed = [f"{result.ref}: {result.message}" for result in outcome.results if result.failed and result.message]
    return "; ".join(failed) or outcome.message
