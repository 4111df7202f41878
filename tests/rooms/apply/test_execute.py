"""Steps become API calls; their errors end one step each, and only what time mends is tried again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trueup.apply.execute import Executor, immutable
from trueup.kube.names import Object, Ref
from trueup.kube.problems import (
    AlreadyExists,
    ApiProblem,
    Cause,
    Conflict,
    Invalid,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from trueup.plan.plan import Change
from trueup.plan.policy import Policy
from trueup.plan.steps import Act, Step
from trueup.plan.wanted import Hook, Wanted

OBJ: Object = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "ns"}}
REF = Ref.of(OBJ)


def live(version: str = "1", **meta: Any) -> Object:
    return {**OBJ, "metadata": {**OBJ["metadata"], "uid": "u", "resourceVersion": version, **meta}}


class Script:
    """A client whose calls answer from a script, in order: objects are returned, errors raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls: list[str] = []

    def __getattr__(self, verb: str) -> Any:
        async def call(what: object, *rest: object, **options: Any) -> Any:
            said = ", ".join(f"{k}={v}" for k, v in sorted(options.items()) if v and k != "manager")
            self.calls.append(f"{verb}({said})")
            answer = self.answers.pop(0)
            if isinstance(answer, ApiProblem):
                raise answer
            return answer

        return call


class Waits:
    """A clock that writes down how long it was asked to wait."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def run(
    act: Act,
    change: Change,
    *answers: object,
    policy: Policy = Policy(),  # noqa: B008
) -> tuple[Script, Waits, Any]:
    client, clock = Script(*answers), Waits()
    executor = Executor(client, clock, policy, "me")  # type: ignore[arg-type]
    (carried,) = await executor.carry_out([Step(act, change)])
    return client, clock, carried


NEW = Change(REF, "create", Wanted(OBJ, "jobs.yaml:4"))
OLD = Change(REF, "update", Wanted(OBJ, "jobs.yaml:4"), live=live())
HOOK = Change(REF, "hook", Wanted(OBJ, hook=Hook()))


@pytest.mark.parametrize(
    ("change", "answer", "expected"),
    [
        (NEW, live(), "job.batch/j created"),
        (OLD, live("2"), "job.batch/j configured"),
        (OLD, live("1"), "job.batch/j unchanged"),
    ],
)
async def test_apply_says_what_it_did(change: Change, answer: Object, expected: str) -> None:
    """An applied object was created, configured or unchanged."""
    _, _, carried = await run("apply", change, answer)
    assert expected == carried.result.message
    assert carried.live == answer


async def test_an_error_names_the_origin() -> None:
    """A refusal ends the step with file and line; what is live stays known."""
    _, _, carried = await run("apply", OLD, Invalid("no such field"))
    assert (carried.result.status, carried.result.message) == ("SyncFailed", "jobs.yaml:4: no such field")
    assert carried.live == live()


@pytest.mark.parametrize(
    ("problem", "waited"),
    [(TooManyRequests("slow", retry_after=3), [3]), (Unavailable("down"), [0.5]), (Conflict("modified"), [0.05])],
    ids=["too-many", "unavailable", "lost-race"],
)
async def test_time_mends(problem: ApiProblem, waited: list[float]) -> None:
    """An overloaded server and a lost race are tried again."""
    _, clock, carried = await run("apply", NEW, problem, live())
    assert carried.result.status == "Synced"
    assert waited == clock.slept


async def test_patience_ends() -> None:
    """A server that stays down fails the step."""
    client, _, carried = await run("apply", NEW, *[Unavailable("down")] * 4)
    assert carried.result.message == "jobs.yaml:4: down"
    assert len(client.calls) == 4


async def test_managers_that_disagree_are_not_tried_again() -> None:
    """A field manager conflict is not a matter of time."""
    conflict = Conflict("1 conflict", causes=[Cause("FieldManagerConflict", "conflict with x", ".spec")])
    client, _, carried = await run("apply", NEW, conflict, policy=Policy(force_conflicts=False))
    assert (carried.result.status, len(client.calls)) == ("SyncFailed", 1)


async def test_recreates_only_when_forced() -> None:
    """What is refused as immutable is deleted and created anew where that is allowed, else refused."""
    refusal = Invalid("spec.selector: Invalid value: field is immutable")
    client, _, carried = await run("apply", OLD, refusal, None, NotFound("gone"), live("9"), policy=Policy(force=True))
    assert carried.result.message == "job.batch/j deleted and created anew"
    assert [call.partition("(")[0] for call in client.calls] == ["apply", "delete", "get", "apply"]
    client, _, carried = await run("apply", OLD, refusal)
    assert (carried.result.status, len(client.calls)) == ("SyncFailed", 1)


async def test_recreating_does_not_wait_forever() -> None:
    """An object that finalizers hold is not created anew until it is gone."""
    _, clock, carried = await run("recreate", OLD, None, *[live()] * 50)
    assert "is still being deleted" in carried.result.message
    assert len(clock.slept) == 50


async def test_prune() -> None:
    """A pruned object is deleted under its uid; what its finalizers keep is still live."""
    client, _, carried = await run("prune", Change(REF, "prune", live=live()), None, live(deletionTimestamp="t"))
    assert client.calls == ["delete(propagation=Foreground, uid=u)", "get()"]
    assert (carried.result.status, carried.live["metadata"]["deletionTimestamp"]) == ("Pruned", "t")


async def test_prune_of_what_is_gone() -> None:
    """What somebody else deleted is pruned."""
    _, _, carried = await run("prune", Change(REF, "prune", live=live()), NotFound("gone"))
    assert (carried.result.status, carried.live) == ("Pruned", None)


async def test_replace_is_on_top_of_the_newest_version() -> None:
    """Replacing reads the version that is live at this moment, and again when it lost the race."""
    client, _, carried = await run("replace", OLD, live("3"), Conflict("modified"), live("4"), live("5"))
    assert [call.partition("(")[0] for call in client.calls] == ["get", "update", "get", "update"]
    assert carried.result.message == "job.batch/j configured"


async def test_hook_that_exists_already_is_taken_up() -> None:
    """A hook that this operation created before a crash is not created again."""
    client, _, carried = await run("start-hook", HOOK, AlreadyExists("there"), live())
    assert [call.partition("(")[0] for call in client.calls] == ["create", "get"]
    assert (carried.result.status, carried.result.running) == ("Synced", "Running")


async def test_hook_without_beforehookcreation_is_written_over() -> None:
    """A hook that may stay is applied over what is there."""
    keep = Change(REF, "hook", Wanted(OBJ, hook=Hook(frozenset({"HookFailed"}))), live=live())
    client, _, _ = await run("start-hook", keep, AlreadyExists("there"), live("2"))
    assert client.calls == ["create()", "apply(force=True)"]


async def test_removing_a_hook_takes_its_finalizer_off_first() -> None:
    """A hook under the hook finalizer is released, then deleted."""
    held = live(finalizers=["f", "other"])
    client, _, carried = await run(
        "remove-hook", HOOK, held, held, live("2"), None, NotFound("gone"), policy=Policy(hook_finalizer="f")
    )
    assert [call.partition("(")[0] for call in client.calls] == ["get", "get", "patch", "delete", "get"]
    assert (carried.result, carried.live) == (None, None)


async def test_a_hook_that_cannot_be_removed_is_an_error() -> None:
    """A hook that may not be deleted fails its task instead of being tried for ever."""
    _, _, carried = await run("remove-hook", HOOK, live(), Invalid("no"))
    assert (carried.result.running, carried.result.message) == ("Error", "no")


async def test_steps_of_a_batch_run_in_parallel() -> None:
    """The calls of one batch are under way at once, and the answers keep their order."""
    arrived, gate = [], asyncio.Event()

    class Slow:
        async def apply(self, obj: Object, **_: Any) -> Object:
            arrived.append(obj["metadata"]["name"])
            if len(arrived) == 3:
                gate.set()
            await gate.wait()
            return {**obj, "metadata": {**obj["metadata"], "uid": "u", "resourceVersion": "1"}}

    objects = [{**OBJ, "metadata": {"name": name}} for name in ("a", "b", "c")]
    executor = Executor(Slow(), Waits(), Policy(), "me")  # type: ignore[arg-type]
    carried = await executor.carry_out([Step("apply", Change(Ref.of(o), "create", Wanted(o))) for o in objects])
    assert [c.step.change.ref.name for c in carried] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Invalid("x", causes=[Cause("FieldValueInvalid", "field is immutable", "spec")]), True),
        (Invalid("updates to statefulset spec for fields other than 'replicas' are forbidden"), True),
        (Invalid("spec.clusterIP: may not be changed once set"), True),
        (Invalid("spec.replicas: must be positive"), False),
    ],
)
def test_immutable(problem: ApiProblem, expected: bool) -> None:
    """A refusal that says a field cannot be changed, in any of the words that Kubernetes has for it."""
    assert expected == immutable(problem)
