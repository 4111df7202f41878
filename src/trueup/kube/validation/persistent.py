"""Persistent volumes. Source: Kubernetes ``core/validation``, ValidatePersistentVolumeSpec; ``pkg/api/persistentvolume``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import affinity, formats
from trueup.kube.validation import volume_sources as sources
from trueup.kube.validation.causes import (
    Causes,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)  # fmt: skip
from trueup.kube.validation.claims import VOLUME_MODES, access_modes

_POLICIES = ("Delete", "Recycle", "Retain")
_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
_INLINE = "may not be specified in the context of inline volumes"


def volume(obj: Object) -> Causes:
    """v1 PersistentVolume."""
    yield from volume_spec(obj.get("spec") or {}, "spec", str(obj["metadata"].get("name") or ""))


def volume_spec(spec: Object, path: str, name: str = "", *, inline: bool = False) -> Causes:
    """What a volume is; ``inline``: where an attachment says it itself."""
    if inline:
        if spec.get("claimRef") is not None:
            yield forbidden(f"{path}.claimRef", _INLINE)
        if spec.get("capacity"):
            yield forbidden(f"{path}.capacity", _INLINE)
        if spec.get("csi") is None:
            yield required(f"{path}.csi", "has to be specified in the context of inline volumes")
    if not spec.get("accessModes"):
        yield required(f"{path}.accessModes")
    yield from access_modes(spec.get("accessModes") or (), f"{path}.accessModes")
    if not inline:
        yield from _capacity(spec.get("capacity"), f"{path}.capacity")
        policy = spec.get("persistentVolumeReclaimPolicy")
        if policy:
            yield from one_of(f"{path}.persistentVolumeReclaimPolicy", policy, _POLICIES)
    yield from _placed(spec, path, inline=inline)
    yield from _source(spec, path, name)
    host = spec.get("hostPath") or {}
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle" and host and not _clean(host.get("path") or ""):
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")
    yield from _classes(spec, path, inline=inline)


def _clean(path: str) -> bool:
    """Whether a path leads below the root."""
    return not path.startswith("/") or any(part not in ("", ".", "..") for part in path.split("/"))


def _capacity(found: Any, path: str) -> Causes:
    if not found:
        yield required(path)
    if not found or "storage" not in found or len(found) > 1:
        yield not_supported(path, found, ("storage",))
    for name, amount in (found or {}).items():
        number = parse(amount)
        if number < 0:
            # Kubernetes rounds away from zero here.
            yield invalid(f"{path}[{name}]", number.__floor__(), "must be a valid resource quantity")
        if number <= 0:
            yield invalid(f"{path}[{name}]", amount, "must be greater than zero")


def _placed(spec: Object, path: str, *, inline: bool) -> Causes:
    found = spec.get("nodeAffinity")
    if found is None:
        if spec.get("local") is not None:
            yield required(f"{path}.nodeAffinity", "Local volume requires node affinity")
        return
    if inline:
        yield forbidden(f"{path}.nodeAffinity", _INLINE)
    if found.get("required") is None:
        yield required(f"{path}.nodeAffinity.required", "must specify required node constraints")
    else:
        yield from affinity.node_selector(found["required"], f"{path}.nodeAffinity.required")


def _source(spec: Object, path: str, name: str) -> Causes:
    given = [kind for kind in spec if kind in _RULES and spec[kind] is not None]
    if not given:
        yield required(path, "must specify a volume type")
        return
    given.sort(key=_ORDER.__getitem__)
    kind = given[0]
    found = spec[kind]
    yield from _RULES[kind](found, f"{path}.{kind}")
    if kind == "iscsi" and found.get("initiatorName") is not None:
        portal = found.get("targetPortal") or ""
        if len(f"{name}:{portal}") > sources.LONGEST_PORTAL:
            yield invalid(f"{path}.iscsi.targetportal", portal, sources.PORTAL)
    for other in given[1:]:
        if other == "flexVolume":  # which Kubernetes takes beside others
            yield from _RULES[other](spec[other], f"{path}.{other}")
        else:
            called = "cephFS" if other == "cephfs" else other
            yield forbidden(f"{path}.{called}", "may not specify more than 1 volume type")


def _classes(spec: Object, path: str, *, inline: bool) -> Causes:
    name, mode, attributes = (spec.get(k) for k in ("storageClassName", "volumeMode", "volumeAttributesClassName"))
    if name and inline:
        yield forbidden(f"{path}.storageClassName", _INLINE)
    elif name:
        yield from each_invalid(f"{path}.storageClassName", name, formats.subdomain(name))
    if mode is not None and inline and mode != "Filesystem":
        text = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        yield forbidden(f"{path}.volumeMode", text)
    elif mode is not None and not inline and mode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    if attributes is None:
        return
    if not attributes:
        yield required(f"{path}.volumeAttributesClassName", "an empty string is disallowed")
    else:
        yield from each_invalid(f"{path}.volumeAttributesClassName", attributes, formats.subdomain(attributes))
    if spec.get("csi") is None:
        yield required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def _iscsi(found: Object, path: str) -> Causes:
    yield from sources.iscsi(found, path, in_pod=False)


def _glusterfs(found: Object, path: str) -> Causes:
    yield from sources.needs("endpoints", "path")(found, path)
    space, at = found.get("endpointsNamespace"), f"{path}.endpointsNamespace"
    if space == "":
        yield invalid(at, space, "if the endpointnamespace is set, it must be a valid namespace name")
    elif space is not None:
        yield from each_invalid(at, space, formats.label(space))


def _with_secret(rule: sources.Rule) -> sources.Rule:
    """A source whose secret is in a namespace, since the volume is in none."""

    def both(found: Object, path: str) -> Causes:
        yield from rule(found, path)
        secret = found.get("secretRef")
        if secret is not None and not secret.get("namespace"):
            yield required(f"{path}.secretRef.namespace")

    return both


def _azure_file(found: Object, path: str) -> Causes:
    yield from sources.needs("secretName", "shareName")(found, path)
    if found.get("secretNamespace") == "":
        yield required(f"{path}.secretNamespace")


def _local(found: Object, path: str) -> Causes:
    place = found.get("path") or ""
    if not place:
        yield required(f"{path}.path")
    elif ".." in place.split("/"):
        yield invalid(f"{path}.path", place, "must not contain '..'")


def _csi(found: Object, path: str) -> Causes:
    yield from sources.driver_name(found.get("driver") or "", f"{path}.driver")
    if not found.get("volumeHandle"):
        yield required(f"{path}.volumeHandle")
    for field in _SECRETS:
        secret = found.get(field)
        if secret is None:
            continue
        for part, rule in (("name", formats.subdomain), ("namespace", formats.label)):
            value = secret.get(part) or ""
            if not value:
                yield required(f"{path}.{field}.{part}")
            else:
                yield from each_invalid(f"{path}.{field}.{part}", value, rule(value))


_RULES: Mapping[str, sources.Rule] = {
    "hostPath": sources.host_path,
    "gcePersistentDisk": sources.SHARED["gcePersistentDisk"],
    "awsElasticBlockStore": sources.SHARED["awsElasticBlockStore"],
    "glusterfs": _glusterfs,
    "flocker": sources.flocker,
    "nfs": sources.nfs,
    "rbd": sources.SHARED["rbd"],
    "quobyte": sources.quobyte,
    "cephfs": sources.SHARED["cephfs"],
    "iscsi": _iscsi,
    "cinder": _with_secret(sources.cinder),
    "fc": sources.fibre_channel,
    "flexVolume": sources.flex,
    "azureFile": _azure_file,
    "vsphereVolume": sources.SHARED["vsphereVolume"],
    "photonPersistentDisk": sources.SHARED["photonPersistentDisk"],
    "portworxVolume": sources.SHARED["portworxVolume"],
    "azureDisk": sources.azure_disk,
    "scaleIO": sources.SHARED["scaleIO"],
    "local": _local,
    "storageos": _with_secret(sources.storage_os),
    "csi": _csi,
}
"""By source, in the order in which Kubernetes looks at them."""
_ORDER = {kind: place for place, kind in enumerate(_RULES)}
