"""Whether other pods keep a pod from a node, or draw it there: affinity between pods, and topology spread. Pure.

Called by `scheduler` and `preemption`, once for a pod and then for each node. Source: kube-scheduler's plugins InterPodAffinity
and PodTopologySpread; Kubernetes documentation "Pod Topology Spread Constraints".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.families.builtin.simulate.selection import selected, untolerated
from trueup.families.builtin.simulate.sites import Count, Site, Sites
from trueup.families.builtin.simulate.terms import Rules, Spread, Term, rules, spreads
from trueup.kube.names import Object
from trueup.kube.objects import meta

ANTI = "node(s) didn't match pod anti-affinity rules"
THEIRS = "node(s) didn't satisfy existing pods anti-affinity rules"
WITH = "node(s) didn't match pod affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
NO_LABEL = SPREAD + " (missing required label)"
FINAL = frozenset({WITH, NO_LABEL})
"""Reasons that no other pod's leaving would mend."""
Domains = dict[str, int]
"""How many pods are where a node label has a value."""


@dataclass(slots=True)
class Neighbours:
    """What there is around, as far as one pod's rules and those of others about it ask."""

    pod: Object
    rules: Rules
    theirs: dict[tuple[str, str], int] = field(default_factory=dict)
    apart: list[tuple[Term, Domains]] = field(default_factory=list)
    near: list[tuple[Term, Domains]] = field(default_factory=list)
    first: bool = False
    """It is one of those that it wants to be near: where there is none yet it may begin anywhere."""
    spreads: list[tuple[Spread, Domains]] = field(default_factory=list)
    _sites: Sites | None = None

    def why(self, site: Site) -> str:
        """Why the pod may not go there; empty when it may."""
        for spread, found in self.spreads:
            value = site.labels.get(spread.key)
            if value is None:
                return NO_LABEL
            least = min(found.values(), default=0) if len(found) >= spread.domains else 0
            if found.get(value, 0) + self._itself(spread) - least > spread.skew:
                return SPREAD
        if self.near and not self._near(site):
            return WITH
        for term, found in self.apart:
            if found.get(site.labels.get(term.key, "")):
                return ANTI
        if self.theirs and any(self.theirs.get(pair) for pair in site.labels.items()):
            return THEIRS
        return ""

    def _itself(self, spread: Spread) -> bool:
        return spread.among.selector.matches(meta(self.pod).get("labels"))

    def _near(self, site: Site) -> bool:
        if any(term.key not in site.labels for term, _ in self.near):
            return False
        if all(found.get(site.labels[term.key]) for term, found in self.near):
            return True
        return self.first and not any(found for _, found in self.near)

    def without(self, pod: Object, site: Site, sign: int = -1) -> None:
        """As if another pod had left a node, or come back: what room it would make is tried out."""
        assert self._sites is not None
        of = self._sites.labels
        for term in rules(pod).apart:
            if term.key in site.labels and term.among.holds(self.pod, of):
                _bump(self.theirs, (term.key, site.labels[term.key]), sign)
        for term, found in self.apart:
            if term.key in site.labels and term.among.holds(pod, of):
                _bump(found, site.labels[term.key], sign)
        if self.near and all(term.among.holds(pod, of) for term, _ in self.near):
            for term, found in self.near:
                _bump(found, site.labels.get(term.key, ""), sign)
        for spread, found in self.spreads:
            value = site.labels.get(spread.key)
            if value in found and not meta(pod).get("deletionTimestamp") and spread.among.holds(pod, of):
                found[value] += sign  # a domain stays one when nobody is left there


def around(pod: Object, sites: Sites) -> Neighbours | None:
    """What a pod has to heed of others; None where there is nothing, as for most."""
    own, hard = rules(pod), spreads(pod, "DoNotSchedule")
    out = Neighbours(pod, own, _sites=sites)
    for term, count in sites.apart.items():
        if count and term.among.holds(pod, sites.labels):
            for value, number in _by_domain(sites, count, term.key).items():
                _bump(out.theirs, (term.key, value), number)
    out.apart = [(term, _by_domain(sites, sites.count((term.among,)), term.key)) for term in own.apart]
    if own.near:
        count = sites.count(tuple(term.among for term in own.near))
        out.near = [(term, _by_domain(sites, count, term.key)) for term in own.near]
        out.first = all(term.among.holds(pod, sites.labels) for term in own.near)
    out.spreads = [(one, _spread_domains(pod, one, hard, sites)) for one in hard]
    return out if out.theirs or out.apart or out.near or out.spreads else None


def _by_domain(sites: Sites, count: Count, key: str) -> Domains:
    out: Domains = {}
    for name, number in count.items():
        site = sites.get(name)
        value = site.labels.get(key) if site is not None else None
        if value is not None:
            out[value] = out.get(value, 0) + number
    return out


def _spread_domains(pod: Object, one: Spread, every: Iterable[Spread], sites: Sites) -> Domains:
    """Pods by domain, domains without one included: all nodes that count have all labels that are asked for."""
    keys = [each.key for each in every]
    count, out = sites.count((one.among,), ending=False), Domains()
    for site in sites.list:
        if all(key in site.labels for key in keys) and _included(pod, one, site):
            value = site.labels[one.key]
            out[value] = out.get(value, 0) + count.get(site.name, 0)
    return out


def _included(pod: Object, one: Spread, site: Site) -> bool:
    if one.by_affinity and site.node is not None and not selected(pod["spec"], site.node):
        return False
    return not (one.by_taints and untolerated(site.hard, pod["spec"].get("tolerations") or ()))


def _bump(counts: dict[Any, int], key: Any, by: int) -> None:
    now = counts.get(key, 0) + by
    if now:
        counts[key] = now
    else:
        counts.pop(key, None)


# --- scores ---


def draw(pod: Object, sites: Sites, among: Sequence[Site]) -> list[int] | None:
    """0 to 100 for each node, by what pods would rather have near; None where nobody minds."""
    weights: dict[tuple[str, str], int] = {}
    wants = [(term, much, sites.count((term.among,))) for term, much in rules(pod).rather]
    wants += [
        (term, much, count)
        for (term, much), count in sites.rather.items()
        if count and term.among.holds(pod, sites.labels)
    ]
    for term, much, count in wants:
        for value, number in _by_domain(sites, count, term.key).items():
            pair = (term.key, value)
            weights[pair] = weights.get(pair, 0) + much * number
    if not weights:
        return None
    raw = [sum(weights.get(pair, 0) for pair in site.labels.items()) for site in among]
    least, most = min(raw), max(raw)
    return [100 * (one - least) // (most - least) for one in raw] if most > least else [0] * len(raw)


def evenness(
    pod: Object, wanted: Sequence[Spread], sites: Sites, among: Sequence[Site], *, all_labels: bool = True
) -> list[int]:
    """0 to 100 for each node: the fewer of its like are there already, the more."""
    keys = [one.key for one in wanted]
    counted = [site for site in among if not all_labels or all(key in site.labels for key in keys)]
    names = {site.name for site in counted}
    parts = []
    for one in wanted:
        count = sites.count((one.among,), ending=False)
        by_host = one.key == "kubernetes.io/hostname"
        domains = count if by_host else _soft_domains(pod, one, keys if all_labels else [one.key], sites, count)
        size = len(counted) if by_host else len({site.labels.get(one.key) for site in counted})
        parts.append((one, domains, by_host, math.log(size + 2)))
    raw: dict[str, int] = {}
    for site in counted:
        score = 0.0
        for one, domains, by_host, factor in parts:
            if one.key in site.labels:
                score += domains.get(site.name if by_host else site.labels[one.key], 0) * factor + one.skew - 1
        raw[site.name] = round(score)
    least, most = min(raw.values(), default=0), max(raw.values(), default=0)
    return [
        0 if site.name not in names else 100 * (most + least - raw[site.name]) // most if most else 100
        for site in among
    ]


def _soft_domains(pod: Object, one: Spread, keys: Sequence[str], sites: Sites, count: Mapping[str, int]) -> Domains:
    out: Domains = {}
    for name, number in count.items():
        site = sites.get(name)
        if site is not None and all(key in site.labels for key in keys) and _included(pod, one, site):
            out[site.labels[one.key]] = out.get(site.labels[one.key], 0) + number
    return out
