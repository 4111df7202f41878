"""StatefulSets keep or delete their claims as told, follow the template from the top down, and take over their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, template
from trueup.families.builtin import statefulsets
from trueup.families.builtin.kinds import CLAIM, EVENT, POD, STATEFUL_SET
from trueup.kube.names import Object, Ref

_CLAIMS = [
    {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
]


def stateful_set(replicas: int = 2, **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(),
            **spec,
        },
    }


def _named(kind: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "uid": name, "namespace": "default"}}


@pytest.mark.parametrize(
    ("policy", "pod", "expected"),
    [
        ({}, "db-0", []),
        ({"whenDeleted": "Delete"}, "db-0", ["db"]),
        ({"whenDeleted": "Delete"}, "db-2", ["db"]),
        ({"whenScaled": "Delete"}, "db-0", []),
        ({"whenScaled": "Delete"}, "db-2", ["db-2"]),
        ({"whenScaled": "Delete", "whenDeleted": "Delete"}, "db-0", ["db"]),
        ({"whenScaled": "Delete", "whenDeleted": "Delete"}, "db-2", ["db-2"]),
    ],
    ids=["kept", "with the set", "with the set, surplus", "wanted", "surplus", "both, wanted", "both, surplus"],
)
def test_whose_end_is_a_claims_end(policy: Object, pod: str, expected: list[str]) -> None:
    """The set's, the pod's, or nobody's; whom else the claim has for an owner stays."""
    own = stateful_set(persistentVolumeClaimRetentionPolicy=policy)
    own["metadata"]["uid"] = "db"
    other = {"uid": "x", "name": "x"}
    found = statefulsets.retained(own, _named("Pod", pod), [other, {"uid": "db"}])
    assert ["x", *expected] == [one["uid"] for one in found]


async def _up(stage: Stage, count: int) -> Object:
    return await stage.until(
        STATEFUL_SET,
        "db",
        lambda one: (one.get("status") or {}).get("readyReplicas") == count == one["status"]["replicas"],
    )


async def test_claims_go_when_it_shrinks_and_when_it_goes() -> None:
    """As the policy says; the claim of a pod that is wanted stays until then."""
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    async with Stage() as stage:
        await stage.create(stateful_set(volumeClaimTemplates=_CLAIMS, persistentVolumeClaimRetentionPolicy=policy))
        await _up(stage, 2)
        both = sorted(one["metadata"]["name"] for one in await stage.list(CLAIM))
        await stage.client.patch(Ref(STATEFUL_SET, "default", "db"), {"spec": {"replicas": 1}}, "merge")
        await stage.until(CLAIM, "data-db-1", lambda one: one is None)
        kept = [one["metadata"]["name"] for one in await stage.list(CLAIM)]
        await stage.client.delete(Ref(STATEFUL_SET, "default", "db"), propagation="Background")
        await stage.until(CLAIM, "data-db-0", lambda one: one is None)

    assert both == ["data-db-0", "data-db-1"]
    assert kept == ["data-db-0"]


async def test_claims_stay_unless_told_otherwise() -> None:
    """A pod that comes back finds what it had."""
    async with Stage() as stage:
        await stage.create(stateful_set(volumeClaimTemplates=_CLAIMS))
        await _up(stage, 2)
        before = await stage.get(CLAIM, "data-db-1")
        for count in (1, 2):
            await stage.client.patch(Ref(STATEFUL_SET, "default", "db"), {"spec": {"replicas": count}}, "merge")
            await _up(stage, count)
        after = await stage.get(CLAIM, "data-db-1")
        said = {one["message"] for one in await stage.list(EVENT) if one["involvedObject"]["name"] == "db"}

    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert "create Claim data-db-1 Pod db-1 in StatefulSet db success" in said
    assert "delete Pod db-1 in StatefulSet db successful" in said


async def test_ordinals_begin_where_they_are_told_to() -> None:
    """The partition counts from there."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    async with Stage() as stage:
        await stage.create(stateful_set(ordinals={"start": 5}, updateStrategy=rolling))
        await _up(stage, 2)
        patch = {"spec": {"template": template(image="web:2")}}
        await stage.client.patch(Ref(STATEFUL_SET, "default", "db"), patch, "merge")
        await stage.until(POD, "db-6", lambda one: one and one["spec"]["containers"][0]["image"] == "web:2")
        await stage.pause(5)
        first = await stage.get(POD, "db-5")
    assert (first or {})["spec"]["containers"][0]["image"] == "web:1"


async def test_it_takes_over_pods_that_bear_its_names() -> None:
    """Others that it selects are left alone."""
    async with Stage() as stage:
        for name in ("db-0", "stray"):
            made = template()
            about = {**made["metadata"], "name": name, "namespace": "default"}
            await stage.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": made["spec"]})
        before = await stage.get(POD, "db-0")
        await stage.create(stateful_set(1, updateStrategy={"type": "OnDelete"}))
        found = await stage.until(POD, "db-0", lambda one: one["metadata"].get("ownerReferences"))
        stray = await stage.get(POD, "stray")
    assert found["metadata"]["uid"] == (before or {})["metadata"]["uid"]
    assert "ownerReferences" not in (stray or {})["metadata"]
