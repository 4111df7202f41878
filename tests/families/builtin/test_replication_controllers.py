"""ReplicationControllers, and what their controller shares with that of ReplicaSets: letting go and taking pods."""

from __future__ import annotations

from tests.families.builtin.stage import Stage, deployment, template
from trueup.families.builtin.kinds import EVENT, POD, QUOTA, REPLICATION_CONTROLLER
from trueup.kube.names import Object, Ref


def controller(name: str = "rc", replicas: int = 2) -> Object:
    spec = {"replicas": replicas, "selector": {"app": name}, "template": template(name)}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


async def test_a_replication_controller_keeps_its_pods() -> None:
    """As many as asked for, and it says so."""
    async with Stage() as stage:
        await stage.create(controller())
        found = await stage.until(
            REPLICATION_CONTROLLER, "rc", lambda rc: rc and (rc.get("status") or {}).get("readyReplicas") == 2
        )

        assert found["status"]["observedGeneration"] == 1
        assert len(await stage.list(POD)) == 2


async def test_a_pod_that_is_selected_no_more_is_let_go() -> None:
    """It stays, without its owner, and another one takes its place."""
    async with Stage() as stage:
        await stage.create(controller(replicas=1))
        await stage.until(
            REPLICATION_CONTROLLER, "rc", lambda rc: rc and (rc.get("status") or {}).get("readyReplicas") == 1
        )
        first = (await stage.list(POD))[0]["metadata"]["name"]
        await stage.client.patch(Ref(POD, "default", first), {"metadata": {"labels": {"app": "other"}}}, "merge")
        await stage.until(POD, first, lambda pod: not pod["metadata"].get("ownerReferences"))
        await stage.until(
            REPLICATION_CONTROLLER,
            "rc",
            lambda rc: rc["status"]["replicas"] == 1 and rc["status"]["readyReplicas"] == 1,
        )

        assert len(await stage.list(POD)) == 2


async def test_a_pod_that_nobody_controls_is_taken() -> None:
    """The controller adopts it and makes no other."""
    async with Stage() as stage:
        alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone", "namespace": "default"}}
        await stage.create({**alone, **template("rc"), "metadata": {**alone["metadata"], "labels": {"app": "rc"}}})
        await stage.create(controller(replicas=1))
        taken = await stage.until(POD, "alone", lambda pod: pod["metadata"].get("ownerReferences"))

        assert taken["metadata"]["ownerReferences"][0]["kind"] == "ReplicationController"
        assert len(await stage.list(POD)) == 1


async def test_what_a_quota_refuses_is_a_condition_until_it_fits() -> None:
    """ReplicaFailure comes with the refusal and goes when fewer are asked for."""
    async with Stage() as stage:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"}}
        await stage.create({**quota, "spec": {"hard": {"pods": "2"}}})
        await stage.until(QUOTA, "q", lambda q: (q.get("status") or {}).get("used") == {"pods": "0"})
        await stage.create(controller(replicas=3))
        failed = await stage.until(
            REPLICATION_CONTROLLER, "rc", lambda rc: rc and (rc.get("status") or {}).get("conditions")
        )
        said = failed["status"]["conditions"][0]
        await stage.client.patch(Ref(REPLICATION_CONTROLLER, "default", "rc"), {"spec": {"replicas": 2}}, "merge")
        await stage.until(REPLICATION_CONTROLLER, "rc", lambda rc: not rc["status"].get("conditions"))

        assert (said["type"], said["status"], said["reason"]) == ("ReplicaFailure", "True", "FailedCreate")
        assert said["message"].endswith("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2")


async def test_workloads_tell_what_they_do() -> None:
    """Deployments say how they scale, ReplicaSets which pods they made."""
    async with Stage() as stage:
        await stage.create(deployment("web", 1))
        reasons: set[tuple[str, str]] = set()
        while not {("Deployment", "ScalingReplicaSet"), ("ReplicaSet", "SuccessfulCreate")} <= reasons:
            await stage.pause(0.05)
            reasons = {(one["involvedObject"]["kind"], one["reason"]) for one in await stage.list(EVENT)}


async def test_an_owner_in_the_foreground_leaves_what_another_owns() -> None:
    """Its own pods go before it, those with a second owner lose the reference and stay."""
    async with Stage() as stage:
        await stage.create(controller("one", 4))
        two = await stage.create(controller("two", 0))
        await stage.until(REPLICATION_CONTROLLER, "one", lambda rc: (rc.get("status") or {}).get("readyReplicas") == 4)
        pods = await stage.list(POD)
        other = {"apiVersion": "v1", "kind": "ReplicationController", "name": "two", "uid": two["metadata"]["uid"]}
        for pod in pods[:2]:
            patch = {"metadata": {"ownerReferences": [other]}}
            await stage.client.patch(Ref.of(pod), patch, "strategic")
        await stage.client.delete(Ref(REPLICATION_CONTROLLER, "default", "one"), propagation="Foreground")
        await stage.until(REPLICATION_CONTROLLER, "one", lambda rc: rc is None)
        left = await stage.list(POD)

        assert [pod["metadata"]["name"] for pod in left] == [pod["metadata"]["name"] for pod in pods[:2]]
        assert [len(pod["metadata"]["ownerReferences"]) for pod in left] == [1, 1]
