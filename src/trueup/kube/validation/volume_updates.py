"""What may change of volumes and claims. Source: Kubernetes ``core/validation``, ValidatePersistentVolume(Claim)Update."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import differences
from trueup.kube.validation.causes import Causes, forbidden, invalid, unchanged

_CLASS = "volume.beta.kubernetes.io/storage-class"
_NOT_A_SOURCE = frozenset(
    {
        "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
        "storageClassName", "volumeAttributesClassName", "volumeMode",
    }
)  # fmt: skip
_ATTRIBUTES = "spec.volumeAttributesClassName"


def volume(new: Object, old: Object) -> Causes:
    """v1 PersistentVolume."""
    now, was = new.get("spec") or {}, old.get("spec") or {}
    after, before = ({k: v for k, v in spec.items() if k not in _NOT_A_SOURCE} for spec in (now, was))
    driven, driver = before.get("csi"), after.get("csi")
    if driven and driver and not driven.get("controllerExpandSecretRef") and driver.get("controllerExpandSecretRef"):
        after["csi"] = {name: value for name, value in driver.items() if name != "controllerExpandSecretRef"}
    if after != before:
        text = "spec.persistentvolumesource is immutable after creation\n"
        shown = differences.changes(before, after, differences.volume_source)
        yield forbidden("spec.persistentvolumesource", text + shown)
    yield from unchanged("volumeMode", now.get("volumeMode"), was.get("volumeMode"))
    affinity = now.get("nodeAffinity")
    if was.get("nodeAffinity") is not None and affinity != was["nodeAffinity"]:
        text = "field is immutable, except for updating from beta label to GA"
        yield invalid("nodeAffinity", affinity, text)
    if was.get("volumeAttributesClassName") is not None and now.get("volumeAttributesClassName") is None:
        yield forbidden(_ATTRIBUTES, "update from non-nil value to nil is forbidden")


def claim(new: Object, old: Object) -> Causes:
    """v1 PersistentVolumeClaim."""
    was, bound = _without_nulls(old.get("spec") or {}), (new.get("status") or {}).get("phase") == "Bound"
    yield from _classes(new, old)
    now, before = _comparable(new, was, bound=bound), dict(was)
    if not was.get("volumeName") and now.get("volumeName"):
        before["volumeName"] = now["volumeName"]
    if now != before:
        text = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
        yield forbidden("spec", text + differences.changes(before, now, differences.claim_spec))
    spec = new.get("spec") or {}
    if _size(spec) < _size(was) and _size(spec) <= _amount(
        ((old.get("status") or {}).get("capacity") or {}).get("storage")
    ):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    yield from unchanged("volumeMode", spec.get("volumeMode"), was.get("volumeMode"))
    if (old.get("status") or {}).get("currentVolumeAttributesClassName") is not None:
        wanted = spec.get("volumeAttributesClassName")
        if wanted != was.get("volumeAttributesClassName") and not wanted:
            what = "nil" if wanted is None else "empty string"
            text = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
            yield forbidden(_ATTRIBUTES, text)


def _without_nulls(spec: Object) -> Object:
    """Sources without the groups that are printed though there are none."""
    spec = dict(spec)
    for name in ("dataSource", "dataSourceRef"):
        if spec.get(name) is not None:
            spec[name] = {key: value for key, value in spec[name].items() if value is not None}
    return spec


def _classes(new: Object, old: Object) -> Causes:
    """The class that an old annotation names stays."""
    if _upgraded(new, old):
        return
    now, was = ((obj["metadata"].get("annotations") or {}).get(_CLASS, "") for obj in (new, old))
    if now != was:
        yield invalid(f"metadata.annotations.{_CLASS}", now, "field is immutable")


def _upgraded(new: Object, old: Object) -> bool:
    """Whether the class moves from the annotation to its field."""
    notes, wanted = old["metadata"].get("annotations") or {}, (new.get("spec") or {}).get("storageClassName")
    if _CLASS not in notes or (old.get("spec") or {}).get("storageClassName") is not None:
        return False
    kept = (new["metadata"].get("annotations") or {}).get(_CLASS, notes[_CLASS])
    return bool(wanted == notes[_CLASS] and kept == notes[_CLASS])


def _comparable(new: Object, was: Object, *, bound: bool) -> Object:
    """The wanted spec with what may change as it was."""
    now = _without_nulls(new.get("spec") or {})
    if was.get("storageClassName") is None:
        now.pop("storageClassName", None)
    if not bound:
        return now
    requests = (now.get("resources") or {}).get("requests")
    if requests is not None:
        size = ((was.get("resources") or {}).get("requests") or {}).get("storage")
        requests = {**requests, "storage": size} if size is not None else requests
        now["resources"] = {**now["resources"], "requests": requests}
    if was.get("volumeAttributesClassName") is None:
        now.pop("volumeAttributesClassName", None)
    else:
        now["volumeAttributesClassName"] = was["volumeAttributesClassName"]
    return now


def _size(spec: Object) -> Fraction:
    return _amount(((spec.get("resources") or {}).get("requests") or {}).get("storage"))


def _amount(found: Any) -> Fraction:
    return Fraction(0) if found is None else Fraction(parse(found))
