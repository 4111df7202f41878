"""Deployments, ReplicaSets, Jobs and pods over an embedded cluster."""

from tests.families.builtin.stage import Stage, conditions, deployment, job, template
from trueup.families.builtin.kinds import DEPLOYMENT, EVENT, JOB, NODE, POD, REPLICA_SET
from trueup.kube.names import Ref


def _done(found: dict) -> bool:
    status = found.get("status") or {}
    return (
        status.get("availableReplicas") == found["spec"]["replicas"]
        and status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("replicas") == found["spec"]["replicas"]
    )


async def test_a_deployment_gets_its_pods() -> None:
    """A ReplicaSet of the template's hash, three running pods, a status as Kubernetes writes it."""
    async with Stage() as stage:
        await stage.create(deployment())
        found = await stage.until(DEPLOYMENT, "web", _done)
        pods = await stage.list(POD)
        (replica_set,) = await stage.list(REPLICA_SET)
    counts = {name: value for name, value in found["status"].items() if name != "conditions"}
    assert counts == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
    }
    reasons = {one["type"]: (one["status"], one["reason"]) for one in found["status"]["conditions"]}
    assert reasons == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert replica_set["metadata"]["name"] == f"web-{replica_set['metadata']['labels']['pod-template-hash']}"
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
    assert len({pod["status"]["podIP"] for pod in pods}) == 3


async def test_pods_that_go_are_counted() -> None:
    """By their ReplicaSet and its Deployment, for as long as they take."""
    slow = template()
    slow["metadata"]["finalizers"] = ["example.com/slow"]
    async with Stage() as stage:
        await stage.create(deployment(template=slow))
        await stage.until(DEPLOYMENT, "web", _done)
        await stage.client.patch(Ref(DEPLOYMENT, "default", "web"), {"spec": {"replicas": 1}}, "merge")
        await stage.until(DEPLOYMENT, "web", lambda one: one["status"].get("terminatingReplicas") == 2)
        (replica_set,) = await stage.list(REPLICA_SET)
        assert replica_set["status"]["terminatingReplicas"] == 2
        for pod in await stage.list(POD):
            await stage.client.patch(Ref.of(pod), {"metadata": {"finalizers": None}}, "merge")
        await stage.until(DEPLOYMENT, "web", lambda one: one["status"].get("terminatingReplicas") == 0)


async def test_a_new_template_rolls_out() -> None:
    """The old ReplicaSet ends at nothing, the new one has the second revision."""
    async with Stage() as stage:
        await stage.create(deployment())
        await stage.until(DEPLOYMENT, "web", _done)
        change = {"spec": {"template": template(image="web:2")}}
        await stage.client.patch(Ref(DEPLOYMENT, "default", "web"), change, "merge")
        found = await stage.until(DEPLOYMENT, "web", _done)
        sizes = {
            one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: one["spec"]["replicas"]
            for one in await stage.list(REPLICA_SET)
        }
    assert sizes == {"1": 0, "2": 3}
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


async def test_a_job_completes() -> None:
    """Its pod succeeds, the Job is Complete and says when."""
    async with Stage() as stage:
        await stage.create(job())
        found = await stage.until(JOB, "once", lambda one: conditions(one).get("Complete") == "True")
        (pod,) = await stage.list(POD)
    assert found["status"]["succeeded"] == 1
    assert found["status"]["completionTime"] >= found["status"]["startTime"]
    assert conditions(found) == {"SuccessCriteriaMet": "True", "Complete": "True"}
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


async def test_a_job_fails_at_its_backoff_limit() -> None:
    """Pods that exit 1 make it Failed, with the reason."""
    async with Stage() as stage:
        await stage.create(job(annotations={"fail": "true"}, backoffLimit=1))
        found = await stage.until(JOB, "once", lambda one: conditions(one).get("Failed") == "True")
    assert found["status"]["failed"] == 2
    assert found["status"]["conditions"][-1]["reason"] == "BackoffLimitExceeded"


async def test_a_pod_with_no_node_to_go_to_says_so() -> None:
    """An unmatched node selector leaves it Pending and Unschedulable."""
    async with Stage() as stage:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}}
        await stage.create({**pod, "spec": template(nodeSelector={"disk": "ssd"})["spec"]})
        found = await stage.until(POD, "p", lambda one: conditions(one).get("PodScheduled") == "False")
        assert found["status"]["phase"] == "Pending"
        assert found["status"]["conditions"][0]["reason"] == "Unschedulable"
        await stage.client.patch(Ref(NODE, "", "simulated-0"), {"metadata": {"labels": {"disk": "ssd"}}}, "merge")
        await stage.until(POD, "p", lambda one: conditions(one).get("Ready") == "True")


async def test_each_controller_speaks_under_its_name() -> None:
    """As `kubectl describe` shows whom an event is from."""
    async with Stage() as stage:
        await stage.create(deployment(replicas=1))
        await stage.until(DEPLOYMENT, "web", lambda one: (one.get("status") or {}).get("availableReplicas") == 1)
        await stage.pause(1)
        said = {one["reason"]: one["source"]["component"] for one in await stage.list(EVENT)}
    assert said["ScalingReplicaSet"] == "deployment-controller"
    assert said["SuccessfulCreate"] == "replicaset-controller"
