"""Deletion: at once, in time, held by finalizers, bound to conditions, of many."""

from typing import Any

import pytest

from tests.rooms.apiserver.web import (
    DEPLOYMENT,
    DEPLOYMENTS,
    MAP,
    MAPS,
    NAMESPACE,
    POD,
    Clock,
    Web,
    config_map,
    deployment,
    pod,
    ref,
)
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object
from trueup.kube.problems import Conflict, Forbidden, Invalid, NotFound

SPACES = "/api/v1/namespaces"
PODS = "/api/v1/namespaces/default/pods"


def held(obj: Object, *finalizers: str) -> Object:
    """The same object, held by finalizers."""
    return {**obj, "metadata": {**obj["metadata"], "finalizers": list(finalizers)}}


async def test_an_object_goes_at_once(client: InProcessClient, web: Web) -> None:
    """The answer says which it was; a second time it is not found."""
    made = await client.create(deployment("web"))

    first = await web.ask("DELETE", f"{DEPLOYMENTS}/web")
    second = await web.ask("DELETE", f"{DEPLOYMENTS}/web")

    details = {"name": "web", "group": "apps", "kind": "deployments", "uid": made["metadata"]["uid"]}
    assert (first.status, first.json["status"], first.json["details"]) == (200, "Success", details)
    assert (second.status, second.json["message"]) == (404, 'deployments.apps "web" not found')


async def test_finalizers_hold_an_object(client: InProcessClient) -> None:
    """It is marked, its generation counts, and it goes with the last of them."""
    await client.create(held(deployment("web"), "example.com/a", "example.com/b"))
    where = ref("web", DEPLOYMENT)

    await client.delete(where)
    marked = await client.get(where)
    await client.patch(where, {"metadata": {"finalizers": ["example.com/b"]}}, "merge")
    still = await client.get(where)
    await client.patch(where, {"metadata": {"finalizers": None}}, "merge")

    meta = marked["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"], meta["generation"]) == (
        "2027-01-15T08:00:00Z", 0, 2,
    )  # fmt: skip
    assert still["metadata"]["finalizers"] == ["example.com/b"]
    with pytest.raises(NotFound):
        await client.get(where)


async def test_a_second_deletion_changes_nothing(client: InProcessClient, hub: Hub) -> None:
    """The object is already going."""
    await client.create(held(config_map("a"), "example.com/a"))
    await client.delete(ref("a"))
    before = hub.store.revision

    await client.delete(ref("a"))

    assert hub.store.revision == before


async def test_no_finalizer_is_added_to_what_goes(client: InProcessClient) -> None:
    """It would never go otherwise."""
    await client.create(held(config_map("a"), "example.com/a"))
    await client.delete(ref("a"))

    with pytest.raises(Invalid, match="no new finalizers can be added if the object is being deleted"):
        await client.patch(ref("a"), {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}, "merge")


async def test_watches_see_the_last_state(client: InProcessClient, web: Web) -> None:
    """With the version of the deletion."""
    made = await client.create(config_map("a", x="1"))
    async with web.watch(MAPS, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        await client.delete(ref("a"))

        type_, obj = await watch.next()

    assert (type_, obj["data"]) == ("DELETED", {"x": "1"})
    assert int(obj["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        ("Foreground", [], ["foregroundDeletion"]),
        ("Orphan", ["example.com/a"], ["example.com/a", "orphan"]),
        ("Foreground", ["orphan"], ["foregroundDeletion"]),
        ("Background", ["foregroundDeletion", "example.com/a"], ["example.com/a"]),
    ],
)
async def test_the_propagation_policy_sets_finalizers(
    client: InProcessClient, web: Web, policy: str, before: list[str], after: list[str]
) -> None:
    """For the garbage collector to act on."""
    await client.create(held(config_map("a"), *before) if before else config_map("a"))

    await web.ask("DELETE", f"{MAPS}/a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy})

    assert (await client.get(ref("a")))["metadata"]["finalizers"] == after


async def test_the_query_names_the_policy_too(client: InProcessClient, web: Web) -> None:
    """As curl users write it."""
    await client.create(config_map("a"))

    await web.ask("DELETE", f"{MAPS}/a", propagationPolicy="Foreground")

    assert (await client.get(ref("a")))["metadata"]["finalizers"] == ["foregroundDeletion"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"propagationPolicy": "Sideways"}, 'Unsupported value: "Sideways"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, "cannot be both set"),
        ({"dryRun": ["Some"]}, 'Unsupported value: ["Some"]'),
    ],
)
async def test_options_that_mean_nothing_are_refused(web: Web, options: Object, message: str) -> None:
    """Nothing is deleted."""
    await web.post(MAPS, config_map("a"))

    answer = await web.ask("DELETE", f"{MAPS}/a", options)

    assert answer.status == 422
    assert message in answer.json["message"]
    await web.get(f"{MAPS}/a")


async def test_a_dry_run_may_stand_in_the_body(client: InProcessClient, web: Web) -> None:
    """As clients send it."""
    await client.create(config_map("a"))

    answer = await web.ask("DELETE", f"{MAPS}/a", {"dryRun": ["All"]})

    assert answer.status == 200
    assert await client.get(ref("a"))


async def test_conditions_guard_a_deletion(client: InProcessClient) -> None:
    """The uid and the version must be those that were meant."""
    made = await client.create(config_map("a"))

    with pytest.raises(Conflict, match=r"the UID in the precondition \(other\) does not match"):
        await client.delete(ref("a"), uid="other")
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\) does not match"):
        await client.delete(ref("a"), revision="1")
    await client.delete(ref("a"), uid=made["metadata"]["uid"], revision=made["metadata"]["resourceVersion"])

    assert (await client.list(MAP, "default")).items == []


# --- pods ---


async def test_a_running_pod_is_given_time(client: InProcessClient, web: Web) -> None:
    """It is marked with the end of its grace, and goes when the kubelet says so."""
    await client.create(pod("a", nodeName="one", terminationGracePeriodSeconds=40))

    answer = await web.ask("DELETE", f"{PODS}/a")
    marked = await client.get(ref("a", POD))
    await web.ask("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 0})

    assert (answer.status, answer.json["kind"]) == (200, "Pod")
    meta = marked["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == ("2027-01-15T08:00:40Z", 40)
    with pytest.raises(NotFound):
        await client.get(ref("a", POD))


async def test_the_time_given_can_be_shortened_only(client: InProcessClient, web: Web, clock: Clock) -> None:
    """A later deletion with more patience changes nothing."""
    await client.create(pod("a", nodeName="one"))
    await web.ask("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 20})
    clock.seconds += 5

    await web.ask("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 60})
    longer = await client.get(ref("a", POD))
    await web.ask("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 10})
    shorter = await client.get(ref("a", POD))

    assert longer["metadata"]["deletionTimestamp"] == "2027-01-15T08:00:20Z"
    assert shorter["metadata"]["deletionTimestamp"] == "2027-01-15T08:00:15Z"


@pytest.mark.parametrize("spec", [{}, {"nodeName": "one", "terminationGracePeriodSeconds": 0}])
async def test_a_pod_that_never_ran_goes_at_once(client: InProcessClient, spec: dict[str, Any]) -> None:
    """There is nothing to stop."""
    await client.create(pod("a", **spec))

    await client.delete(ref("a", POD))

    with pytest.raises(NotFound):
        await client.get(ref("a", POD))


async def test_an_eviction_deletes_the_pod(client: InProcessClient, web: Web) -> None:
    """With the options that it carries."""
    await client.create(pod("a"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": "default"}}

    rehearsed = await web.ask("POST", f"{PODS}/a/eviction", {**eviction, "deleteOptions": {"dryRun": ["All"]}})
    assert await client.get(ref("a", POD))
    evicted = await web.ask("POST", f"{PODS}/a/eviction", eviction)

    assert (rehearsed.status, evicted.status) == (201, 201)
    with pytest.raises(NotFound):
        await client.get(ref("a", POD))


# --- many ---


async def test_a_collection_goes_as_far_as_it_is_selected(client: InProcessClient, web: Web) -> None:
    """The answer lists what went."""
    for name in ("a", "b", "c"):
        await client.create(config_map(name, {"keep": "yes" if name == "b" else "no"}))

    answer = await web.ask("DELETE", MAPS, labelSelector="keep=no")

    assert [item["metadata"]["name"] for item in answer.json["items"]] == ["a", "c"]
    assert [obj["metadata"]["name"] for obj in (await client.list(MAP, "default")).items] == ["b"]


async def test_a_dry_run_of_a_collection_deletes_nothing(client: InProcessClient, web: Web) -> None:
    """Wherever the dry run is asked for."""
    await client.create(config_map("a"))

    await web.ask("DELETE", MAPS, {"dryRun": ["All"]})
    await web.ask("DELETE", MAPS, dryRun="All")

    assert len((await client.list(MAP, "default")).items) == 1


# --- namespaces ---


async def test_a_namespace_waits_for_its_own_finalizer(client: InProcessClient, web: Web) -> None:
    """It is Terminating until ``finalize`` takes the finalizer away."""
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})

    await client.delete(ref("a", NAMESPACE, ""))
    going = await client.get(ref("a", NAMESPACE, ""))
    await web.ask("PUT", f"{SPACES}/a/finalize", {**going, "spec": {"finalizers": []}})

    assert (going["status"]["phase"], going["spec"]["finalizers"]) == ("Terminating", ["kubernetes"])
    with pytest.raises(NotFound):
        await client.get(ref("a", NAMESPACE, ""))


async def test_a_namespace_keeps_its_finalizer_in_an_update(client: InProcessClient, web: Web) -> None:
    """An update that does not know of it must not make it vanish."""
    plain = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    await client.create(plain)

    updated = await web.ask("PUT", f"{SPACES}/a", {**plain, "metadata": {"name": "a", "labels": {"x": "y"}}})

    assert updated.json["spec"] == {"finalizers": ["kubernetes"]}
    assert updated.json["status"] == {"phase": "Active"}


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_systems_namespaces_stay(client: InProcessClient, name: str) -> None:
    """They may not be deleted."""
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        await client.delete(ref(name, NAMESPACE, ""))


@pytest.mark.parametrize(
    ("body", "finalizers", "warned"),
    [
        ({}, ["orphan"], True),
        ({"propagationPolicy": "Orphan"}, ["orphan"], False),
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"], False),
    ],
)
async def test_the_pods_of_a_job_stay_unless_somebody_says_otherwise(
    client: InProcessClient, web: Web, body: Object, finalizers: list[str], warned: bool
) -> None:
    """As with ReplicationControllers; who does not say what is to become of them is warned."""
    template = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}}
    meta = {"name": "once", "namespace": "default"}
    await client.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": template}})

    gone = await web.ask("DELETE", "/apis/batch/v1/namespaces/default/jobs/once", body)

    left = (await web.ask("GET", "/apis/batch/v1/namespaces/default/jobs/once")).json
    assert left["metadata"]["finalizers"] == finalizers
    assert warned == any("child pods are preserved by default" in one for one in gone.warnings)


async def test_a_job_of_whose_pods_a_deletion_speaks_goes_at_once(client: InProcessClient, web: Web) -> None:
    """In the background, as kubectl asks for it."""
    template = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}}
    meta = {"name": "once", "namespace": "default"}
    await client.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": template}})

    gone = await web.ask("DELETE", "/apis/batch/v1/namespaces/default/jobs/once", {"propagationPolicy": "Background"})

    assert (gone.status, gone.json["status"]) == (200, "Success")
