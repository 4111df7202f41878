"""What is known of a container without running it, and what a kubelet makes of pods that changed or that it does not take."""

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, template
from trueup.families.builtin.kinds import CRON_JOB, EVENT, JOB, NODE, POD
from trueup.families.builtin.simulate.script import Outcome, outcome
from trueup.families.builtin.simulate.steering import course
from trueup.kube.names import Object, Ref

_ODD = """
  if [ $(expr ${JOB_COMPLETION_INDEX} % 2) -ne 0 ]; then
    exit 1
  else
    exit 0
  fi
"""
_INDEX = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}},
}


def _pod(name: str = "p", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    made = template(name, annotations=annotations)
    about = {**made["metadata"], "name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {**made["spec"], **spec}}


def _container(*command: str, name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": "busybox", "command": [*command], **more}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["true"], Outcome(0)),
        (["/bin/false"], Outcome(1)),
        (["sleep", "100"], Outcome(0, 100)),
        (["sh", "-c", "exit 42"], Outcome(42)),
        (["/bin/sh", "-c", "echo starting; sleep 5\nexit 3"], Outcome(3, 5)),
        (["sh", "-c", "false; true"], Outcome(0)),
        (["sh", "-c", "if [ a = b ]; then exit 1; fi"], Outcome(0)),
        (["sh", "-c", "exit $(( 7 % 4 ))"], Outcome(3)),
        (["sh", "-c", 'if test "$MODE" = bad; then exit 9; else sleep 1; fi'], Outcome(9)),
        (["sh", "-c", _ODD], Outcome(1)),
    ],
)
def test_what_a_command_comes_to_can_be_read_from_it(command: list[str], expected: Outcome) -> None:
    """Where it does no more than wait, print, compare and exit."""
    pod = {"metadata": {"labels": {"batch.kubernetes.io/job-completion-index": "3"}}}
    container = {"command": command, "env": [_INDEX, {"name": "MODE", "value": "bad"}]}
    assert expected == outcome(container, pod)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["sh", "-c", "make test"],
        ["sh", "-c", "curl x || exit 1"],
        ["sh", "-c", "exit $SECRET"],
        ["sh", "-c", "exit $?"],
        ["sh", "-c", "[ -r /data/foo ]"],
        ["sh", "-c", "for i in 1 2; do exit 1; done"],
        ["sh", "-c", "if [ 1 -eq 1 ]; then exit 1"],
        ["sh", "-c", "if [ 1 -eq 2 ]; then exit 1; elif [ 1 -eq 1 ]; then exit 2; fi"],
        ["sh", "-c", "echo 'a' > /tmp/x"],
        ["sh", "-c", "exit $(( 1 / 0 ))"],
        ["exit", "1"],
    ],
)
def test_what_only_running_would_tell_is_not_guessed(command: list[str]) -> None:
    """Files, variables from elsewhere, other programs, loops."""
    assert outcome({"command": command}, {}) is None


def test_a_server_that_only_exits_crashes_whatever_its_code() -> None:
    """With ``restartPolicy: Always`` all containers have to be known to end, or one to fail."""
    both = [_container("true"), _container("serve", name="other")]
    assert course(_pod(containers=[_container("true")])).ends
    assert not course(_pod(containers=both)).ends
    assert course(_pod(containers=[_container("sh", "-c", "exit 3"), *both[1:]])).ends
    assert not course(_pod(containers=[_container("sleep", "3600")])).ends


async def test_each_container_ends_with_its_own_code() -> None:
    """The pod fails when one does; an annotation outweighs commands."""
    containers = [_container("true"), _container("sh", "-c", "exit 7", name="other")]
    async with Stage() as stage:
        await stage.create(_pod(containers=containers, restartPolicy="Never"))
        found = await stage.until(POD, "p", lambda one: one["status"].get("phase") == "Failed")
        codes = [one["state"]["terminated"]["exitCode"] for one in found["status"]["containerStatuses"]]
        assert codes == [0, 7]
    assert course(_pod(annotations={"exit-code": "0"}, containers=containers)).codes == {}


async def test_a_kubelet_says_which_generation_it_acts_on() -> None:
    """A container whose image was changed starts anew, and its restart is counted."""
    async with Stage() as stage:
        await stage.create(_pod())
        first = await stage.until(POD, "p", lambda one: one["status"].get("phase") == "Running")
        assert first["status"]["observedGeneration"] == first["metadata"]["generation"] == 1
        containers = [{**first["spec"]["containers"][0], "image": "web:2"}]
        await stage.client.update({**first, "spec": {**first["spec"], "containers": containers}})
        second = await stage.until(POD, "p", lambda one: one["status"].get("observedGeneration") == 2)
    found = second["status"]["containerStatuses"][0]
    assert (found["image"], found["restartCount"], found["ready"]) == ("web:2", 1, True)
    assert "terminated" in found["lastState"]
    assert {one["observedGeneration"] for one in second["status"]["conditions"]} == {2}


async def test_an_ephemeral_container_joins_a_running_pod() -> None:
    """It runs until the pod goes, or ends as its command tells; the others are not restarted."""
    async with Stage() as stage:
        await stage.create(_pod())
        first = await stage.until(POD, "p", lambda one: one["status"].get("phase") == "Running")
        debuggers = [
            {"name": name, "image": "busybox", "command": command, "terminationMessagePolicy": "File"}
            for name, command in (("shell", ["sh"]), ("check", ["false"]))
        ]
        changed = {**first, "spec": {**first["spec"], "ephemeralContainers": debuggers}}
        await stage.client.update(changed, subresource="ephemeralcontainers")
        found = await stage.until(POD, "p", lambda one: one["status"].get("ephemeralContainerStatuses"))
    shell, check = found["status"]["ephemeralContainerStatuses"]
    assert "running" in shell["state"]
    assert check["state"]["terminated"]["exitCode"] == 1
    assert found["status"]["containerStatuses"][0]["restartCount"] == 0


def _ports() -> list[Object]:
    return [{**_container("serve"), "ports": [{"containerPort": 80, "hostPort": 8080}]}]


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"containers": _ports()}, "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports"),
        (
            {"nodeSelector": {"disk": "fast"}},
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's",
        ),
        (
            {"containers": [_container("serve", resources={"requests": {"cpu": "1000000"}})]},
            "OutOfcpu",
            "Node didn't have enough resource: cpu, requested: 1000000000, used: 0, capacity: ",
        ),
    ],
)
async def test_a_pod_that_names_its_node_may_be_refused_there(spec: Object, reason: str, message: str) -> None:
    """It is Failed with the kubelet's reason; one that was there before stays."""
    async with Stage() as stage:
        node = (await stage.until(NODE, "simulated-0", lambda one: (one or {}).get("status"), ""))["metadata"]["name"]
        await stage.create(_pod("first", nodeName=node, containers=_ports()))
        await stage.until(POD, "first", lambda one: one["status"].get("phase") == "Running")
        await stage.create(_pod("second", nodeName=node, **spec))
        found = await stage.until(POD, "second", lambda one: one["status"].get("phase") in ("Failed", "Running"))
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", reason)
    assert found["status"]["message"].startswith(f"Pod was rejected: {message}")


def _first(*command: str) -> list[Object]:
    return [_container("true", name="one"), _container(*command, name="two"), _container("true", name="three")]


async def test_an_init_container_that_fails_is_started_again() -> None:
    """The pod stays Pending, the containers after it wait, and the restarts are counted."""
    async with Stage() as stage:
        await stage.create(_pod(initContainers=_first("false")))
        found = await stage.until(
            POD,
            "p",
            lambda one: [c["restartCount"] for c in one["status"].get("initContainerStatuses") or ()] == [0, 2, 0],
        )
    status = found["status"]
    assert status["phase"] == "Pending"
    states = [*status["initContainerStatuses"], *status["containerStatuses"]]
    assert [(one["state"].get("waiting") or {}).get("reason") for one in states] == [
        None,
        "CrashLoopBackOff",
        "PodInitializing",
        "PodInitializing",
    ]
    assert states[1]["lastState"]["terminated"]["exitCode"] == 1
    initialised = next(one for one in status["conditions"] if one["type"] == "Initialized")
    assert (initialised["status"], initialised["reason"]) == ("False", "ContainersNotInitialized")
    assert initialised["message"] == "containers with incomplete status: [two three]"


async def test_an_init_container_that_fails_can_fail_its_pod() -> None:
    """With ``restartPolicy: Never``; the app's containers never start."""
    async with Stage() as stage:
        await stage.create(_pod(initContainers=_first("sh", "-c", "exit 3"), restartPolicy="Never"))
        found = await stage.until(POD, "p", lambda one: one["status"].get("phase") == "Failed")
    assert found["status"]["initContainerStatuses"][1]["state"]["terminated"]["exitCode"] == 3
    assert found["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}


async def test_a_job_that_goes_missing_is_told_of() -> None:
    """By its CronJob, in whose list of running Jobs it was."""
    spec = {"schedule": "* * * * *", "concurrencyPolicy": "Forbid"}
    pod = {"containers": [_container("sleep", "3600")], "restartPolicy": "Never"}
    meta = {"name": "c", "namespace": "default"}
    work = {"spec": {"template": {"spec": pod}}}
    async with Stage() as stage:
        await stage.create(
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": {**spec, "jobTemplate": work}}
        )
        found = await stage.until(CRON_JOB, "c", lambda one: (one.get("status") or {}).get("active"))
        name = found["status"]["active"][0]["name"]
        await stage.client.delete(Ref(JOB, "default", name), propagation="Background")
        for _ in range(2000):
            told = [one["message"] for one in await stage.list(EVENT) if one["reason"] == "MissingJob"]
            if told:
                break
            await stage.pause(0.05)
    assert told == [f"Active job went missing: {name}"]
