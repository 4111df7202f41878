"""Tables as ``kubectl get`` prints them."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.apiserver import workload_cells
from trueup.apiserver.cells import Column, format_selector, human_duration
from trueup.apiserver.columns import BUILT_IN
from trueup.apiserver.jsonpath import find
from trueup.apiserver.registry import Served
from trueup.apiserver.tables import columns_of
from trueup.kube.names import Kind, Object, Resource
from trueup.kube.shapes import ANY
from trueup.kube.types import load
from trueup.timing.rfc3339 import format_time

NOW = 1_800_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86_400


def before(seconds: float) -> str:
    """A moment as objects hold it."""
    return format_time(NOW - seconds)


def made(spec: Object | None = None, status: Object | None = None, **meta: Any) -> Object:
    """An object of an hour."""
    return {
        "metadata": {"name": "x", "creationTimestamp": before(HOUR), **meta},
        "spec": spec or {},
        "status": status or {},
    }


def row(columns: Any, obj: Object, *, wide: bool = False) -> dict[str, Any]:
    """Cells by the name of their column."""
    chosen: list[Column] = [column for column in columns if wide or not column.priority]
    return {column.name: column.cell(obj, NOW) for column in chosen}


DURATIONS = [
    (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (9 * MINUTE + 59, "9m59s"),
    (10 * MINUTE, "10m"), (179 * MINUTE, "179m"), (3 * HOUR, "3h"), (3 * HOUR + 5 * MINUTE, "3h5m"),
    (8 * HOUR, "8h"), (47 * HOUR, "47h"), (2 * DAY, "2d"), (2 * DAY + 3 * HOUR, "2d3h"), (8 * DAY, "8d"),
    (729 * DAY, "729d"), (730 * DAY, "2y"), (731 * DAY, "2y1d"), (8 * 365 * DAY, "8y"), (3000 * DAY, "8y"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "expected"), DURATIONS)
def test_ages(seconds: int, expected: str) -> None:
    """The older, the rounder."""
    assert expected == human_duration(seconds)


RUNNING = {"state": {"running": {}}, "ready": True, "restartCount": 0}
PODS: dict[str, tuple[Object, tuple[str, str, str]]] = {
    "just made": (made({"containers": [{}]}), ("0/1", "Pending", "0")),
    "running": (
        made({"containers": [{}, {}]}, {"phase": "Running", "containerStatuses": [RUNNING, RUNNING]}),
        ("2/2", "Running", "0"),
    ),
    "crashing": (
        made(
            {"containers": [{}]},
            {
                "phase": "Running",
                "containerStatuses": [
                    {
                        "restartCount": 3,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"finishedAt": before(300), "exitCode": 1}},
                    }
                ],
            },
        ),
        ("0/1", "CrashLoopBackOff", "3 (5m ago)"),
    ),
    "completed": (
        made(
            {"containers": [{}]},
            {
                "phase": "Succeeded",
                "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
            },
        ),
        ("0/1", "Completed", "0"),
    ),
    "killed by a signal": (
        made({"containers": [{}]}, {"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]}),
        ("0/1", "Signal:9", "0"),
    ),
    "second init container runs": (
        made(
            {"containers": [{}], "initContainers": [{"name": "a"}, {"name": "b"}]},
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    {"name": "a", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "b", "state": {"running": {}}},
                ],
            },
        ),
        ("0/1", "Init:1/2", "0"),
    ),
    "init container fails": (
        made(
            {"containers": [{}], "initContainers": [{"name": "a"}]},
            {
                "initContainerStatuses": [
                    {"name": "a", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
                ]
            },
        ),
        ("0/1", "Init:CrashLoopBackOff", "2"),
    ),
    "a sidecar counts": (
        made(
            {"containers": [{}], "initContainers": [{"name": "a", "restartPolicy": "Always"}]},
            {
                "phase": "Running",
                "initContainerStatuses": [{**RUNNING, "name": "a", "started": True}],
                "containerStatuses": [RUNNING],
            },
        ),
        ("2/2", "Running", "0"),
    ),
    "going": (
        made({"containers": [{}]}, {"phase": "Running", "containerStatuses": [RUNNING]}, deletionTimestamp=before(1)),
        ("1/1", "Terminating", "0"),
    ),
    "evicted": (made({"containers": [{}]}, {"phase": "Failed", "reason": "Evicted"}), ("0/1", "Evicted", "0")),
    "gated": (
        made(
            {"containers": [{}]},
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
            },
        ),
        ("0/1", "SchedulingGated", "0"),
    ),
}


@pytest.mark.parametrize("case", PODS)
def test_pods(case: str) -> None:
    """Ready containers, the one word for the pod, restarts."""
    obj, expected = PODS[case]
    found = row(BUILT_IN["", "Pod"], obj)
    assert expected == (found["Ready"], found["Status"], found["Restarts"])


ROWS: dict[str, tuple[str, str, Object, dict[str, Any]]] = {
    "deployment": (
        "apps",
        "Deployment",
        made({"replicas": 3}, {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}),
        {"Name": "x", "Ready": "2/3", "Up-to-date": 3, "Available": 1, "Age": "60m"},
    ),
    "job": (
        "batch",
        "Job",
        made(
            {"completions": 2},
            {
                "succeeded": 2,
                "startTime": before(90),
                "completionTime": before(60),
                "conditions": [{"type": "Complete", "status": "True"}],
            },
        ),
        {"Name": "x", "Status": "Complete", "Completions": "2/2", "Duration": "30s", "Age": "60m"},
    ),
    "cron job": (
        "batch",
        "CronJob",
        made({"schedule": "@daily", "suspend": False}, {"active": [{}], "lastScheduleTime": before(60)}),
        {
            "Name": "x",
            "Schedule": "@daily",
            "Timezone": "<none>",
            "Suspend": "False",
            "Active": 1,
            "Last Schedule": "60s",
            "Age": "60m",
        },
    ),
    "load balancer": (
        "",
        "Service",
        made(
            {
                "type": "LoadBalancer",
                "clusterIP": "10.96.0.7",
                "externalIPs": ["1.2.3.4"],
                "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            },
            {"loadBalancer": {"ingress": [{"ip": "5.6.7.8"}]}},
        ),
        {
            "Name": "x",
            "Type": "LoadBalancer",
            "Cluster-IP": "10.96.0.7",
            "External-IP": "5.6.7.8,1.2.3.4",
            "Port(s)": "80:30000/TCP,53/UDP",
            "Age": "60m",
        },
    ),
    "ingress": (
        "networking.k8s.io",
        "Ingress",
        made({"rules": [{"host": f"h{n}"} for n in range(5)], "tls": [{}]}),
        {
            "Name": "x",
            "Class": "<none>",
            "Hosts": "h0,h1,h2 + 2 more...",
            "Address": "",
            "Ports": "80, 443",
            "Age": "60m",
        },
    ),
    "claim that is not bound": (
        "",
        "PersistentVolumeClaim",
        made({"storageClassName": "fast"}, {"phase": "Pending"}),
        {
            "Name": "x",
            "Status": "Pending",
            "Volume": "",
            "Capacity": "",
            "Access Modes": "",
            "StorageClass": "fast",
            "VolumeAttributesClass": "<unset>",
            "Age": "60m",
        },
    ),
    "default storage class": (
        "storage.k8s.io",
        "StorageClass",
        {**made(annotations={"storageclass.kubernetes.io/is-default-class": "true"}), "provisioner": "p"},
        {
            "Name": "x (default)",
            "Provisioner": "p",
            "ReclaimPolicy": "Delete",
            "VolumeBindingMode": "Immediate",
            "AllowVolumeExpansion": False,
            "Age": "60m",
        },
    ),
    "node": (
        "",
        "Node",
        made(
            {"unschedulable": True},
            {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.0"}},
            labels={"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "master"},
        ),
        {
            "Name": "x",
            "Status": "Ready,SchedulingDisabled",
            "Roles": "control-plane,master",
            "Age": "60m",
            "Version": "v1.36.0",
        },
    ),
    "autoscaler": (
        "autoscaling",
        "HorizontalPodAutoscaler",
        made(
            {
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "minReplicas": 1,
                "maxReplicas": 5,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
                    {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "1Gi"}}},
                    {"type": "External", "external": {"target": {"value": "10"}}},
                ],
            },
            {
                "currentReplicas": 2,
                "currentMetrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 20}}}
                ],
            },
        ),
        {
            "Name": "x",
            "Reference": "Deployment/web",
            "Targets": "cpu: 20%/80%, memory: <unknown>/1Gi + 1 more...",
            "MinPods": "1",
            "MaxPods": 5,
            "Replicas": 2,
            "Age": "60m",
        },
    ),
    "event": (
        "",
        "Event",
        {
            **made(),
            "involvedObject": {"kind": "Pod", "name": "web"},
            "reason": "Pulled",
            "type": "Normal",
            "message": "done\n",
            "lastTimestamp": before(30),
        },
        {"Last Seen": "30s", "Type": "Normal", "Reason": "Pulled", "Object": "pod/web", "Message": "done"},
    ),
    "event in its own group": (
        "events.k8s.io",
        "Event",
        {
            **made(),
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "regarding": {"kind": "Pod", "name": "web"},
            "reason": "Pulled",
            "type": "Normal",
            "note": "done",
            "eventTime": before(30),
        },
        {"Last Seen": "30s", "Type": "Normal", "Reason": "Pulled", "Object": "pod/web", "Message": "done"},
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_rows(case: str) -> None:
    """The columns of a kind, in order, with their cells."""
    group, kind, obj, expected = ROWS[case]
    found = row(BUILT_IN[group, kind], obj)
    assert list(expected.items()) == list(found.items())


def test_columns_take_objects_that_say_nothing() -> None:
    """A kind's columns print an object of which nothing is known yet."""
    for columns in BUILT_IN.values():
        assert row(columns, {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}}, wide=True)


def test_columns_are_of_kinds_that_are_served() -> None:
    """No columns for a kind that nobody can ask for."""
    served = {(each.kind.group, each.kind.kind) for version in ("1.30", "1.37") for each in load(version).resources}
    assert set(BUILT_IN) - served == set()


SELECTORS = [
    (None, "<none>"),
    ({}, "<none>"),
    ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
    ({"matchExpressions": [{"key": "t", "operator": "In", "values": ["b", "a"]}]}, "t in (a,b)"),
    ({"matchExpressions": [{"key": "t", "operator": "DoesNotExist"}], "matchLabels": {"a": "1"}}, "a=1,!t"),
]


@pytest.mark.parametrize(("given", "expected"), SELECTORS)
def test_selectors(given: Object | None, expected: str) -> None:
    """Selectors are written as ``kubectl -l`` reads them."""
    assert expected == format_selector(given)


THING = {
    "metadata": {"annotations": {"example.com/a": "1"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False", "n": 3}]},
    "list": [1, 2, 3],
}
PATHS = [
    (".status.conditions[?(@.type=='Ready')].status", ["True"]),
    ('.status.conditions[?(@.type=="Old")].status', ["False"]),
    (".status.conditions[?(@.n>2)].type", ["Old"]),
    (".status.conditions[?(@.n)].type", ["Old"]),
    (".status.conditions[*].type", ["Ready", "Old"]),
    (r".metadata.annotations.example\.com/a", ["1"]),
    (".metadata.annotations['example.com/a']", ["1"]),
    (".list[0]", [1]),
    (".list[-1]", [3]),
    (".list[0:2]", [1, 2]),
    ("{.list[1]}", [2]),
    ("list[1]", [2]),
    (".nothing.here", []),
    (".list[", []),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_paths(path: str, expected: list[Any]) -> None:
    """What a printer column's path finds."""
    assert expected == find(THING, path)


TYPED = [
    ("string", "a", "a"),
    ("string", True, "true"),
    ("string", {"a": [1]}, '{"a":[1]}'),
    ("integer", 3, 3),
    ("integer", "3", None),
    ("number", 1.5, 1.5),
    ("boolean", False, False),
    ("date", before(HOUR), "60m"),
    ("date", "soon", "<invalid>"),
    ("date", None, None),
]


@pytest.mark.parametrize(("kind", "given", "expected"), TYPED)
def test_columns_of_a_definition(kind: str, given: Any, expected: Any) -> None:
    """A value of another type than its column's is left out."""
    served = Served(
        Resource("example.com", "v1", "things"),
        Kind("example.com", "v1", "Thing"),
        "ThingList",
        True,
        frozenset(),
        ANY,
        "things.example.com",
        crd={},
        columns=({"name": "It", "type": kind, "jsonPath": ".spec.it"},),
    )
    assert expected == row(columns_of(served), made({"it": given}))["It"]


AVERAGE, VALUE, USE = {"averageValue": "10"}, {"value": "10"}, {"averageUtilization": 50}


@pytest.mark.parametrize(
    ("kind", "target", "current", "expected"),
    [
        ("External", AVERAGE, None, "<unknown>/10 (avg)"),
        ("External", AVERAGE, {"averageValue": "5"}, "5/10 (avg)"),
        ("External", AVERAGE, {}, "<unknown>/10 (avg)"),
        ("External", VALUE, {}, "<nil>/10"),
        ("External", VALUE, None, "<unknown>/10"),
        ("Object", AVERAGE, {"averageValue": "5"}, "5/10 (avg)"),
        ("Pods", AVERAGE, {"averageValue": "5"}, "5/10"),
        ("Pods", AVERAGE, None, "<unknown>/10"),
        ("Resource", AVERAGE, {}, "cpu: <nil>/10"),
        ("Resource", USE, {"averageValue": "5"}, "cpu: <unknown>/50%"),
        ("ContainerResource", USE, {"averageUtilization": 33}, "cpu: 33%/50%"),
        ("Other", USE, None, "<unknown type>"),
    ],
)
def test_targets_of_an_autoscaler(kind: str, target: Object, current: Object | None, expected: str) -> None:
    """What is measured against what is wanted, as Kubernetes prints each kind of metric."""
    part = kind[0].lower() + kind[1:]
    have = [] if current is None else [{"type": kind, part: {"current": current}}]
    spec = {"metrics": [{"type": kind, part: {"name": "cpu", "target": target}}]}
    assert workload_cells.autoscaler_targets(made(spec, {"currentMetrics": have}), 0) == expected
