"""What annotations make of pods, what their logs say, and the lesser controllers."""

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, conditions, deployment, template
from trueup.families.builtin.kinds import AUTOSCALER, BUDGET, DEPLOYMENT, EVENT, NODE, POD
from trueup.families.builtin.load import Seen, measured
from trueup.families.builtin.logs import pod_logs
from trueup.kube.names import Object, Ref
from trueup.kube.problems import BadRequest


def _pod(annotations: dict[str, str], **spec: object) -> Object:
    made = template("p", annotations=annotations, **spec)
    about = {**made["metadata"], "name": "p", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": made["spec"]}


def _waits(pod: Object) -> str:
    status = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return (status[0].get("state") or {}).get("waiting", {}).get("reason", "")


async def _text(pod: Object, **query: str) -> str:
    return b"".join([part async for part in pod_logs(pod, query)]).decode()


async def test_a_failing_pod_crashes_and_is_restarted() -> None:
    """It waits in CrashLoopBackOff, its last run shows exit code 1, and the count of restarts grows."""
    async with Stage() as stage:
        await stage.create(_pod({"fail": "true"}))
        found = await stage.until(POD, "p", lambda one: _waits(one) == "CrashLoopBackOff")
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
        assert conditions(found)["Ready"] == "False"
        await stage.until(POD, "p", lambda one: one["status"]["containerStatuses"][0]["restartCount"] == 2)


async def test_a_pod_that_cannot_pull_its_image_says_so() -> None:
    """Pending, in ImagePullBackOff; its logs are refused."""
    async with Stage() as stage:
        await stage.create(_pod({"image-pull-error": "true"}))
        found = await stage.until(POD, "p", lambda one: _waits(one) == "ImagePullBackOff")
    assert found["status"]["phase"] == "Pending"
    with pytest.raises(BadRequest, match="trying and failing to pull image"):
        await _text(found)


async def test_readiness_can_be_delayed() -> None:
    """Running at once, Ready not before the time asked for."""
    async with Stage() as stage:
        await stage.create(_pod({"ready-after": "30s"}))
        found = await stage.until(POD, "p", lambda one: one["status"]["phase"] == "Running")
        assert conditions(found)["Ready"] == "False"
        before = stage.clock.now()
        await stage.until(POD, "p", lambda one: conditions(one)["Ready"] == "True")
        assert stage.clock.now() - before > 25


async def test_logs_say_that_nothing_runs() -> None:
    """Image, command and exit code come from the pod itself; tails and timestamps are as asked."""
    async with Stage() as stage:
        await stage.create(_pod({"exit-code": "3"}, restartPolicy="Never"))
        found = await stage.until(POD, "p", lambda one: one["status"]["phase"] == "Failed")
    lines = (await _text(found)).splitlines()
    assert "is simulated since" in lines[0]
    assert lines[1:3] == ["image web:1", "command serve"]
    assert lines[3].startswith("exited with code 3 (Error)")
    stamp = found["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    assert (await _text(found, tailLines="1", timestamps="true")) == f"{stamp} {lines[3]}\n"


async def test_the_node_says_that_it_is_simulated() -> None:
    """One Ready node with the annotation."""
    async with Stage() as stage:
        node = await stage.until(NODE, "simulated-0", lambda one: conditions(one or {}).get("Ready") == "True", "")
    assert node["metadata"]["annotations"]["simulate.trueup.dev/simulated"] == "true"


async def test_a_budget_counts_healthy_pods() -> None:
    """Two of three must stay, so one may go."""
    async with Stage() as stage:
        await stage.create(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
            }
        )
        await stage.until(BUDGET, "web", lambda one: one.get("status"))
        await stage.create(deployment())
        found = await stage.until(BUDGET, "web", lambda one: (one.get("status") or {}).get("currentHealthy") == 3)
        events = [one for one in await stage.list(EVENT) if one["involvedObject"]["kind"] == "PodDisruptionBudget"]
    assert (found["status"]["desiredHealthy"], found["status"]["disruptionsAllowed"]) == (2, 1)
    assert conditions(found) == {"DisruptionAllowed": "True"}
    assert [(one["type"], one["reason"], one["message"], one["source"]["component"]) for one in events] == [
        ("Normal", "NoPods", "No matching pods found", "controllermanager")
    ]


@pytest.mark.parametrize(
    ("metric", "expected", "what"),
    [
        ({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 99}}},
         {"averageUtilization": 99, "averageValue": "149m"}, "cpu resource utilization (percentage of request)"),
        ({"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "64Mi"}}},
         {"averageValue": "64Mi"}, "memory resource"),
        ({"type": "ContainerResource",
          "containerResource": {"name": "cpu", "container": "b", "target": {"averageUtilization": 50}}},
         {"averageUtilization": 50, "averageValue": "25m"}, "cpu resource utilization (percentage of request) of container b"),
        ({"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "30"}}},
         {"value": "30"}, "external metric queue"),
    ],
    ids=["utilization", "value", "container", "external"],
)  # fmt: skip
def test_an_autoscaler_sees_a_load_at_its_target(metric: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    """Whatever it measures; a share of requests as an amount, too."""
    containers = [
        {"name": "a", "resources": {"requests": {"cpu": "100m"}}},
        {"name": "b", "resources": {"requests": {"cpu": "50m"}}},
    ]
    target = {"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": containers}}}}
    found = measured([metric], Seen({"spec": {}}, target))
    (current,) = found.current
    (field,) = set(current) - {"type"}

    assert (expected, what) == (current[field]["current"], found.what)


async def test_an_autoscaler_keeps_its_bounds_and_says_what_it_lacks() -> None:
    """Three replicas come down to two; a container without a request cannot be measured."""
    async with Stage() as stage:
        await stage.create(deployment())
        await stage.create(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {
                    "maxReplicas": 2,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                },
            }
        )
        await stage.until(DEPLOYMENT, "web", lambda one: (one.get("status") or {}).get("availableReplicas") == 2)
        found = await stage.until(AUTOSCALER, "web", lambda one: one["status"].get("currentReplicas") == 2)
    assert conditions(found)["AbleToScale"] == "True"
    assert conditions(found)["ScalingActive"] == "False"
    assert "missing request for cpu in container" in str(found["status"]["conditions"])


async def test_a_rollout_that_never_gets_ready_misses_its_deadline() -> None:
    """Progressing turns False with ProgressDeadlineExceeded."""
    async with Stage() as stage:
        await stage.create(deployment(progressDeadlineSeconds=20, template=template(annotations={"pending": "true"})))
        found = await stage.until(DEPLOYMENT, "web", lambda one: conditions(one).get("Progressing") == "False")
        (reason,) = [c["reason"] for c in found["status"]["conditions"] if c["type"] == "Progressing"]
    assert reason == "ProgressDeadlineExceeded"


async def test_a_pods_life_is_told_in_events() -> None:
    """By the scheduler and the kubelet, as its description shows it; of a crowd that starts at once not of each."""
    async with Stage() as stage:
        await stage.create(_pod({}))
        await stage.until(POD, "p", lambda one: conditions(one).get("Ready") == "True")
        await stage.client.delete(Ref(POD, "default", "p"))
        await stage.until(POD, "p", lambda one: one is None)
        said = [one for one in await stage.list(EVENT) if one["involvedObject"]["kind"] == "Pod"]
        await stage.create(deployment(replicas=100))
        await stage.until(DEPLOYMENT, "web", lambda one: (one.get("status") or {}).get("availableReplicas") == 100)
        await stage.pause(1)
        crowd = [one for one in await stage.list(EVENT) if one["reason"] == "Started"]

    assert [(one["source"]["component"], one["reason"], one["message"]) for one in said] == [
        ("default-scheduler", "Scheduled", "Successfully assigned default/p to simulated-0"),
        ("kubelet", "Pulled", 'Container image "web:1" already present on machine and can be accessed by the pod'),
        ("kubelet", "Created", "Container created"),
        ("kubelet", "Started", "Container started"),
        ("kubelet", "Killing", "Stopping container main"),
    ]
    assert said[1]["involvedObject"]["fieldPath"] == "spec.containers{main}"
    assert 40 < len(crowd) < 80
