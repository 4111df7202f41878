"""Pods meet their nodes, or say why not; important ones take the place of others. The shell around `room` and `node.misfit`.

The simulated node stands for as many machines as are needed: pods that must not share a machine may both go there. On nodes
that people make such rules hold. Called by `kubelet`.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.families.builtin.kinds import NODE, POD
from trueup.families.builtin.simulate import node as nodes
from trueup.families.builtin.simulate import room
from trueup.families.builtin.tools import change, now, remove, with_condition, write_status
from trueup.family import Tools
from trueup.kube.names import Object
from trueup.kube.objects import meta, uid

_NODE = "node"
_MANAGER = "kube-scheduler"
_MANY = 100_000


class Scheduler:
    """Remembers what pods ask for and where those go whose binding is under way: all of it can be found out again."""

    def __init__(self) -> None:
        self._asked: dict[str, room.Amounts] = {}
        self._going: dict[str, tuple[str, Object]] = {}

    async def place(self, tools: Tools, pod: Object, reason: str) -> Object | None:
        """The pod on its node, or None: then it says why it waits. ``reason``: why it is to wait in any case."""
        if pod["spec"].get("schedulingGates"):
            await _wait(tools, pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return None
        candidates = tools.cache(NODE).list()
        reasons: list[str] = [reason] if reason else []
        short: list[Object] = []
        for node in candidates if not reason else ():
            why = nodes.misfit(pod, node) or self._apart(tools, pod, node)
            lacks = [] if why else self._lacks(tools, pod, node)
            if not why and not lacks:
                return await self._bind(tools, pod, str(meta(node)["name"]))
            reasons += [why] if why else lacks
            short += [node] if lacks else []
        counted = ", ".join(f"{reasons.count(why)} {why}" for why in sorted(set(reasons)))
        said = f"0/{len(candidates)} nodes are available: {counted}."
        if not candidates:
            said = "no nodes available to schedule pods"
        chosen = await self._make_room(tools, pod, short)
        await _wait(tools, pod, "Unschedulable", said, nominated=chosen)
        return None

    async def _bind(self, tools: Tools, pod: Object, node: str) -> Object | None:
        self._going[uid(pod)] = (node, pod)
        try:
            return await change(tools, pod, {"spec": {"nodeName": node}}, manager=_MANAGER)
        finally:
            del self._going[uid(pod)]

    def _bound(self, tools: Tools, node: str) -> list[Object]:
        there = [pod for pod in tools.cache(POD).by_index(_NODE, node) if room.holds(pod)]
        return [*there, *(pod for at, pod in self._going.values() if at == node)]

    def _lacks(self, tools: Tools, pod: Object, node: Object) -> list[str]:
        wanted, has = self._amounts(pod), room.offered(node)
        there = self._bound(tools, str(meta(node)["name"]))
        if len(wanted) == 1:  # it asks for nothing: counting is enough
            return room.lacking(wanted, {"pods": 1000 * len(there)}, has)
        return room.lacking(wanted, room.total(map(self._amounts, there)), has)

    def _amounts(self, pod: Object) -> room.Amounts:
        known = self._asked.get(uid(pod))
        if known is None:
            if len(self._asked) >= _MANY:
                self._asked.clear()
            known = self._asked[uid(pod)] = room.asked(pod)
        return known

    def _apart(self, tools: Tools, pod: Object, node: Object) -> str:
        if meta(node)["name"] == nodes.NAME:
            return ""
        others = [
            (one, other) for one in tools.cache(NODE).list() for other in self._bound(tools, str(meta(one)["name"]))
        ]
        here = [other for one, other in others if meta(one)["name"] == meta(node)["name"]]
        pairs = [(other, one) for one, other in others]
        return room.collides(room.ports(pod), here) or room.apart(pod, node, pairs)

    async def _make_room(self, tools: Tools, pod: Object, short: Sequence[Object]) -> str:
        """Let less important pods go where that helps; the node that the pod waits for then."""
        found = [
            (node, room.victims(pod, room.offered(node), self._bound(tools, str(meta(node)["name"])))) for node in short
        ]
        node, out = min((each for each in found if each[1]), key=lambda each: len(each[1]), default=(None, []))
        if node is None:
            return ""
        for victim in out:
            if not meta(victim).get("deletionTimestamp"):
                await _preempt(tools, victim, pod)
        return str(meta(node)["name"])


async def _preempt(tools: Tools, victim: Object, pod: Object) -> None:
    said = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
    }
    status = dict(victim.get("status") or {})
    status["conditions"] = with_condition(status.get("conditions") or [], said, now(tools))
    await write_status(tools, victim, status, manager=_MANAGER)
    tools.events.record(victim, "Normal", "Preempted", f"Preempted by pod {uid(pod)} on its node")
    await remove(tools, victim, propagation=None)


async def _wait(tools: Tools, pod: Object, reason: str, message: str, *, nominated: str = "") -> None:
    status = dict(pod.get("status") or {})
    new = {"type": "PodScheduled", "status": "False", "lastProbeTime": None, "reason": reason, "message": message}
    status |= {"phase": "Pending", "conditions": with_condition(status.get("conditions") or [], new, now(tools))}
    if nominated:
        status["nominatedNodeName"] = nominated
    if status != pod.get("status"):
        await write_status(tools, pod, status, manager=_MANAGER)
        if reason == "Unschedulable":
            tools.events.record(pod, "Warning", "FailedScheduling", message)
