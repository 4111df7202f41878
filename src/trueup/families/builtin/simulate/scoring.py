"""Which of the nodes that a pod fits is the best. Pure; called by `scheduler`.

Source: kube-scheduler's default plugins and their weights (``apis/config/v1/default_plugins.go``): NodeResourcesFit with
LeastAllocated 1, NodeResourcesBalancedAllocation 1, ImageLocality 1, NodeAffinity 2, InterPodAffinity 2, PodTopologySpread 2,
TaintToleration 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.families.builtin.simulate import neighbours, room
from trueup.families.builtin.simulate.selection import term_matches, tolerates
from trueup.families.builtin.simulate.sites import Site, Sites, weight
from trueup.families.builtin.simulate.terms import Among, Spread, spreads
from trueup.kube.names import Object
from trueup.kube.objects import meta
from trueup.kube.selectors import LabelSelector

_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_SMALL, _LARGE = 23 * 1024 * 1024, 1000 * 1024 * 1024
"""Images smaller than this count nothing, larger ones no more than that, each container."""


def scores(
    pod: Object, wanted: room.Amounts, owner: LabelSelector | None, sites: Sites, among: Sequence[Site]
) -> list[int]:
    """A score for each node; ``owner``: what selects the pod's like, for the spread that everybody gets."""
    cpu, memory = weight(wanted)
    total = [_least(site, cpu, memory) + _balanced(site, wanted) for site in among]

    def add(found: Sequence[int] | None, much: int) -> None:
        for number, one in enumerate(found or ()):
            total[number] += much * one

    if any(site.soft for site in among):
        add(_fewest_taints(pod, among), 3)
    preferred = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_PREFERRED)
    if preferred:
        raw = [
            sum(
                int(one["weight"])
                for one in preferred
                if site.node is not None and term_matches(one["preference"], site.node)
            )
            for site in among
        ]
        most = max(raw)
        add([100 * one // most for one in raw] if most else None, 2)
    add(neighbours.draw(pod, sites, among), 2)
    if pod["spec"].get("topologySpreadConstraints"):
        soft = spreads(pod, "ScheduleAnyway")
        add(neighbours.evenness(pod, soft, sites, among) if soft else None, 2)
    elif owner is not None:
        add(neighbours.evenness(pod, _default(pod, owner), sites, among, all_labels=False), 2)
    if any(site.images for site in among):
        add([_images(pod, site, sites) for site in among], 1)
    return total


def _default(pod: Object, owner: LabelSelector) -> list[Spread]:
    """What everybody gets who says nothing."""
    like = Among(frozenset((str(meta(pod).get("namespace")),)), None, owner)
    return [Spread("kubernetes.io/hostname", 3, like), Spread("topology.kubernetes.io/zone", 5, like)]


def _least(site: Site, cpu: int, memory: int) -> int:
    """The share of processor and memory that would be left, 0 to 100."""
    shares = []
    for name, value in (("cpu", site.cpu + cpu), ("memory", site.memory + memory)):
        has = site.has.get(name, 0)
        if has:
            shares.append((has - value) * 100 // has if value <= has else 0)
    return sum(shares) // len(shares) if shares else 0


def _balanced(site: Site, wanted: room.Amounts) -> int:
    """Whether processor and memory come to be used more alike. Of pods that ask for nothing, nothing can be said."""
    if "cpu" not in wanted and "memory" not in wanted:
        return 0
    with_it = _alike(site, wanted.get("cpu", 0), wanted.get("memory", 0))
    return 50 + (50 + with_it - _alike(site, 0, 0)) // 2


def _alike(site: Site, cpu: int, memory: int) -> int:
    shares = [
        min(1.0, (site.used.get(name, 0) + more) / has)
        for name, more in (("cpu", cpu), ("memory", memory))
        if (has := site.has.get(name, 0))
    ]
    return int((1 - abs(shares[0] - shares[1]) / 2) * 100) if len(shares) == 2 else 100


def _fewest_taints(pod: Object, among: Sequence[Site]) -> list[int]:
    bears = [one for one in pod["spec"].get("tolerations") or () if one.get("effect") in (None, "", "PreferNoSchedule")]
    raw = [sum(not any(tolerates(one, taint) for one in bears) for taint in site.soft) for site in among]
    most = max(raw)
    return [100 - 100 * one // most for one in raw] if most else [100] * len(raw)


def _images(pod: Object, site: Site, sites: Sites) -> int:
    """How much need not be pulled; what few nodes have counts less, so that they are not overrun."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    total = 0
    for container in containers:
        name = str(container.get("image") or "")
        name = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        size = site.images.get(name)
        if size:
            total += size * sum(name in other.images for other in sites.list) // len(sites.list)
    most = _LARGE * len(containers)
    return 100 * (max(_SMALL, min(total, most)) - _SMALL) // (most - _SMALL)
