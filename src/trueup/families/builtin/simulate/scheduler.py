"""Pods meet their nodes, or say why not; important ones take the place of others. The shell around `fitting` and `scoring`.

Called by `kubelet` for a pod without a node; its own controller tries those again that wait, whenever there may be room. Source:
kube-scheduler (``schedule_one.go``); Kubernetes documentation "Kubernetes Scheduler".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from trueup.families.builtin.kinds import (
    BUDGET,
    CLAIM,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
    STORAGE_CLASS,
    VOLUME,
)
from trueup.families.builtin.memory import PerCluster
from trueup.families.builtin.protection import claims_used
from trueup.families.builtin.simulate import fitting, preemption, room, scoring
from trueup.families.builtin.simulate.neighbours import around
from trueup.families.builtin.simulate.news import News
from trueup.families.builtin.simulate.sites import Site, Sites
from trueup.families.builtin.simulate.steering import course
from trueup.families.builtin.simulate.volume_places import Places, places, prepare
from trueup.families.builtin.tools import change, minor, now, remove, with_condition, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import controller_of, labels, meta, uid
from trueup.kube.selectors import LabelSelector, label_selector, set_selector
from trueup.ports import WatchEvent

NAME = "default-scheduler"
_MANAGER = "kube-scheduler"
_ENOUGH, _SHARE = 100, 50
"""So many nodes that fit are looked at in any case, and in large clusters this share of them."""
_MANY = 10_000
_OWNERS = {kind.kind: kind for kind in (REPLICA_SET, STATEFUL_SET, REPLICATION_CONTROLLER)}
_NEXT = Key("", "next")
_HEEDED = ("nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "priority", "preemptionPolicy")


@dataclass(slots=True)
class Failure:
    """A pod fits nowhere: why, and where room is made for it."""

    message: str
    nominated: Site | None = None
    victims: Sequence[Object] = ()


class Scheduler:
    """Of one cluster. All that it remembers can be found out again."""

    def __init__(self, tools: Tools) -> None:
        self.sites = Sites(tools.cache(NODE), tools.cache(POD), tools.cache(NAMESPACE))
        self.waiting: dict[Key, tuple[int, str]] = {}
        """Pods that fit nowhere: in which state of the cluster, and in which of their own versions."""
        self.news = News()
        self._room, self._arrivals, self._start = 0, 0, 0
        self._known: dict[bytes, tuple[int, str]] = {}
        self._nominated: dict[Key, tuple[str, Object]] = {}
        self._meant: dict[Key, str] = {}
        """Where pods go once their volumes are there."""
        self.claims_first: bool | None = None
        """Since 1.34 devices are looked at before other pods are made to leave, and messages say so."""
        tools.live.subscribe(self._heard)

    def _heard(self, event: WatchEvent) -> None:
        obj = event.object
        kind = obj.get("kind")
        if kind not in ("Pod", "Node", "Namespace", "PersistentVolumeClaim", "PersistentVolume", "StorageClass"):
            return
        self.sites.heard(obj)
        if kind != "Pod":
            self._room += 1
        elif not (obj.get("spec") or {}).get("nodeName"):
            if event.type == "DELETED":
                self._forget(Key.of(obj))
        elif event.type == "DELETED" or meta(obj).get("deletionTimestamp") or not room.holds(obj):
            self._room += 1
        else:
            self._arrivals += 1

    def _forget(self, key: Key) -> None:
        self.waiting.pop(key, None)
        self._nominated.pop(key, None)
        self._meant.pop(key, None)

    def _state(self, pod: Object) -> int:
        """Of the cluster, as far as a pod is concerned: for most it is no news that another one came."""
        spec = pod["spec"]
        social = spec.get("topologySpreadConstraints") or (spec.get("affinity") or {}).get("podAffinity")
        return self._room + self._arrivals if social else self._room

    # --- one pod ---

    async def place(self, tools: Tools, pod: Object) -> Object | None:
        """The pod on its node, or None: then it says why it waits."""
        key = Key.of(pod)
        if key in self.sites.going or (pod["spec"].get("schedulerName") or NAME) != NAME:
            return None
        if pod["spec"].get("schedulingGates"):
            await _wait(tools, pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
            return None
        seen = (self._state(pod), str(meta(pod).get("resourceVersion")))
        if self.waiting.get(key) == seen:
            return None
        self.sites.refresh()
        state, asks = seen[0], _asks(pod)
        known = self._known.get(asks)
        volumes = places(tools, pod)
        if self.claims_first is None:
            self.claims_first = await minor(tools) >= 34
        if known is not None and known[0] == state:
            found: Site | Failure = Failure(known[1])
        else:
            found = self._choose(tools, pod, volumes)
        if isinstance(found, Site):
            if volumes is not None and volumes.delayed and found.node is not None:
                self.waiting[key], self._meant[key] = (-1, ""), found.name
                await prepare(tools, volumes, found.node)
                return None
            return await self._bind(tools, pod, found.name)
        if found.nominated is None:
            self._nominated.pop(key, None)
            if len(self._known) >= _MANY:
                self._known.clear()
            self._known[asks] = (state, found.message)
        else:
            self._nominated[key] = (found.nominated.name, pod)
            for victim in found.victims:
                await _preempt(tools, victim, pod, found.nominated.name)
        told = await _wait(tools, pod, "Unschedulable", found.message, nominated=found.nominated)
        self.waiting[key] = (state, str(meta(told).get("resourceVersion")))
        return None

    async def again(self, tools: Tools) -> None:
        """Try those that wait, the most important first, then the oldest."""
        pods = tools.cache(POD)
        found = []
        for key in list(self.waiting):
            pod = pods.get(key)
            if pod is None or pod["spec"].get("nodeName") or meta(pod).get("deletionTimestamp"):
                self._forget(key)
            else:
                found.append(pod)
        found.sort(key=lambda pod: (-int(pod["spec"].get("priority") or 0), str(meta(pod).get("creationTimestamp"))))
        for pod in found:
            await self.place(tools, pod)

    async def _bind(self, tools: Tools, pod: Object, node: str) -> Object | None:
        key = Key.of(pod)
        self.sites.going[key] = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        self.sites.settle(key)
        try:
            bound = await change(tools, pod, {"spec": {"nodeName": node}}, subresource="binding", manager=_MANAGER)
        finally:
            del self.sites.going[key]
            self.sites.settle(key)
        self._forget(key)
        if bound is not None and self.news.tells(uid(pod), tools.clock.now()):
            text = f"Successfully assigned {key.namespace}/{key.name} to {node}"
            tools.events.record(pod, "Normal", "Scheduled", text, component=NAME)
        return bound

    def _choose(self, tools: Tools, pod: Object, volumes: Places | None) -> Site | Failure:
        """The best node, or why there is none."""
        sites = self.sites.list
        if course(pod).pending:
            return Failure(f"0/{len(sites)} nodes are available: the pod asks to stay pending.")
        if not sites:
            return Failure("no nodes available to schedule pods")
        if volumes is not None and volumes.problem:
            return Failure(f"0/{len(sites)} nodes are available: {volumes.problem}. {self._useless(len(sites))}")
        want = fitting.wanted(pod, around(pod, self.sites))
        want.waiting, want.volumes = self._others(want), volumes.why if volumes is not None else None
        nominated = (pod.get("status") or {}).get("nominatedNodeName") or self._meant.get(Key.of(pod))
        here = self.sites.get(str(nominated or ""))
        if here is not None and fitting.misfit(want, here) is None:
            return here
        fit: list[Site] = []
        failed: dict[str, fitting.Misfit] = {}
        enough, count = _enough(len(sites)), len(sites)
        self._start = (self._start + 1) % count
        for number in range(count):
            site = sites[(self._start + number) % count]
            why = fitting.misfit(want, site)
            if why is not None:
                failed[site.name] = why
            else:
                fit.append(site)
                if len(fit) >= enough:
                    break
        if not fit:
            return self._failure(tools, want, here, failed)
        if len(fit) == 1:
            return fit[0]
        points = scoring.scores(pod, want.asked, _like(tools, pod), self.sites, fit)
        return fit[points.index(max(points))]

    def _others(self, want: fitting.Wanted) -> dict[str, list[Object]]:
        """Pods no less important, by the node where room is made for them."""
        out: dict[str, list[Object]] = {}
        for node, pod in self._nominated.values():
            if uid(pod) != uid(want.pod) and int(pod["spec"].get("priority") or 0) >= want.priority:
                out.setdefault(node, []).append(pod)
        return out

    # --- taking a place ---

    @property
    def _before(self) -> str:
        return "no new claims to deallocate, preemption: " if self.claims_first else "preemption: "

    def _useless(self, count: int) -> str:
        """What is said of taking a place when a pod can go nowhere at all."""
        return "not found" if self.claims_first else f"preemption: {preemption.useless(count)}"

    def _failure(
        self, tools: Tools, want: fitting.Wanted, here: Site | None, failed: dict[str, fitting.Misfit]
    ) -> Failure:
        sites = self.sites.list
        said = f"0/{len(sites)} nodes are available: "
        said += fitting.counted([why for one in failed.values() for why in one.reasons]) + "."
        why = preemption.ineligible(want.pod, here, failed.get(here.name) if here is not None else None)
        if why:
            return Failure(f"{said} {self._before}{why}", here if "terminating" in why else None)
        found, none = preemption.candidates(want, failed, sites, tools.cache(BUDGET).list())
        if not found:
            return Failure(f"{said} {self._before}{none}")
        best = preemption.best(found)
        return Failure(said, best.site, best.victims)


async def _preempt(tools: Tools, victim: Object, pod: Object, node: str) -> None:
    """A pod says why it gives way, and goes."""
    if meta(victim).get("deletionTimestamp"):
        return
    said = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": preemption.PREEMPTED,
        "message": f"{NAME}: preempting to accommodate a higher priority pod",
        "lastProbeTime": None,
    }
    status = dict(victim.get("status") or {})
    status["conditions"] = with_condition(status.get("conditions") or [], said, now(tools))
    await write_status(tools, victim, status, manager=_MANAGER)
    tools.events.record(victim, "Normal", "Preempted", f"Preempted by pod {uid(pod)} on node {node}", component=NAME)
    await remove(tools, victim, propagation=None)


async def _wait(tools: Tools, pod: Object, reason: str, message: str, *, nominated: Site | None = None) -> Object:
    """The pod as it says why it waits."""
    status = dict(pod.get("status") or {})
    new = {"type": "PodScheduled", "status": "False", "lastProbeTime": None, "reason": reason, "message": message}
    if meta(pod).get("generation"):
        new["observedGeneration"] = meta(pod)["generation"]
    status |= {"phase": "Pending", "conditions": with_condition(status.get("conditions") or [], new, now(tools))}
    status.pop("nominatedNodeName", None)
    if nominated is not None:
        status["nominatedNodeName"] = nominated.name
    if status == pod.get("status"):
        return pod
    if reason == "Unschedulable":
        tools.events.record(pod, "Warning", "FailedScheduling", message, component=NAME)
    return await write_status(tools, pod, status, manager=_MANAGER) or pod


def _enough(count: int) -> int:
    """How many nodes that fit are looked at. Source: ``numFeasibleNodesToFind``."""
    return count if count < _ENOUGH else max(_ENOUGH, count * max(5, _SHARE - count // 125) // 100)


def _asks(pod: Object) -> bytes:
    """All that decides where a pod may go: what fails for one fails for its like."""
    spec = pod["spec"]
    volumes = [name for name, _ in claims_used(pod)]
    parts = [spec.get(name) for name in _HEEDED]
    own = [meta(pod).get("namespace"), labels(pod), (pod.get("status") or {}).get("nominatedNodeName")]
    ports = sorted(room.ports(pod))
    return orjson.dumps([own, parts, room.asked(pod), ports, volumes, course(pod).pending])


def _like(tools: Tools, pod: Object) -> LabelSelector | None:
    """What selects the pods of its controller."""
    owner = controller_of(pod)
    kind = _OWNERS.get(str(owner.get("kind"))) if owner else None
    found = tools.cache(kind).get(Key(str(meta(pod).get("namespace")), owner["name"])) if kind and owner else None
    if found is None:
        return None
    given = found["spec"].get("selector")
    return set_selector(given) if found["kind"] == REPLICATION_CONTROLLER.kind else label_selector(given)


_SCHEDULERS = PerCluster(Scheduler)


def scheduler(tools: Tools) -> Scheduler:
    """The cluster's."""
    return _SCHEDULERS.of(tools)


async def reconcile(tools: Tools, key: Key) -> Result:
    """Whatever happened, those that wait may have a place now."""
    found = scheduler(tools)
    if found.waiting:
        await found.again(tools)
    return Result()


def _next(obj: Object) -> Iterable[Key]:
    yield _NEXT


def _bound(pod: Object) -> Iterable[Key]:
    if (pod.get("spec") or {}).get("nodeName"):
        yield _NEXT


CONTROLLER = Controller(
    "simulated-scheduler",
    NODE,
    reconcile,
    watches=(
        Watch(POD, keys=_bound),
        Watch(CLAIM, keys=_next),
        Watch(VOLUME, keys=_next),
        Watch(STORAGE_CLASS, keys=_next),
        Watch(NAMESPACE),
        Watch(BUDGET),
    ),
    workers=1,
)
