"""One object, read and written in any version of its kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.rooms.apiserver.opened import opened
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.versions import convert
from trueup.kube.names import Kind, Object, Ref


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}
SCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "default", "annotations": {"a": "b"}},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 3,
        "metrics": [CPU, MEMORY],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
    },
    "status": {"desiredReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}]},
}


def test_autoscaler_survives_the_old_version() -> None:
    """What ``autoscaling/v1`` has no field for comes back from its annotations."""
    old = convert(SCALER, "autoscaling/v1")
    assert old["spec"]["targetCPUUtilizationPercentage"] == 60
    assert "metrics" not in old["spec"]
    assert convert(old, "autoscaling/v2") == SCALER


async def test_autoscaler_is_read_in_both_versions(hub: Hub) -> None:
    """Written in one, read in the other."""
    client = InProcessClient(hub)
    made: Object = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3},
    }
    made["spec"]["targetCPUUtilizationPercentage"] = 60
    await client.create(made)
    read = await client.get(Ref(Kind("autoscaling", "v2", "HorizontalPodAutoscaler"), "default", "web"))
    assert read["spec"]["metrics"] == [CPU]


async def test_events_are_one_kind_in_two_groups(hub: Hub) -> None:
    """An event written to the core group is read from ``events.k8s.io`` under that group's field names."""
    client = InProcessClient(hub)
    about = {"kind": "Deployment", "name": "web", "namespace": "default"}
    event: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": about,
        "reason": "Scaled",
        "message": "hello",
        "count": 2,
    }
    await client.create(event)
    read = await client.get(Ref(Kind("events.k8s.io", "v1", "Event"), "default", "e"))
    assert (read["regarding"], read["note"], read["deprecatedCount"]) == (about, "hello", 2)
    assert "message" not in read
