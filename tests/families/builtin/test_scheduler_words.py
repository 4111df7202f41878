"""Pods that fit nowhere say why in the words of the genuine scheduler (1.36), and pods that fit choose as it does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.builtin.stage import Stage
from trueup.families.builtin.kinds import NODE, POD
from trueup.kube.names import Kind, Object, Ref

_ZONE, _HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
_NO_USE = "Preemption is not helpful for scheduling"
_NONE = "No preemption victims found for incoming pod"


def node(name: str, cpu: str = "2", pods: str = "10", zone: str = "", **spec: Any) -> Object:
    has = {"cpu": cpu, "memory": "4Gi", "pods": pods}
    marks = {_HOST: name, **({_ZONE: zone} if zone else {})}
    about = {"name": name, "labels": marks, "annotations": {"simulate.trueup.dev/simulated": "true"}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": about,
        "spec": spec,
        "status": {"capacity": has, "allocatable": has},
    }


def pod(name: str, cpu: str = "", app: str = "", ports: list[Object] | None = None, **spec: Any) -> Object:
    container: Object = {"name": "main", "image": "i:1"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    if ports:
        container["ports"] = ports
    about = {"name": name, "namespace": "default", "labels": {"app": app} if app else {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": [container], **spec}}


def near(app: str, part: str = "podAntiAffinity", key: str = _HOST) -> Object:
    return {"affinity": {part: {_REQUIRED: [{"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}]}}}


def spread(key: str, when: str = "DoNotSchedule", **more: Any) -> Object:
    rule = {"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": when, "labelSelector": {"matchLabels": {"app": "s"}}}
    return {"topologySpreadConstraints": [{**rule, **more}]}


def at(name: str) -> Object:
    return {"nodeSelector": {_HOST: name}}


def only(name: str) -> Object:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return {"affinity": {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [term]}}}}


def said(count: int, why: str, then: str) -> str:
    first = f"0/{count} nodes are available: {why}. no new claims to deallocate, preemption: "
    return f"{first}0/{count} nodes are available: {then}."


_ZONES = [node("a", zone="a"), node("b", zone="b"), node("c", zone="c")]
_PORT = {"containerPort": 80, "hostPort": 80}
_CASES: dict[str, tuple[list[Object], list[Object], str]] = {
    "too little": (
        [node("a"), node("b", cpu="1")],
        [pod("first", "1500m"), pod("p", "1500m")],
        said(2, "2 Insufficient cpu", f"1 {_NONE}, 1 {_NO_USE}"),
    ),
    "never enough": ([node("a")], [pod("p", "5")], said(1, "1 Insufficient cpu", f"1 {_NO_USE}")),
    "too many": ([node("a", pods="1")], [pod("first"), pod("p")], said(1, "1 Too many pods", f"1 {_NONE}")),
    "taints": (
        [
            node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]),
            node("b", taints=[{"key": "x", "effect": "NoExecute"}]),
            node("c", unschedulable=True),
        ],
        [pod("p")],
        said(3, "1 node(s) were unschedulable, 2 node(s) had untolerated taint(s)", f"3 {_NO_USE}"),
    ),
    "apart": (
        _ZONES,
        [*(pod(name, app="s", **near("s")) for name in ("p1", "p2", "p3")), pod("p", app="s", **near("s"))],
        said(3, "3 node(s) didn't match pod anti-affinity rules", f"3 {_NONE}"),
    ),
    "others want to be apart": (
        _ZONES,
        [*(pod(name, app="s", **near("s")) for name in ("p1", "p2", "p3")), pod("p", app="s")],
        said(3, "3 node(s) didn't satisfy existing pods anti-affinity rules", f"3 {_NONE}"),
    ),
    "near nobody": (
        _ZONES,
        [pod("p", app="t", **near("nobody", "podAffinity"))],
        said(3, "3 node(s) didn't match pod affinity rules", f"3 {_NO_USE}"),
    ),
    "spread": (
        [*_ZONES[:2], node("n")],
        [pod("first", app="s", **at("a")), pod("p", app="s", **spread(_ZONE), **only("a"))],
        "",
    ),
    "too few domains": (
        [*_ZONES[:2], node("n")],
        [
            pod("first", app="s", **at("a")),
            pod("second", app="s", **at("b")),
            pod("p", app="s", **spread(_ZONE, minDomains=5)),
        ],
        said(
            3,
            "1 node(s) didn't match pod topology spread constraints (missing required label), "
            "2 node(s) didn't match pod topology spread constraints",
            f"1 {_NO_USE}, 2 {_NONE}",
        ),
    ),
    "ports": (
        [node("a")],
        [pod("first", ports=[_PORT]), pod("p", ports=[_PORT])],
        said(1, "1 node(s) didn't have free ports for the requested pod ports", f"1 {_NONE}"),
    ),
    "one node alone": (
        [node("a", cpu="1"), *_ZONES[1:]],
        [pod("p", "2", **only("a"))],
        said(3, "1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]", f"3 {_NO_USE}"),
    ),
    "no nodes": ([], [pod("p")], "no nodes available to schedule pods"),
}


async def _play(stage: Stage, nodes: list[Object], pods: list[Object]) -> None:
    await stage.until(NODE, "simulated-0", lambda one: one, "")
    await stage.client.delete(Ref(NODE, "", "simulated-0"))
    for one in nodes:
        await stage.create(one)
        status = {"status": one["status"]}
        await stage.client.patch(Ref(NODE, "", one["metadata"]["name"]), status, "merge", subresource="status")
    await stage.pause(1)
    for one in pods:
        await stage.create(one)
        await stage.pause(0.5)


def _why(found: Object) -> str:
    held = (one for one in found["status"].get("conditions") or () if one["type"] == "PodScheduled")
    return next((str(one.get("message")) for one in held if one["status"] == "False"), "")


@pytest.mark.parametrize(("nodes", "pods", "expected"), _CASES.values(), ids=_CASES)
async def test_a_pod_says_why_it_waits(nodes: list[Object], pods: list[Object], expected: str) -> None:
    """Counted by reason, and whether others' leaving would help."""
    async with Stage() as stage:
        await _play(stage, nodes, pods)
        found = await stage.get(POD, "p")
    assert expected == _why(found or {})
    assert bool((found or {})["spec"].get("nodeName")) == (not expected)


_NEAR_BIG = {"labelSelector": {"matchLabels": {"app": "big"}}, "topologyKey": _HOST}
_SOFT: dict[str, tuple[Object, str]] = {
    "a label": (
        {
            "nodeAffinity": {
                _PREFERRED: [
                    {
                        "weight": 9,
                        "preference": {"matchExpressions": [{"key": _ZONE, "operator": "In", "values": ["c"]}]},
                    }
                ]
            }
        },
        "c",
    ),
    "near": ({"podAffinity": {_PREFERRED: [{"weight": 100, "podAffinityTerm": _NEAR_BIG}]}}, "a"),
    "far": (
        {
            "podAntiAffinity": {
                _PREFERRED: [{"weight": 100, "podAffinityTerm": {"labelSelector": {}, "topologyKey": _HOST}}]
            }
        },
        "c",
    ),
}


@pytest.mark.parametrize(("affinity", "expected"), _SOFT.values(), ids=_SOFT)
async def test_preferences_decide_among_nodes_that_fit(affinity: Object, expected: str) -> None:
    """A node that is nearly full, one with a soft taint, one with neither."""
    nodes = [
        node("a", "10", zone="a"),
        node("b", "10", zone="b", taints=[{"key": "k", "effect": "PreferNoSchedule"}]),
        node("c", "10", zone="c"),
    ]
    async with Stage() as stage:
        await _play(stage, nodes, [pod("big", "4", "big", **at("a")), pod("p", affinity=affinity)])
        found = await stage.get(POD, "p")
    assert expected == (found or {})["spec"]["nodeName"]


async def test_a_budget_chooses_who_gives_way() -> None:
    """Of two pods, one of which a budget guards, the other goes; who may never take a place says so."""
    async with Stage() as stage:
        for name, policy in (("high", "PreemptLowerPriority"), ("shy", "Never")):
            kind = Kind("scheduling.k8s.io", "v1", "PriorityClass")
            made: Object = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "value": 9}
            await stage.create({**made, "preemptionPolicy": policy})
        await stage.create(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "guard", "namespace": "default"},
                "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
            }
        )
        await _play(stage, [node("a")], [pod("guarded", "900m", "guarded"), pod("other", "900m", "other")])
        await stage.create(pod("shy", "1", priorityClassName="shy"))
        shy = await stage.until(POD, "shy", _why)
        await stage.create(pod("p", "1", priorityClassName="high"))
        waits = await stage.until(POD, "p", lambda one: one["status"].get("nominatedNodeName"))
        await stage.until(POD, "other", lambda one: one is None)
        await stage.until(POD, "p", lambda one: one["spec"].get("nodeName"))
        stays = await stage.get(POD, "guarded")

    assert _why(shy).endswith("preemption: not eligible due to preemptionPolicy=Never.")
    assert waits["status"]["nominatedNodeName"] == "a"
    assert stays is not None


async def test_a_pod_of_another_scheduler_is_left_alone() -> None:
    """Whoever it names places it."""
    async with Stage() as stage:
        await stage.create(pod("p", schedulerName="mine"))
        await stage.pause(5)
        found = await stage.get(POD, "p")
    assert "nodeName" not in (found or {})["spec"]
    assert "conditions" not in (found or {})["status"]
