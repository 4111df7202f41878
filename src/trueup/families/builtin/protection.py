"""What is in use is not deleted: claims wait for their pods, volumes for their claims. And claims that live as long as a pod.

Source: kube-controller-manager ``pkg/controller/volume/pvcprotection``, ``pvprotection``, ``vacprotection``, ``ephemeral``;
admission puts the finalizers there.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.families.builtin.kinds import ATTRIBUTES_CLASS, CLAIM, POD, VOLUME
from trueup.families.builtin.tools import change, create, owner_reference
from trueup.family import Controller, Result, Stop, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import controller_of, meta, uid
from trueup.kube.problems import AlreadyExists

OF_CLAIMS, OF_VOLUMES = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
OF_CLASSES = "kubernetes.io/vac-protection"
BY_CLAIM = "claim"
BY_CLASS = "attributes class"


def claims_used(pod: Object) -> Iterable[tuple[str, Object]]:
    """The claims that a pod uses, with the volume of its that is one."""
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            yield str(volume["persistentVolumeClaim"].get("claimName")), volume
        elif volume.get("ephemeral"):
            yield f"{meta(pod)['name']}-{volume['name']}", volume


def uses(pod: Object, claim: Object) -> bool:
    """Whether a pod keeps a claim from going: it is on a node, or its volume is, and it is not done with for good."""
    if not pod["spec"].get("nodeName"):
        return False
    shut = meta(pod).get("deletionTimestamp") and meta(pod).get("deletionGracePeriodSeconds") == 0
    for name, volume in claims_used(pod):
        if name != meta(claim)["name"]:
            continue
        if "persistentVolumeClaim" in volume or (not shut and (controller_of(claim) or {}).get("uid") == uid(pod)):
            return True
    return False


async def reconcile_claim(tools: Tools, key: Key) -> Result:
    """Let a claim go that nobody uses."""
    claim = tools.cache(CLAIM).get(key)
    if claim is None or not meta(claim).get("deletionTimestamp"):
        return Result()
    if not any(uses(pod, claim) for pod in tools.cache(POD).by_index(BY_CLAIM, str(key))):
        await _release(tools, claim, OF_CLAIMS)
    return Result()


async def reconcile_volume(tools: Tools, key: Key) -> Result:
    """Let a volume go that no claim has."""
    volume = tools.cache(VOLUME).get(key)
    if volume is None or not meta(volume).get("deletionTimestamp"):
        return Result()
    if (volume.get("status") or {}).get("phase") != "Bound":
        await _release(tools, volume, OF_VOLUMES)
        return Result()
    ref = volume["spec"].get("claimRef") or {}
    claim = tools.cache(CLAIM).get(Key(str(ref.get("namespace")), str(ref.get("name"))))
    if claim is None or uid(claim) != ref.get("uid"):  # the last to know was the volume itself
        await _release(tools, volume, OF_VOLUMES)
    return Result()


async def reconcile_class(tools: Tools, key: Key) -> Result:
    """Let a class of attributes go that no claim and no volume names."""
    found = tools.cache(ATTRIBUTES_CLASS).get(key)
    if found is None or not meta(found).get("deletionTimestamp"):
        return Result()
    if not any(tools.cache(kind).by_index(BY_CLASS, key.name) for kind in (CLAIM, VOLUME)):
        await _release(tools, found, OF_CLASSES)
    return Result()


def classes(obj: Object) -> Iterable[str]:
    """The classes of attributes that a claim or a volume has, is to have or last had."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    named = (
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return [name for name in named if name]


def _classes(obj: Object) -> Iterable[Key]:
    return (Key("", name) for name in classes(obj))


async def _release(tools: Tools, obj: Object, finalizer: str) -> None:
    held = meta(obj).get("finalizers") or ()
    if finalizer in held:
        kept = [name for name in held if name != finalizer]
        about = {"finalizers": kept, "resourceVersion": meta(obj)["resourceVersion"]}
        await change(tools, obj, {"metadata": about})


async def reconcile_pod(tools: Tools, key: Key) -> Result:
    """Make the claims that a pod brings along. Raises ``Stop`` when another's claim has the name."""
    pod = tools.cache(POD).get(key)
    if pod is None or meta(pod).get("deletionTimestamp"):
        return Result()
    for name, volume in claims_used(pod):
        if "ephemeral" not in volume:
            continue
        known = tools.cache(CLAIM).get(Key(key.namespace, name))
        if known is None:
            try:
                await create(tools, _claim(pod, name, volume["ephemeral"].get("volumeClaimTemplate") or {}))
            except AlreadyExists:
                return Result(after=0.1)
        elif (controller_of(known) or {}).get("uid") != uid(pod):
            text = f'PVC "{key.namespace}/{name}" was not created for pod "{key}" (pod is not owner)'
            tools.events.record(pod, "Warning", "EphemeralVolumeFailed", text)
            raise Stop(text)
    return Result()


def _claim(pod: Object, name: str, template: Object) -> Object:
    given = template.get("metadata") or {}
    about = {key: given[key] for key in ("labels", "annotations") if given.get(key)}
    about |= {"name": name, "namespace": meta(pod)["namespace"], "ownerReferences": [owner_reference(pod)]}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": template.get("spec") or {}}


def _claims(pod: Object) -> Iterable[Key]:
    return (Key(str(meta(pod).get("namespace")), name) for name, _ in claims_used(pod))


def by_claim(pod: Object) -> Iterable[str]:
    """For the pods' index."""
    return map(str, _claims(pod))


def _volume(claim: Object) -> Iterable[Key]:
    name = (claim.get("spec") or {}).get("volumeName")
    if name:
        yield Key("", name)


def _owner(claim: Object) -> Iterable[Key]:
    owner = controller_of(claim)
    if owner is not None and owner.get("kind") == "Pod":
        yield Key(str(meta(claim).get("namespace")), owner["name"])


CLAIMS = Controller(
    "claim-protection", CLAIM, reconcile_claim, watches=(Watch(POD, keys=_claims, index={BY_CLAIM: by_claim}),)
)
VOLUMES = Controller("volume-protection", VOLUME, reconcile_volume, watches=(Watch(CLAIM, keys=_volume),))
CLASSES = Controller(
    "class-protection",
    ATTRIBUTES_CLASS,
    reconcile_class,
    watches=(
        Watch(CLAIM, keys=_classes, index={BY_CLASS: classes}),
        Watch(VOLUME, keys=_classes, index={BY_CLASS: classes}),
    ),
)
EPHEMERAL = Controller("ephemeral-volume", POD, reconcile_pod, watches=(Watch(CLAIM, keys=_owner),))
