"""What a pod takes of a node, and whether there is as much. Pure; called by `sites`, `scheduler` and `preemption`.

Source: Kubernetes documentation "Resource Management for Pods and Containers"; kube-scheduler's plugins NodeResourcesFit and
NodePorts for the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import orjson

from trueup.families.builtin.pods import phase
from trueup.kube import pod_resources
from trueup.kube.names import Object
from trueup.kube.quantity import parse

Amounts = Mapping[str, int]
"""In thousandths, by resource name; a pod itself is one of ``pods``."""
Port = tuple[str, str, int]
"""Address, protocol, number."""

PORTS = "node(s) didn't have free ports for the requested pod ports"
_ANY = "0.0.0.0"  # noqa: S104
_MANY = 10_000
_ASKED: dict[bytes, Amounts] = {}
"""By what the containers say: the pods of a template ask for the same."""


def asked(pod: Object) -> Amounts:
    """What a pod takes of a node."""
    spec = pod["spec"]
    parts = [
        [(one.get("resources"), one.get("restartPolicy")) for one in spec.get("initContainers") or ()],
        [one.get("resources") for one in spec.get("containers") or ()],
    ]
    key = orjson.dumps([*parts, spec.get("resources"), spec.get("overhead")])
    known = _ASKED.get(key)
    if known is None:
        if len(_ASKED) >= _MANY:
            _ASKED.clear()
        wanted = pod_resources.requests(spec)
        known = _ASKED[key] = {"pods": 1000, **{name: int(value * 1000) for name, value in wanted.items() if value}}
    return known


def offered(node: Object) -> Amounts:
    """What a node has for pods."""
    found = (node.get("status") or {}).get("allocatable") or (node.get("status") or {}).get("capacity") or {}
    return {name: int(parse(str(value)) * 1000) for name, value in found.items()}


def total(amounts: Iterable[Amounts]) -> Amounts:
    """All of them together."""
    out: dict[str, int] = {}
    for one in amounts:
        for name, value in one.items():
            out[name] = out.get(name, 0) + value
    return out


def lacking(wanted: Amounts, used: Amounts, has: Amounts) -> list[str]:
    """What there is too little of, by name. Nodes that say nothing have room for all."""
    if not has:
        return []
    return [name for name, value in wanted.items() if used.get(name, 0) + value > has.get(name, 0)]


def worded(names: Iterable[str]) -> list[str]:
    """``Insufficient cpu``, ``Too many pods``."""
    return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in names]


def holds(pod: Object) -> bool:
    """Whether a bound pod takes any room."""
    return phase(pod) not in ("Succeeded", "Failed")


def ports(pod: Object) -> set[Port]:
    """The ports of its host that a pod takes."""
    return {
        (one.get("hostIP") or _ANY, one.get("protocol") or "TCP", int(one["hostPort"]))
        for container in pod["spec"].get("containers") or ()
        for one in container.get("ports") or ()
        if one.get("hostPort")
    }


def collides(wanted: Set[Port], taken: Iterable[Port]) -> bool:
    """Whether one of the ports is taken; an address of all meets every other."""
    return any(
        (kind, port) == (protocol, number) and (_ANY in (address, theirs) or address == theirs)
        for address, protocol, number in wanted
        for theirs, kind, port in taken
    )
