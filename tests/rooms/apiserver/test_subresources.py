"""Parts of objects with verbs of their own: status, scale, log, binding, and those that need a real node."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tests.rooms.apiserver.web import DEPLOYMENT, DEPLOYMENTS, POD, Web, deployment, pod, ref
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object

PODS = "/api/v1/namespaces/default/pods"
MERGE = {"content-type": "application/merge-patch+json"}


async def test_status_is_read_and_written(client: InProcessClient, web: Web) -> None:
    """GET, PUT and PATCH answer the whole object."""
    made = await client.create(deployment("web"))
    path = f"{DEPLOYMENTS}/web/status"

    put = await web.ask("PUT", path, {**made, "status": {"replicas": 1}})
    patched = await web.ask("PATCH", path, {"status": {"readyReplicas": 1}}, MERGE)
    got = await web.get(path)

    assert (put.status, patched.status) == (200, 200)
    assert got == patched.json
    assert {"replicas": 1, "readyReplicas": 1}.items() <= got["status"].items()


async def test_a_status_write_may_annotate(client: InProcessClient, web: Web) -> None:
    """Built-in kinds let metadata through with their status."""
    await client.create(pod("a"))

    body = {"metadata": {"annotations": {"seen": "yes"}}, "status": {"phase": "Running"}}
    answer = await web.ask("PATCH", f"{PODS}/a/status", body, MERGE)

    assert answer.json["metadata"]["annotations"] == {"seen": "yes"}
    assert answer.json["status"]["phase"] == "Running"


async def test_scale_shows_and_sets_replicas(client: InProcessClient, web: Web) -> None:
    """As a Scale, whatever the kind; the selector as text."""
    await client.create(deployment("web"))
    await client.patch(ref("web", DEPLOYMENT), {"status": {"replicas": 1}}, "merge", subresource="status")
    path = f"{DEPLOYMENTS}/web/scale"

    shown = await web.get(path)
    put = await web.ask("PUT", path, {**shown, "spec": {"replicas": 3}})
    patched = await web.ask("PATCH", path, {"spec": {"replicas": 5}}, MERGE)

    assert (shown["kind"], shown["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (shown["spec"], shown["status"]) == ({"replicas": 1}, {"replicas": 1, "selector": "app=web"})
    assert (put.json["spec"], patched.json["spec"]) == ({"replicas": 3}, {"replicas": 5})
    after = await client.get(ref("web", DEPLOYMENT))
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (5, 3)
    assert ("tester", "Update", "scale") in [
        (e["manager"], e["operation"], e.get("subresource")) for e in after["metadata"]["managedFields"]
    ]


async def test_a_scale_of_an_old_version_conflicts(client: InProcessClient, web: Web) -> None:
    """Its resource version is the object's."""
    await client.create(deployment("web"))
    path = f"{DEPLOYMENTS}/web/scale"
    old = await web.get(path)
    await client.patch(ref("web", DEPLOYMENT), {"spec": {"replicas": 2}}, "merge")

    answer = await web.ask("PUT", path, {**old, "spec": {"replicas": 3}})

    assert (answer.status, answer.json["reason"]) == (409, "Conflict")


@pytest.mark.parametrize("replicas", [-1, "two"])
async def test_a_scale_without_sense_is_refused(client: InProcessClient, web: Web, replicas: object) -> None:
    """Nothing is changed."""
    await client.create(deployment("web"))

    answer = await web.ask("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": replicas}}, MERGE)

    assert answer.status in (400, 422)
    assert (await client.get(ref("web", DEPLOYMENT)))["spec"]["replicas"] == 1


async def test_a_binding_puts_a_pod_on_a_node_once(client: InProcessClient, web: Web) -> None:
    """A second scheduler comes too late."""
    await client.create(pod("a"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"name": "one"}}

    first = await web.ask("POST", f"{PODS}/a/binding", binding)
    second = await web.ask("POST", f"{PODS}/a/binding", binding)

    assert (first.status, second.status) == (201, 409)
    bound = await client.get(ref("a", POD))
    assert bound["spec"]["nodeName"] == "one"
    assert [c["status"] for c in bound["status"]["conditions"] if c["type"] == "PodScheduled"] == ["True"]


async def test_logs_come_from_whoever_runs_pods(client: InProcessClient, hub: Hub, web: Web) -> None:
    """Line by line; without anybody the answer says so."""
    await client.create(pod("a"))

    async def lines(pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        yield f"{pod['metadata']['name']} {query['container']}\n".encode()
        yield b"done\n"

    nobody = await web.ask("GET", f"{PODS}/a/log")
    hub.pod_logs = lines
    answer = await web.ask("GET", f"{PODS}/a/log", container="main")

    assert (nobody.status, nobody.json["reason"]) == (503, "ServiceUnavailable")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"a main\ndone\n")


@pytest.mark.parametrize("name", ["exec", "attach", "portforward"])
async def test_what_needs_a_container_says_so(client: InProcessClient, web: Web, name: str) -> None:
    """501, and why; of a pod that is on no node yet, what Kubernetes says of it."""
    await client.create(pod("a"))
    early = await web.ask("POST", f"{PODS}/a/{name}")
    assert (early.status, early.json["message"]) == (400, "pod a does not have a host assigned")
    await client.patch(ref("a", POD), {"spec": {"nodeName": "one"}}, "merge", subresource="binding")

    answer = await web.ask("POST", f"{PODS}/a/{name}")

    assert answer.status == 501
    assert "workloads in this cluster are simulated" in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{PODS}/a/nothing", 404),
        ("GET", f"{PODS}/b/status", 404),
        ("DELETE", f"{PODS}/a/status", 405),
        ("POST", f"{PODS}/a/log", 405),
        ("TRACE", f"{PODS}/a", 405),
    ],
)
async def test_what_is_not_there_or_not_allowed(
    client: InProcessClient, web: Web, method: str, path: str, status: int
) -> None:
    """Unknown parts, unknown objects, verbs that a part lacks."""
    await client.create(pod("a"))

    answer = await web.ask(method, path)

    assert (answer.status, answer.json["kind"]) == (status, "Status")
