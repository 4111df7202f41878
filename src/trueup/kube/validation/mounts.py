"""Where containers mount volumes, and use them as devices. Source: Kubernetes ``core/validation``, ValidateVolumeMounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import paths
from trueup.kube.validation.causes import Causes, forbidden, invalid, not_found, not_supported, required

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def mounts(container: Object, known: Mapping[str, Any], path: str) -> Causes:
    """``volumeMounts`` and ``volumeDevices`` of a container."""
    mounted, devices = container.get("volumeMounts") or (), container.get("volumeDevices") or ()
    if mounted:
        privileged = bool((container.get("securityContext") or {}).get("privileged"))
        by_name = {one.get("name") or "": one.get("devicePath") or "" for one in devices}
        yield from _mounts(mounted, known, by_name, f"{path}.volumeMounts", privileged=privileged)
    if devices:
        by_name = {one.get("name") or "": one.get("mountPath") or "" for one in mounted}
        yield from _devices(devices, known, by_name, f"{path}.volumeDevices")


def _mounts(
    found: Sequence[Object], known: Mapping[str, Any], devices: Mapping[str, str], path: str, *, privileged: bool
) -> Causes:
    places: set[str] = set()
    for index, mount in enumerate(found):
        at, name, place = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{at}.name")
        if name not in known:
            yield not_found(f"{at}.name", name)
        if not place:
            yield required(f"{at}.mountPath")
        if place in places:
            yield invalid(f"{at}.mountPath", place, "must be unique")
        places.add(place)
        if name in devices:
            yield invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        if place in devices.values():
            yield invalid(f"{at}.mountPath", place, "must not already exist as a path in volumeDevices")
        yield from _below(mount, at, path)
        yield from _shared(mount, path, privileged=privileged)


def _below(mount: Object, at: str, path: str) -> Causes:
    """What of the volume is mounted; Kubernetes does not say which mount's path is wrong."""
    sub, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    if sub:
        yield from paths.descending(sub, f"{path}.subPath")
    if expression:
        if sub:
            yield invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        yield from paths.descending(expression, f"{path}.subPathExpr")


def _shared(mount: Object, path: str, *, privileged: bool) -> Causes:
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation is not None:
        if propagation not in _PROPAGATIONS:
            yield not_supported(f"{path}.mountPropagation", propagation, _PROPAGATIONS)
        if propagation == "Bidirectional" and not privileged:
            text = "Bidirectional mount propagation is available only to privileged containers"
            yield forbidden(f"{path}.mountPropagation", text)
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            yield forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true")
        if propagation not in (None, "None"):
            text = "may only be specified when mountPropagation is None or not specified"
            yield forbidden(f"{path}.recursiveReadOnly", text)
    elif recursive not in (None, "Disabled"):
        yield not_supported(f"{path}.recursiveReadOnly", recursive, _RECURSIVE)


def _devices(found: Sequence[Object], known: Mapping[str, Any], mounted: Mapping[str, str], path: str) -> Causes:
    places: set[str] = set()
    names: set[str] = set()
    for index, device in enumerate(found):
        at, name, place = f"{path}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        if not name:
            yield required(f"{at}.name")
        if name in names:
            yield invalid(f"{at}.name", name, "must be unique")
        volume = known.get(name)
        if volume is None:
            yield not_found(f"{at}.name", name)
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield invalid(f"{at}.name", name, text)
        if not place:
            yield required(f"{at}.devicePath")
        if place in places:
            yield invalid(f"{at}.devicePath", place, "must be unique")
        if ".." in place.split("/"):
            yield invalid(f"{at}.devicePath", place, "can not contain backsteps ('..')")
        else:
            places.add(place)
        if name in mounted:
            yield invalid(f"{at}.name", name, "must not already exist in volumeMounts")
        if place in mounted.values():
            yield invalid(f"{at}.devicePath", place, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)
