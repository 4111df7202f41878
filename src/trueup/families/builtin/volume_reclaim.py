"""The volumes' side of binding: available, bound, released; and what becomes of one whose claim is gone.

Source: kube-controller-manager ``pkg/controller/volume/persistentvolume`` (``syncVolume``); Kubernetes documentation
"Reclaiming".
"""

from collections.abc import Iterable

from trueup.families.builtin.kinds import CLAIM, VOLUME
from trueup.families.builtin.tools import change, remove, write_status
from trueup.families.builtin.volume_binding import BOUND_BY_US, PROVISIONED_BY, mode
from trueup.families.builtin.volumes import PROVISIONER
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, meta, uid


async def reconcile(tools: Tools, key: Key) -> Result:
    """What a volume is now."""
    found = tools.cache(VOLUME).get(key)
    if found is None or meta(found).get("deletionTimestamp"):
        return Result()
    ref = found["spec"].get("claimRef") or {}
    if not ref.get("uid"):
        await _phase(tools, found, "Available")
        return Result()
    claim = tools.cache(CLAIM).get(Key(str(ref.get("namespace")), str(ref.get("name"))))
    if claim is None or uid(claim) != ref["uid"]:
        await _reclaim(tools, found)
    elif not claim["spec"].get("volumeName"):
        _tell_mismatch(tools, found, claim)
    elif claim["spec"]["volumeName"] == key.name:
        await _phase(tools, found, "Bound")
    elif annotations(found).get(PROVISIONED_BY) and found["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
        await _reclaim(tools, found)
    else:
        await _unbind(tools, found)
    return Result()


def _tell_mismatch(tools: Tools, found: Object, claim: Object) -> None:
    if mode(found) == mode(claim):
        return
    tail = "due to incompatible volumeMode."
    text = f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{meta(claim)["name"]}" {tail}'
    tools.events.record(found, "Warning", "VolumeMismatch", text)
    text = f'Cannot bind PersistentVolume "{meta(found)["name"]}" to requested PersistentVolumeClaim {tail}'
    tools.events.record(claim, "Warning", "VolumeMismatch", text)


async def _phase(tools: Tools, found: Object, phase: str, **more: str) -> Object:
    status = found.get("status") or {}
    if status.get("phase") == phase:
        return found
    kept = {name: value for name, value in status.items() if name not in ("message", "reason")}
    return await write_status(tools, found, {**kept, "phase": phase, **more}) or found


async def _reclaim(tools: Tools, found: Object) -> None:
    """Released; then kept, deleted or wiped, as its policy says."""
    if (found.get("status") or {}).get("phase") not in ("Released", "Failed"):
        found = await _phase(tools, found, "Released")
    policy = found["spec"].get("persistentVolumeReclaimPolicy") or "Retain"
    by = annotations(found).get(PROVISIONED_BY)
    path = str((found["spec"].get("hostPath") or {}).get("path") or "")
    if policy == "Delete" and (by == PROVISIONER or path.startswith("/tmp/")):  # noqa: S108
        await remove(tools, found)
    elif policy == "Delete" and not by and "csi" not in found["spec"]:  # nobody made it, so nobody can unmake it
        text = f'error getting deleter volume plugin for volume "{meta(found)["name"]}": no deletable volume plugin matched'
        if path:
            text = f"host_path deleter only supports /tmp/.+ but received provided {path}"
        if (found.get("status") or {}).get("phase") != "Failed":
            tools.events.record(found, "Warning", "VolumeFailedDelete", text)
            await _phase(tools, found, "Failed", message=text)
    elif policy == "Recycle":
        tools.events.record(found, "Normal", "VolumeRecycled", "Volume recycled")
        await _unbind(tools, found)


async def _unbind(tools: Tools, found: Object) -> None:
    """Free for others; a claim that its author named stays named."""
    claim: Object | None = None
    if BOUND_BY_US not in annotations(found):
        claim = {"uid": None, "resourceVersion": None}
    patch = {"metadata": {"annotations": {BOUND_BY_US: None}}, "spec": {"claimRef": claim}}
    found = await change(tools, found, patch) or found
    await _phase(tools, found, "Available")


def _volume_of(claim: Object) -> Iterable[Key]:
    name = (claim.get("spec") or {}).get("volumeName")
    if name:
        yield Key("", name)


def _name(claim: Object) -> Iterable[str]:
    yield str(Key.of(claim))


def _claim(found: Object) -> Iterable[str]:
    ref = (found.get("spec") or {}).get("claimRef") or {}
    if ref.get("name"):
        yield str(Key(str(ref.get("namespace") or ""), str(ref["name"])))


CONTROLLER = Controller(
    "volume",
    VOLUME,
    reconcile,
    index={"named-claim": _claim},
    watches=(Watch(CLAIM, keys=_volume_of, by={"named-claim": _name}),),
)
