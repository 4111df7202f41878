"""Whom a pod wants near or far, and over what it wants to be spread: its rules about other pods, read once. Pure.

Called by `sites` and `neighbours`. Source: kube-scheduler ``framework/types.go`` (AffinityTerm) and the plugins InterPodAffinity
and PodTopologySpread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Object
from trueup.kube.objects import labels, meta
from trueup.kube.selectors import LabelSelector, Requirement, label_selector

_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
Labels = Callable[[str], Mapping[str, str]]
"""The labels of a namespace."""


@dataclass(frozen=True, slots=True)
class Among:
    """Pods by namespace and labels."""

    namespaces: frozenset[str]
    spaces: LabelSelector | None
    selector: LabelSelector

    def holds(self, pod: Object, of: Labels) -> bool:
        """Whether a pod is one of them."""
        namespace = str(meta(pod).get("namespace"))
        if namespace not in self.namespaces and (self.spaces is None or not self.spaces.matches(of(namespace))):
            return False
        return self.selector.matches(labels(pod))


@dataclass(frozen=True, slots=True)
class Term:
    """Pods, and the node label by which nearness is told."""

    among: Among
    key: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A pod's affinity to other pods; weights are negative for those that it would rather not be near."""

    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    rather: tuple[tuple[Term, int], ...] = ()


_NONE = Rules()


def rules(pod: Object) -> Rules:
    """Read a pod's affinity."""
    affinity = pod["spec"].get("affinity")
    if not affinity:
        return _NONE
    near, apart = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    if not near and not apart:
        return _NONE
    rather = [(_term(one["podAffinityTerm"], pod), int(one["weight"])) for one in near.get(_PREFERRED) or ()]
    rather += [(_term(one["podAffinityTerm"], pod), -int(one["weight"])) for one in apart.get(_PREFERRED) or ()]
    return Rules(
        tuple(_term(one, pod) for one in near.get(_REQUIRED) or ()),
        tuple(_term(one, pod) for one in apart.get(_REQUIRED) or ()),
        tuple(rather),
    )


def _term(term: Mapping[str, Any], pod: Object) -> Term:
    given = term.get("namespaceSelector")
    spaces = label_selector(given) if given is not None else None
    names = frozenset(term.get("namespaces") or (() if given is not None else (str(meta(pod).get("namespace")),)))
    return Term(Among(names, spaces, _selector(term, pod)), str(term.get("topologyKey") or ""))


def _selector(term: Mapping[str, Any], pod: Object) -> LabelSelector:
    """With the pod's own values of ``matchLabelKeys`` and ``mismatchLabelKeys``."""
    found, own = label_selector(term.get("labelSelector")), labels(pod)
    more = [Requirement(key, "in", (own[key],)) for key in term.get("matchLabelKeys") or () if key in own]
    more += [Requirement(key, "notin", (own[key],)) for key in term.get("mismatchLabelKeys") or () if key in own]
    more = [one for one in more if one not in found.requirements]
    return LabelSelector((*found.requirements, *more), found.nothing) if more else found


@dataclass(frozen=True, slots=True)
class Spread:
    """One topology spread constraint."""

    key: str
    skew: int
    among: Among
    domains: int = 1
    by_affinity: bool = True
    """Only nodes that the pod selects count."""
    by_taints: bool = False
    """Only nodes whose taints it bears count."""


def spreads(pod: Object, action: str) -> list[Spread]:
    """A pod's constraints with one ``whenUnsatisfiable``."""
    given: Sequence[Mapping[str, Any]] = pod["spec"].get("topologySpreadConstraints") or ()
    own = frozenset((str(meta(pod).get("namespace")),))
    return [
        Spread(
            one["topologyKey"],
            int(one["maxSkew"]),
            Among(own, None, _selector(one, pod)),
            int(one.get("minDomains") or 1),
            one.get("nodeAffinityPolicy", "Honor") == "Honor",
            one.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )
        for one in given
        if one.get("whenUnsatisfiable") == action
    ]
