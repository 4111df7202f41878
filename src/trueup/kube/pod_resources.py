"""What a pod asks of its node, and what its containers may use at most: sums over a pod's spec. Pure.

Called by quota, limits, quality of service and the scheduler. Source: component-helpers ``resource/helpers.go``
(PodRequests, PodLimits); Kubernetes documentation "Init Containers", "Resource sharing within containers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from trueup.kube.quantity import parse

Amounts = dict[str, Fraction]


def requests(spec: Mapping[str, Any]) -> Amounts:
    """By resource name."""
    return _of_pod(spec, "requests")


def limits(spec: Mapping[str, Any]) -> Amounts:
    """By resource name."""
    return _of_pod(spec, "limits")


def amounts(container: Mapping[str, Any], side: str) -> Amounts:
    """One container's ``requests`` or ``limits``."""
    found = (container.get("resources") or {}).get(side) or {}
    return {name: parse(value) for name, value in found.items()}


def _of_pod(spec: Mapping[str, Any], side: str) -> Amounts:
    total = add(amounts(one, side) for one in spec.get("containers") or ())
    sidecars: Amounts = {}
    highest: Amounts = {}
    for one in spec.get("initContainers") or ():
        own = amounts(one, side)
        if one.get("restartPolicy") == "Always":  # goes on beside all that come later
            sidecars = add((sidecars, own))
            own = sidecars
        else:
            own = add((sidecars, own))
        highest = most(highest, own)
    total = most(add((total, sidecars)), highest)
    total.update(amounts(spec, side))  # what is said for the pod as a whole counts instead
    overhead = {name: parse(value) for name, value in (spec.get("overhead") or {}).items()}
    if side == "limits":
        overhead = {name: value for name, value in overhead.items() if name in total}
    return add((total, overhead))


def add(many: Iterable[Amounts]) -> Amounts:
    """The sum by name."""
    out: Amounts = {}
    for one in many:
        for name, value in one.items():
            out[name] = out.get(name, Fraction(0)) + value
    return out


def most(a: Amounts, b: Amounts) -> Amounts:
    """The greater by name."""
    return {name: max(a.get(name, Fraction(0)), b.get(name, Fraction(0))) for name in a.keys() | b.keys()}
