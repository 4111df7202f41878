"""What goes in which order, and what stands behind Services meanwhile."""

from __future__ import annotations

from tests.families.builtin.stage import Stage, conditions, template
from trueup.families.builtin.kinds import CONFIG_MAP, ENDPOINT_SLICE, ENDPOINTS, LEASE, NAMESPACE, NODE, POD
from trueup.kube.names import Object, Ref


def bare(name: str, space: str = "default", **spec: object) -> Object:
    """A pod that nobody controls."""
    made = template(name, **spec)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**made["metadata"], "name": name, "namespace": space},
        "spec": made["spec"],
    }


async def test_a_namespaces_pods_go_first() -> None:
    """As long as one is there, all else stays; the namespace says what holds it."""
    async with Stage() as stage:
        await stage.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}})
        held = bare("held", "going")
        held["metadata"]["finalizers"] = ["example.com/mine"]
        await stage.create(held)
        about = {"name": "kept", "namespace": "going"}
        await stage.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})
        await stage.client.delete(Ref(NAMESPACE, "", "going"))
        space = await stage.until(NAMESPACE, "going", lambda one: one["status"].get("conditions") or (), "")
        there = await stage.get(CONFIG_MAP, "kept", "going")
        await stage.client.patch(Ref(POD, "going", "held"), {"metadata": {"finalizers": None}}, "merge")
        await stage.until(NAMESPACE, "going", lambda one: one is None, "")
        said = {one["type"]: one["status"] for one in space["status"]["conditions"]}

        assert there is not None
        assert said == {
            "NamespaceDeletionDiscoveryFailure": "False",
            "NamespaceDeletionGroupVersionParsingFailure": "False",
            "NamespaceDeletionContentFailure": "False",
            "NamespaceContentRemaining": "True",
            "NamespaceFinalizersRemaining": "True",
        }


async def test_ports_by_name_are_each_pods_own() -> None:
    """One slice and one subset for each number; a slice that is deleted comes again."""
    async with Stage() as stage:
        for name, number in (("one", 3000), ("two", 3001)):
            ports = [{"name": "http", "containerPort": number}]
            pod = bare(name, containers=[{"name": "main", "image": "web:1", "ports": ports}])
            pod["metadata"]["labels"] = {"app": "web"}
            await stage.create(pod)
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
        meta = {"name": "web", "namespace": "default"}
        await stage.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
        found = await stage.until(ENDPOINTS, "web", lambda one: one and len(one.get("subsets") or ()) == 2)
        slices = [one for one in await stage.list(ENDPOINT_SLICE) if one["endpoints"]]
        await stage.client.delete(Ref(ENDPOINT_SLICE, "default", slices[0]["metadata"]["name"]))
        await stage.until(ENDPOINT_SLICE, slices[0]["metadata"]["name"], lambda one: one and one["endpoints"])

        assert sorted(one["ports"][0]["port"] for one in slices) == [3000, 3001]
        assert sorted(one["ports"][0]["port"] for one in found["subsets"]) == [3000, 3001]


async def test_a_pod_takes_a_moment_to_stop() -> None:
    """It is seen going, with its generation counted; without grace it is gone at once."""
    async with Stage() as stage:
        await stage.create(bare("slow"))
        await stage.until(POD, "slow", lambda pod: pod["status"]["phase"] == "Running")
        await stage.client.delete(Ref(POD, "default", "slow"))
        going = await stage.get(POD, "slow")
        await stage.until(POD, "slow", lambda pod: pod is None)

        assert going is not None
        assert going["metadata"]["generation"] == 2


async def test_what_is_known_to_fail_fails_and_what_waits_waits() -> None:
    """A probe that runs ``false`` never holds; an image made for waiting never ends."""
    async with Stage() as stage:
        probe = {"exec": {"command": ["/bin/false"]}}
        never = bare("never", containers=[{"name": "main", "image": "web:1", "readinessProbe": probe}])
        waits = [{"name": "main", "image": "registry.example.com/pause:3.10"}]
        await stage.create(never)
        await stage.create(bare("waits", containers=waits, restartPolicy="Never"))
        await stage.pause(30)
        ready = await stage.get(POD, "never")
        waiting = await stage.get(POD, "waits")

        assert ready is not None
        assert waiting is not None
        assert {one["type"]: one["status"] for one in ready["status"]["conditions"]}["Ready"] == "False"
        assert waiting["status"]["phase"] == "Running"


async def test_the_node_renews_its_lease() -> None:
    """Every few seconds."""
    async with Stage() as stage:
        first = await stage.until(LEASE, "simulated-0", lambda one: one, "kube-node-lease")
        before = first["spec"]["renewTime"]
        await stage.until(LEASE, "simulated-0", lambda one: one["spec"]["renewTime"] > before, "kube-node-lease")


async def test_a_pod_ends_at_its_deadline() -> None:
    """It has failed, and says why."""
    async with Stage() as stage:
        await stage.create(bare("brief", activeDeadlineSeconds=5))
        late = await stage.until(POD, "brief", lambda pod: pod["status"]["phase"] == "Failed")

        assert late["status"]["reason"] == "DeadlineExceeded"


async def test_a_circle_of_owners_can_be_deleted() -> None:
    """Each waits for the next, so one of them is waited for no more."""
    async with Stage() as stage:
        names = ("one", "two", "three")
        made = {name: await stage.create(bare(name)) for name in names}
        for name, owner in zip(names, ("three", "one", "two"), strict=True):
            held = {"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": made[owner]["metadata"]["uid"]}
            patch = {"metadata": {"ownerReferences": [{**held, "controller": True, "blockOwnerDeletion": True}]}}
            await stage.client.patch(Ref(POD, "default", name), patch, "strategic")
        await stage.client.delete(Ref(POD, "default", "one"), propagation="Foreground")
        for name in names:
            await stage.until(POD, name, lambda pod: pod is None)


async def test_a_node_that_is_marked_is_simulated_too() -> None:
    """It is Ready, with what room it was given, and renews its lease; one that is not marked stays as it is."""
    async with Stage() as stage:
        for name, marks in (("more", {"simulate.trueup.dev/simulated": "true"}), ("real", {})):
            await stage.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": marks}})
        ready = await stage.until(NODE, "more", lambda one: (one.get("status") or {}).get("conditions"), "")
        await stage.until(LEASE, "more", lambda one: one, "kube-node-lease")
        real = await stage.get(NODE, "real", "")

        assert conditions(ready)["Ready"] == "True"
        assert not ((real or {}).get("status") or {}).get("conditions")
