"""Which volume a claim gets, and which it may not have. Pure; called by `volumes` and by the scheduler's `volume_places`.

Source: component-helpers ``storage/volume/pv_helpers.go``; kube-controller-manager ``pkg/controller/volume/persistentvolume``;
Kubernetes documentation "Persistent Volumes".
"""

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.families.builtin.simulate.selection import term_matches
from trueup.kube.names import Object
from trueup.kube.objects import annotations, labels, meta, uid
from trueup.kube.quantity import parse
from trueup.kube.selectors import label_selector

BOUND_BY_US, COMPLETE = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


def class_of(obj: Object) -> str:
    """The storage class of a claim or a volume; the annotation is older than the field, and wins."""
    old = annotations(obj).get(_OLD_CLASS)
    return str(old if old is not None else obj["spec"].get("storageClassName") or "")


def wanted_size(claim: Object) -> str:
    """What a claim asks for."""
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage") or "0")


def size(volume: Object) -> str:
    """What a volume has."""
    return str((volume["spec"].get("capacity") or {}).get("storage") or "0")


def holds(volume: Object, claim: Object) -> bool:
    """Whether a volume is this claim's: it names it, and knows no other of that name."""
    ref = volume["spec"].get("claimRef") or {}
    about = meta(claim)
    if (ref.get("namespace"), ref.get("name")) != (about.get("namespace"), about.get("name")):
        return False
    return not ref.get("uid") or ref["uid"] == uid(claim)


def reachable(volume: Object, node: Object) -> bool:
    """Whether a volume can be had on a node."""
    terms = ((volume["spec"].get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms")
    return terms is None or any(term_matches(term, node) for term in terms)


def best(
    claim: Object, volumes: Iterable[Object], node: Object | None = None, *, excluded: Iterable[str] = ()
) -> Object | None:
    """The volume that already names the claim; else the smallest that will do."""
    wanted, own = parse(wanted_size(claim)), class_of(claim)
    given = claim["spec"].get("selector")
    selector = label_selector(given) if given is not None else None
    found: list[tuple[Any, str, Object]] = []
    taken = frozenset(excluded)
    for volume in volumes:
        theirs = volume["spec"].get("claimRef")
        if meta(volume)["name"] in taken or (theirs and not holds(volume, claim)):
            continue
        room = parse(size(volume))
        if room < wanted or mode(volume) != mode(claim) or _attributes(volume) != _attributes(claim):
            continue
        if meta(volume).get("deletionTimestamp"):
            continue
        near = node is None or reachable(volume, node)
        if theirs:
            return volume if near else None
        if (volume.get("status") or {}).get("phase") != "Available" or not near or class_of(volume) != own:
            continue
        if selector is not None and not selector.matches(labels(volume)):
            continue
        if set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
            found.append((room, str(meta(volume)["name"]), volume))
    return min(found, key=lambda one: one[:2])[2] if found else None


def mode(obj: Object) -> str:
    """The volume mode of a claim or a volume."""
    return str(obj["spec"].get("volumeMode") or "Filesystem")


def _attributes(obj: Object) -> str:
    return str(obj["spec"].get("volumeAttributesClassName") or "")


def unsuitable(volume: Object, claim: Object) -> str:
    """Why a claim may not have the volume that it asks for by name; empty when it may."""
    if parse(size(volume)) < parse(wanted_size(claim)):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if mode(volume) != mode(claim):
        return "incompatible volumeMode"
    if not set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    if _attributes(volume) != _attributes(claim):
        return "volumeAttributesClassName does not match"
    return ""


def waits_for_pod(storage_class: Mapping[str, Any] | None) -> bool:
    """Whether claims of a class are bound when a pod that uses them has found its node."""
    return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def reference(claim: Object) -> Object:
    """The claim, as a volume names it."""
    about = meta(claim)
    names = {name: about[name] for name in ("name", "namespace", "uid", "resourceVersion")}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **names}
