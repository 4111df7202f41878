"""Nodes that are cordoned, tainted, silent or gone, and what becomes of their pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, conditions
from trueup.families.builtin import node_conditions as rules
from trueup.families.builtin.kinds import EVENT, LEASE, NODE, POD
from trueup.families.builtin.simulate import selection
from trueup.kube.names import Object, Ref
from trueup.timing.rfc3339 import format_micro, format_time

_SIMULATED = {"simulate.trueup.dev/simulated": "true"}


def node(name: str = "own", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    about = {"name": name, "labels": {"own": name}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": spec}


def pod(name: str, on: str = "own", **spec: Any) -> Object:
    own = {"nodeSelector": {"own": on}, "containers": [{"name": "main", "image": "web:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": own}


def taints(found: Object) -> list[tuple[str, str]]:
    return [(one["key"].rpartition("/")[2], one["effect"]) for one in (found or {}).get("spec", {}).get("taints") or ()]


def _with(**words: str) -> Object:
    made = node()
    return {**made, "status": {"conditions": [{"type": name, "status": word} for name, word in words.items()]}}


@pytest.mark.parametrize(
    ("given", "evict", "expected"),
    [
        (_with(Ready="True"), True, []),
        (_with(Ready="False"), True, [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")]),
        (_with(Ready="Unknown"), False, [("unreachable", "NoSchedule")]),
        (_with(Ready="True", DiskPressure="True"), True, [("disk-pressure", "NoSchedule")]),
        (node(unschedulable=True), True, [("unschedulable", "NoSchedule")]),
    ],
    ids=["ready", "not ready", "unknown, none is ready", "pressure", "cordoned"],
)
def test_conditions_become_taints(given: Object, evict: bool, expected: list[tuple[str, str]]) -> None:
    """Each by its own key; pods have to leave where the node alone is at fault."""
    found = rules.retainted(given, 0.0, evict=evict)
    assert expected == taints({"spec": {"taints": found}})


def test_taints_of_others_stay() -> None:
    """What the conditions ask for is put beside them, what they ask for no more goes."""
    theirs = {"key": "gpu", "effect": "NoSchedule"}
    old = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}
    given = {**_with(Ready="True"), "spec": {"taints": [theirs, old], "unschedulable": True}}
    found = rules.retainted(given, 0.0, evict=True)
    expected = [("gpu", "NoSchedule"), ("unschedulable", "NoSchedule")]
    assert expected == taints({"spec": {"taints": found}})
    assert rules.retainted({**given, "spec": {"taints": [theirs]}}, 0.0, evict=True) is None


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], 0.0),
        ([{"operator": "Exists"}], None),
        ([{"key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}], 300.0),
        ([{"key": "gone", "operator": "Exists", "tolerationSeconds": -1}], 0.0),
        ([{"key": "gone", "value": "x", "effect": "NoExecute"}], 0.0),
        ([{"key": "gone", "operator": "Exists", "effect": "NoSchedule"}], 0.0),
    ],
    ids=["none", "all", "for a while", "not at all", "another value", "another effect"],
)
def test_how_long_a_pod_bears_a_taint(tolerations: list[Object], expected: float | None) -> None:
    """By the first toleration that fits each."""
    bears = rules.tolerated_for(pod("p", tolerations=tolerations), [{"key": "gone", "effect": "NoExecute"}])
    assert expected == bears


def test_required_affinity_names_nodes() -> None:
    """As a DaemonSet's does; a term without a name allows any."""
    named = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"

    def spec(*terms: Object) -> Object:
        return {"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": list(terms)}}}}

    assert selection.named_nodes(spec(named)) == {"a"}
    assert selection.named_nodes(spec(named, {"matchExpressions": [{"key": "x", "operator": "Exists"}]})) is None
    assert selection.named_nodes({}) is None


async def test_a_cordoned_node_is_tainted_until_it_is_not() -> None:
    """`kubectl cordon` and `uncordon` set one field; the taint follows."""
    async with Stage() as stage:
        await stage.create(node(annotations=_SIMULATED))
        await stage.client.patch(Ref(NODE, "", "own"), {"spec": {"unschedulable": True}}, "merge")
        await stage.until(NODE, "own", lambda one: taints(one) == [("unschedulable", "NoSchedule")], "")
        await stage.client.patch(Ref(NODE, "", "own"), {"spec": {"unschedulable": None}}, "merge")
        await stage.until(NODE, "own", lambda one: taints(one) == [], "")


async def test_a_silent_node_is_unreachable_and_left() -> None:
    """Ready until its Lease is renewed no more; its pods stay for as long as they tolerate it."""
    async with Stage() as stage:
        await stage.create(node(annotations=_SIMULATED))
        await stage.create(pod("stays", tolerations=[{"operator": "Exists"}]))
        await stage.create(pod("goes"))
        for name in ("stays", "goes"):
            await stage.until(POD, name, lambda one: conditions(one).get("Ready") == "True")
        marks = {"metadata": {"annotations": {"simulate.trueup.dev/simulated": None}}}
        await stage.client.patch(Ref(NODE, "", "own"), marks, "merge")
        began = stage.clock.now()
        silent = await stage.until(NODE, "own", lambda one: conditions(one).get("Ready") == "Unknown", "")
        waited = stage.clock.now() - began
        tainted = await stage.until(NODE, "own", lambda one: len(taints(one)) == 2, "")
        left = await stage.until(POD, "goes", lambda one: one["metadata"].get("deletionTimestamp"))

        assert 40 < waited < 61
        assert {one["reason"] for one in silent["status"]["conditions"]} == {"NodeStatusUnknown"}
        assert taints(tainted) == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
        assert conditions(left)["Ready"] == "False"
        assert conditions(left)["DisruptionTarget"] == "True"
        assert stage.clock.now() - began - waited >= 295  # the default toleration
        stays = await stage.get(POD, "stays")
        assert stays is not None
        assert not stays["metadata"].get("deletionTimestamp")
        said = {one["reason"] for one in await stage.list(EVENT) if one["involvedObject"]["name"] == "goes"}
        assert {"TaintManagerEviction", "NodeNotReady"} <= said


async def test_a_node_of_others_lives_by_its_lease() -> None:
    """Whoever renews it keeps the node Ready; nobody runs its pods for it."""
    async with Stage() as stage:
        await stage.create(node("far"))
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": format_time(stage.clock.now())}
        status = {"status": {"conditions": [ready]}}
        await stage.client.patch(Ref(NODE, "", "far"), status, "merge", subresource="status")
        about = {"name": "far", "namespace": "kube-node-lease"}
        await stage.create({"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": about, "spec": {}})
        await stage.create(pod("p", "far"))
        for _ in range(5):
            await stage.pause(20)
            spec = {"spec": {"renewTime": format_micro(stage.clock.now())}}
            await stage.client.patch(Ref(LEASE, "kube-node-lease", "far"), spec, "merge")
        found, placed = await stage.get(NODE, "far", ""), await stage.get(POD, "p")

        assert conditions(found or {})["Ready"] == "True"
        assert placed is not None
        assert placed["spec"]["nodeName"] == "far"
        assert placed["status"]["phase"] == "Pending"


async def test_pods_of_a_node_that_is_gone_go_too() -> None:
    """After forty seconds; nobody is left to stop them."""
    async with Stage() as stage:
        await stage.create(node(annotations=_SIMULATED))
        await stage.create(pod("p"))
        await stage.until(POD, "p", lambda one: conditions(one).get("Ready") == "True")
        began = stage.clock.now()
        await stage.client.delete(Ref(NODE, "", "own"))
        await stage.until(POD, "p", lambda one: one is None)
        assert stage.clock.now() - began >= 40
