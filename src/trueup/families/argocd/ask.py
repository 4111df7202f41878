"""What an Application asks of ``delivery``: its destination, what its sources say, and the neutral request.

Called by `reconcile.py`, `operate.py` and `delete.py`. Source: Argo CD, ``GetDestinationCluster``, ``GetRepoObjs``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from trueup.delivery.outcome import Desired
from trueup.delivery.request import LiveMarks, Request, SourceRequest
from trueup.families.argocd import charts, environment, health, operation, projects, rules, status
from trueup.families.argocd.charts import Repositories
from trueup.families.argocd.run import MANAGER, Comparison, Run
from trueup.families.argocd.secrets import CERTIFICATES, KNOWN_HOSTS, SECRET, repository_secret, trusted
from trueup.families.argocd.sources import git_spec, is_commit, options_of, tool_of
from trueup.families.argocd.types import APPLICATION, HOME, Source
from trueup.families.argocd.wanted import mark, owner_in, removals, wave_of
from trueup.families.argocd.wanted import options_of as object_options
from trueup.health.verdict import Health
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.policy import Policy
from trueup.ports import Cluster, GitSpec, Spec, Target

AT_DELETION = ("PreDelete", "PostDelete")
"""Phases of hooks that run when the Application goes, and then alone."""


async def destination(run: Run) -> Cluster:
    """The cluster to deliver to. Raises ``NotFound`` for one that nobody knows."""
    where = run.app.destination
    return await run.tools.clusters.of(*(("", "") if where.in_cluster else (where.server, where.name)))


async def scopes(cluster: Cluster) -> Mapping[Kind, bool]:
    """Which served kinds live in namespaces."""
    return {info.kind: info.namespaced for info in await cluster.client.resources()}


def place(cluster: Cluster) -> projects.Place:
    """A cluster as projects name it."""
    return projects.Place(cluster.server.rstrip("/"), cluster.name)


async def desire(run: Run, cluster: Cluster, sources: Sequence[Source], pins: Sequence[str] = ()) -> Desired:
    """Fetch and render. ``pins``: the commit of each source; empty where it is left open."""
    asked = [await _source(run, source, pin) for source, pin in zip(sources, pins or [""] * len(sources), strict=True)]
    namespace = run.app.destination.namespace
    target = Target(kubernetes_version=await cluster.client.version(), namespace=namespace)
    return await run.tools.delivery.desire(asked, target)


async def _source(run: Run, source: Source, pin: str) -> SourceRequest:
    """One source; its revision is looked up beforehand where its options name it."""
    app, live = run.app, run.tools.live
    known = Repositories(run.tools.cache(SECRET).list(HOME), app.project, await live.get(CERTIFICATES))
    spec: Spec
    if charts.is_chart(source):
        spec, pin = known.spec(source, pin), ""  # an operation may name another version, or a range
        if environment.names_revision(source):
            pin = await run.tools.fetcher.resolve(spec)
    else:
        spec, pin = await _git(run, source, pin)
    variables = environment.of(app, source, run.instance, pin)
    settings = await live.get(health.SETTINGS)
    return SourceRequest(
        spec=spec,
        path="." if source.chart else source.path or ".",
        tool=tool_of(source),
        options=options_of(
            source, release=app.name, namespace=app.destination.namespace, environment=variables, settings=settings
        ),
        revision=pin,
        name="" if charts.is_chart(source) else source.ref,
        render=bool(source.path or source.chart or not source.ref),
        repository=known.of,
        schemes=charts.schemes(settings),
    )


async def _git(run: Run, source: Source, pin: str) -> tuple[GitSpec, str]:
    """What a Git source names, and its commit where that is known already or has to be."""
    live = run.tools.live
    secret = {
        **trusted(source.repo, await live.get(KNOWN_HOSTS), await live.get(CERTIFICATES)),
        **repository_secret(run.tools.cache(SECRET).list(HOME), source.repo, run.app.project),
    }
    if pin and not is_commit(pin):
        source, pin = replace(source, revision=pin), ""  # an operation may name a branch, a tag or a range as well
    spec = git_spec(source, secret)
    if environment.names_revision(source) and not pin:
        pin = (await run.tools.fetcher.fetch(spec, "")).revision
    return spec, pin


async def compare(run: Run, cluster: Cluster) -> Comparison:
    """What the sources say now against what is live."""
    desired = await desire(run, cluster, run.app.sources)
    asked = await request(run, cluster, desired, {}, rules.comparison(run.app))
    return Comparison(desired, await run.tools.delivery.plan(asked))


async def request(run: Run, cluster: Cluster, desired: Desired, asked: Object, policy: Policy) -> Request:
    """The neutral request for these objects. ``asked``: the operation; empty for a comparison."""
    app, instance = run.app, run.instance
    deleting = bool(run.raw["metadata"].get("deletionTimestamp"))
    wishes = [wish for wish in run.wishes(desired) if (wish.phase in AT_DELETION) is deleting]
    namespace = app.destination.namespace
    project = None if projects.unbounded(run.project) else run.project
    namespaced = await scopes(cluster) if project else {}
    where, itself = place(cluster), status.itself(run.ref, cluster)
    defaults = removals(rules.options_of(asked) if asked else app.policy.options)

    def permits(ref: Ref, _: Object | None) -> str:
        if project is None:
            return ""
        return projects.permits(app, project, where, ref, namespaced.get(ref.kind, bool(ref.namespace)))

    def read_live(obj: Object) -> LiveMarks:
        owner = owner_in(obj)
        annotations = (obj.get("metadata") or {}).get("annotations") or {}
        return LiveMarks(
            owned=owner == instance and not (deleting and Ref.of(obj) == itself),
            options=object_options(annotations, defaults, obj),
            wave=wave_of(annotations),
            why=f"it belongs to the Application {owner}" if owner else "it carries no tracking id",
            shared_with=owner if owner and owner != instance else "",
        )

    return Request(
        unit=run.ref,
        cluster=cluster,
        manager=MANAGER,
        wanted=tuple(wishes),
        revision=",".join(desired.revisions),
        actor=operation.actor(asked),
        namespace=namespace,
        inventory=status.inventory(run.raw.get("status") or {}, run.status, hooks=deleting),
        mark=lambda obj: mark(obj, instance, namespace),
        read_live=read_live,
        permits=permits,
        ignore=rules.ignore_rules(app),
        policy=policy,
        judge=await judge_of(run),
        deleting=deleting,
    )


async def judge_of(run: Run) -> Callable[[Object], Health]:
    """How the Application's objects are judged: as all are, and child Applications where the settings ask for it."""
    common = run.tools.delivery.judge
    if not health.children_are_judged(await run.tools.live.get(health.SETTINGS)):
        return common

    def judged(obj: Object) -> Health:
        return health.application(obj) if Kind.of(obj) == APPLICATION else common(obj)

    return judged
