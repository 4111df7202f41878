"""Whether a pod fits a node, and why not. Pure; called by `scheduler` and `preemption`.

The simulated node stands for as many machines as are needed: rules about other pods do not hold there. Source: kube-scheduler's
default filter plugins, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trueup.families.builtin.simulate import neighbours, room
from trueup.families.builtin.simulate.neighbours import Neighbours
from trueup.families.builtin.simulate.node import NAME
from trueup.families.builtin.simulate.selection import UNSCHEDULABLE, named_nodes, required_terms, selected, untolerated
from trueup.families.builtin.simulate.sites import Site
from trueup.kube.names import Object
from trueup.kube.objects import uid

CORDONED, TAINTED = "node(s) were unschedulable", "node(s) had untolerated taint(s)"
UNSELECTED = "node(s) didn't match Pod's node affinity/selector"
ELSEWHERE = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
_CORDON = ({"key": UNSCHEDULABLE, "effect": "NoSchedule"},)


@dataclass(slots=True)
class Misfit:
    """Why a pod may not go to a node; ``final``: no matter who else leaves."""

    reasons: Sequence[str]
    final: bool = True


@dataclass(slots=True)
class Wanted:
    """A pod that looks for a node: what it asks for, read once."""

    pod: Object
    asked: room.Amounts
    ports: set[room.Port]
    around: Neighbours | None = None
    named: frozenset[str] | None = None
    selective: bool = False
    volumes: Callable[[Object], str] | None = None
    """Why its volumes cannot be had on a node; empty when they can."""
    waiting: dict[str, list[Object]] = field(default_factory=dict)
    """By node: pods no less important for which room is being made there."""

    @property
    def priority(self) -> int:
        """The pod's."""
        return int(self.pod["spec"].get("priority") or 0)


def wanted(pod: Object, around: Neighbours | None) -> Wanted:
    """Read a pod."""
    spec = pod["spec"]
    selective = bool(spec.get("nodeSelector")) or required_terms(spec) is not None
    return Wanted(pod, room.asked(pod), room.ports(pod), around, named_nodes(spec), selective)


def misfit(want: Wanted, site: Site) -> Misfit | None:
    """None when the pod may go there."""
    if want.named is not None and site.name not in want.named:
        return Misfit((ELSEWHERE,))
    spec, node = want.pod["spec"], site.node or {}
    tolerations = spec.get("tolerations") or ()
    if (node.get("spec") or {}).get("unschedulable") and untolerated(_CORDON, tolerations) is not None:
        return Misfit((CORDONED,))
    if site.hard and untolerated(site.hard, tolerations) is not None:
        return Misfit((TAINTED,))
    if want.selective and not selected(spec, node):
        return Misfit((UNSELECTED,))
    many = site.name == NAME
    if want.ports and not many and room.collides(want.ports, site.ports):
        return Misfit((room.PORTS,), final=False)
    lacks = _lacking(want, site)
    if lacks:
        never = any(want.asked[name] > site.has.get(name, 0) for name in lacks)
        return Misfit(room.worded(lacks), final=never)
    if want.volumes is not None and (why := want.volumes(node)):
        return Misfit((why,))
    if want.around is not None and not many and (why := want.around.why(site)):
        return Misfit((why,), final=why in neighbours.FINAL)
    return None


def _lacking(want: Wanted, site: Site) -> list[str]:
    lacks = room.lacking(want.asked, site.used, site.has)
    others = want.waiting.get(site.name) if want.waiting and not lacks else None
    if not others:
        return lacks
    used = dict(site.used)
    for other in others:
        if uid(other) not in site.pods:
            for name, value in room.asked(other).items():
                used[name] = used.get(name, 0) + value
    return room.lacking(want.asked, used, site.has)


def counted(reasons: Sequence[str]) -> str:
    """``1 Insufficient cpu, 2 node(s) were unschedulable``, sorted as text."""
    return ", ".join(sorted(f"{reasons.count(one)} {one}" for one in set(reasons)))
