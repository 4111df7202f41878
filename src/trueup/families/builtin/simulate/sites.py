"""What is on each node: sums that are kept up as pods come and go, so that placing one looks at no other pod.

Told of changes, it looks at what changed when it is next asked. Called by `scheduler`. Source: kube-scheduler
``backend/cache`` and ``framework/types.go`` (NodeInfo).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.families.builtin.simulate import room, terms
from trueup.families.builtin.simulate.selection import HARD, taints_of
from trueup.families.builtin.simulate.terms import Among, Term
from trueup.kube.names import Key, Object
from trueup.kube.objects import labels, meta, uid
from trueup.ports import Cache

_CPU, _MEMORY = 100, 200 * 1024 * 1024 * 1000
"""What a pod that asks for nothing is taken for when nodes are compared, in thousandths. Source: ``util/pod_resources.go``."""
_MANY = 256
"""Groups of pods that are counted by node at a time."""
Count = dict[str, int]
"""By node name."""


@dataclass(slots=True)
class Site:
    """A node and what is on it."""

    name: str
    node: Object | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    has: room.Amounts = field(default_factory=dict)
    hard: Sequence[Mapping[str, Any]] = ()
    soft: Sequence[Mapping[str, Any]] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    cpu: int = 0
    memory: int = 0
    pods: dict[str, Object] = field(default_factory=dict)
    ports: dict[room.Port, int] = field(default_factory=dict)


def weight(asked: room.Amounts) -> tuple[int, int]:
    """Processor and memory as nodes are compared by them."""
    return asked.get("cpu") or _CPU, asked.get("memory") or _MEMORY


class Sites:
    """All nodes."""

    def __init__(self, nodes: Cache, pods: Cache, namespaces: Cache) -> None:
        self._nodes, self._pods, self._namespaces = nodes, pods, namespaces
        self._by_name: dict[str, Site] = {}
        self._at: dict[Key, tuple[str, Object]] = {}
        self._changed: set[Key] = {Key.of(pod) for pod in pods.list()}
        self._changed_nodes: set[str] = {str(meta(one)["name"]) for one in nodes.list()}
        self.going: dict[Key, Object] = {}
        """Pods, with their node, whose binding is under way."""
        self.list: Sequence[Site] = ()
        """The nodes that are there, by name."""
        self._counts: dict[tuple[tuple[Among, ...], bool], Count] = {}
        self.apart: dict[Term, Count] = {}
        """How many pods on a node do not want such pods near."""
        self.rather: dict[tuple[Term, int], Count] = {}
        """How many pods on a node would rather have such pods near, or not."""

    def get(self, name: str) -> Site | None:
        """One node that is there."""
        found = self._by_name.get(name)
        return found if found is not None and found.node is not None else None

    # --- changes ---

    def heard(self, obj: Object) -> None:
        """Something has become of a pod, a node or a namespace."""
        kind = obj.get("kind")
        if kind == "Pod":
            self._changed.add(Key.of(obj))
        elif kind == "Node":
            self._changed_nodes.add(str(meta(obj)["name"]))
        elif kind == "Namespace":
            chosen = [key for key in self._counts if any(one.spaces is not None for one in key[0])]
            for key in chosen:
                del self._counts[key]

    def refresh(self) -> None:
        """Take in what has changed."""
        if self._changed_nodes:
            for name in self._changed_nodes:
                site = self._site(name)
                _describe(site, self._nodes.get(Key("", name)))
                self._drop(site)
            self._changed_nodes.clear()
            self.list = sorted(
                (one for one in self._by_name.values() if one.node is not None), key=lambda one: one.name
            )
        for key in self._changed:
            self.settle(key)
        self._changed.clear()

    def settle(self, key: Key) -> None:
        """Count a pod where it is now."""
        old = self._at.pop(key, None)
        pod = self.going.get(key) or self._pods.get(key)
        where = (pod.get("spec") or {}).get("nodeName") if pod is not None else None
        if pod is not None and old is not None and where == old[0] and _counts_alike(old[1], pod):
            self._at[key] = (where, pod)
            self._site(where).pods[uid(pod)] = pod
            return
        if old is not None:
            site = self._site(old[0])
            self._count(site, old[1], -1)
            self._drop(site)
        if pod is not None and where and room.holds(pod):
            self._at[key] = (where, pod)
            self._count(self._site(where), pod, 1)

    def _site(self, name: str) -> Site:
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = Site(name)
        return found

    def _drop(self, site: Site) -> None:
        """Let go a node that is no more, once nothing is on it."""
        if site.node is None and not site.pods:
            del self._by_name[site.name]

    def _count(self, site: Site, pod: Object, sign: int) -> None:
        asked = room.asked(pod)
        for name, value in asked.items():
            site.used[name] = site.used.get(name, 0) + sign * value
        cpu, memory = weight(asked)
        site.cpu += sign * cpu
        site.memory += sign * memory
        if sign > 0:
            site.pods[uid(pod)] = pod
        else:
            site.pods.pop(uid(pod), None)
        for port in room.ports(pod):
            _add(site.ports, port, sign)
        for key, count in self._counts.items():
            if self._belongs(pod, *key):
                _add(count, site.name, sign)
        found = terms.rules(pod)
        for term in found.apart:
            _tally(self.apart, term, site.name, sign)
        for term, much in (*found.rather, *((term, 1) for term in found.near)):
            _tally(self.rather, (term, much), site.name, sign)

    # --- counting by group ---

    def count(self, among: Iterable[Among], *, ending: bool = True) -> Count:
        """How many pods on each node belong to all of these groups; ``ending``: with those that are being deleted."""
        key = (tuple(among), ending)
        found = self._counts.get(key)
        if found is None:
            if len(self._counts) >= _MANY:
                self._counts.clear()
            found = self._counts[key] = {}
            for site in self._by_name.values():
                here = sum(self._belongs(pod, *key) for pod in site.pods.values())
                if here:
                    found[site.name] = here
        return found

    def _belongs(self, pod: Object, among: tuple[Among, ...], ending: bool) -> bool:
        if not ending and meta(pod).get("deletionTimestamp"):
            return False
        return all(one.holds(pod, self.labels) for one in among)

    def labels(self, namespace: str) -> Mapping[str, str]:
        """A namespace's labels."""
        return labels(self._namespaces.get(Key("", namespace)) or {})


def _counts_alike(old: Object, pod: Object) -> bool:
    """Whether a change of a pod leaves all sums as they are: most do."""
    a, b = old["spec"], pod["spec"]
    return (
        uid(old) == uid(pod)
        and room.holds(pod)
        and bool(meta(old).get("deletionTimestamp")) == bool(meta(pod).get("deletionTimestamp"))
        and labels(old) == labels(pod)
        and all(a.get(name) == b.get(name) for name in ("containers", "initContainers", "resources"))
    )


def _add(counts: dict[Any, int], key: Any, sign: int) -> None:
    now = counts.get(key, 0) + sign
    if now:
        counts[key] = now
    else:
        counts.pop(key, None)


def _tally(counts: dict[Any, Count], what: Any, name: str, sign: int) -> None:
    """Count at a node; what is nowhere any more is let go, for every pod that is placed is held against all of them."""
    count = counts.setdefault(what, {})
    _add(count, name, sign)
    if not count:
        del counts[what]


def _describe(site: Site, node: Object | None) -> None:
    """Read a node once."""
    site.node = node
    if node is None:
        return
    site.labels, site.has = labels(node), room.offered(node)
    taints = taints_of(node)
    site.hard = [one for one in taints if one.get("effect") in HARD]
    site.soft = [one for one in taints if one.get("effect") == "PreferNoSchedule"]
    images: dict[str, int] = {}
    for image in (node.get("status") or {}).get("images") or ():
        images.update(dict.fromkeys(image.get("names") or (), int(image.get("sizeBytes") or 0)))
    site.images = images
