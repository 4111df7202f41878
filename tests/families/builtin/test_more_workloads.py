"""StatefulSets, DaemonSets, CronJobs, Services, volume claims over an embedded cluster."""

from typing import Any

from tests.families.builtin.stage import START, Stage, conditions, deployment, job, template
from trueup.families.builtin.kinds import (
    CLAIM,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    ENDPOINTS,
    JOB,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    VOLUME,
)
from trueup.kube.names import Object, Ref


def _object(api: str, kind: str, name: str, **spec: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _stateful_set() -> Object:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return _object(
        "apps/v1",
        "StatefulSet",
        "db",
        replicas=2,
        serviceName="db",
        selector={"matchLabels": {"app": "db"}},
        template=template("db"),
        volumeClaimTemplates=[claim],
    )


async def test_a_stateful_set_comes_in_order_with_its_volumes() -> None:
    """db-0, then db-1, each with a bound claim; a new template replaces both."""
    async with Stage() as stage:
        await stage.create(_stateful_set())
        first = await stage.until(STATEFUL_SET, "db", lambda one: one["status"].get("readyReplicas") == 2)
        assert [pod["metadata"]["name"] for pod in await stage.list(POD)] == ["db-0", "db-1"]
        claims = {one["metadata"]["name"]: one["status"]["phase"] for one in await stage.list(CLAIM)}
        assert claims == {"data-db-0": "Bound", "data-db-1": "Bound"}
        assert [one["status"]["phase"] for one in await stage.list(VOLUME, "")] == ["Bound"] * 2
        change = {"spec": {"template": template("db", image="db:2")}}
        await stage.client.patch(Ref(STATEFUL_SET, "default", "db"), change, "merge")
        old = first["status"]["currentRevision"]
        last = await stage.until(
            STATEFUL_SET, "db", lambda one: one["status"]["currentRevision"] not in ("", old), "default"
        )
        assert last["status"]["updatedReplicas"] == last["status"]["readyReplicas"] == 2
        images = {pod["spec"]["containers"][0]["image"] for pod in await stage.list(POD)}
    assert images == {"db:2"}


async def test_a_daemon_set_runs_on_the_node() -> None:
    """One pod on the one node, and again after a change."""
    async with Stage() as stage:
        wanted = _object(
            "apps/v1", "DaemonSet", "agent", selector={"matchLabels": {"app": "agent"}}, template=template("agent")
        )
        await stage.create(wanted)
        await stage.until(DAEMON_SET, "agent", lambda one: one["status"].get("numberAvailable") == 1)
        change = {"spec": {"template": template("agent", image="agent:2")}}
        await stage.client.patch(Ref(DAEMON_SET, "default", "agent"), change, "merge")
        found = await stage.until(
            DAEMON_SET,
            "agent",
            lambda one: (
                one["status"]["observedGeneration"] == 2
                and one["status"].get("numberAvailable") == 1
                and one["status"].get("updatedNumberScheduled") == 1
            ),
        )
        (pod,) = await stage.list(POD)
    assert found["status"]["desiredNumberScheduled"] == 1
    assert pod["spec"]["containers"][0]["image"] == "agent:2"


async def test_a_cron_job_starts_jobs_on_time() -> None:
    """One a minute; three finished ones are kept."""
    async with Stage() as stage:
        await stage.create(
            _object("batch/v1", "CronJob", "tick", schedule="* * * * *", jobTemplate={"spec": job()["spec"]})
        )
        await stage.pause(400)
        found = await stage.get(CRON_JOB, "tick")
        jobs = await stage.list(JOB)
    assert found is not None
    assert len(jobs) == 3
    assert all(conditions(one).get("Complete") == "True" for one in jobs)
    assert found["status"]["lastSuccessfulTime"] >= found["status"]["lastScheduleTime"]


async def test_a_service_has_its_ready_pods_behind_it() -> None:
    """EndpointSlice and Endpoints list the pods, a load balancer gets an address; they go with the Service."""
    async with Stage() as stage:
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        await stage.create(_object("v1", "Service", "web", selector={"app": "web"}, type="LoadBalancer", ports=ports))
        await stage.create(deployment())
        await stage.until(DEPLOYMENT, "web", lambda one: one["status"].get("availableReplicas") == 3)
        found = await stage.until(ENDPOINTS, "web", lambda one: len(one["subsets"][0].get("addresses") or ()) == 3)
        (one,) = await stage.list(ENDPOINT_SLICE)
        service = await stage.until(SERVICE, "web", lambda one: one["status"]["loadBalancer"].get("ingress"))
        assert found["subsets"][0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        assert [end["conditions"]["ready"] for end in one["endpoints"]] == [True] * 3
        assert service["status"]["loadBalancer"]["ingress"][0]["ip"].startswith(("198.51.100.", "203.0.113."))
        await stage.client.delete(Ref(SERVICE, "default", "web"))
        await stage.until(ENDPOINTS, "web", lambda one: one is None)
        await stage.pause(1)
        assert await stage.list(ENDPOINT_SLICE) == []


async def test_every_namespace_has_a_default_service_account() -> None:
    """In new ones too."""
    async with Stage() as stage:
        await stage.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await stage.until(SERVICE_ACCOUNT, "default", lambda one: one is not None, "shop")
        assert stage.clock.now() < START + 5
