"""HorizontalPodAutoscalers: the target is sized as a simulated load asks, as fast as the autoscaler's behaviour allows.

Source: ``pkg/controller/podautoscaler`` for the conditions' names, reasons and words. The load stands in `load.py`, the pace in
`scaling.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.families.builtin import scaling
from trueup.families.builtin.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
)
from trueup.families.builtin.load import Seen, Unmeasured, measured
from trueup.families.builtin.memory import PerCluster
from trueup.families.builtin.tools import change, now, with_condition, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Kind, Object
from trueup.kube.objects import labels, meta, uid
from trueup.kube.selectors import label_selector, set_selector

_SCALABLE = {kind.kind: kind for kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, REPLICATION_CONTROLLER)}
_TARGET = "target"
_PERIOD = 15.0
"""Seconds between two looks at a load that annotations tell."""
_MANY = 10_000
_MEMORIES: PerCluster[dict[str, scaling.Memory]] = PerCluster(lambda tools: {})
"""By the autoscaler's uid; where it is lost, nothing was recommended before."""


class Status:
    """An autoscaler's conditions while they are being set."""

    def __init__(self, autoscaler: Object, stamp: str) -> None:
        self.before = autoscaler.get("status") or {}
        self.conditions = list(self.before.get("conditions") or ())
        self._stamp = stamp

    def say(self, type: str, holds: bool, reason: str, message: str) -> None:
        """One condition."""
        said = {"type": type, "status": str(holds), "reason": reason, "message": message}
        self.conditions = with_condition(self.conditions, said, self._stamp)

    def whole(self, **fields: object) -> Object:
        """The status to write; what has not been measured anew is as it was."""
        kept = {name: self.before[name] for name in ("currentMetrics", "lastScaleTime") if name in self.before}
        return {**kept, **fields, "conditions": self.conditions}


async def reconcile(tools: Tools, key: Key) -> Result:
    """Size the target, and say why it has that size."""
    autoscaler = tools.cache(AUTOSCALER).get(key)
    if autoscaler is None or meta(autoscaler).get("deletionTimestamp"):
        return Result()
    wanted = autoscaler["spec"]["scaleTargetRef"]
    kind = _SCALABLE.get(wanted["kind"])
    target = tools.cache(kind).get(Key(key.namespace, wanted["name"])) if kind is not None else None
    status = Status(autoscaler, now(tools))
    if target is None:
        text = f"the HPA controller was unable to get the target's current scale: {wanted['kind']} {wanted['name']} not found"
        status.say("AbleToScale", False, "FailedGetScale", text)
        await write_status(tools, autoscaler, {"desiredReplicas": 0, "conditions": status.conditions})
        return Result()
    seen = Seen(autoscaler, target, _pods(tools, target))
    status.say(
        "AbleToScale", True, "SucceededGetScale", "the HPA controller was able to get the target's current scale"
    )
    new = await _scale(tools, seen, status)
    await write_status(tools, autoscaler, new)
    return Result(after=_PERIOD if seen.steered else None)


async def _scale(tools: Tools, seen: Seen, status: Status) -> Object:
    """Decide, carry it out, and what to say then."""
    spec, current = seen.autoscaler["spec"], seen.wanted
    count = int((seen.target.get("status") or {}).get("replicas") or 0)
    least, most = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
    if not current:
        text = "scaling is disabled since the replica count of the target is zero"
        status.say("ScalingActive", False, "ScalingDisabled", text)
        return status.whole(currentReplicas=count, desiredReplicas=0)
    metrics: dict[str, object] = {}
    if current > most:
        replicas, why = most, "Current number of replicas above Spec.MaxReplicas"
    elif current < least:
        replicas, why = least, "Current number of replicas below Spec.MinReplicas"
    else:
        try:
            found = measured(spec.get("metrics") or (), seen)
        except Unmeasured as problem:
            text = f"the HPA was unable to compute the replica count: {problem}"
            status.say("ScalingActive", False, problem.reason, text)
            tools.events.record(seen.autoscaler, "Warning", problem.reason, str(problem))
            return status.whole(currentReplicas=count, desiredReplicas=current)
        metrics["currentMetrics"] = found.current
        tail = "" if seen.steered else ", simulated at its target"
        text = f"the HPA was able to successfully calculate a replica count from {found.what}{tail}"
        status.say("ScalingActive", True, "ValidMetricFound", text)
        verdict = scaling.verdict(spec, _memory(tools, seen.autoscaler), current, found.replicas, tools.clock.now())
        status.say("AbleToScale", True, *verdict.able)
        status.say("ScalingLimited", verdict.limited, *verdict.limit)
        replicas = verdict.replicas
        why = f"{found.what} above target" if found.replicas > current else "All metrics below target"
    if replicas == current:
        return status.whole(currentReplicas=count, desiredReplicas=current, **metrics)
    await change(tools, seen.target, {"spec": {"replicas": replicas}}, manager="horizontal-pod-autoscaler")
    scaling.noted(_memory(tools, seen.autoscaler), current, replicas, tools.clock.now())
    text = f"the HPA controller was able to update the target scale to {replicas}"
    status.say("AbleToScale", True, "SucceededRescale", text)
    tools.events.record(seen.autoscaler, "Normal", "SuccessfulRescale", f"New size: {replicas}; reason: {why}")
    return status.whole(currentReplicas=count, desiredReplicas=replicas, lastScaleTime=now(tools), **metrics)


def _memory(tools: Tools, autoscaler: Object) -> scaling.Memory:
    known = _MEMORIES.of(tools)
    if len(known) >= _MANY and uid(autoscaler) not in known:
        known.clear()
    return known.setdefault(uid(autoscaler), scaling.Memory())


def _pods(tools: Tools, target: Object) -> list[Object]:
    given = target["spec"].get("selector")
    selector = set_selector(given) if target["kind"] == REPLICATION_CONTROLLER.kind else label_selector(given)
    every = tools.cache(POD).list(meta(target)["namespace"])
    return [pod for pod in every if selector.matches(labels(pod))]


def _target(autoscaler: Object) -> Iterable[str]:
    wanted = autoscaler["spec"]["scaleTargetRef"]
    return [f"{wanted['kind']}/{meta(autoscaler)['namespace']}/{wanted['name']}"]


def _scalable(kind: Kind) -> Watch:
    return Watch(kind, by={_TARGET: lambda obj: [f"{kind.kind}/{meta(obj)['namespace']}/{meta(obj)['name']}"]})


CONTROLLER = Controller(
    "autoscaler",
    AUTOSCALER,
    reconcile,
    index={_TARGET: _target},
    watches=tuple(map(_scalable, _SCALABLE.values())),
)
