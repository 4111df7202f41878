"""Evictions ask the pod's disruption budget first."""

from __future__ import annotations

from tests.rooms.apiserver.web import POD, Web, pod, ref
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Kind, Object

BUDGET = Kind("policy", "v1", "PodDisruptionBudget")
EVICTION = "/api/v1/namespaces/default/pods/a/eviction"
BODY = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": "default"}}


async def running(client: InProcessClient, name: str = "a") -> None:
    """A pod that is Ready somewhere."""
    made = pod(name, nodeName="there")
    made["metadata"]["labels"] = {"app": "web"}
    await client.create(made)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await client.patch(ref(name, POD), {"status": status}, "merge", subresource="status")


async def budget(client: InProcessClient, allowed: int, *, observed: int = 1, healthy: int = 1) -> None:
    """One that its controller has looked at."""
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    meta = {"name": "web", "namespace": "default"}
    await client.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec})
    status: Object = {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 1, "expectedPods": 1}
    status["observedGeneration"] = observed
    await client.patch(ref("web", BUDGET), {"status": status}, "merge", subresource="status")


async def test_a_budget_without_room_refuses(web: Web, client: InProcessClient) -> None:
    """429 with its reason as a cause; the pod stays."""
    await running(client)
    await budget(client, 0)
    answer = await web.ask("POST", EVICTION, BODY)
    cause = answer.json["details"]["causes"][0]

    assert (answer.status, cause["reason"]) == (429, "DisruptionBudget")
    assert cause["message"] == "The disruption budget web needs 1 healthy pods and has 1 currently"
    assert "deletionTimestamp" not in (await client.get(ref("a", POD)))["metadata"]


async def test_a_budget_with_room_counts_the_eviction(web: Web, client: InProcessClient) -> None:
    """One less is allowed, the pod is named, and says itself that it is evicted."""
    await running(client)
    await budget(client, 1)
    answer = await web.ask("POST", EVICTION, BODY)
    status = (await client.get(ref("web", BUDGET)))["status"]
    going = await client.get(ref("a", POD))

    assert answer.status == 201
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["a"])
    assert going["metadata"]["deletionTimestamp"]
    assert "DisruptionTarget" in [one["type"] for one in going["status"]["conditions"]]


async def test_a_budget_that_nobody_has_looked_at_refuses(web: Web, client: InProcessClient) -> None:
    """Until its controller has seen its present form."""
    await running(client)
    await budget(client, 1, observed=0)
    answer = await web.ask("POST", EVICTION, BODY)

    assert (answer.status, answer.json["details"]["retryAfterSeconds"]) == (429, 10)


async def test_a_pod_that_does_not_run_goes_freely(web: Web, client: InProcessClient) -> None:
    """It disturbs nobody."""
    made = pod("a")
    made["metadata"]["labels"] = {"app": "web"}
    await client.create(made)
    await budget(client, 0)

    assert (await web.ask("POST", EVICTION, BODY)).status == 201


async def test_a_pod_without_a_budget_goes(web: Web, client: InProcessClient) -> None:
    """A dry run leaves it."""
    await running(client)
    dry = await web.ask("POST", EVICTION, BODY, dryRun="All")
    there = await client.get(ref("a", POD))
    answer = await web.ask("POST", EVICTION, BODY)

    assert (dry.status, answer.status) == (201, 201)
    assert "deletionTimestamp" not in there["metadata"]
