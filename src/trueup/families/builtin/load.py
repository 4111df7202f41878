"""The load that a HorizontalPodAutoscaler sees in a simulated cluster, and what follows from it. Pure.

Called by `autoscaling.py`. Unless an annotation tells it, the load is at its target, whatever the metric: nothing scales by
itself, and what a real autoscaler would stumble over (a container without a request) is stumbled over here. Source:
``pkg/controller/podautoscaler`` (``horizontal.go``, ``replica_calculator.go``) for the arithmetic and the words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from trueup.families.builtin import pods as pod_rules
from trueup.families.builtin.simulate.steering import PREFIX
from trueup.kube.names import Object
from trueup.kube.objects import annotations as notes_of
from trueup.kube.objects import meta
from trueup.kube.quantity import format_quantity, parse

_METRIC = f"{PREFIX}metric."
_TOLERANCE = Fraction(1, 10)


class Unmeasured(Exception):
    """A metric that a real cluster could not compute either; ``reason`` is the condition's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class Seen:
    """What an autoscaler looks at: itself, its target, the target's pods."""

    autoscaler: Object
    target: Object
    pods: Sequence[Object] = ()
    steered: bool = False
    """An annotation told how large a load is."""

    @property
    def wanted(self) -> int:
        """The replicas that the target is asked for."""
        return int(self.target["spec"].get("replicas", 1))

    def ratio(self, of: Fraction) -> Fraction:
        """A usage ratio; 1 where it is as good as at the target."""
        behavior = self.autoscaler["spec"].get("behavior") or {}
        up, down = (
            parse(str(given)) if (given := (behavior.get(name) or {}).get("tolerance")) is not None else _TOLERANCE
            for name in ("scaleUp", "scaleDown")
        )
        return Fraction(1) if 1 - down <= of <= 1 + up else of


@dataclass(slots=True)
class Measured:
    """``status.currentMetrics``, the replicas that they ask for, and the metric that asks for most."""

    current: list[Object] = field(default_factory=list)
    replicas: int = 0
    what: str = ""


def measured(metrics: Sequence[Mapping[str, Any]], seen: Seen) -> Measured:
    """Look at all metrics. Raises the first ``Unmeasured`` when none can be had, or when that would mean fewer replicas."""
    out, wrong, missing = Measured(), None, 0
    for metric in metrics:
        try:
            current, what, replicas = _one(metric, seen)
        except Unmeasured as problem:
            wrong, missing = wrong or problem, missing + 1
            continue
        out.current.append(current)
        if not out.replicas or replicas > out.replicas:
            out.replicas, out.what = replicas, what
    if not out.current and wrong is None:
        raise Unmeasured("InvalidMetricSourceType", "the HPA has no metric")
    if wrong is not None and (not out.current or out.replicas < seen.wanted):
        raise wrong
    return out


def _one(metric: Mapping[str, Any], seen: Seen) -> tuple[Object, str, int]:
    type_ = str(metric.get("type") or "")
    name = type_[:1].lower() + type_[1:]
    source: Mapping[str, Any] = metric.get(name) or {}
    kept = {key: value for key, value in source.items() if key != "target"}
    if type_ in ("Resource", "ContainerResource"):
        current, what, replicas = _resource(source, seen)
        container = f" of container {source['container']}" if source.get("container") else ""
        what = f"{source.get('name')} {what}{container}"
    elif type_ in ("Pods", "Object", "External"):
        current, replicas = _custom(type_, source, seen)
        what = f"{type_.lower()} metric {(source.get('metric') or {}).get('name')}"
    else:
        raise Unmeasured("InvalidMetricSourceType", f'unknown metric source type "{type_}"')
    return {"type": type_, name: {**kept, "current": current}}, what, replicas


# --- processor and memory ---


def _resource(source: Mapping[str, Any], seen: Seen) -> tuple[Object, str, int]:
    name, wanted = str(source.get("name")), source.get("target") or {}
    share = wanted.get("averageUtilization")
    request, like = Fraction(0), ""
    template = (seen.target["spec"].get("template") or {}).get("spec") or {}
    if share is not None:
        request, like = _requested(name, template, source.get("container"), meta(seen.target)["name"])
    what = "resource utilization (percentage of request)" if share is not None else "resource"
    used = usage(name, seen, source.get("container"))
    if used is None:
        if share is None:
            return {"averageValue": wanted.get("averageValue")}, what, seen.wanted
        used_each = (
            -(-request * share * 10 // 1) / Fraction(1000) if name == "cpu" else Fraction(-(-request * share // 100))
        )
        return {"averageUtilization": share, "averageValue": format_quantity(used_each, like)}, what, seen.wanted
    ready, unready = _groups(name, seen.pods)
    if not ready:
        text = f"did not receive metrics for targeted {name} (pods might be unready)"
        raise Unmeasured("FailedGetResourceMetric", f"failed to get {name} utilization: {text}")
    if share is None:
        target = parse(str(wanted.get("averageValue")))
        replicas = _replicas(used / target, len(ready), unready, seen, round_up=True)
        return {"averageValue": format_quantity(used, str(wanted.get("averageValue")))}, what, replicas
    now = used * 100 // request if request else Fraction(0)
    replicas = _replicas(Fraction(now) / share, len(ready), unready, seen, round_up=True)
    amount = Fraction(math.ceil(used * 1000), 1000) if name == "cpu" else Fraction(math.ceil(used))
    return {"averageUtilization": int(now), "averageValue": format_quantity(amount, like)}, what, replicas


def _requested(name: str, spec: Mapping[str, Any], container: str | None, of: str) -> tuple[Fraction, str]:
    """What a pod requests, and how that is written."""
    total, like = Fraction(0), ""
    for one in spec.get("containers") or ():
        if container is not None and one.get("name") != container:
            continue
        request = ((one.get("resources") or {}).get("requests") or {}).get(name)
        if request is None:
            text = f"missing request for {name} in container {one.get('name')} of {of}"
            raise Unmeasured("FailedGetResourceMetric", f"failed to get {name} utilization: {text}")
        total, like = total + parse(request), like or str(request)
    return total, like


def usage(name: str, seen: Seen, container: str | None = None) -> Fraction | None:
    """What each ready pod uses; None where nobody says."""
    together = _told(seen.target, f"{PREFIX}{name}")
    template = (seen.target["spec"].get("template") or {}).get("metadata") or {}
    each = _told({"metadata": template}, f"{PREFIX}{name}")
    if together is None and each is None:
        return None
    seen.steered = True
    ready, _ = _groups(name, seen.pods)
    used = each if each is not None else (together or Fraction(0)) / max(1, len(ready))
    return used if container is None else used * _part(name, seen.target, container)


def _part(name: str, target: Object, container: str) -> Fraction:
    """A container's share of its pod's load: as it requests, or the same for each."""
    containers = ((target["spec"].get("template") or {}).get("spec") or {}).get("containers") or ()
    asks = {
        one["name"]: parse(((one.get("resources") or {}).get("requests") or {}).get(name) or "0") for one in containers
    }
    total = sum(asks.values())
    return Fraction(asks.get(container, 0)) / total if total else Fraction(1, max(1, len(asks)))


def _told(obj: Object, name: str) -> Fraction | None:
    try:
        return parse(notes_of(obj)[name])
    except (KeyError, ValueError):
        return None


def _groups(name: str, pods: Sequence[Object]) -> tuple[list[Object], int]:
    """The pods whose load counts, and how many are not up yet."""
    alive = [pod for pod in pods if pod_rules.active(pod)]
    ready = [pod for pod in alive if pod_rules.phase(pod) != "Pending" and (name != "cpu" or pod_rules.ready(pod))]
    return ready, len(alive) - len(ready)


def _replicas(ratio: Fraction, ready: int, unready: int, seen: Seen, *, round_up: bool) -> int:
    """Source: ``replica_calculator.go`` (GetResourceReplicas): pods that are not up are idle when there is too much."""
    if not unready or ratio <= 1:
        return seen.wanted if seen.ratio(ratio) == 1 else math.ceil(ratio * ready)
    spread = ratio * ready / (ready + unready)
    if seen.ratio(spread) == 1 or spread < 1:
        return seen.wanted
    found = math.ceil(spread * (ready + unready))
    return found if found > seen.wanted else seen.wanted


# --- other metrics ---


def _custom(type_: str, source: Mapping[str, Any], seen: Seen) -> tuple[Object, int]:
    """A metric of pods, of an object or of the world around."""
    wanted = source.get("target") or {}
    told = _told(seen.autoscaler, f"{_METRIC}{(source.get('metric') or {}).get('name')}")
    if told is None:
        return {name: wanted[name] for name in ("value", "averageValue") if name in wanted}, seen.wanted
    seen.steered = True
    ready, unready = _groups("", seen.pods)
    if wanted.get("averageValue") is not None:
        target, like = parse(str(wanted["averageValue"])), str(wanted["averageValue"])
        count = max(1, len(ready) if type_ == "Pods" else seen.wanted)
        each = told / count
        current = {"averageValue": format_quantity(Fraction(math.ceil(each * 1000), 1000), like)}
        if type_ == "Pods":
            return current, _replicas(each / target, len(ready), unready, seen, round_up=True)
        return current, seen.wanted if seen.ratio(each / target) == 1 else math.ceil(told / target)
    target, like = parse(str(wanted.get("value"))), str(wanted.get("value"))
    ratio = told / target
    replicas = seen.wanted if seen.ratio(ratio) == 1 else math.ceil(ratio * len(ready))
    return {"value": format_quantity(told, like)}, replicas
