"""An Application that goes: its hooks for that, and with the finalizer everything that it owns.

Called by `reconcile.py`. Source: Argo CD, ``finalizeApplicationDeletion``, ``shouldBeDeleted``, ``executeHooks``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trueup.delivery.outcome import Desired, Outcome
from trueup.families.argocd import ask, operation, rules
from trueup.families.argocd.operation import Subject
from trueup.families.argocd.run import Run
from trueup.families.argocd.types import CASCADE, POST_DELETE, PRE_DELETE
from trueup.families.argocd.wanted import hook_phases, owner_in
from trueup.family import Result
from trueup.kube.names import Kind, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.plan.policy import Retry
from trueup.plan.progress import Progress
from trueup.ports import Cluster, RenderProblem, SourceProblem
from trueup.timing.rfc3339 import format_time

DELETING = "deleting the Application's resources"
JOB, POD = Kind("batch", "v1", "Job"), Kind("", "v1", "Pod")
AGAIN = 30.0
"""Seconds until a deletion that failed is tried again."""


async def delete(run: Run) -> Result:
    """Take along what the finalizers ask for; without any, the Application just goes."""
    mine = [
        name for name in run.raw["metadata"].get("finalizers") or () if name in (*CASCADE, *PRE_DELETE, *POST_DELETE)
    ]
    if not mine:
        return Result()
    try:
        cluster = await ask.destination(run)
    except NotFound:
        await run.release(mine)  # nothing can be done in a cluster that nobody knows
        return Result()
    except ApiProblem as problem:
        return await _failed(run, problem.message)
    try:
        outcome = await _advance(run, cluster, mine)
    except (SourceProblem, RenderProblem, ApiProblem) as problem:
        return await _failed(run, getattr(problem, "message", str(problem)))
    if outcome.phase == "Succeeded":
        run.tools.progress.pop(run.ref, None)
        await run.release(mine)
        return Result()
    if outcome.final:
        return await _failed(run, outcome.message)
    run.status["operationState"] = operation.after({}, outcome, Subject((), (), False), run.now)
    run.status["operationState"]["message"] = f"{DELETING}: {outcome.message}"
    run.tools.progress[run.ref] = outcome.progress
    await run.write()
    return Result(after=outcome.next_after)


async def _advance(run: Run, cluster: Cluster, finalizers: Sequence[str]) -> Outcome:
    """The next steps of the deletion."""
    desired = await _hooks(run, cluster, finalizers)
    request = await ask.request(run, cluster, desired, {}, rules.deletion_policy(run.app, finalizers))
    wanted = tuple(wish for wish in request.wanted if any(name in finalizers for name in _holding(wish.phase)))
    cascade = any(name in CASCADE for name in finalizers)
    owned = (*request.inventory, *await _left_behind(run, cluster)) if cascade else ()
    request = replace(request, wanted=wanted, inventory=tuple(dict.fromkeys(owned)))
    going = run.state.get("phase") == "Running" and str(run.state.get("message")).startswith(DELETING)
    progress = run.progress(run.state, Retry()) if going else Progress(started=format_time(run.now))

    async def save(reached: Progress) -> None:
        await run.save({}, operation.running({}, reached, Subject((), (), False), DELETING))

    return await run.tools.delivery.advance(request, await run.tools.delivery.plan(request), progress, save)


async def _left_behind(run: Run, cluster: Cluster) -> list[Ref]:
    """Hooks of operations long past: Jobs and Pods with the Application's mark that its status does not name any more."""
    found = []
    for kind in (JOB, POD):
        for obj in await cluster.live.list(kind, run.app.destination.namespace):
            mine = owner_in(obj) == run.instance and not obj["metadata"].get("ownerReferences")
            if mine and "PostDelete" not in (hook_phases(obj["metadata"].get("annotations") or {}) or ()):
                found.append(Ref.of(obj))
    return found


def _holding(phase: str) -> tuple[str, ...]:
    """The finalizers that wait for hooks of a phase. An Application that is to take everything along runs them as well."""
    return (*(PRE_DELETE if phase == "PreDelete" else POST_DELETE), *CASCADE)


async def _hooks(run: Run, cluster: Cluster, finalizers: Sequence[str]) -> Desired:
    """The sources' PreDelete and PostDelete hooks; nothing when the sources cannot be had any more."""
    try:
        return await ask.desire(run, cluster, run.app.sources)
    except (SourceProblem, RenderProblem) as problem:
        run.tools.events.record(run.raw, "Warning", "DeletionHooksSkipped", f"deletion hooks are not run: {problem}")
        return Desired([], [], (), ())


async def _failed(run: Run, message: str) -> Result:
    """Say why, and try again later from the beginning."""
    run.say("DeletionError", message)
    if run.state.get("phase") in operation.UNDER_WAY:
        run.over(run.state, "Failed", message)
    await run.write()
    return Result(after=AGAIN)
