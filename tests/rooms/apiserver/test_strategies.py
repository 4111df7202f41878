"""What single kinds get on their way into the store, as Kubernetes 1.36 answers."""

from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object

POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def made(api_version: str, kind: str, **rest: object) -> Object:
    """An object of a kind."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "default"}, **rest}


async def test_a_headless_service_of_nobodys_pods_has_both_families(client: InProcessClient) -> None:
    """Who selects pods, or says how many families it has, gets one."""
    ports = [{"port": 80}]
    headless = await client.apply(made("v1", "Service", spec={"clusterIP": "None", "ports": ports}), manager="m")
    assert (headless["spec"]["ipFamilies"], headless["spec"]["ipFamilyPolicy"]) == (
        ["IPv4", "IPv6"],
        "RequireDualStack",
    )
    other = made("v1", "Service", spec={"clusterIP": "None", "selector": {"a": "b"}, "ports": ports})
    other["metadata"]["name"] = "y"
    selecting = await client.apply(other, manager="m")
    assert (selecting["spec"]["ipFamilies"], selecting["spec"]["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


async def test_a_daemon_set_counts_its_templates(client: InProcessClient) -> None:
    """In an annotation that nobody who applies owns, and that none who updates can lose."""
    name = "deprecated.daemonset.template.generation"
    wanted = made("apps/v1", "DaemonSet", spec={"selector": {"matchLabels": {"a": "b"}}, "template": POD})
    first = await client.apply(wanted, manager="m")
    assert first["metadata"]["annotations"] == {name: "1"}
    assert "f:metadata" not in first["metadata"]["managedFields"][0]["fieldsV1"]
    bare = {**first, "metadata": {k: v for k, v in first["metadata"].items() if k != "annotations"}}
    assert (await client.update(bare))["metadata"]["annotations"] == {name: "1"}
    changed = {**POD, "spec": {"containers": [{"name": "c", "image": "other"}]}}
    second = await client.apply({**wanted, "spec": {**wanted["spec"], "template": changed}}, manager="m")
    assert second["metadata"]["annotations"] == {name: "2"}


async def test_a_job_without_labels_has_those_of_its_pods(client: InProcessClient) -> None:
    """With labels of its own it keeps to them."""
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    job = await client.apply(made("batch/v1", "Job", spec={"template": pod}), manager="m")
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"]
    assert job["metadata"]["labels"]["job-name"] == "x"
    own = made("batch/v1", "Job", spec={"template": pod})
    own["metadata"] |= {"name": "y", "labels": {"mine": "1"}}
    assert (await client.apply(own, manager="m"))["metadata"]["labels"] == {"mine": "1"}


async def test_templates_and_priorities_count_generations(client: InProcessClient) -> None:
    """They begin with one."""
    template = await client.apply(made("v1", "PodTemplate", template=POD), manager="m")
    assert template["metadata"]["generation"] == 1
    priority = made("scheduling.k8s.io/v1", "PriorityClass", value=5)
    del priority["metadata"]["namespace"]
    assert (await client.apply(priority, manager="m"))["metadata"]["generation"] == 1
