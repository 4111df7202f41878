"""Nodes: heard of, tainted as their conditions say, left by pods that do not bear it, and by all once they are gone.

Simulated nodes are kept alive by `simulate.node`; all others by whoever renews their Lease or their status. Source:
kube-controller-manager ``pkg/controller/nodelifecycle``, ``tainteviction``, ``podgc``.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.families.builtin import node_conditions as rules
from trueup.families.builtin import pods
from trueup.families.builtin.kinds import LEASE, NODE, POD
from trueup.families.builtin.memory import PerCluster
from trueup.families.builtin.simulate.node import LEASES, simulated
from trueup.families.builtin.simulate.selection import taints_of
from trueup.families.builtin.tools import change, condition, now, remove, with_condition, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta, uid
from trueup.timing.rfc3339 import format_time

BY_NODE = "node"
_QUARANTINE = 40.0
"""Seconds that pods of a node that is gone are left alone: it may be registered anew."""
_MANY = 10_000
_MANAGER = "kube-controller-manager"


class Heard:
    """What was last heard of each node, and since when pods bear a taint. All of it may be lost: then it counts from anew."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[str, float]] = {}
        """By uid; by name of those that are no more."""
        self._bearing: dict[str, dict[str, float]] = {}

    def since(self, own: str, mark: str, moment: float) -> tuple[float, bool]:
        """When a node's sign of life was first seen, and whether the node is new to us."""
        known = self.nodes.get(own)
        if known is None or known[0] != mark:
            if len(self.nodes) >= _MANY:
                self.nodes.clear()
            self.nodes[own] = (mark, moment)
        return self.nodes[own][1], known is None

    def bearing(self, node: str) -> dict[str, float]:
        """Since when the pods of a node bear its taints, by uid."""
        return self._bearing.get(node, {})

    def bear(self, node: str, pods: dict[str, float]) -> None:
        """These pods bear the node's taints, since then."""
        if pods and len(self._bearing) >= _MANY:
            self._bearing.clear()
        self._bearing.pop(node, None)
        if pods:
            self._bearing[node] = pods


_HEARD = PerCluster(lambda tools: Heard())


async def reconcile(tools: Tools, key: Key) -> Result:
    """One node: its health, its taints, its pods."""
    node = tools.cache(NODE).get(key)
    if node is None:
        return await _orphans(tools, key.name)
    moment = tools.clock.now()
    since, new = _HEARD.of(tools).since(uid(node), _sign(tools, node), moment)
    if new:
        name = key.name
        tools.events.record(
            node, "Normal", "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller"
        )
    after = None
    if not simulated(node) and rules.ready(node) != "Unknown":
        allowed = rules.GRACE if rules.ready(node) else rules.STARTUP
        after = since + allowed - moment
        if after <= 0:
            node, after = await _lost(tools, node), None
    if node is None:
        return Result()
    # Where no node is ready the fault is not the nodes', and pods have nowhere to go.
    evict = rules.ready(node) == "True" or any(rules.ready(one) == "True" for one in tools.cache(NODE).list())
    taints = rules.retainted(node, moment, evict=evict)
    if taints is not None:
        patch = {"metadata": {"resourceVersion": meta(node)["resourceVersion"]}, "spec": {"taints": taints or None}}
        node = await change(tools, node, patch) or node
    left = await _evict(tools, node, moment)
    return Result(after=min((one for one in (after, left) if one is not None), default=None))


def _sign(tools: Tools, node: Object) -> str:
    """Whatever a living node renews."""
    lease = tools.cache(LEASE).get(Key(LEASES, str(meta(node)["name"]))) or {}
    status = node.get("status") or {}
    beats = [str(one.get("lastHeartbeatTime")) for one in status.get("conditions") or ()]
    return "|".join((str((lease.get("spec") or {}).get("renewTime")), rules.ready(node), *beats))


async def _lost(tools: Tools, node: Object) -> Object | None:
    """Nobody has heard of it: its conditions are unknown, its pods not ready."""
    was, name = rules.ready(node), meta(node)["name"]
    status = {**(node.get("status") or {}), "conditions": rules.silent(node, now(tools))}
    changed = await write_status(tools, node, status)
    if changed is not None and was == "True":
        tools.events.record(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for pod in tools.cache(POD).by_index(BY_NODE, name):
            await _unready(tools, pod)
    return changed


async def _unready(tools: Tools, pod: Object) -> None:
    status = pod.get("status") or {}
    held = condition(status, "Ready")
    if held is None or held.get("status") != "True":
        return
    conditions = with_condition(status["conditions"], {**held, "status": "False"}, now(tools))
    await write_status(tools, pod, {**status, "conditions": conditions})
    tools.events.record(pod, "Warning", "NodeNotReady", "Node is not ready")


async def _evict(tools: Tools, node: Object, moment: float) -> float | None:
    """Delete the pods that do not bear its NoExecute taints any longer; seconds until the next one."""
    taints = [one for one in taints_of(node) if one.get("effect") == "NoExecute"]
    heard = _HEARD.of(tools)
    before = heard.bearing(uid(node))
    if not taints:
        heard.bear(uid(node), {})
        return None
    bearing: dict[str, float] = {}
    waits: list[float] = []
    for pod in tools.cache(POD).by_index(BY_NODE, str(meta(node)["name"])):
        if meta(pod).get("deletionTimestamp"):
            continue
        allowed = rules.tolerated_for(pod, taints)
        if allowed is None:
            continue
        since = bearing[uid(pod)] = before.get(uid(pod), moment)
        left = since + allowed - moment
        if left > 0:
            waits.append(left)
        else:
            text = f"Marking for deletion Pod {meta(pod)['namespace']}/{meta(pod)['name']}"
            tools.events.record(pod, "Normal", "TaintManagerEviction", text)
            await disrupt(tools, pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
            await remove(tools, pod, propagation=None)
    heard.bear(uid(node), bearing)
    return min(waits, default=None)


async def _orphans(tools: Tools, name: str) -> Result:
    """Pods of a node that is no more: after a while nobody will say what became of them."""
    found, heard = tools.cache(POD).by_index(BY_NODE, name), _HEARD.of(tools)
    if not found:
        heard.nodes.pop(name, None)
        return Result()
    since, _ = heard.since(name, "", tools.clock.now())
    left = since + _QUARANTINE - tools.clock.now()
    if left > 0:
        return Result(after=left)
    for pod in found:
        if pods.phase(pod) not in ("Succeeded", "Failed"):
            await disrupt(tools, pod, "DeletionByPodGC", "PodGC: node no longer exists", phase="Failed")
        await remove(tools, pod, propagation=None, grace=0)
    heard.nodes.pop(name, None)
    return Result(after=1.0)


async def disrupt(tools: Tools, pod: Object, reason: str, message: str, *, phase: str = "") -> None:
    """A pod says why it is taken away."""
    said = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message, "lastProbeTime": None}
    if meta(pod).get("generation"):
        said["observedGeneration"] = meta(pod)["generation"]
    status = dict(pod.get("status") or {})
    status["conditions"] = with_condition(status.get("conditions") or [], said, format_time(tools.clock.now()))
    await write_status(tools, pod, {**status, **({"phase": phase} if phase else {})}, manager=_MANAGER)


def _node_of(pod: Object) -> Iterable[Key]:
    name = (pod.get("spec") or {}).get("nodeName")
    if name:
        yield Key("", name)


def by_node(pod: Object) -> Iterable[str]:
    """For the pods' index: where each is."""
    name = (pod.get("spec") or {}).get("nodeName")
    if name:
        yield name


def _of_lease(lease: Object) -> Iterable[Key]:
    if meta(lease).get("namespace") == LEASES:
        yield Key("", meta(lease)["name"])


CONTROLLER = Controller(
    "node-lifecycle",
    NODE,
    reconcile,
    watches=(Watch(POD, keys=_node_of, index={BY_NODE: by_node}), Watch(LEASE, keys=_of_lease)),
)
