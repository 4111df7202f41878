"""Which nodes a pod selects and which taints it bears. Pure; called by `fitting`, `scoring`, the node and DaemonSet controllers.

Source: Kubernetes documentation "Assigning Pods to Nodes", "Taints and Tolerations"; component-helpers
``scheduling/corev1/nodeaffinity``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.kube.objects import labels, meta
from trueup.kube.selectors import label_selector

HARD = ("NoSchedule", "NoExecute")
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def selected(spec: Mapping[str, Any], node: Object) -> bool:
    """Whether a pod's node selector and required node affinity allow a node."""
    wanted = spec.get("nodeSelector")
    if wanted:
        own = labels(node)
        if any(own.get(name) != value for name, value in wanted.items()):
            return False
    terms = required_terms(spec)
    return terms is None or any(term_matches(term, node) for term in terms)


def required_terms(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    """The terms of required node affinity, one of which must hold; None where nothing is required."""
    affinity = spec.get("affinity")
    required = ((affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {}) if affinity else {}
    terms: Sequence[Mapping[str, Any]] | None = required.get("nodeSelectorTerms")
    return terms


def named_nodes(spec: Mapping[str, Any]) -> frozenset[str] | None:
    """The nodes that required affinity names one by one (as DaemonSets do); None where it names none."""
    out: set[str] = set()
    terms = required_terms(spec)
    for term in terms or ():
        names: set[str] | None = None
        for one in term.get("matchFields") or ():
            if one.get("key") == "metadata.name" and one.get("operator") == "In":
                given = set(one.get("values") or ())
                names = given if names is None else names & given
        if names is None:
            return None
        out |= names
    return frozenset(out) if terms else None


def term_matches(term: Mapping[str, Any], node: Object) -> bool:
    """All expressions of a node selector term; a term without any matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    own = labels(node)
    if not all(_holds(one, own) for one in expressions):
        return False
    name = {"metadata.name": str(meta(node).get("name"))}
    return all(_holds(one, name) for one in fields) and bool(expressions or fields)


def _holds(one: Mapping[str, Any], where: Mapping[str, str]) -> bool:
    if one.get("operator") not in ("Gt", "Lt"):
        return label_selector({"matchExpressions": [one]}).matches(where)
    try:
        have, want = int(where.get(one["key"], "")), int(str((one.get("values") or [""])[0]))
    except ValueError:
        return False
    return have > want if one["operator"] == "Gt" else have < want


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Whether one toleration bears one taint."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(
    taints: Iterable[Mapping[str, Any]], tolerations: Sequence[Mapping[str, Any]], effects: Sequence[str] = HARD
) -> Mapping[str, Any] | None:
    """The first taint of these effects that no toleration bears."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(one, taint) for one in tolerations):
            return taint
    return None


def taints_of(node: Object) -> Sequence[Mapping[str, Any]]:
    """What a node wards pods off with."""
    return (node.get("spec") or {}).get("taints") or ()
