"""Pods wait for room, for the right reason, and the important ones get it."""

from __future__ import annotations

from typing import Any

from tests.families.builtin.stage import Stage
from trueup.families.builtin.kinds import NODE, POD
from trueup.families.builtin.simulate import room
from trueup.families.builtin.simulate.sites import Sites
from trueup.kube.names import Key, Kind, Object, Ref

PRIORITY = Kind("scheduling.k8s.io", "v1", "PriorityClass")


def pod(name: str, cpu: str = "1", *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """For the node of the test's own."""
    container = {"name": "main", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}
    meta = {"name": name, "namespace": "default", "uid": name, "labels": labels or {}}
    own = {"nodeSelector": {"own": "yes"}, "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": own}


async def node(stage: Stage, cpu: str = "2") -> None:
    """A node with little on it."""
    own = {"kubernetes.io/hostname": "own", "own": "yes"}
    about = {"name": "own", "labels": own, "annotations": {"simulate.trueup.dev/simulated": "true"}}
    await stage.create({"apiVersion": "v1", "kind": "Node", "metadata": about})
    has = {"cpu": cpu, "memory": "1Gi", "pods": "10"}
    status = {"status": {"allocatable": has, "capacity": has}}
    await stage.client.patch(Ref(NODE, "", "own"), status, "merge", subresource="status")


def waits(found: Object) -> str:
    """Why a pod is not scheduled; empty when it is."""
    held = (one for one in (found.get("status") or {}).get("conditions") or () if one["type"] == "PodScheduled")
    return next((str(one.get("message") or "") for one in held if one["status"] == "False"), "")


class Held(dict[Key, Object]):
    """A cache of what a test puts into it."""

    def list(self) -> list[Object]:
        return list(self.values())


def test_what_is_gone_is_not_counted_any_more() -> None:
    """Terms and nodes go with the last pod that is there, for each pod that is placed is held against all of them."""
    nodes, pods = Held(), Held()
    nodes[Key("", "own")] = {"kind": "Node", "metadata": {"name": "own", "uid": "n"}}
    term = {"topologyKey": "own", "labelSelector": {"matchLabels": {"app": "web"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    placed = pod("first", nodeName="own", affinity=apart) | {"kind": "Pod"}
    pods[Key.of(placed)] = placed
    sites = Sites(nodes, pods, Held())  # type: ignore[arg-type]
    sites.refresh()
    assert (len(sites.list), len(sites.apart)) == (1, 1)
    sites.heard(nodes.pop(Key("", "own")))
    sites.refresh()
    assert (len(sites.list), len(sites.apart)) == (0, 1)
    pods.clear()
    sites.heard(placed)
    sites.refresh()
    assert (len(sites.apart), len(sites._by_name)) == (0, 0)


async def test_a_pod_waits_until_there_is_room() -> None:
    """It names what is missing, and goes as soon as another one has left."""
    async with Stage() as stage:
        await node(stage)
        await stage.create(pod("first", "1500m"))
        await stage.until(POD, "first", lambda one: one["spec"].get("nodeName"))
        await stage.create(pod("second"))
        waiting = await stage.until(POD, "second", waits)
        await stage.client.delete(Ref(POD, "default", "first"))
        placed = await stage.until(POD, "second", lambda one: one["spec"].get("nodeName"))

        expected = (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. "
            "no new claims to deallocate, preemption: 0/2 nodes are available: "
            "1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
        )
        assert expected == waits(waiting)
        assert placed["spec"]["nodeName"] == "own"


async def test_an_important_pod_takes_a_place() -> None:
    """Who gives way says so, and goes."""
    async with Stage() as stage:
        await node(stage)
        high: Object = {
            "apiVersion": PRIORITY.api_version,
            "kind": PRIORITY.kind,
            "metadata": {"name": "high"},
            "value": 9,
        }
        await stage.create(high)
        await stage.create(pod("small", "500m"))
        await stage.create(pod("large", "1500m"))
        for name in ("small", "large"):
            await stage.until(POD, name, lambda one: one["spec"].get("nodeName"))
        await stage.create(pod("important", "1500m", priorityClassName="high"))
        placed = await stage.until(POD, "important", lambda one: one["spec"].get("nodeName"))
        await stage.until(POD, "large", lambda one: one is None)

        assert placed["spec"]["nodeName"] == "own"
        assert await stage.get(POD, "small") is not None


async def test_pods_that_must_be_apart_do_not_share_a_node_of_ones_own() -> None:
    """The simulated node stands for many machines and takes both."""
    rule = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    async with Stage() as stage:
        await node(stage)
        for name in ("one", "two"):
            await stage.create(pod(name, "10m", labels={"app": "db"}, affinity=affinity))
            away = pod(f"{name}-away", "10m", labels={"app": "db"}, affinity=affinity, nodeSelector={})
            away["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "simulated-0"}
            await stage.create(away)
        await stage.until(POD, "two-away", lambda one: one["spec"].get("nodeName"))
        await stage.until(POD, "one-away", lambda one: one["spec"].get("nodeName"))
        both = [await stage.get(POD, name) for name in ("one", "two")]
        await stage.pause(1)

        assert sorted(bool((one or {})["spec"].get("nodeName")) for one in both) == [False, True]


def test_ports_of_the_host_are_taken_once() -> None:
    """By address, protocol and number; an address of all meets every other."""
    port = {"containerPort": 80, "hostPort": 80}
    one = pod("a", containers=[{"name": "main", "image": "i", "ports": [port]}])
    udp = pod("b", containers=[{"name": "main", "image": "i", "ports": [{**port, "protocol": "UDP"}]}])
    near = pod("c", containers=[{"name": "main", "image": "i", "ports": [{**port, "hostIP": "127.0.0.1"}]}])

    assert room.collides(room.ports(one), room.ports(near))
    assert not room.collides(room.ports(one), room.ports(udp))
