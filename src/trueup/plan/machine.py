"""The machine of an operation: ``(plan, progress, observed, now) -> next steps | wait | done | failed``, and why.

Called by ``delivery`` in a loop: it carries the steps out, puts their results into the progress and asks again. Nothing here
waits or writes, so a crash between any two calls loses nothing that the stored progress does not say.

Tasks run by phase, wave and stage. A wave begins when all that ran before it is healthy and every hook has ended; within it,
prunes go first, then hooks of an earlier operation are removed, then objects are written by rank. After a failure only
``SyncFail`` hooks run. Source: gitops-engine ``sync_context.go``; fluxcd/pkg ``ssa`` for stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trueup.plan import hooks
from trueup.plan.plan import Plan
from trueup.plan.progress import Progress, Result, ResultStatus, StepPhase
from trueup.plan.prune import identity
from trueup.plan.steps import Act, Do, Done, Failed, Judge, Observed, Step, Verdict, Wait
from trueup.plan.tasks import Task, path, reason, reasons, result_of, said, selected
from trueup.plan.wanted import PHASES


def decide(plan: Plan, progress: Progress, observed: Observed, now: float, judge: Judge) -> tuple[Progress, Verdict]:
    """What to do next, and the progress as it looks now."""
    if progress.not_before > now:
        return progress, Wait("waiting for the next attempt", (), progress.not_before)
    run = _Run(plan, progress, observed, judge)
    verdict = run.refusal() or run.next()
    progress = run.progress
    if not isinstance(verdict, Wait):
        return replace(progress, waiting_since=0.0) if progress.waiting_since else progress, verdict
    if not progress.waiting_since:
        progress = replace(progress, waiting_since=now)
    if plan.policy.timeout is None:
        return progress, verdict
    until = progress.waiting_since + plan.policy.timeout
    if now < until:
        return progress, replace(verdict, until=until)
    timed_out = f"timed out after {plan.policy.timeout:g} s: {verdict.why}"
    return progress, Failed(timed_out, verdict.refs)


class _Run:
    """One question to the machine, with what it looks up again and again."""

    def __init__(self, plan: Plan, progress: Progress, observed: Observed, judge: Judge) -> None:
        self.policy, self.progress, self.observed, self.judge = plan.policy, progress, observed, judge
        self.fresh = not progress.results
        order = plan.policy.order
        self.tasks = [
            Task(
                change,
                progress.of(change.phase, change.ref),
                observed.get(change.ref),
                (PHASES.index(change.phase), change.wave, 0 if change.orphan else order.stage(change.ref.kind)),
            )
            for change in selected(plan)
        ]

    # -- the decision -------------------------------------------------------------------------------------------

    def refusal(self) -> Failed | None:
        """What was seen to be impossible while planning ends the operation before it starts."""
        if not self.fresh or not self.policy.dry_run_first:
            return None
        forbidden = [t for t in self.tasks if t.change.action == "forbidden"]
        refused = [t for t in self.tasks if t.change.action == "refused"]
        if not forbidden and not refused:
            return None
        for task in forbidden or refused:
            self.note(task, "SyncFailed", "Failed", task.change.why)
        refs = tuple(task.ref for task in forbidden or refused)
        if forbidden:
            reasons = "; ".join(sorted({task.change.why for task in forbidden}))
            return Failed(f"one or more synchronization tasks are not valid: {reasons}", refs)
        reasons = ", ".join(reason(task) for task in refused)
        return Failed(f"one or more objects failed to apply (dry run), reason: {reasons}", refs)

    def next(self) -> Verdict:
        """The next verdict of an operation that may run."""
        main = [task for task in self.tasks if task.change.phase != "SyncFail"]
        rescue = [task for task in self.tasks if task.change.phase == "SyncFail"]
        self.look([task for task in main if task.hook])
        if self.progress.failing:
            self.look(rescue)
            return self.fail(main, rescue)
        if again := [task for task in main if task.unsure]:
            return self.write(again)
        self.look(self.held(main))
        if any(task.failed for task in main):
            hooks_left = [task for task in main if task.hook and task.running]
            return self.wait("completion of", hooks_left) if hooks_left else self.fail(main, rescue)
        if held := self.held(main):
            if missing := [task for task in held if task.live is None]:
                for task in missing:
                    self.note(
                        task, "SyncFailed", "Error", f"Resource {path(task.ref)} is missing, it might have been deleted"
                    )
                return self.fail(main, rescue)
            return self.wait("completion of" if any(t.hook for t in held) else "healthy state of", held)
        if leaving := [t for t in main if self.policy.wait_prune and t.prune and not t.pending and t.leaving]:
            return self.wait("deletion of", leaving)
        if release := self.releases(main):
            return release
        pending = [task for task in main if task.pending]
        if pending:
            return self.start(pending)
        return self.finish(main)

    def held(self, main: Sequence[Task]) -> list[Task]:
        """The running tasks that must end before anything else begins."""
        running = [task for task in main if task.running]
        if not running:
            return []
        pending = [task for task in main if task.pending]
        if not pending:
            waits = self.policy.wait or (
                max(task.key for task in main)[:2] != min(task.key for task in main)[:2]
                and any(task.hook and task.running for task in running)
            )
            named = {identity(ref) for ref in self.policy.wait_for}
            return [t for t in running if t.hook or (not t.prune and (waits or identity(t.ref) in named))]
        following = min(task.key for task in pending)
        if self.policy.eager_prune and all(task.prune for task in pending):
            return [task for task in running if task.hook]
        awaited = self.policy.order.awaited
        return [
            t
            for t in running
            if t.hook or t.key[:2] < following[:2] or (t.key < following and awaited(t.ref.kind))
        ]  # fmt: skip

    def start(self, pending: Sequence[Task]) -> Verdict:
        """Begin the next group: note what needs nothing done, remove old hooks, then write by rank."""
        first = min(task.key for task in pending)
        group = [task for task in pending if task.key == first]
        if unconfirmed := [task for task in group if task.change.unconfirmed and not self.policy.prune_approved]:
            return self.wait("pruning confirmation of", unconfirmed)
        prunes = self.prunes(group)
        if leaving := self.removing(group):
            return self.wait("deletion of", leaving)
        if old := self.removals(group):
            return Do((*prunes, old))
        return self.write(group, prunes)

    def prunes(self, group: Sequence[Task]) -> tuple[tuple[Step, ...], ...]:
        """The steps that prune: all at once, or where the order has stages, backwards by rank (Flux ``DeleteAll``)."""
        steps = [Step("prune", task.change) for task in group if task.change.action == "prune"]
        if not self.policy.order.staged:
            return (tuple(steps),) if steps else ()
        ranks: dict[int, list[Step]] = {}
        for step in steps:
            ranks.setdefault(self.policy.order.rank(step.change.ref.kind), []).append(step)
        return tuple(tuple(ranks[rank]) for rank in sorted(ranks, reverse=True))

    def write(self, group: Sequence[Task], prunes: tuple[tuple[Step, ...], ...] = ()) -> Verdict:
        """The steps that write a group, by rank; in-sync and untouchable objects are noted without a step."""
        ranks: dict[int, list[Step]] = {}
        intents = []
        for task in group:
            act = self.act(task)
            if act is None:
                continue
            ranks.setdefault(self.policy.order.rank(task.ref.kind), []).append(Step(act, task.change))
            if act == "start-hook" and not self.policy.dry_run:
                intents.append(self.result(task, "", "Running", "about to be created"))
        batches = list(prunes)
        batches += [tuple(ranks[rank]) for rank in sorted(ranks)]
        return Do(tuple(batches), tuple(intents)) if batches else self.next()

    def act(self, task: Task) -> Act | None:
        """What to do to one object; None when its result could be noted at once."""
        change, action = task.change, task.change.action
        if action == "prune":
            return None
        if action == "hook":
            return "start-hook"
        how = change.options.how or ("replace" if self.policy.replace else "apply")
        if how == "replace" and action in ("keep", "update") and self.anew(task):
            return "recreate"
        if action == "keep":
            self.note(task, "Synced", "Running" if task.live is not None else "Succeeded", said(task.ref, "unchanged"))
        elif action == "leave":
            self.note(task, "PruneSkipped" if change.orphan else "Synced", "Succeeded", change.why)
        elif action in ("refused", "forbidden"):
            self.note(task, "SyncFailed", "Failed", change.why)
        elif action == "replace":
            return "recreate"
        else:
            return "replace" if how == "replace" else "apply"
        return None

    def anew(self, task: Task) -> bool:
        """Whether an object that is to be replaced by force is: always, but for what would take others along."""
        forced = self.policy.force if task.change.options.force is None else task.change.options.force
        return forced and task.live is not None and task.ref.kind.kind not in ("CustomResourceDefinition", "Namespace")

    def finish(self, main: Sequence[Task]) -> Verdict:
        """Nothing is left to begin: hooks that are to go on success go, and what else is to be waited for is."""
        for ref in sorted(self.policy.wait_for):
            if not any(identity(task.ref) == identity(ref) for task in main):
                live = self.observed.get(ref)
                health = self.judge(live) if live is not None else None
                if health is None or health.status != "Healthy":
                    return Wait(f"waiting for healthy state of {path(ref)}", (ref,))
        gone = tuple(Step("remove-hook", t.change) for t in main if t.goes("HookSucceeded"))
        if gone and not self.policy.dry_run:
            return Do((gone,))
        last = max((task.key[:2] for task in main), default=None)
        at_once = last is not None and not any(task.hook for task in main if task.key[:2] == last)
        return Done(f"successfully synced ({'all tasks run' if at_once else 'no more tasks'})")

    # -- failing ------------------------------------------------------------------------------------------------

    def fail(self, main: Sequence[Task], rescue: Sequence[Task]) -> Verdict:
        """Run the ``SyncFail`` hooks, remove what is to go on failure, then fail."""
        if not self.progress.failing:
            self.progress = replace(self.progress, failing=reasons(main))
        if release := self.releases([*main, *rescue]):
            return release
        gone = tuple(Step("remove-hook", t.change) for t in main if t.goes("HookFailed"))
        if gone:
            return Do((gone,))
        if again := [task for task in rescue if task.unsure]:
            return self.write(again)
        running = [task for task in rescue if task.running]
        if running:
            return self.wait("completion of", running)
        pending = [task for task in rescue if task.pending]
        if pending:
            if leaving := self.removing(pending):
                return self.wait("deletion of", leaving)
            if old := self.removals(pending):
                return Do((old,))
            return self.write(pending)
        gone = tuple(Step("remove-hook", t.change) for t in rescue if t.goes("HookFailed"))
        if gone:
            return Do((gone,))
        message = self.progress.failing
        if broken := [task for task in rescue if task.failed]:
            message += f"\none or more SyncFail hooks failed, reason: {', '.join(map(reason, broken))}"
        return Failed(message, tuple(task.ref for task in main if task.failed))

    # -- hooks --------------------------------------------------------------------------------------------------

    def removals(self, group: Sequence[Task]) -> tuple[Step, ...]:
        """Hooks of an earlier operation that stand in the way."""
        if self.policy.dry_run:
            return ()
        return tuple(Step("remove-hook", task.change) for task in group if task.in_the_way)

    def removing(self, group: Sequence[Task]) -> list[Task]:
        """Those of them that are on their way out already."""
        finalizer = self.policy.hook_finalizer
        return [task for task in group if task.in_the_way and task.leaving and not hooks.holds(task.live, finalizer)]

    def releases(self, tasks: Sequence[Task]) -> Do | None:
        """Ended hooks that still carry the finalizer."""
        finalizer = self.policy.hook_finalizer
        steps = tuple(
            Step("release-hook", task.change)
            for task in tasks
            if task.hook
            and not task.pending
            and not task.running
            and not task.stuck
            and hooks.holds(task.live, finalizer)
        )
        return Do((steps,)) if steps and not self.policy.dry_run else None

    # -- looking and noting -------------------------------------------------------------------------------------

    def look(self, tasks: Sequence[Task]) -> None:
        """Take in what has become of the running tasks."""
        for task in tasks:
            if not task.running or task.live is None or task.result is None:
                continue
            if task.hook:
                status = task.result.status or "Synced"
                running, message = hooks.ended(self.judge(task.live), task.ref.name)
                if (status, running, message) != (task.result.status, task.result.running, task.result.message):
                    self.note(task, status, running, message)
                continue
            if task.prune or task.change.options.ignore_health:
                self.note(task, task.result.status, "Succeeded", task.result.message)
                continue
            health = self.judge(task.live)
            if not health.rule or health.status == "Healthy":
                self.note(task, task.result.status, "Succeeded", health.message or task.result.message)
            elif health.status == "Degraded" and self.policy.fail_early:
                self.note(task, task.result.status, "Failed", health.message)

    def note(self, task: Task, status: ResultStatus, running: StepPhase, message: str) -> None:
        """Put one task's result into the progress."""
        task.result = self.result(task, status, running, message)
        self.progress = self.progress.having((task.result,))

    def result(self, task: Task, status: ResultStatus, running: StepPhase, message: str) -> Result:
        return result_of(task.change, status, running, message)

    def wait(self, what: str, tasks: Sequence[Task]) -> Wait:
        """A wait that says for what, worded as Argo CD words it."""
        named = [task for task in tasks if task.hook] or list(tasks)
        first, rest = named[0], len(tasks) - 1
        hook = " hook" if first.hook else ""
        why = f"waiting for {what}{hook} {path(first.ref)}"
        if rest:
            why += f" and {rest} more {'hooks' if all(t.hook for t in tasks) else 'resources'}"
        return Wait(why, tuple(task.ref for task in tasks))
