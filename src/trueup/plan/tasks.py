"""One line of the plan as the machine sees it: with what became of it so far and what is live now. Used by ``machine`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trueup.kube.names import Object, Ref
from trueup.plan.images import images_of
from trueup.plan.plan import Change, Plan
from trueup.plan.progress import Result, ResultStatus, StepPhase
from trueup.plan.prune import identity
from trueup.plan.wanted import DeletePolicy


@dataclass(slots=True)
class Task:
    """A line of the plan in progress."""

    change: Change
    result: Result | None
    live: Object | None
    key: tuple[int, int, int]
    """Phase, wave, stage."""

    @property
    def ref(self) -> Ref:
        return self.change.ref

    @property
    def hook(self) -> bool:
        return self.change.action == "hook"

    @property
    def prune(self) -> bool:
        return self.change.orphan

    @property
    def pending(self) -> bool:
        return self.result is None or self.result.running == ""

    @property
    def running(self) -> bool:
        return self.result is not None and self.result.running == "Running"

    @property
    def failed(self) -> bool:
        return self.result is not None and self.result.failed

    @property
    def leaving(self) -> bool:
        return self.live is not None and bool((self.live.get("metadata") or {}).get("deletionTimestamp"))

    @property
    def unsure(self) -> bool:
        """A hook that was about to be created when its progress was last stored, and that is not there."""
        return self.hook and self.running and self.live is None and self.result is not None and not self.result.status

    @property
    def stuck(self) -> bool:
        """Removing or releasing it failed once; it is not tried again in this operation."""
        return self.result is not None and self.result.running == "Error"

    @property
    def in_the_way(self) -> bool:
        """A hook of an earlier operation that is to go before this one's is created."""
        return self.pending and self.live is not None and self._deleted("BeforeHookCreation")

    def goes(self, policy: DeletePolicy) -> bool:
        """Whether an ended hook is to be removed now."""
        over = not self.pending and not self.running and not self.stuck
        return over and self.live is not None and not self.leaving and self._deleted(policy)

    def _deleted(self, policy: DeletePolicy) -> bool:
        wanted = self.change.wanted
        return self.hook and wanted is not None and wanted.hook is not None and policy in wanted.hook.delete


def selected(plan: Plan) -> list[Change]:
    """The lines that an operation under this plan's policy is about, in order."""
    policy = plan.policy
    only = None if policy.only is None else {identity(ref) for ref in policy.only}
    chosen = []
    for change in plan.changes:
        if change.action == "hook" and (policy.skip_hooks or only is not None):
            continue
        if only is not None and not _chosen(change.ref, only):
            continue
        if policy.out_of_sync_only and change.action == "keep":
            continue
        chosen.append(change)
    return chosen


def result_of(change: Change, status: ResultStatus, running: StepPhase, message: str) -> Result:
    """A result for one line of the plan."""
    hook = change.wanted.hook if change.wanted is not None else None
    return Result(
        change.ref,
        change.phase,
        status,
        running,
        message,
        (hook.kind or change.phase) if hook is not None else "",
        images_of(change.wanted.object) if change.wanted is not None else (),
    )


def _chosen(ref: Ref, only: set[tuple[str, str, str, str]]) -> bool:
    group, kind, namespace, name = identity(ref)
    return (group, kind, namespace, name) in only or (group, kind, "", name) in only


def path(ref: Ref) -> str:
    """``apps/Deployment/web``, as Argo CD names an object in its messages."""
    return f"{ref.kind.group}/{ref.kind.kind}/{ref.name}"


def said(ref: Ref, word: str) -> str:
    """``deployment.apps/web created``, as kubectl says it."""
    group = f".{ref.kind.group}" if ref.kind.group else ""
    return f"{ref.kind.kind.lower()}{group}/{ref.name} {word}"


def reason(task: Task) -> str:
    """One failed task with its message."""
    message = task.result.message if task.result is not None else task.change.why
    return f"{task.ref}: {message}" if message else str(task.ref)


def reasons(tasks: Sequence[Task]) -> str:
    """Why an operation failed."""
    unwritten = [task for task in tasks if task.result is not None and task.result.status == "SyncFailed"]
    failed = unwritten or [task for task in tasks if task.failed]
    what = (
        "one or more objects failed to apply"
        if unwritten
        else "one or more synchronization tasks completed unsuccessfully"
    )
    return f"{what}, reason: {', '.join(reason(task) for task in failed)}" if failed else what
