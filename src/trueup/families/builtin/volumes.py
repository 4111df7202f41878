"""Volume claims are bound at once to volumes that hold nothing. Source: Kubernetes documentation "Persistent Volumes"."""

from collections.abc import Iterable

from trueup.families.builtin.kinds import CLAIM, NAMESPACE, STORAGE_CLASS, VOLUME
from trueup.families.builtin.tools import change, create, remove, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, meta, uid
from trueup.kube.problems import AlreadyExists

PROVISIONER = "simulate.trueup.dev/volumes"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_BY = "pv.kubernetes.io/provisioned-by"


def storage_class() -> Object:
    """The class of claims that name none."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "simulated", "annotations": {_DEFAULT: "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }


def volume(claim: Object, class_name: str, reclaim: str) -> Object:
    """A volume made for a claim. Its driver says that there is nothing behind it."""
    spec = claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{uid(claim)}", "annotations": {_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
            "capacity": {"storage": ((spec.get("resources") or {}).get("requests") or {}).get("storage") or "1Gi"},
            "claimRef": reference(claim),
            "csi": {"driver": PROVISIONER, "volumeHandle": uid(claim)},
            "persistentVolumeReclaimPolicy": reclaim,
            "storageClassName": class_name,
            "volumeMode": spec.get("volumeMode") or "Filesystem",
        },
    }


def reference(claim: Object) -> Object:
    """The claim, as a volume names it."""
    about = meta(claim)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": about["name"],
        "namespace": about["namespace"],
        "uid": about["uid"],
    }


async def reconcile(tools: Tools, key: Key) -> Result:
    """Bind a claim; or, when it is gone, do with its volume as the reclaim policy says."""
    claim = tools.cache(CLAIM).get(key)
    if claim is None or meta(claim).get("deletionTimestamp"):
        for one in tools.cache(VOLUME).by_index("claim", str(key)):
            if claim is None or (one["spec"].get("claimRef") or {}).get("uid") != uid(claim):
                await _released(tools, one)
        return Result()
    name = claim["spec"].get("volumeName")
    found = tools.cache(VOLUME).get(Key("", name)) if name else None
    if found is None:
        found = await _provide(tools, claim)
        if found is None:
            return Result()
    if (found.get("status") or {}).get("phase") != "Bound":
        await write_status(tools, found, {"phase": "Bound"})
    status = {
        **(claim.get("status") or {}),
        "phase": "Bound",
        "accessModes": found["spec"]["accessModes"],
        "capacity": {"storage": _size(claim, found)},
    }
    await write_status(tools, claim, status)
    return Result()


def _size(claim: Object, found: Object) -> str:
    """A simulated volume is as large as its claim asks, also later."""
    wanted = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    size = found["spec"]["capacity"]["storage"]
    return str(wanted or size) if annotations(found).get(_BY) == PROVISIONER else str(size)


async def _provide(tools: Tools, claim: Object) -> Object | None:
    class_name = claim["spec"].get("storageClassName")
    classes = tools.cache(STORAGE_CLASS)
    if class_name is None:
        class_name = next(
            (meta(one)["name"] for one in classes.list() if annotations(one).get(_DEFAULT) == "true"), "simulated"
        )
    known = classes.get(Key("", class_name)) if class_name else None
    if claim["spec"].get("volumeName") or known is None:
        reason = "no persistent volumes available for this claim and no storage class is set"
        if class_name:
            reason = f'storageclass.storage.k8s.io "{class_name}" not found'
        tools.events.record(claim, "Warning", "ProvisioningFailed", reason)
        await write_status(tools, claim, {**(claim.get("status") or {}), "phase": "Pending"})
        return None
    made = volume(claim, class_name, known.get("reclaimPolicy") or "Delete")
    try:
        found = await create(tools, made)
    except AlreadyExists:
        found = tools.cache(VOLUME).get(Key.of(made)) or made
    spec = {"volumeName": meta(made)["name"], "storageClassName": class_name}
    return found if await change(tools, claim, {"spec": spec}) is not None else None


async def _released(tools: Tools, found: Object) -> None:
    if found["spec"].get("persistentVolumeReclaimPolicy") == "Delete" and annotations(found).get(_BY) == PROVISIONER:
        await remove(tools, found)
    else:
        await write_status(tools, found, {**(found.get("status") or {}), "phase": "Released"})


async def reconcile_class(tools: Tools, key: Key) -> Result:
    """The default class is there from the start; whoever deletes it is heeded until the next start."""
    if key.name == "default" and not tools.cache(STORAGE_CLASS).list():
        try:
            await create(tools, storage_class())
        except AlreadyExists:
            return Result()
    return Result()


def _claims(found: Object) -> Iterable[Key]:
    claim = (found.get("spec") or {}).get("claimRef") or {}
    if claim.get("name"):
        yield Key(claim.get("namespace") or "", claim["name"])


def _claim_names(found: Object) -> Iterable[str]:
    return map(str, _claims(found))


def _pending(claim: Object) -> Iterable[str]:
    if not (claim.get("spec") or {}).get("volumeName"):
        yield "pending"


def _any(obj: Object) -> Iterable[str]:
    yield "pending"


CONTROLLER = Controller(
    "volume-claim",
    CLAIM,
    reconcile,
    index={"pending": _pending},
    watches=(Watch(VOLUME, keys=_claims, index={"claim": _claim_names}), Watch(STORAGE_CLASS, by={"pending": _any})),
)
CLASS = Controller("storage-class", NAMESPACE, reconcile_class, watches=(Watch(STORAGE_CLASS),))
