"""Changes that are allowed, by kind: what a client that knows its trade would write. Asked by the sequences that are sound."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
_POD = (
    ("containers.0.image", ("i:1", "i:2", "r.example.com/i:3")),
    (
        "containers.0.env",
        ([{"name": "A", "value": "1"}], [{"name": "B", "value": "2"}, {"name": "C", "value": ""}], []),
    ),
    ("containers.0.args", (["a"], ["a", "b"], [])),
    ("containers.0.resources", ({}, {"limits": {"cpu": "1"}}, {"requests": {"cpu": "500m", "memory": "1Gi"}})),
    ("terminationGracePeriodSeconds", (0, 10, 30)),
    ("nodeSelector", ({"a": "b"}, {})),
    ("tolerations", ([{"key": "a", "operator": "Exists"}], [])),
)
_TEMPLATE = tuple((f"spec.template.spec.{path}", values) for path, values in _POD)
_SIZE = (("spec.replicas", (0, 1, 2, 5)), ("spec.minReadySeconds", (0, 5)))
_RULES = (
    [],
    [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list"], "resourceNames": ["a"]}],
)
FIELDS: Mapping[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "ConfigMap": (
        ("data", ({"a": "b"}, {"a": "c", "d": "e"}, {})),
        ("data.a", ("x", "y", "")),
        ("binaryData", ({"x": "YQ=="}, {})),
    ),
    "Secret": (("data.c", ("ZA==", "YQ==", "")), ("stringData", ({"a": "b"}, {"e": "f"}))),
    "ServiceAccount": (
        ("automountServiceAccountToken", (True, False)),
        ("imagePullSecrets", ([{"name": "x"}], [{"name": "y"}, {"name": "z"}], [])),
    ),
    "Service": (
        ("spec.selector", ({"a": "b"}, {"a": "c", "d": "e"})),
        ("spec.sessionAffinity", ("None", "ClientIP")),
        ("spec.ports.0.targetPort", (80, 8080, "http")),
        ("spec.publishNotReadyAddresses", (True, False)),
    ),
    "Deployment": (*_TEMPLATE, *_SIZE, ("spec.paused", (True, False)), ("spec.revisionHistoryLimit", (0, 3))),
    "ReplicaSet": (*_TEMPLATE, *_SIZE),
    "StatefulSet": (*_TEMPLATE, *_SIZE),
    "DaemonSet": (*_TEMPLATE, ("spec.revisionHistoryLimit", (0, 3))),
    "ReplicationController": (*_TEMPLATE, *_SIZE),
    "PodTemplate": tuple((f"template.spec.{path}", values) for path, values in _POD),
    "Job": (("spec.suspend", (True, False)), ("spec.parallelism", (1, 2)), ("spec.backoffLimit", (0, 6))),
    "CronJob": (
        ("spec.schedule", ("* * * * *", "@hourly", "0 5 * * 1")),
        ("spec.suspend", (True, False)),
        ("spec.concurrencyPolicy", ("Allow", "Forbid", "Replace")),
        ("spec.timeZone", ("UTC", "Europe/Berlin")),
    ),
    "HorizontalPodAutoscaler": (("spec.maxReplicas", (3, 5, 9)), ("spec.minReplicas", (1, 2))),
    "PodDisruptionBudget": (
        ("spec.minAvailable", (1, "50%")),
        ("spec.unhealthyPodEvictionPolicy", ("AlwaysAllow", "IfHealthyBudget")),
    ),
    "Pod": (("spec.containers.0.image", ("i:1", "i:2")), ("spec.activeDeadlineSeconds", (100, 50))),
    "Role": (("rules", _RULES),),
    "ClusterRole": (("rules", _RULES),),
    "RoleBinding": (("subjects", ([{"kind": "User", "name": "u"}], [{"kind": "Group", "name": "g"}], [])),),
    "ClusterRoleBinding": (("subjects", ([{"kind": "User", "name": "u"}], [{"kind": "Group", "name": "g"}], [])),),
    "Lease": (
        ("spec.leaseDurationSeconds", (5, 10)),
        ("spec.holderIdentity", ("x", "y")),
        ("spec.renewTime", ("2024-01-01T00:00:00.000000Z",)),
    ),
    "ResourceQuota": (
        ("spec.hard.pods", ("1", "10", 5)),
        ("spec.hard", ({"pods": "100", "limits.cpu": "2"}, {"pods": "3"})),
    ),
    "EndpointSlice": (
        ("ports", ([{"port": 80}], [{"port": 81, "name": "a"}], [])),
        ("endpoints", ([{"addresses": ["1.2.3.4"]}], [])),
    ),
    "Endpoints": (("subsets", ([{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}], [])),),
    "NetworkPolicy": (
        ("spec.policyTypes", (["Ingress"], ["Ingress", "Egress"])),
        ("spec.ingress", ([{}], [{"ports": [{"port": 80}]}], [])),
    ),
    "PriorityClass": (("description", ("a", "b")),),
    "StorageClass": (("allowVolumeExpansion", (True, False)),),
    "Node": (("spec.unschedulable", (True, False)), ("spec.taints", ([{"key": "a", "effect": "NoSchedule"}], []))),
    "Ruled": (
        ("spec.size", (2, 3, 9)),
        ("spec.grow", (1, 5)),
        ("spec.limits.max", (5, 9)),
        ("spec.address", ("1.2.3.4", "::1")),
    ),
    "Valued": (
        ("spec.count", (1, 5, 100)),
        ("spec.colour", ("red", "green", "")),
        ("spec.list", ([1], [1, 2, 3])),
        ("spec.nothing", ("x", None)),
        ("spec.inner", ({"a": "1", "c": "2"}, {"a": "1", "b": 9, "c": "3"})),
        ("spec.map", ({"a": 1}, {"a": 1, "b": 2})),
    ),
    "Listed": (
        ("spec.sets", (["a"], ["a", "c"], ["c", "b"])),
        ("spec.keyed", ([{"key": "a", "value": 2}], [{"key": "b"}, {"key": "c", "more": ["x"]}])),
        ("spec.double", ([{"port": 80}], [{"port": 80, "protocol": "UDP"}, {"port": 81, "name": "n"}])),
        ("spec.atoms", ([{"a": 2}], [])),
        ("spec.whole", ({"a": "b"}, {"c": "d"})),
        ("spec.grains", ({"g": {"a": 1}}, {"g": {"b": "x"}, "h": {}})),
        ("spec.open", ({"x": [1]}, {"y": {"z": True}}, {"known": 4})),
        ("spec.deep", ([[{"a": 1}]], [])),
    ),
    "Versioned": (
        ("spec.size", (1, 2)),
        ("spec.colour", ("red", "blue")),
        ("spec.replicas", (0, 3)),
        ("spec.selector", ("a=b",)),
    ),
    "Wide": (
        ("spec.any", ({"a": "b"}, {"c": 1})),
        ("spec.numbers", ({"a": 1, "b": 2}, {})),
        ("spec.free", ("x", [1], {"a": {"b": None}})),
        ("spec.other", (1, {"x": "y"})),
    ),
}
"""Where, and what may stand there; a number in a path is an index."""
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "0b4c1a8e-5f5c-4c0c-9d3b-1e2c3d4e5f60"}
METADATA: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("metadata.labels.a", ("1", "2", "web", "")),
    ("metadata.labels.b", ("x", "y")),
    ("metadata.annotations.a", ("1", "some text, with signs", "")),
    ("metadata.annotations.x\0io/c", ("2", "3")),
    ("metadata.finalizers", (["x.io/f"], ["x.io/f", "x.io/g"], ["x.io/g"], [])),
    ("metadata.ownerReferences", ([OWNER], [{**OWNER, "controller": True}], [])),
)


def change(chance: random.Random, value: Json, *, removes: bool = False) -> str:
    """One change, in place; says where. ``removes``: sometimes what is there is taken away instead."""
    known = FIELDS.get(value.get("kind", ""), ())
    path, values = chance.choice((*known, *known, *METADATA))
    parts = [part.replace("\0", ".") for part in path.split(".")]
    at: Any = value
    for part in parts[:-1]:
        if isinstance(at, list):
            if not at:
                return ""
            at = at[int(part)]
        else:
            if not isinstance(at.get(part), dict | list):
                at[part] = {}
            at = at[part]
    last = parts[-1]
    if removes and isinstance(at, dict) and last in at and path.startswith("metadata.") and chance.random() < 0.3:
        del at[last]
    elif isinstance(at, dict):
        at[last] = copy.deepcopy(chance.choice(values))
    return path.replace("\0", ".")
