"""Autoscalers follow a load that annotations tell, at the pace that their behaviour allows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, conditions, deployment, template
from trueup.families.builtin import scaling
from trueup.families.builtin.kinds import AUTOSCALER, DEPLOYMENT, EVENT
from trueup.families.builtin.load import Seen, Unmeasured, measured
from trueup.kube.names import Object, Ref

_CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
_EACH = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}},
}
_QUEUE = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "30"}}}
_SHARED = {
    "type": "External",
    "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "30"}},
}
_HITS = {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "10"}}}


def pod(*, ready: bool = True) -> Object:
    held = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Running", "conditions": held}}


def target(replicas: int, load: dict[str, str] | None = None, each: dict[str, str] | None = None) -> Object:
    container = {"name": "main", "resources": {"requests": {"cpu": "200m", "memory": "64Mi"}}}
    marks = [{f"simulate.trueup.dev/{name}": value for name, value in (told or {}).items()} for told in (load, each)]
    return {
        "metadata": {"name": "web", "annotations": marks[0]},
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"annotations": marks[1]}, "spec": {"containers": [container]}},
        },
    }


def autoscaler(told: dict[str, str] | None = None, **spec: Any) -> Object:
    marks = {f"simulate.trueup.dev/{name}": value for name, value in (told or {}).items()}
    return {"metadata": {"name": "web", "annotations": marks}, "spec": {"maxReplicas": 10, **spec}}


_LOADS: dict[str, tuple[Object, Object, Object, int, Object]] = {
    "at its target": (autoscaler(), target(3), _CPU, 3, {"averageUtilization": 50, "averageValue": "100m"}),
    "twice, together": (
        autoscaler(),
        target(3, {"cpu": "600m"}),
        _CPU,
        6,
        {"averageUtilization": 100, "averageValue": "200m"},
    ),
    "each": (
        autoscaler(),
        target(3, each={"cpu": "50m"}),
        _CPU,
        2,
        {"averageUtilization": 25, "averageValue": "50m"},
    ),
    "nearly at its target": (
        autoscaler(),
        target(3, each={"cpu": "109m"}),
        _CPU,
        3,
        {"averageUtilization": 54, "averageValue": "109m"},
    ),
    "less tolerant": (
        autoscaler(behavior={"scaleUp": {"tolerance": "0.01"}}),
        target(3, each={"cpu": "109m"}),
        _CPU,
        4,
        {"averageUtilization": 54, "averageValue": "109m"},
    ),
    "an amount": (autoscaler(), target(3, {"memory": "900Mi"}), _EACH, 9, {"averageValue": "300Mi"}),
    "a value": (autoscaler({"metric.queue": "90"}), target(3), _QUEUE, 9, {"value": "90"}),
    "a value shared": (autoscaler({"metric.queue": "120"}), target(3), _SHARED, 4, {"averageValue": "40"}),
    "of pods": (autoscaler({"metric.hits": "60"}), target(3), _HITS, 6, {"averageValue": "20"}),
}


@pytest.mark.parametrize(("who", "of", "metric", "replicas", "current"), _LOADS.values(), ids=_LOADS)
def test_what_a_load_asks_for(who: Object, of: Object, metric: Object, replicas: int, current: Object) -> None:
    """By share of requests, by amount, by value; as long as it is nearly right nothing changes."""
    found = measured([metric], Seen(who, of, [pod()] * 3))
    (shown,) = found.current
    (field,) = set(shown) - {"type"}
    assert (replicas, current) == (found.replicas, shown[field]["current"])


def test_pods_that_are_not_up_yet_count_as_idle() -> None:
    """Six that are ready are asked for twice as much; the four that come will take their part."""
    seen = Seen(autoscaler(), target(10, each={"cpu": "200m"}), [*[pod()] * 6, *[pod(ready=False)] * 4])
    assert measured([_CPU], seen).replicas == 12
    few = Seen(autoscaler(), target(10, each={"cpu": "120m"}), [*[pod()] * 6, *[pod(ready=False)] * 4])
    assert measured([_CPU], few).replicas == 10


def test_the_metric_that_asks_for_most_decides() -> None:
    """One that cannot be had forbids to shrink, not to grow."""
    bare = target(3, {"cpu": "900m"})
    bare["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "200m"}}
    bad = {"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 50}}}
    assert measured([bad, _CPU], Seen(autoscaler(), bare, [pod()] * 3)).replicas == 9
    bare["metadata"]["annotations"] = {"simulate.trueup.dev/cpu": "30m"}
    with pytest.raises(Unmeasured, match="missing request for memory"):
        measured([bad, _CPU], Seen(autoscaler(), bare, [pod()] * 3))


def _steps(spec: Object, start: int, wishes: list[tuple[float, int]]) -> list[tuple[int, str, str]]:
    """What is done at each time with what is wished for."""
    memory, current, out = scaling.Memory(), start, []
    for at, wanted in wishes:
        found = scaling.verdict({"maxReplicas": 100, **spec}, memory, current, wanted, at)
        if found.replicas != current:
            scaling.noted(memory, current, found.replicas, at)
        current = found.replicas
        out.append((current, found.able[0], found.limit[0]))
    return out


_UP_SLOWLY = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
_DOWN_SLOWLY = {
    "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}
}
_PACES: dict[str, tuple[Object, int, list[tuple[float, int]], list[tuple[int, str, str]]]] = {
    "doubled at most": (
        {},
        3,
        [(0, 20), (15, 20)],
        [(6, "ReadyForNewScale", "ScaleUpLimit"), (12, "ReadyForNewScale", "ScaleUpLimit")],
    ),
    "down after five minutes": (
        {},
        6,
        [(0, 2), (200, 2), (301, 2)],
        [
            (6, "ScaleDownStabilized", "DesiredWithinRange"),
            (6, "ScaleDownStabilized", "DesiredWithinRange"),
            (2, "ReadyForNewScale", "DesiredWithinRange"),
        ],
    ),
    "no fewer than the least": ({"minReplicas": 3, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}, 6,
                                [(0, 1)], [(3, "ReadyForNewScale", "TooFewReplicas")]),
    "no more than the most": ({"maxReplicas": 5}, 4, [(0, 9)], [(5, "ReadyForNewScale", "TooManyReplicas")]),
    "two a minute": (
        {"behavior": _UP_SLOWLY},
        2,
        [(0, 9), (30, 9), (61, 9)],
        [
            (4, "ReadyForNewScale", "ScaleUpLimit"),
            (4, "ReadyForNewScale", "ScaleUpLimit"),
            (6, "ReadyForNewScale", "ScaleUpLimit"),
        ],
    ),
    "half a minute down": (
        {"behavior": _DOWN_SLOWLY},
        8,
        [(0, 1), (61, 1)],
        [(4, "ReadyForNewScale", "ScaleDownLimit"), (2, "ReadyForNewScale", "ScaleDownLimit")],
    ),
    "up only when it lasts": (
        {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 60}}},
        3,
        [(0, 6), (30, 6), (61, 6)],
        [
            (3, "ScaleUpStabilized", "DesiredWithinRange"),
            (3, "ScaleUpStabilized", "DesiredWithinRange"),
            (6, "ReadyForNewScale", "DesiredWithinRange"),
        ],
    ),
    "never down": (
        {"behavior": {"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}}},
        6,
        [(0, 1)],
        [(6, "ReadyForNewScale", "ScaleDownLimit")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "start", "wishes", "expected"), _PACES.values(), ids=_PACES)
def test_the_pace_of_scaling(
    spec: Object, start: int, wishes: list[tuple[float, int]], expected: list[tuple[int, str, str]]
) -> None:
    """Windows hold back, policies bound each step, and the conditions say which it was."""
    assert expected == _steps(spec, start, wishes)


async def test_a_load_drives_a_deployment_up_and_down() -> None:
    """Told on the target, shared by its pods; with it gone the size comes down after the window."""
    async with Stage() as stage:
        made = deployment(replicas=2, template=template())
        made["metadata"]["annotations"] = {"simulate.trueup.dev/cpu": "800m"}
        made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "200m"}}
        await stage.create(made)
        await stage.until(DEPLOYMENT, "web", lambda one: (one.get("status") or {}).get("readyReplicas") == 2)
        spec = {
            "minReplicas": 1,
            "maxReplicas": 10,
            "metrics": [_CPU],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        }
        about = {"name": "web", "namespace": "default"}
        await stage.create(
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": about, "spec": spec}
        )
        await stage.until(DEPLOYMENT, "web", lambda one: (one.get("status") or {}).get("readyReplicas") == 8)
        steady = await stage.until(
            AUTOSCALER,
            "web",
            lambda one: (one["status"].get("currentReplicas"), one["status"]["desiredReplicas"]) == (8, 8),
        )
        began = stage.clock.now()
        less = {"metadata": {"annotations": {"simulate.trueup.dev/cpu": "100m"}}}
        await stage.client.patch(Ref(DEPLOYMENT, "default", "web"), less, "merge")
        await stage.until(DEPLOYMENT, "web", lambda one: one["spec"]["replicas"] == 1)
        waited = stage.clock.now() - began
        said = [one["message"] for one in await stage.list(EVENT) if one["reason"] == "SuccessfulRescale"]

    assert conditions(steady)["ScalingActive"] == "True"
    assert waited >= 285
    assert said[0].startswith("New size: 4; reason: cpu resource utilization (percentage of request) above target")
    assert said[-1] == "New size: 1; reason: All metrics below target"
