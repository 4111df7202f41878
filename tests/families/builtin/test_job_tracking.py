"""A Job counts each of its pods once, whoever deletes them, and leaves none behind that cannot go."""

from __future__ import annotations

from tests.families.builtin.stage import Stage, job
from trueup.families.builtin import job_policies, job_tracking
from trueup.families.builtin.kinds import JOB, POD
from trueup.kube.names import Object, Ref

_KEEP = [job_tracking.FINALIZER]


def pod(name: str, phase: str, *, tracked: bool = True, going: bool = False) -> Object:
    about: Object = {"name": name, "uid": name, "finalizers": _KEEP if tracked else []}
    if going:
        about["deletionTimestamp"] = "2023-11-14T22:13:20Z"
    return {"metadata": about, "spec": {}, "status": {"phase": phase}}


def counted(owned: list[Object], status: Object | None = None, **spec: object) -> job_tracking.Tally:
    own = {"spec": spec, "status": status or {}}
    return job_tracking.tally(own, owned, job_policies.failures(own, owned))


def test_a_pod_is_listed_then_let_go_then_counted() -> None:
    """In three looks, each of which may be the last before a crash."""
    first = counted([pod("a", "Succeeded"), pod("b", "Failed"), pod("c", "Running")])
    assert (first.succeeded, first.failed) == (1, 1)
    assert first.counted == {"succeeded": 0, "failed": 0}
    assert first.uncounted == {"succeeded": ["a"], "failed": ["b"]}
    assert [one["metadata"]["name"] for one in first.release] == ["a", "b"]

    status = {"uncountedTerminatedPods": first.uncounted}
    second = counted([pod("a", "Succeeded", tracked=False), pod("b", "Failed"), pod("c", "Running")], status)
    assert (second.succeeded, second.failed) == (1, 1)
    assert second.counted == {"succeeded": 1, "failed": 0}
    assert second.uncounted == {"failed": ["b"]}

    status = {"succeeded": 1, "uncountedTerminatedPods": second.uncounted}
    third = counted([pod("c", "Running")], status)
    assert third.counted == {"succeeded": 1, "failed": 1}
    assert third.uncounted == {}


def test_a_pod_that_somebody_deletes_has_failed() -> None:
    """Unless the Job waits for what becomes of it."""
    assert counted([pod("a", "Running", going=True)]).failed == 1
    assert counted([pod("a", "Running", going=True)], podReplacementPolicy="Failed").failed == 0
    assert counted([pod("a", "Running", going=True)], podFailurePolicy={"rules": []}).failed == 0


async def test_what_has_succeeded_stays_counted() -> None:
    """A pod that is deleted afterwards is not run again."""
    async with Stage() as stage:
        await stage.create(job(annotations={"run-for": "5s"}, completions=3, parallelism=1))
        await stage.until(JOB, "once", lambda one: (one.get("status") or {}).get("succeeded") == 1)
        (ended, *_) = [one for one in await stage.list(POD) if one["status"]["phase"] == "Succeeded"]
        await stage.client.delete(Ref(POD, "default", ended["metadata"]["name"]))
        found = await stage.until(JOB, "once", lambda one: one["status"].get("completionTime"))
        left = await stage.list(POD)

    assert found["status"]["succeeded"] == 3
    assert found["status"]["uncountedTerminatedPods"] == {}
    assert len(left) == 2
    assert not any(one["metadata"].get("finalizers") for one in left)


async def test_pods_of_a_job_that_is_no_more_can_go() -> None:
    """Also those that it leaves behind as orphans."""
    async with Stage() as stage:
        await stage.create(job("long", {"run-for": "1h"}))
        await stage.create(job("left", {"run-for": "1h"}))
        for name in ("long", "left"):
            await stage.until(JOB, name, lambda one: (one.get("status") or {}).get("ready") == 1)
        kept = [one for one in await stage.list(POD) if one["metadata"]["labels"]["job-name"] == "left"]
        await stage.client.delete(Ref(JOB, "default", "long"), propagation="Background")
        await stage.client.delete(Ref(JOB, "default", "left"), propagation="Orphan")
        await stage.until(JOB, "left", lambda one: one is None)
        await stage.pause(10)
        found = await stage.list(POD)

    assert [one["metadata"]["name"] for one in found] == [one["metadata"]["name"] for one in kept]
    assert not found[0]["metadata"].get("finalizers")


async def test_a_job_that_others_manage_is_left_alone() -> None:
    """No pods, no status."""
    async with Stage() as stage:
        await stage.create(job(managedBy="example.com/mine"))
        await stage.pause(5)
        found = await stage.get(JOB, "once")
        pods = await stage.list(POD)
    assert pods == []
    assert not (found or {}).get("status")


async def test_a_job_that_is_suspended_takes_its_pods_away_uncounted() -> None:
    """And goes on with new ones."""
    async with Stage() as stage:
        await stage.create(job(annotations={"run-for": "20s"}))
        await stage.until(JOB, "once", lambda one: (one.get("status") or {}).get("ready") == 1)
        await stage.client.patch(Ref(JOB, "default", "once"), {"spec": {"suspend": True}}, "merge")
        held = await stage.until(JOB, "once", lambda one: not one["status"].get("active"))
        await stage.client.patch(Ref(JOB, "default", "once"), {"spec": {"suspend": False}}, "merge")
        found = await stage.until(JOB, "once", lambda one: one["status"].get("completionTime"))
    assert "failed" not in held["status"]
    assert found["status"]["succeeded"] == 1
    assert "failed" not in found["status"]


async def test_a_pod_that_a_job_lets_go_can_go() -> None:
    """Its labels are taken away, with and without its owner: nobody counts it any longer."""
    async with Stage() as stage:
        await stage.create(job(annotations={"run-for": "1h"}, parallelism=2, completions=2))
        await stage.until(JOB, "once", lambda one: (one.get("status") or {}).get("ready") == 2)
        first, second = (one["metadata"] for one in await stage.list(POD))
        await stage.client.patch(Ref(POD, "default", first["name"]), {"metadata": {"labels": None}}, "merge")
        stray = {"metadata": {"labels": None, "ownerReferences": None}}
        await stage.client.patch(Ref(POD, "default", second["name"]), stray, "merge")
        found = [
            await stage.until(POD, one["name"], lambda pod: not pod["metadata"].get("finalizers"))
            for one in (first, second)
        ]
    assert not any(one["metadata"].get("ownerReferences") for one in found)
