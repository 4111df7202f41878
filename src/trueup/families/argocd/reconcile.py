"""One Application, one run: compare it with its sources, decide, take the steps that can be taken now, write the status.

The shell of the dialect: reads through caches and `delivery`; every decision is in the pure files beside it. Source of the
behaviour: Argo CD's application controller, ``processAppRefreshQueueItem``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.delivery import jq
from trueup.delivery.outcome import Desired
from trueup.delivery.planning import look as look_at
from trueup.delivery.tools import DeliveryTools
from trueup.families.argocd import ask, operation, orphans, projects, rules, status
from trueup.families.argocd.delete import delete
from trueup.families.argocd.operate import operate
from trueup.families.argocd.run import Comparison, Run
from trueup.families.argocd.types import APPLICATION, HOME, POST_DELETE, PRE_DELETE, SKIP, Application
from trueup.family import Result
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.plan.plan import Change, Plan
from trueup.plan.policy import Policy
from trueup.plan.wanted import Wanted
from trueup.ports import Cluster, RenderProblem, SourceProblem

LOOK_AGAIN = rules.REFRESH_EVERY / 6
"""Seconds until a comparison that failed is tried again."""


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring one Application closer to its source and its status closer to the truth."""
    ref = Ref(APPLICATION, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(APPLICATION).get(key))
    if raw is None or str((raw["metadata"].get("annotations") or {}).get(SKIP)).lower() in ("true", "1", "t"):
        return Result()
    run = Run(tools, Application.parse(raw))
    if raw["metadata"].get("deletionTimestamp"):
        return await delete(run)
    return await _go(run)


async def look(tools: DeliveryTools, raw: Object) -> tuple[Desired, Plan]:
    """What the sources render to and what a sync would do, without doing or reporting anything."""
    run = Run(tools, Application.parse(raw))
    cluster = await ask.destination(run)
    desired = await ask.desire(run, cluster, run.app.sources)
    asked = await ask.request(run, cluster, desired, {}, Policy(prune=True))
    return desired, await tools.delivery.plan(asked)


async def _go(run: Run) -> Result:
    """Compare, decide, advance, report."""
    cluster, wrong = await _destination(run)
    if cluster is None:
        return await _invalid(run, wrong)
    if run.refresh:
        run.tools.fetcher.forget(source.repo for source in run.app.sources)
    compared = await _compare(run, cluster)
    after, changed = await operate(run, cluster, compared)
    if compared is not None and changed:
        compared = await _compare(run, cluster) or compared
    if compared is not None:
        run.report(cluster, compared, await _generated(run, cluster, compared.plan))
        await orphans.warn(run, cluster, compared.plan)
        await _hold_on(run, compared.desired)
    else:
        run.unknown(everything=False)
        await _look_after(run, cluster)
    await run.write()
    longest = rules.REFRESH_EVERY if compared is not None else LOOK_AGAIN
    return Result(after=longest if after is None else min(after, longest))


async def _destination(run: Run) -> tuple[Cluster | None, Sequence[str]]:
    """The cluster, or why the spec does not stand."""
    if wrong := rules.wrong(run.app):
        return None, wrong
    try:
        cluster = await ask.destination(run)
    except NotFound:
        return None, [rules.unknown_cluster(run.app.destination)]
    wrong = projects.problems(run.app, run.project, ask.place(cluster), HOME)
    return (None, wrong) if wrong else (cluster, ())


async def _invalid(run: Run, wrong: Sequence[str]) -> Result:
    """Nothing can be done before the spec, the project or the clusters change: say why."""
    run.say("InvalidSpecError", *wrong)
    run.unknown(everything=True)
    asked = run.raw.get("operation")
    if asked is not None:
        run.refuse(asked, ";".join(f"InvalidSpecError: {message}" for message in wrong))
    await run.write()
    return Result(after=LOOK_AGAIN)


async def _compare(run: Run, cluster: Cluster) -> Comparison | None:
    """The comparison, or None and a condition that says why there is none."""
    expressions = [str(text) for entry in run.app.ignore for text in entry.get("jqPathExpressions") or ()]
    if wrong := [f"jq path expression {text!r}: {problem}" for text in expressions if (problem := jq.check(text))]:
        run.say("ComparisonError", f"Failed to compare desired state to live state: {'; '.join(wrong)}")
        return None  # what was to be ignored must not be overwritten
    try:
        compared = await ask.compare(run, cluster)
        if not run.app.destination.namespace:
            run.say("InvalidSpecError", *status.without_namespace(compared.plan, await ask.scopes(cluster)))
        return compared
    except (SourceProblem, RenderProblem) as problem:
        run.say("ComparisonError", f"Failed to load target state: {problem}")
    except ApiProblem as problem:
        run.say("ComparisonError", f"Failed to load live state: {problem.message}")
    return None


async def _look_after(run: Run, cluster: Cluster) -> None:
    """While nothing can be compared, what was there last is judged all the same."""
    judge, lines = await ask.judge_of(run), []
    try:
        for ref in status.inventory({"resources": run.status.get("resources")}):
            live = await look_at(cluster, ref)
            wanted = Wanted({}, ref=ref)
            lines.append(Change(ref, "keep", wanted, live=live, health=None if live is None else judge(live)))
    except ApiProblem:
        return  # the cluster cannot be reached, which is why nothing was compared
    if lines:
        run.look_after(Plan(tuple(lines)), status.itself(run.ref, cluster))


async def _generated(run: Run, cluster: Cluster, plan: Plan) -> list[Ref]:
    """The hooks of the last operation that are there still and have names that were made for them."""
    planned = {change.ref for change in plan}
    return [
        ref for ref in operation.hooks(run.state)
        if ref not in planned and await look_at(cluster, ref) is not None
    ]  # fmt: skip


async def _hold_on(run: Run, desired: Desired) -> None:
    """The finalizers that let hooks for the deletion run, put on and taken off as the sources have such hooks."""
    phases = {wish.phase for wish in run.wishes(desired) if wish.hook is not None}
    known = run.raw["metadata"].get("finalizers") or ()
    for phase, names in (("PreDelete", PRE_DELETE), ("PostDelete", POST_DELETE)):
        missing = [name for name in names if name not in known]
        if phase in phases and missing:
            await run.bind(missing)
        elif phase not in phases and len(missing) < len(names):
            await run.release(names)
