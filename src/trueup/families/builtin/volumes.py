"""Volume claims and the volumes that they are bound to; those that are provided for a claim hold nothing.

Source: kube-controller-manager ``pkg/controller/volume/persistentvolume``; Kubernetes documentation "Persistent Volumes",
"Storage Classes". The volumes' side stands in `volume_reclaim.py`.
"""

from collections.abc import Iterable

from trueup.families.builtin import volume_binding as binding
from trueup.families.builtin.kinds import CLAIM, NAMESPACE, STORAGE_CLASS, VOLUME
from trueup.families.builtin.tools import change, create, write_status
from trueup.families.builtin.volume_binding import BOUND_BY_US, COMPLETE, NO_PROVISIONER, PROVISIONED_BY, SELECTED_NODE
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, meta, uid
from trueup.kube.problems import AlreadyExists
from trueup.kube.quantity import parse

PROVISIONER = "simulate.trueup.dev/volumes"
_DRIVER = "volumes.simulate.trueup.dev"
"""A driver's name is a domain."""
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_FREE, _CLAIM, _PENDING = "free", "claim", "pending"
_BY = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
_LOST = "Data on the volume is lost!"


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


def volume(claim: Object, storage: Object) -> Object:
    """A volume made for a claim. Its driver says that there is nothing behind it."""
    spec = claim["spec"]
    out: Object = {
        "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
        "capacity": {"storage": binding.wanted_size(claim)},
        "claimRef": binding.reference(claim),
        "csi": {"driver": _DRIVER, "volumeHandle": uid(claim)},
        "persistentVolumeReclaimPolicy": storage.get("reclaimPolicy") or "Delete",
        "storageClassName": meta(storage)["name"],
        "volumeMode": binding.mode(claim),
    }
    if storage.get("mountOptions"):
        out["mountOptions"] = storage["mountOptions"]
    if spec.get("volumeAttributesClassName"):
        out["volumeAttributesClassName"] = spec["volumeAttributesClassName"]
    about = {"name": f"pvc-{uid(claim)}", "annotations": {PROVISIONED_BY: PROVISIONER}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": about, "spec": out}


async def reconcile(tools: Tools, key: Key) -> Result:
    """Bind a claim, or say why it is not bound."""
    claim = tools.cache(CLAIM).get(key)
    if claim is None or meta(claim).get("deletionTimestamp"):
        return Result()
    if COMPLETE in annotations(claim):
        await _bound(tools, claim)
    elif claim["spec"].get("volumeName"):
        await _named(tools, claim)
    else:
        await _unbound(tools, claim)
    return Result()


async def _unbound(tools: Tools, claim: Object) -> None:
    """A claim that may have any volume: one that is there, or one that is made for it."""
    classes = tools.cache(STORAGE_CLASS)
    if claim["spec"].get("storageClassName") is None and binding.class_of(claim) == "":
        default = [meta(one)["name"] for one in classes.list() if annotations(one).get(_DEFAULT) == "true"]
        if default:  # it has come after the claim
            claim = await change(tools, claim, {"spec": {"storageClassName": default[0]}}) or claim
    name = binding.class_of(claim)
    known = classes.get(Key("", name)) if name else None
    volumes, node = tools.cache(VOLUME), annotations(claim).get(SELECTED_NODE)
    own = volumes.by_index(_CLAIM, str(Key.of(claim)))
    delayed = binding.waits_for_pod(known) and node is None
    found = binding.best(claim, own if delayed else [*own, *volumes.by_index(_FREE, name)])
    if found is not None:
        await bind(tools, found, claim, chosen=True)
        return
    if delayed:
        said = "waiting for first consumer to be created before binding"
        tools.events.record(claim, "Normal", "WaitForFirstConsumer", said)
    elif name:
        await _provide(tools, claim, name, known)
        return
    else:
        said = "no persistent volumes available for this claim and no storage class is set"
        tools.events.record(claim, "Normal", "FailedBinding", said)
    await _pending(tools, claim)


async def _provide(tools: Tools, claim: Object, name: str, known: Object | None) -> None:
    if known is None or known.get("provisioner") == NO_PROVISIONER:
        said = f'storageclass.storage.k8s.io "{name}" not found'
        if known is not None:
            said = f"no volume plugin matched name: {NO_PROVISIONER}"
        tools.events.record(claim, "Warning", "ProvisioningFailed", said)
        await _pending(tools, claim)
        return
    by = str(known.get("provisioner"))
    if annotations(claim).get(_BY[1]) != by:
        claim = await change(tools, claim, {"metadata": {"annotations": dict.fromkeys(_BY, by)}}) or claim
    made = volume(claim, known)
    try:
        found = await create(tools, made)
        said = f"Successfully provisioned volume {meta(made)['name']}"
        tools.events.record(claim, "Normal", "ProvisioningSucceeded", said, component=PROVISIONER)
    except AlreadyExists:
        found = tools.cache(VOLUME).get(Key.of(made)) or made
    await bind(tools, found, claim, chosen=True)


async def _named(tools: Tools, claim: Object) -> None:
    """A claim that asks for one volume by its name, or whose binding was interrupted."""
    name = claim["spec"]["volumeName"]
    found = tools.cache(VOLUME).get(Key("", name))
    if found is None:
        await _pending(tools, claim)
    elif not found["spec"].get("claimRef"):
        why = binding.unsuitable(found, claim)
        if why:
            said = f'Cannot bind to requested volume "{name}": {why}'
            tools.events.record(claim, "Warning", "VolumeMismatch", said)
            await _pending(tools, claim)
        else:
            await bind(tools, found, claim, chosen=False)
    elif binding.holds(found, claim):
        await bind(tools, found, claim, chosen=False)
    else:
        tools.events.record(claim, "Warning", "FailedBinding", f'volume "{name}" already bound to a different claim.')
        await _pending(tools, claim)


async def _bound(tools: Tools, claim: Object) -> None:
    """A claim that was bound stays so, or has lost its volume."""
    name = claim["spec"].get("volumeName")
    found = tools.cache(VOLUME).get(Key("", name)) if name else None
    if found is not None and (not found["spec"].get("claimRef") or binding.holds(found, claim)):
        await bind(tools, found, claim, chosen=BOUND_BY_US in annotations(claim))
        return
    reason, said = "ClaimLost", f"Bound claim has lost its PersistentVolume. {_LOST}"
    if found is not None:
        reason, said = "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly"
    elif not name:
        said = f"Bound claim has lost reference to PersistentVolume. {_LOST}"
    status = claim.get("status") or {}
    if status.get("phase") != "Lost":
        tools.events.record(claim, "Warning", reason, said)
    lost = ("accessModes", "capacity", "currentVolumeAttributesClassName")
    kept = {name: value for name, value in status.items() if name not in lost}
    await write_status(tools, claim, {**kept, "phase": "Lost"})


async def bind(tools: Tools, found: Object, claim: Object, *, chosen: bool) -> None:
    """The volume names the claim, the claim names the volume, both say so. ``chosen``: by us, not by who wrote the claim."""
    ref = found["spec"].get("claimRef") or {}
    if ref.get("uid") != uid(claim):
        patch: Object = {"spec": {"claimRef": binding.reference(claim)}}
        if not ref:
            patch["metadata"] = {"annotations": {BOUND_BY_US: "yes"}}
        found = await change(tools, found, patch) or found
    found = await _grown(tools, found, claim)
    if (found.get("status") or {}).get("phase") != "Bound":
        await write_status(tools, found, {"phase": "Bound"})
    notes = {COMPLETE: "yes"} | ({BOUND_BY_US: "yes"} if chosen and not claim["spec"].get("volumeName") else {})
    if claim["spec"].get("volumeName") != meta(found)["name"] or notes.keys() - annotations(claim).keys():
        wanted = {"metadata": {"annotations": notes}, "spec": {"volumeName": meta(found)["name"]}}
        claim = await change(tools, claim, wanted) or claim
    status = {
        **(claim.get("status") or {}),
        "phase": "Bound",
        "accessModes": found["spec"]["accessModes"],
        "capacity": found["spec"]["capacity"],
    }
    attributes = found["spec"].get("volumeAttributesClassName")
    if (
        attributes and (claim.get("status") or {}).get("phase") != "Bound"
    ):  # later it is whoever modifies the volume who says
        status["currentVolumeAttributesClassName"] = attributes
    await write_status(tools, claim, status)


async def _grown(tools: Tools, found: Object, claim: Object) -> Object:
    """A simulated volume is as large as its claim asks, also later."""
    wanted = binding.wanted_size(claim)
    if annotations(found).get(PROVISIONED_BY) != PROVISIONER or parse(wanted) <= parse(binding.size(found)):
        return found
    return await change(tools, found, {"spec": {"capacity": {"storage": wanted}}}) or found


async def _pending(tools: Tools, claim: Object) -> None:
    await write_status(tools, claim, {**(claim.get("status") or {}), "phase": "Pending"})


async def reconcile_class(tools: Tools, key: Key) -> Result:
    """The default class is there from the start; whoever deletes it is heeded until the next start."""
    if key.name == "default" and not tools.cache(STORAGE_CLASS).list():
        try:
            await create(tools, storage_class())
        except AlreadyExists:
            return Result()
    return Result()


def claims_of(found: Object) -> Iterable[Key]:
    """The claim that a volume names, as a watch's keys."""
    claim = (found.get("spec") or {}).get("claimRef") or {}
    if claim.get("name"):
        yield Key(claim.get("namespace") or "", claim["name"])


def _claim_names(found: Object) -> Iterable[str]:
    return map(str, claims_of(found))


def _free(found: Object) -> Iterable[str]:
    if not (found.get("spec") or {}).get("claimRef"):
        yield binding.class_of(found)


def _waits(claim: Object) -> Iterable[str]:
    if COMPLETE not in annotations(claim):
        yield _PENDING


def _any(obj: Object) -> Iterable[str]:
    yield _PENDING


def _named_by(found: Object) -> Iterable[str]:
    """A volume that nobody has: whoever waits may have it."""
    if not (found.get("spec") or {}).get("claimRef"):
        yield _PENDING


def _names(claim: Object) -> Iterable[str]:
    if claim["spec"].get("volumeName"):
        yield str(claim["spec"]["volumeName"])


def _name(found: Object) -> Iterable[str]:
    yield str(meta(found)["name"])


CONTROLLER = Controller(
    "volume-claim",
    CLAIM,
    reconcile,
    index={_PENDING: _waits, "volume": _names},
    watches=(
        Watch(
            VOLUME,
            keys=claims_of,
            by={_PENDING: _named_by, "volume": _name},
            index={_CLAIM: _claim_names, _FREE: _free},
        ),
        Watch(STORAGE_CLASS, by={_PENDING: _any}),
    ),
)
CLASS = Controller("storage-class", NAMESPACE, reconcile_class, watches=(Watch(STORAGE_CLASS),))
