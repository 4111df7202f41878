"""DefaultStorageClass and DefaultIngressClass: what a claim and an Ingress get that name no class; and what keeps claims and
volumes from being deleted in use (StorageObjectInUseProtection).

Source: ``plugin/pkg/admission/storage/storageclass/setdefault``, ``plugin/pkg/admission/storage/storageobjectinuseprotection``,
``plugin/pkg/admission/network/defaultingressclass``.
"""

from __future__ import annotations

from trueup.apiserver.admission.plugin import forbidden
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.store.state import Bucket, Store

_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_CLASS = "volume.beta.kubernetes.io/storage-class"
_INGRESS_DEFAULT = ("ingressclass.kubernetes.io/is-default-class",)
_INGRESS_CLASS = "kubernetes.io/ingress.class"


_PROTECTED = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}


def _protect(served: Served, obj: Object) -> None:
    """A finalizer that a controller takes away once nobody uses the object."""
    name = _PROTECTED.get(served.storage)
    if name is None:
        return
    held = obj["metadata"].get("finalizers") or []
    if name not in held:
        obj["metadata"]["finalizers"] = [*held, name]


class DefaultClasses:
    """Reads the stored classes; protects what they are for."""

    def __init__(self, store: Store) -> None:
        self._storage = store.bucket("storageclasses.storage.k8s.io")
        self._ingress = store.bucket("ingressclasses.networking.k8s.io")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Fill in the default class, where there is one. Raises ``Forbidden`` when several Ingress classes are it."""
        if operation != "CREATE" or write.subresource:
            return
        _protect(served, obj)
        annotations = obj["metadata"].get("annotations") or {}
        if served.storage == "persistentvolumeclaims" and _CLASS not in annotations:
            found = _defaults(self._storage, _DEFAULTS)
            if obj["spec"].get("storageClassName") is None and found:
                # The newest of several; of those of one second, the first by name.
                newest = max(one["metadata"]["creationTimestamp"] for one in found)
                names = (one["metadata"]["name"] for one in found if one["metadata"]["creationTimestamp"] == newest)
                obj["spec"]["storageClassName"] = min(names)
        elif served.storage == "ingresses.networking.k8s.io" and _INGRESS_CLASS not in annotations:
            found = _defaults(self._ingress, _INGRESS_DEFAULT)
            if obj["spec"].get("ingressClassName") is None and found:
                if len(found) > 1:
                    raise forbidden(served, obj, f"{len(found)} default IngressClasses were found, only 1 allowed")
                obj["spec"]["ingressClassName"] = found[0]["metadata"]["name"]


def _defaults(classes: Bucket, annotations: tuple[str, ...]) -> list[Object]:
    out = []
    for *_, entry in classes.scan():
        said = entry.obj["metadata"].get("annotations") or {}
        if any(said.get(name) == "true" for name in annotations):
            out.append(entry.obj)
    return out
