"""Claims and volumes: which belong together, when they are bound, and what becomes of them afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, template
from trueup.families.builtin import volume_binding as binding
from trueup.families.builtin.kinds import CLAIM, EVENT, POD, STORAGE_CLASS, VOLUME
from trueup.kube.names import Object, Ref


def volume(name: str, size: str = "1Gi", modes: tuple[str, ...] = ("ReadWriteOnce",), **more: Any) -> Object:
    spec = {"capacity": {"storage": size}, "accessModes": list(modes), "storageClassName": "", **more.pop("spec", {})}
    spec.setdefault("hostPath", {"path": f"/data/{name}"})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": more.pop("labels", {})},
        "spec": spec,
        "status": {"phase": "Available"},
        **more,
    }


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> Object:
    own = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, "storageClassName": ""}
    about = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": {**own, **spec}}


def new(obj: Object) -> Object:
    """As somebody writes it."""
    about = {name: value for name, value in obj["metadata"].items() if name not in ("uid", "resourceVersion")}
    return {name: value for name, value in {**obj, "metadata": about}.items() if name != "status"}


def _named(found: Object | None) -> str | None:
    return found["metadata"]["name"] if found else None


_SMALL, _LARGE = volume("small", "1Gi"), volume("large", "5Gi")
_CASES: list[tuple[str, Object, list[Object], str | None]] = [
    ("the smallest that is large enough", claim(size="500Mi"), [_LARGE, _SMALL], "small"),
    ("none is large enough", claim(size="6Gi"), [_LARGE, _SMALL], None),
    ("another class", claim(storageClassName="fast"), [_SMALL], None),
    ("its class", claim(storageClassName="fast"), [_SMALL, volume("f", spec={"storageClassName": "fast"})], "f"),
    ("access modes", claim(accessModes=["ReadWriteMany"]), [_SMALL, volume("m", modes=("ReadWriteMany",))], "m"),
    ("by labels", claim(selector={"matchLabels": {"a": "b"}}), [_SMALL, volume("l", "9Gi", labels={"a": "b"})], "l"),
    ("as a block device", claim(volumeMode="Block"), [_SMALL, volume("b", spec={"volumeMode": "Block"})], "b"),
    ("one that is released", claim(), [{**_SMALL, "status": {"phase": "Released"}}], None),
    (
        "one kept for it",
        claim(),
        [_SMALL, volume("mine", "9Gi", spec={"claimRef": {"namespace": "default", "name": "data"}})],
        "mine",
    ),
    ("one kept for others", claim(), [volume("x", spec={"claimRef": {"namespace": "default", "name": "y"}})], None),
]


@pytest.mark.parametrize(
    ("wants", "there", "expected"), [case[1:] for case in _CASES], ids=[case[0] for case in _CASES]
)
def test_which_volume_a_claim_gets(wants: Object, there: list[Object], expected: str | None) -> None:
    """By size, class, access modes, labels and mode; who is named already goes first."""
    assert expected == _named(binding.best(wants, there))


def test_a_volume_that_is_elsewhere_is_not_chosen_for_a_node() -> None:
    """Its node affinity is heeded."""
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    local = volume("local", spec={"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}})
    near, far = ({"metadata": {"name": "n", "labels": {"zone": zone}}} for zone in "ab")
    assert _named(binding.best(claim(), [local], near)) == "local"
    assert _named(binding.best(claim(), [local], far)) is None


async def test_a_static_volume_is_bound_kept_and_released() -> None:
    """Whoever deletes its claim leaves it Released: it is nobody's, and nobody else's."""
    async with Stage() as stage:
        await stage.create(new(volume("disk")))
        await stage.until(VOLUME, "disk", lambda one: (one.get("status") or {}).get("phase") == "Available", "")
        await stage.create(new(claim()))
        found = await stage.until(CLAIM, "data", lambda one: (one.get("status") or {}).get("phase") == "Bound")
        bound = await stage.until(VOLUME, "disk", lambda one: one["status"]["phase"] == "Bound", "")
        await stage.client.delete(Ref(CLAIM, "default", "data"))
        await stage.until(VOLUME, "disk", lambda one: one["status"]["phase"] == "Released", "")
        await stage.create(new(claim()))
        again = await stage.until(CLAIM, "data", lambda one: (one.get("status") or {}).get("phase") == "Pending")

    assert found["spec"]["volumeName"] == "disk"
    assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert {"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"} <= set(
        found["metadata"]["annotations"]
    )
    assert bound["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    assert bound["spec"]["claimRef"]["name"] == "data"
    assert "volumeName" not in again["spec"]


async def test_a_volume_that_nobody_made_cannot_be_unmade() -> None:
    """A reclaim policy of Delete fails then, and says why."""
    own = {"persistentVolumeReclaimPolicy": "Delete", "hostPath": None, "nfs": {"server": "a", "path": "/b"}}
    async with Stage() as stage:
        await stage.create(new(volume("disk", spec=own)))
        await stage.until(VOLUME, "disk", lambda one: (one.get("status") or {}).get("phase") == "Available", "")
        await stage.create(new(claim()))
        await stage.until(CLAIM, "data", lambda one: (one.get("status") or {}).get("phase") == "Bound")
        await stage.client.delete(Ref(CLAIM, "default", "data"))
        failed = await stage.until(VOLUME, "disk", lambda one: one["status"]["phase"] == "Failed", "")
    assert "no deletable volume plugin matched" in failed["status"]["message"]


async def test_a_claim_in_use_waits_for_its_pod() -> None:
    """It is Terminating until the pod is gone; a volume made for it goes with it."""
    async with Stage() as stage:
        wanted = new(claim())
        del wanted["spec"]["storageClassName"]
        await stage.create(wanted)
        found = await stage.until(CLAIM, "data", lambda one: (one.get("status") or {}).get("phase") == "Bound")
        disk = found["spec"]["volumeName"]
        own = template(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])["spec"]
        await stage.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": own}
        )
        await stage.until(POD, "p", lambda one: one["spec"].get("nodeName"))
        await stage.client.delete(Ref(CLAIM, "default", "data"))
        await stage.pause(5)
        kept = await stage.get(CLAIM, "data")
        await stage.client.delete(Ref(POD, "default", "p"))
        await stage.until(CLAIM, "data", lambda one: one is None)
        await stage.until(VOLUME, disk, lambda one: one is None, "")
    assert (kept or {})["metadata"].get("deletionTimestamp")


async def test_a_claim_that_waits_for_its_pod_is_bound_where_that_goes() -> None:
    """WaitForFirstConsumer: pending until a pod uses it, then made for the pod's node; the pod is placed after that."""
    async with Stage() as stage:
        await stage.create(
            {
                "apiVersion": STORAGE_CLASS.api_version,
                "kind": STORAGE_CLASS.kind,
                "metadata": {"name": "late"},
                "provisioner": "disks.example.com",
                "volumeBindingMode": "WaitForFirstConsumer",
            }
        )
        await stage.create(new(claim(storageClassName="late")))
        await stage.pause(2)
        waits = await stage.get(CLAIM, "data")
        own = template(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])["spec"]
        await stage.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": own}
        )
        placed = await stage.until(POD, "p", lambda one: one["spec"].get("nodeName"))
        found = await stage.get(CLAIM, "data")
        said = [one["reason"] for one in await stage.list(EVENT) if one["involvedObject"]["name"] == "data"]

    assert (waits or {})["status"]["phase"] == "Pending"
    assert (found or {})["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == placed["spec"]["nodeName"]
    assert (found or {})["status"]["phase"] == "Bound"
    assert said[:1] == ["WaitForFirstConsumer"]


async def test_a_pod_without_its_claim_says_so() -> None:
    """It is placed as soon as the claim is there and bound."""
    async with Stage() as stage:
        own = template(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])["spec"]
        await stage.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": own}
        )
        waits = await stage.until(POD, "p", lambda one: one["status"].get("conditions") or [])
        wanted = new(claim())
        del wanted["spec"]["storageClassName"]
        await stage.create(wanted)
        await stage.until(POD, "p", lambda one: one["spec"].get("nodeName"))
    expected = '0/1 nodes are available: persistentvolumeclaim "data" not found. not found'
    assert expected == waits["status"]["conditions"][0]["message"]


async def test_a_claim_of_a_pod_lives_as_long_as_the_pod() -> None:
    """An ephemeral volume's claim bears the pod's name and goes with it."""
    async with Stage() as stage:
        wants = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        own = template(volumes=[{"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": wants}}}])["spec"]
        await stage.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": own}
        )
        await stage.until(POD, "p", lambda one: one["spec"].get("nodeName"))
        made = await stage.get(CLAIM, "p-tmp")
        await stage.client.delete(Ref(POD, "default", "p"))
        await stage.until(CLAIM, "p-tmp", lambda one: one is None)
    assert (made or {})["metadata"]["ownerReferences"][0]["kind"] == "Pod"
