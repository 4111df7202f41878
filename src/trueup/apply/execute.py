"""Carry out steps of a plan: each becomes one or a few API calls and answers what became of it. Called by ``delivery``.

An error of the API ends one step, never the batch; its message names the file and line that the object came from. Only what time
may mend (an overloaded server, a lost race) is tried again here, and shortly: everything else is the machine's to decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from trueup.kube.names import Object, Ref
from trueup.kube.problems import (
    AlreadyExists,
    ApiProblem,
    Conflict,
    Invalid,
    NotFound,
    Timeout,
    TooManyRequests,
    Unavailable,
)
from trueup.plan import hooks
from trueup.plan.adopt import taken_over
from trueup.plan.compare import told
from trueup.plan.plan import Change
from trueup.plan.policy import Policy
from trueup.plan.progress import Result, StepPhase
from trueup.plan.steps import Act, Step
from trueup.plan.tasks import result_of, said
from trueup.ports import Client, Clock

PARALLEL = 16
"""Steps of one batch under way at once: enough to hide a network's latency, few enough to leave a server breathing."""
ATTEMPTS = 4
GONE_WITHIN = 50
"""Looks, a fifth of a second apart, at an object that is to be created again once it is gone."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Carried:
    """One step's end. ``live`` is what is live now (None: gone); without ``result`` the task stays as it was."""

    step: Step
    result: Result | None
    live: Object | None


class Executor:
    """Writes to one cluster as one field manager."""

    def __init__(self, client: Client, clock: Clock, policy: Policy, manager: str) -> None:
        self._client, self._clock, self._policy, self._manager = client, clock, policy, manager
        self._acts: dict[Act, Callable[[Change], Awaitable[tuple[Result | None, Object | None]]]] = {
            "apply": self._apply,
            "replace": self._replace,
            "recreate": self._recreate,
            "prune": self._prune,
            "start-hook": self._start_hook,
            "remove-hook": self._remove_hook,
            "release-hook": self._release_hook,
        }

    async def carry_out(self, batch: Sequence[Step]) -> list[Carried]:
        """All steps of a batch, in parallel; the answers in the same order."""
        if len(batch) == 1:
            return [await self._one(batch[0])]
        out: list[Carried] = []
        for start in range(0, len(batch), PARALLEL):
            out += await asyncio.gather(*(self._one(step) for step in batch[start : start + PARALLEL]))
        return out

    async def _one(self, step: Step) -> Carried:
        change = step.change
        try:
            result, live = await self._acts[step.act](change)
        except ApiProblem as problem:
            origin = change.wanted.origin if change.wanted is not None else ""
            said = told(change.ref, problem.message, secret=change.options.secret)
            message = f"{origin}: {said}" if origin else said
            if step.act in ("remove-hook", "release-hook"):
                return Carried(step, result_of(change, "Synced", "Error", message), change.live)
            return Carried(step, result_of(change, "SyncFailed", "Failed", message), change.live)
        return Carried(step, result, live)

    # -- objects ------------------------------------------------------------------------------------------------

    async def _apply(self, change: Change) -> tuple[Result, Object | None]:
        obj = _body(change)
        if change.adopt and not self._policy.dry_run:
            await self._patiently(lambda: self._take_over(change.ref))
        try:
            live = await self._patiently(lambda: self._server_side(obj))
        except Invalid as problem:
            if change.live is None or not self._forced(change) or not immutable(problem):
                raise
            return await self._recreate(change)
        except ApiProblem as problem:
            if not undeclared(problem) or self._validated(change):
                raise
            live = await self._patiently(lambda: self._leniently(change))
        return self._written(change, live)

    async def _leniently(self, change: Change) -> Object:
        """Without what the schema does not declare: an apply refuses that, a create and a patch drop it."""
        obj, dry_run = _body(change), self._policy.dry_run
        if change.live is None:
            return await self._client.create(obj, manager=self._manager, dry_run=dry_run)
        return await self._client.patch(change.ref, obj, "merge", manager=self._manager, dry_run=dry_run)

    async def _take_over(self, ref: Ref) -> None:
        """Make the fields of the managers to adopt this manager's own; the apply that follows removes what is not wanted."""
        live = await self._client.get(ref)
        fields = taken_over(live["metadata"].get("managedFields") or (), self._policy.adopt, self._manager)
        if fields is not None:
            version = live["metadata"].get("resourceVersion")
            body = {"metadata": {"managedFields": fields, "resourceVersion": version}}
            await self._client.patch(ref, body, "merge", manager=self._manager)

    async def _server_side(self, obj: Object) -> Object:
        policy = self._policy
        return await self._client.apply(
            obj, manager=self._manager, force=policy.force_conflicts, dry_run=policy.dry_run
        )

    async def _replace(self, change: Change) -> tuple[Result, Object | None]:
        if change.live is None:
            live = await self._patiently(
                lambda: self._client.create(_body(change), manager=self._manager, dry_run=self._policy.dry_run)
            )
            return self._written(change, live)
        try:
            live = await self._patiently(lambda: self._update(change))
        except Invalid as problem:
            if not self._forced(change) or not immutable(problem):
                raise
            return await self._recreate(change)
        return self._written(change, live)

    async def _update(self, change: Change) -> Object:
        """``kubectl replace``: the whole object, on top of whatever version is live at this moment."""
        now = await self._client.get(change.ref)
        body = _body(change)
        meta = {**(body.get("metadata") or {}), "resourceVersion": now["metadata"].get("resourceVersion")}
        return await self._client.update(
            {**body, "metadata": meta}, manager=self._manager, dry_run=self._policy.dry_run
        )

    async def _recreate(self, change: Change) -> tuple[Result, Object | None]:
        if self._policy.dry_run:
            return self._result(change, "deleted and created anew (dry run)"), change.live
        await self._gone(change)
        live = await self._patiently(lambda: self._server_side(_body(change)))
        return self._result(change, "deleted and created anew"), live

    async def _gone(self, change: Change) -> None:
        """Delete, and wait until the name is free."""
        uid = _uid(change.live)
        try:
            await self._client.delete(change.ref, propagation="Background", uid=uid)
            for _ in range(GONE_WITHIN):
                if _uid(await self._client.get(change.ref)) != uid:
                    return
                await self._clock.sleep(0.2)
        except NotFound:
            return
        raise Timeout(f"{change.ref} is still being deleted; it is created anew once it is gone")

    def _forced(self, change: Change) -> bool:
        return self._policy.force if change.options.force is None else change.options.force

    def _validated(self, change: Change) -> bool:
        return self._policy.validate if change.options.validate is None else change.options.validate

    def _written(self, change: Change, live: Object) -> tuple[Result, Object | None]:
        how = change.options.how or ("replace" if self._policy.replace else "")
        if how != "replace" and (self._policy.server_side or how == "apply"):
            word = "serverside-applied"
        elif change.live is None:
            word = "created"
        elif how == "replace":
            word = "replaced"
        else:
            same = change.live["metadata"].get("resourceVersion") == live["metadata"].get("resourceVersion")
            word = "unchanged" if same else "configured"
        if self._policy.dry_run:
            return self._result(change, f"{word} (dry run)"), change.live
        return self._result(change, word), live

    def _result(self, change: Change, word: str) -> Result:
        running: StepPhase = "Succeeded" if self._policy.dry_run else "Running"
        return result_of(change, "Synced", running, said(change.ref, word))

    async def _prune(self, change: Change) -> tuple[Result, Object | None]:
        policy = self._policy
        try:
            if hooks.holds(change.live, policy.hook_finalizer) and not policy.dry_run:
                await self._release(change.ref)
            await self._patiently(
                lambda: self._client.delete(
                    change.ref, propagation=policy.propagation, uid=_uid(change.live), dry_run=policy.dry_run
                )
            )
        except NotFound:
            return result_of(change, "Pruned", "Succeeded", "pruned"), None
        if policy.dry_run:
            return result_of(change, "Pruned", "Succeeded", "pruned (dry run)"), change.live
        return result_of(change, "Pruned", "Succeeded", "pruned"), await self._left(change)

    async def _left(self, change: Change) -> Object | None:
        """What a delete left behind: nothing, or the object until its finalizers are done."""
        lingers = self._policy.propagation != "Background" or (change.live or {}).get("metadata", {}).get("finalizers")
        if not lingers:
            return None
        try:
            left = await self._client.get(change.ref)
        except NotFound:
            return None
        return left if _uid(left) == _uid(change.live) else None

    # -- hooks --------------------------------------------------------------------------------------------------

    async def _start_hook(self, change: Change) -> tuple[Result, Object | None]:
        obj = hooks.with_finalizer(_body(change), self._policy.hook_finalizer)
        try:
            live = await self._patiently(
                lambda: self._client.create(obj, manager=self._manager, dry_run=self._policy.dry_run)
            )
        except AlreadyExists:
            if _kept(change):
                return self._written(change, await self._patiently(lambda: self._server_side(obj)))
            # Created by this very operation before a crash, or a moment ago by someone else: taken up as it is.
            live = await self._client.get(change.ref)
        return self._result(change, "created"), None if self._policy.dry_run else live

    async def _remove_hook(self, change: Change) -> tuple[None, Object | None]:
        return None, await self.remove(change.ref)

    async def remove(self, ref: Ref) -> Object | None:
        """Delete a hook, its finalizer first; what is left of it."""
        try:
            live = await self._client.get(ref)
            if hooks.holds(live, self._policy.hook_finalizer):
                live = await self._release(ref)
            await self._client.delete(ref, propagation=self._policy.propagation, uid=_uid(live))
            left = await self._client.get(ref)
        except NotFound:
            return None
        return left if _uid(left) == _uid(live) else None

    async def _release_hook(self, change: Change) -> tuple[None, Object | None]:
        try:
            return None, await self._release(change.ref)
        except NotFound:
            return None, None

    async def _release(self, ref: Ref) -> Object:
        """Take the hook finalizer off, against whatever else is written to the object meanwhile."""

        async def once() -> Object:
            live = await self._client.get(ref)
            rest = [name for name in live["metadata"].get("finalizers") or () if name != self._policy.hook_finalizer]
            version = live["metadata"].get("resourceVersion")
            body = {"metadata": {"finalizers": rest or None, "resourceVersion": version}}
            return await self._client.patch(ref, body, "merge", manager=self._manager)

        return await self._patiently(once)

    # -- patience -----------------------------------------------------------------------------------------------

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """A call, again when the server asks for patience or a race was lost."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await call()
            except (TooManyRequests, Unavailable, Timeout) as problem:
                await self._clock.sleep(problem.retry_after or 0.25 * 2**attempt)
            except Conflict as problem:
                if problem.causes:
                    raise  # field managers disagree: time does not help
                await self._clock.sleep(0.05 * attempt)
        return await call()


def immutable(problem: ApiProblem) -> bool:
    """Whether a refusal says that a field cannot be changed. Source: fluxcd/pkg ``ssa/errors`` (it reads the text, too)."""
    if not isinstance(problem, Invalid):
        return False
    texts = [problem.message, *(cause.message for cause in problem.causes)]
    return any("immutable" in text or "may not be changed" in text or "are forbidden" in text for text in texts)


def undeclared(problem: ApiProblem) -> bool:
    """Whether an apply was refused for a field that the schema does not declare. Source: structured-merge-diff ``typed``."""
    return "field not declared in schema" in problem.message


def _body(change: Change) -> Object:
    if change.write is not None:
        return change.write
    assert change.wanted is not None, "only wanted objects are written"
    return change.wanted.object


def _kept(change: Change) -> bool:
    """Whether an existing hook is written over instead of removed first."""
    hook = change.wanted.hook if change.wanted is not None else None
    return hook is not None and "BeforeHookCreation" not in hook.delete


def _uid(obj: Object | None) -> str:
    return str(((obj or {}).get("metadata") or {}).get("uid") or "")
