"""Operations: begin one that was asked for or is due, take the next steps of one under way, end one that is over.

Called by `reconcile.py` with what the comparison found, or without when there is none; decisions are in `automatic.py`,
words in `operation.py`. Source: Argo CD, ``processRequestedAppOperation``, ``SyncAppState``; that a newer revision takes
the place of a sync under way is trueup's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from trueup.delivery.outcome import Desired, Outcome
from trueup.delivery.record import unit_of
from trueup.families.argocd import ask, automatic, operation, rules, status, windows
from trueup.families.argocd.operation import Subject
from trueup.families.argocd.run import Comparison, Run
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem
from trueup.plan.policy import Retry
from trueup.plan.progress import Progress
from trueup.ports import Cluster, RenderProblem, SourceProblem
from trueup.timing.rfc3339 import format_time, parse_time

INVALID = "InvalidSpecError"
BLOCKED = "Sync operation blocked by sync window"
ANNOUNCED_AFTER, TOLD_A_PERSON_AFTER = 3.0, 0.5
"""Seconds until an operation under way is written down: an automated one; one that somebody waits for."""
MINUTE = 60.0
"""Windows open and shut on whole minutes."""


class _Refused(Exception):
    """An operation that cannot be begun: its phase and why."""

    def __init__(self, phase: str, why: str) -> None:
        super().__init__(why)
        self.phase, self.why = phase, why


async def operate(run: Run, cluster: Cluster, compared: Comparison | None) -> tuple[float | None, bool]:
    """(seconds until the next look, whether anything in the cluster was changed)."""
    state = run.state if run.state.get("phase") in operation.UNDER_WAY else {}
    asked: Object | None = state.get("operation") if state else run.raw.get("operation")
    if state and compared is not None and state.get("phase") != "Terminating":
        subject = Subject.under_way(run.app, state)
        newer = automatic.preempts(run.app, asked or {}, subject, compared.desired.revisions)
        if newer and await _says_another_thing(run, cluster, compared, subject):
            await _supersede(run, cluster, compared, state, subject)
            state, asked = {}, None
    if asked is None:
        verdict = _due(run, compared)
        if compared is not None and await _untold(run, compared):
            verdict = automatic.Begin(automatic.automated_sync(run.app, compared.desired.revisions))
        if isinstance(verdict, automatic.Hold):
            if verdict.error:
                run.say("SyncError", verdict.why)
            return verdict.after, False
        asked = verdict.operation
    return await _step(run, cluster, compared, asked, state)


def _due(run: Run, compared: Comparison | None) -> automatic.Begin | automatic.Hold:
    """Whether an automated sync is due, by the policy and by the project's windows."""
    if compared is None or INVALID in run.conditions:
        return automatic.Hold()
    verdict = automatic.automatic(run.app, compared.plan, compared.desired.revisions, run.now)
    if isinstance(verdict, automatic.Hold):
        return verdict
    blocked = _blocked(run, {"initiatedBy": {"automated": True}}, None)
    return verdict if not blocked else automatic.Hold(blocked, after=MINUTE - run.now % MINUTE)


async def _untold(run: Run, compared: Comparison) -> bool:
    """Whether these revisions were synced by themselves, and the end of it could not be written: the ledger knows.

    The process ended in between, or the API did. Nothing is left to be done then but to tell, by a sync that does nothing.
    """
    revisions, told = compared.desired.revisions, run.status.get("sync") or {}
    automated = run.app.policy.automated is not None and status.in_sync(run.app, compared.plan)
    if not automated or [told.get("revision")] == list(revisions) or told.get("revisions") == list(revisions):
        return False
    rows = await run.tools.delivery.ledger.of(unit_of(run.ref), limit=1)
    last = [(row.action, row.outcome, row.revision, row.actor) for row in rows]
    return last == [("sync", "Succeeded", ",".join(revisions), operation.AUTOMATED)]


def _blocked(run: Run, asked: Object, started: float | None) -> str:
    """Why the project's windows do not let an operation go on; empty when they do."""
    found = windows.of(run.app, (run.project or {}).get("syncWindows") or ())
    if not found:
        return ""
    try:
        manual = not operation.is_automated(asked)
        return "" if windows.may_sync(found, run.now, manual=manual, started=started) else BLOCKED
    except ValueError as problem:
        return f"{BLOCKED}: invalid sync windows: {problem}"


async def _step(
    run: Run, cluster: Cluster, compared: Comparison | None, asked: Object, state: Object
) -> tuple[float | None, bool]:
    """The next steps of an operation, new or under way."""
    subject = _subject(run, asked, state)
    started = state or operation.begun(asked, subject, run.now)
    try:
        retry = rules.retry_of(asked.get("retry"))
    except ValueError as problem:
        run.over(started, "Error", f"operation.retry: {problem}")
        return None, False
    try:
        if state.get("phase") != "Terminating":
            _refuse(run, compared, asked, new=not state)
            if blocked := _blocked(run, asked, parse_time(started["startedAt"]) if state else None):
                run.status["operationState"] = {**started, "message": blocked}
                return MINUTE - run.now % MINUTE, False
            if state.get("finishedAt") and (due := run.progress(state, retry).not_before) > run.now:
                return due - run.now, False
        outcome = await _advance(run, cluster, compared, asked, state, subject, retry)
    except _Refused as refused:
        run.over(started, refused.phase, refused.why)
        return None, False
    except (SourceProblem, RenderProblem, ApiProblem) as problem:
        if state.get("phase") == "Terminating":
            run.over(state, "Error", f"Operation termination had errors: {getattr(problem, 'message', problem)}")
            return None, False
        state = run.state if run.state.get("phase") in operation.UNDER_WAY else started
        told, wait = operation.troubled(state, retry, getattr(problem, "message", str(problem)), run.now)
        if wait is None:
            run.over(told, "Error", told["message"])
        else:
            run.status["operationState"] = told
        return wait, False
    return (None, True) if outcome is None else (outcome.next_after, bool(outcome.changed))


def _subject(run: Run, asked: Object, state: Object) -> Subject:
    """What the operation is about: what it began with, unless a new attempt is to take the newest (``retry.refresh``)."""
    if state and not (state.get("finishedAt") and (asked.get("retry") or {}).get("refresh")):
        return Subject.under_way(run.app, state)
    if state:
        pinless = {name: v for name, v in (asked.get("sync") or {}).items() if name not in ("revision", "revisions")}
        return Subject.of(run.app, {"sync": pinless})
    return Subject.of(run.app, asked)


def _refuse(run: Run, compared: Comparison | None, asked: Object, *, new: bool) -> None:
    """What ends an operation before it has begun."""
    sync = asked.get("sync")
    if sync is None:
        raise _Refused("Error", "Invalid operation request: no operation specified")
    if sync.get("manifests"):
        raise _Refused("Error", "sync.manifests: syncing local manifests is not supported yet; commit them")
    if not new:
        return
    if compared is None or INVALID in run.conditions:
        told = [f"{kind}: {text}" for kind, texts in sorted(run.conditions.items()) for text in texts]
        raise _Refused("Error", ";".join(told))
    if rules.options_of(asked).get("FailOnSharedResource") == "true" and (
        shared := status.shared(run.app, compared.plan)
    ):
        raise _Refused("Failed", f"Shared resource found: {shared[0]}")


async def _advance(
    run: Run,
    cluster: Cluster,
    compared: Comparison | None,
    asked: Object,
    state: Object,
    subject: Subject,
    retry: Retry,
) -> Outcome | None:
    """Carry out what is possible now and put it into the status; None when the operation was terminated."""
    desired = await _desired(run, cluster, compared, subject)
    subject = subject.at(desired.revisions)
    progress = run.progress(state, retry) if state else Progress(started=format_time(run.now))
    policy = rules.plan_policy(run.app, asked, compared.plan if compared else None, started=progress.started)
    request = await ask.request(run, cluster, desired, asked, policy)
    progress = replace(progress, revision=request.revision)
    metadata = run.app.policy.namespace_metadata
    kept = None if metadata is None else dict(metadata)

    async def save(reached: Progress) -> None:
        state = operation.running(asked, reached, subject, "one or more tasks are running", namespace_metadata=kept)
        await run.save(asked, state)

    if state.get("finishedAt") and progress.not_before <= run.now:
        progress = replace(progress, not_before=0.0)
    plan = await run.tools.delivery.plan(request)
    if policy.only is not None and compared is None:
        request = replace(request, policy=rules.plan_policy(run.app, asked, plan, started=progress.started))
        plan = await run.tools.delivery.plan(request)
    if state.get("phase") == "Terminating":
        ended = await run.tools.delivery.terminate(request, plan, progress, save)
        run.over(operation.after(asked, ended, subject, run.now, kept), "Failed", ended.message)
        return None
    after = ANNOUNCED_AFTER if operation.is_automated(asked) else TOLD_A_PERSON_AFTER
    async with _announced(run, after, None if state else lambda: save(progress)):
        outcome = await run.tools.delivery.advance(request, plan, progress, save)
    run.status["operationState"] = operation.after(asked, outcome, subject, run.tools.clock.now(), kept)
    if not outcome.final:
        run.tools.progress[run.ref] = outcome.progress
    else:
        run.tools.progress.pop(run.ref, None)
        if entries := operation.history(run.app, run.state):
            run.status["history"] = entries
        else:
            run.status.pop("history", None)
        run.tell()
    return outcome


@asynccontextmanager
async def _announced(run: Run, after: float, begin: Callable[[], Awaitable[None]] | None) -> AsyncIterator[None]:
    """Says that an operation has begun, unless it ends sooner or its steps have saved their progress by themselves.

    Most end sooner, and to validate and store a large status is what costs a server most. Nothing is lost with a process
    that ends within that time: what was applied is found applied and told then, and hooks are never begun unsaved.
    """
    sleeping = True

    async def announce() -> None:
        nonlocal sleeping
        await run.tools.clock.sleep(after)
        sleeping = False
        if begin is not None and not run.saved:
            await begin()

    announcer = asyncio.create_task(announce(), name=f"announce {run.ref}") if begin is not None else None
    try:
        yield
    finally:
        if announcer is not None:
            if sleeping:
                announcer.cancel()
            await asyncio.gather(announcer, return_exceptions=sleeping)


async def _desired(run: Run, cluster: Cluster, compared: Comparison | None, subject: Subject) -> Desired:
    """What the operation's sources say: as compared already where that is the same."""
    if compared is not None:
        same = [s.raw for s in subject.sources] == [s.raw for s in run.app.sources]
        at = compared.desired.revisions
        if same and all(pin in ("", now) for pin, now in zip(subject.revisions, at, strict=True)):
            return compared.desired
    return await ask.desire(run, cluster, subject.sources, subject.revisions)


async def _says_another_thing(run: Run, cluster: Cluster, compared: Comparison, subject: Subject) -> bool:
    """Whether the newest revision means other objects than those under way: most commits are about other Applications."""
    try:
        under_way = await ask.desire(run, cluster, subject.sources, subject.revisions)
    except (SourceProblem, RenderProblem):
        return True  # what is under way cannot be had any more
    return under_way.objects != compared.desired.objects


async def _supersede(run: Run, cluster: Cluster, compared: Comparison, state: Object, subject: Subject) -> None:
    """A newer revision takes the place of an operation under way: its hooks that run are removed, its end is told."""
    asked = state.get("operation") or {}
    policy = rules.plan_policy(run.app, asked, compared.plan, started=str(state.get("startedAt") or ""))
    request = await ask.request(run, cluster, compared.desired, asked, policy)
    request = replace(request, revision=subject.revision)
    why = f"superseded by {', '.join(compared.desired.revisions)}"

    async def save(reached: Progress) -> None:
        await run.save(asked, operation.running(asked, reached, subject, why))

    progress = run.progress(state, rules.retry_of(asked.get("retry")))
    ended = await run.tools.delivery.terminate(request, compared.plan, progress, save, why=why)
    run.over(operation.after(asked, ended, subject, run.now), "Failed", why)
