"""Flow control that every cluster has: who waits in which queue. Read by `prepared`.

Kept as objects, for clients that read and change them; nothing waits in these queues here.
Source: Kubernetes documentation, "API Priority and Fairness"; apiserver ``pkg/apis/flowcontrol/bootstrap``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trueup.kube.names import Object

_API = "flowcontrol.apiserver.k8s.io/v1"
_LEVELS: Sequence[tuple[str, int, int, tuple[int, int, int] | None]] = (
    ("catch-all", 5, 0, None),
    ("global-default", 20, 50, (128, 6, 50)),
    ("leader-election", 10, 0, (16, 4, 50)),
    ("node-high", 40, 25, (64, 6, 50)),
    ("system", 30, 33, (64, 6, 50)),
    ("workload-high", 40, 50, (128, 6, 50)),
    ("workload-low", 100, 90, (128, 6, 50)),
)
"""Name, shares, percent that may be lent, queues (how many, how many a flow is dealt, how long)."""

_ALL: Object = {"apiGroups": ["*"], "clusterScope": True, "namespaces": ["*"], "resources": ["*"], "verbs": ["*"]}
_LEASES: Object = {"apiGroups": ["coordination.k8s.io"], "namespaces": ["*"], "resources": ["leases"]}
_NODES: Object = {**_ALL, "apiGroups": [""], "resources": ["nodes", "nodes/status"]}
_EVERY_PATH: Object = {"nonResourceURLs": ["*"], "verbs": ["*"]}
_EVERYTHING: Object = {"nonResourceRules": [_EVERY_PATH], "resourceRules": [_ALL]}
_PROBES: Object = {"nonResourceRules": [{"nonResourceURLs": ["/healthz", "/readyz", "/livez"], "verbs": ["get"]}]}
_ELECTION: Object = {"resourceRules": [{**_LEASES, "verbs": ["get", "create", "update"]}]}
_OWN_NODE: Object = {"resourceRules": [_NODES, {**_LEASES, "verbs": ["*"]}]}

_EVERYBODY = ("g:system:unauthenticated", "g:system:authenticated")
_FLOWS: Sequence[tuple[str, int, str, str, Object, Sequence[str]]] = (
    ("catch-all", 10000, "catch-all", "ByUser", _EVERYTHING, _EVERYBODY),
    ("exempt", 1, "exempt", "", _EVERYTHING, ("g:system:masters",)),
    ("global-default", 9900, "global-default", "ByUser", _EVERYTHING, _EVERYBODY),
    (
        "kube-controller-manager",
        800,
        "workload-high",
        "ByNamespace",
        _EVERYTHING,
        ("u:system:kube-controller-manager",),
    ),
    ("kube-scheduler", 800, "workload-high", "ByNamespace", _EVERYTHING, ("u:system:kube-scheduler",)),
    ("kube-system-service-accounts", 900, "workload-high", "ByNamespace", _EVERYTHING, ("s:kube-system",)),
    ("probes", 2, "exempt", "", _PROBES, _EVERYBODY),
    ("service-accounts", 9000, "workload-low", "ByUser", _EVERYTHING, ("g:system:serviceaccounts",)),
    (
        "system-leader-election",
        100,
        "leader-election",
        "ByUser",
        _ELECTION,
        ("u:system:kube-controller-manager", "u:system:kube-scheduler", "s:kube-system"),
    ),
    ("system-node-high", 400, "node-high", "ByUser", _OWN_NODE, ("g:system:nodes",)),
    ("system-nodes", 500, "system", "ByUser", _EVERYTHING, ("g:system:nodes",)),
)
"""Name, precedence, level, what tells flows apart, what is asked, by whom."""


def levels() -> Iterator[Object]:
    """``PriorityLevelConfiguration``s."""
    exempt = {"lendablePercent": 0, "nominalConcurrencyShares": 0}
    yield _object("PriorityLevelConfiguration", "exempt", {"exempt": exempt, "type": "Exempt"}, {})
    for name, shares, lent, queues in _LEVELS:
        response: Object = {"type": "Reject"}
        if queues is not None:
            count, hand, length = queues
            response = {
                "queuing": {"handSize": hand, "queueLengthLimit": length, "queues": count},
                "type": "Queue",
            }
        limited = {"lendablePercent": lent, "limitResponse": response, "nominalConcurrencyShares": shares}
        yield _object("PriorityLevelConfiguration", name, {"limited": limited, "type": "Limited"}, {})


def schemas() -> Iterator[Object]:
    """``FlowSchema``s, which know that their level exists."""
    for name, precedence, level, by, asked, whom in _FLOWS:
        spec: Object = {"distinguisherMethod": {"type": by}} if by else {}
        spec |= {"matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": level}}
        spec["rules"] = [{**asked, "subjects": [_subject(text) for text in whom]}]
        message = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
        found = {"type": "Dangling", "status": "False", "reason": "Found", "message": message}
        yield _object("FlowSchema", name, spec, {"conditions": [found]})


def _object(kind: str, name: str, spec: Object, status: Object) -> Object:
    meta = {"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}}
    return {"apiVersion": _API, "kind": kind, "metadata": meta, "spec": spec, "status": status}


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind == "s":
        return {"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": name}}
    if kind == "u":
        return {"kind": "User", "user": {"name": name}}
    return {"group": {"name": name}, "kind": "Group"}
