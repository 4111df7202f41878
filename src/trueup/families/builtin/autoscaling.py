"""HorizontalPodAutoscalers: the load is simulated, at its target; so the target is kept between its bounds and no more.

Source: ``pkg/controller/podautoscaler`` for the conditions' names, reasons and words.
"""

from trueup.families.builtin.kinds import AUTOSCALER, DEPLOYMENT, REPLICA_SET, STATEFUL_SET
from trueup.families.builtin.load import Unmeasured, measured
from trueup.families.builtin.tools import change, now, with_condition, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Kind, Object
from trueup.kube.objects import meta

_SCALABLE = {kind.kind: kind for kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET)}
_TARGET = "target"


def bounded(autoscaler: Object, current: int) -> tuple[int, str, str]:
    """(replicas, reason, message): the current ones, brought between the bounds; none at all means: switched off."""
    least, most = int(autoscaler["spec"].get("minReplicas", 1)), int(autoscaler["spec"]["maxReplicas"])
    if current > most:
        return most, "TooManyReplicas", "the desired replica count is more than the maximum replica count"
    if 0 < current < least:
        return least, "TooFewReplicas", "the desired replica count is less than the minimum replica count"
    return current, "DesiredWithinRange", "the desired count is within the acceptable range"


def status(autoscaler: Object, target: Object | None, stamp: str) -> Object:
    """Conditions, counts and what is measured."""
    before = autoscaler.get("status") or {}
    conditions = list(before.get("conditions") or ())

    def say(type: str, status: str, reason: str, message: str) -> None:
        nonlocal conditions
        said = {"type": type, "status": status, "reason": reason, "message": message}
        conditions = with_condition(conditions, said, stamp)

    out: Object = {"desiredReplicas": 0}
    if target is None:
        wanted = autoscaler["spec"]["scaleTargetRef"]
        text = f"the HPA controller was unable to get the target's current scale: {wanted['kind']} {wanted['name']} not found"
        say("AbleToScale", "False", "FailedGetScale", text)
    else:
        current = int(target["spec"].get("replicas", 1))
        replicas, reason, message = bounded(autoscaler, current)
        out |= {"currentReplicas": int((target.get("status") or {}).get("replicas") or 0), "desiredReplicas": replicas}
        say("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
        if not current:
            text = "scaling is disabled since the replica count of the target is zero"
            say("ScalingActive", "False", "ScalingDisabled", text)
        else:
            try:
                out["currentMetrics"], what = measured(autoscaler["spec"].get("metrics") or (), target)
                text = (
                    f"the HPA was able to successfully calculate a replica count from {what}, simulated at its target"
                )
                say("ScalingActive", "True", "ValidMetricFound", text)
            except Unmeasured as problem:
                text = f"the HPA was unable to compute the replica count: {problem}"
                say("ScalingActive", "False", problem.reason, text)
            say("ScalingLimited", "False" if reason == "DesiredWithinRange" else "True", reason, message)
    return {**out, "conditions": conditions}


async def reconcile(tools: Tools, key: Key) -> Result:
    """Keep the target between the bounds, and say what cannot be done."""
    autoscaler = tools.cache(AUTOSCALER).get(key)
    if autoscaler is None or meta(autoscaler).get("deletionTimestamp"):
        return Result()
    wanted = autoscaler["spec"]["scaleTargetRef"]
    kind = _SCALABLE.get(wanted["kind"])
    target = tools.cache(kind).get(Key(key.namespace, wanted["name"])) if kind is not None else None
    if target is not None:
        current = int(target["spec"].get("replicas", 1))
        replicas, _, _ = bounded(autoscaler, current)
        if replicas != current:
            patch = {"spec": {"replicas": replicas}}
            target = await change(tools, target, patch, manager="horizontal-pod-autoscaler")
    new = status(autoscaler, target, now(tools))
    await write_status(tools, autoscaler, new)
    return Result()


def _target(autoscaler: Object) -> list[str]:
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
