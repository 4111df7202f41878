"""How fast an autoscaler may follow what its metrics ask for: windows, policies, bounds. Pure; called by `autoscaling.py`.

Source: ``pkg/controller/podautoscaler/horizontal.go`` (normalizeDesiredReplicas, …WithBehaviors); Kubernetes documentation
"Configurable scaling behavior".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_DOWN = 300.0
"""Seconds for which an earlier, higher recommendation holds unless told otherwise."""
_FACTOR, _LEAST = 2, 4
_UP_RULES: Mapping[str, Any] = {
    "policies": (
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    )
}
_DOWN_RULES: Mapping[str, Any] = {"policies": ({"type": "Percent", "value": 100, "periodSeconds": 15},)}
_FINE = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_FAST_UP = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
READY = ("ReadyForNewScale", "recommended size matches current size")
_HELD_UP = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_HELD_DOWN = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)


@dataclass(slots=True)
class Memory:
    """What was recommended and done lately: (time, number)."""

    recommended: list[tuple[float, int]] = field(default_factory=list)
    up: list[tuple[float, int]] = field(default_factory=list)
    down: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The size to take now; how AbleToScale and ScalingLimited are explained."""

    replicas: int
    able: tuple[str, str]
    limit: tuple[str, str]
    limited: bool


def verdict(spec: Mapping[str, Any], memory: Memory, current: int, wanted: int, moment: float) -> Verdict:
    """From what the metrics ask for to what is done; notes the recommendation."""
    least, most = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
    behavior = spec.get("behavior")
    up, down = (
        (_rules(behavior, "scaleUp", _UP_RULES), _rules(behavior, "scaleDown", _DOWN_RULES))
        if behavior is not None
        else (_UP_RULES, _DOWN_RULES)
    )
    held = _stabilised(memory, current, wanted, moment, _window(up, 0.0), _window(down, _DOWN), behavior is not None)
    able = READY if held == wanted else _HELD_UP if wanted >= current and behavior is not None else _HELD_DOWN
    if behavior is None:
        replicas, why = _bounded(held, least, most, max(_FACTOR * current, _LEAST))
    else:
        replicas, why = _by_rules(memory, current, held, least, most, up, down, moment)
    return Verdict(replicas, able, why, replicas != held)


def noted(memory: Memory, before: int, after: int, moment: float) -> None:
    """The target was scaled."""
    (memory.up if after > before else memory.down).append((moment, abs(after - before)))
    for events in (memory.up, memory.down):
        events[:] = [one for one in events if one[0] > moment - 1800.0]  # the longest period that a policy may have


def _rules(behavior: Mapping[str, Any], name: str, default: Mapping[str, Any]) -> Mapping[str, Any]:
    given = behavior.get(name) or {}
    return {**default, **{key: value for key, value in given.items() if value is not None}}


def _window(rules: Mapping[str, Any], default: float) -> float:
    return float(rules.get("stabilizationWindowSeconds", default))


def _stabilised(memory: Memory, current: int, wanted: int, moment: float, up: float, down: float, both: bool) -> int:
    """No higher than anything asked for in the one window, no lower than anything in the other."""
    if not memory.recommended:  # as if the present size had been asked for at the start
        memory.recommended.append((moment, current))
    lowest = min([wanted, *(size for at, size in memory.recommended if at > moment - up)])
    highest = max([wanted, *(size for at, size in memory.recommended if at > moment - down)])
    memory.recommended[:] = [one for one in memory.recommended if one[0] > moment - max(up, down)]
    memory.recommended.append((moment, wanted))
    if not both:
        return highest
    return min(max(current, lowest), highest)


def _bounded(wanted: int, least: int, most: int, fastest: int) -> tuple[int, tuple[str, str]]:
    top, why = (fastest, _FAST_UP) if most > fastest else (most, _TOO_MANY)
    if wanted < least:
        return least, _TOO_FEW
    return (top, why) if wanted > top else (wanted, _FINE)


def _by_rules(
    memory: Memory,
    current: int,
    wanted: int,
    least: int,
    most: int,
    up: Mapping[str, Any],
    down: Mapping[str, Any],
    moment: float,
) -> tuple[int, tuple[str, str]]:
    if wanted > current:
        fastest = max(current, _limit(memory, current, up, moment, 1))
        top, why = (fastest, _FAST_UP) if most > fastest else (most, _TOO_MANY)
        return (top, why) if wanted > top else (wanted, _FINE)
    if wanted < current:
        slowest = min(current, _limit(memory, current, down, moment, -1))
        bottom, why = (slowest, _FAST_DOWN) if least < slowest else (least, _TOO_FEW)
        return (bottom, why) if wanted < bottom else (wanted, _FINE)
    return wanted, _FINE


def _limit(memory: Memory, current: int, rules: Mapping[str, Any], moment: float, sign: int) -> int:
    """How far the policies let it go from where each one's period began."""
    if rules.get("selectPolicy") == "Disabled":
        return current
    found = []
    for policy in rules.get("policies") or ():
        period, value = float(policy["periodSeconds"]), int(policy["value"])
        began = current - _within(memory.up, period, moment) + _within(memory.down, period, moment)
        if policy["type"] == "Pods":
            found.append(began + sign * value)
        elif sign > 0:
            found.append(math.ceil(began * (1 + value / 100)))
        else:
            found.append(int(began * (1 - value / 100)))
    if not found:
        return current
    gentle = rules.get("selectPolicy") == "Min"
    return min(found) if gentle == (sign > 0) else max(found)


def _within(events: Sequence[tuple[float, int]], period: float, moment: float) -> int:
    return sum(size for at, size in events if at > moment - period)
