"""A Kustomization that is being deleted takes along what it applied, as its ``deletionPolicy`` says; then it goes. The shell.

Called by `kustomization.py`. Source: kustomize-controller ``finalize``, ``finalizerShouldDeleteResources``.
"""

from __future__ import annotations

from trueup.delivery.outcome import Desired
from trueup.families.flux import messages
from trueup.families.flux import status as words
from trueup.families.flux.inputs import Inputs, NotYet
from trueup.families.flux.report import Reporter
from trueup.families.flux.types import FINALIZER, Kustomization
from trueup.family import Result
from trueup.kube.problems import ApiProblem
from trueup.plan.progress import Progress
from trueup.timing.rfc3339 import format_time


async def finalize(reporter: Reporter, wish: Kustomization) -> Result:
    """One step towards its end."""
    if FINALIZER not in (reporter.raw["metadata"].get("finalizers") or ()):
        return Result()
    inputs = Inputs(reporter.tools, wish)
    if takes_along(wish) and words.inventory_refs(reporter.status):
        if await inputs.can_impersonate():
            try:
                again = await _take_along(reporter, inputs)
            except (ApiProblem, NotYet) as problem:
                _told(reporter, "pruning for deleted resource failed")
                await reporter.report([words.not_ready("PruneFailed", str(problem))])
                return Result(after=wish.retry_interval)
            if again is not None:
                return again
        else:
            refs = words.inventory_refs(reporter.status)
            _told(reporter, "unable to prune objects: \n" + "\n".join(map(messages.subject, refs)))
    reporter.tools.progress.pop(reporter.ref, None)
    await reporter.drop_finalizer()
    return Result()


def takes_along(wish: Kustomization) -> bool:
    """Whether its objects go with it; a suspended one leaves them."""
    by_policy = {"MirrorPrune": wish.prune, "Delete": True, "WaitForTermination": True}
    return not wish.suspend and by_policy.get(wish.deletion_policy, False)


async def _take_along(reporter: Reporter, inputs: Inputs) -> Result | None:
    """Delete its objects; None when that is over."""
    tools = reporter.tools
    nothing = Desired([], [], (), ())
    refs = words.inventory_refs(reporter.status)
    request = inputs.request(await inputs.cluster(), nothing, "", refs, deleting=True)
    plan = await tools.delivery.plan(request)

    async def save(reached: Progress) -> None:
        return None  # deleting twice has no further effect

    begun = tools.progress.get(reporter.ref)
    if begun is None or begun.revision:
        begun = Progress(started=format_time(reporter.now))
    outcome = await tools.delivery.advance(request, plan, begun, save)
    _, pruned = messages.changed(plan, outcome)
    reporter.event("Normal", _reason(reporter), "\n".join(pruned), _revision(reporter))
    if not outcome.final:
        tools.progress[reporter.ref] = outcome.progress
        return Result(after=outcome.next_after)
    if outcome.phase == "Succeeded":
        return None
    if outcome.message.startswith("timed out"):
        _told(reporter, "failed to wait for resources termination")
        return None
    tools.progress.pop(reporter.ref, None)
    _told(reporter, "pruning for deleted resource failed")
    await reporter.report([words.not_ready("PruneFailed", messages.failure(plan, outcome))])
    return Result(after=inputs.wish.retry_interval)


def _told(reporter: Reporter, message: str) -> None:
    reporter.event("Warning", _reason(reporter), message, _revision(reporter))


def _reason(reporter: Reporter) -> str:
    return str(reporter.before("Ready").get("reason") or "info")


def _revision(reporter: Reporter) -> str:
    return str(reporter.status.get("lastAppliedRevision") or "")
