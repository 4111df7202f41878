"""What changed in a part that may not change, as Kubernetes prints it: lines of the two values as Go's own structs.

Called by the rules of updates, with parts of objects; text goes out. Source: apimachinery ``util/diff``; the layouts are those
of the internal types in ``pkg/apis/core/types.go``, whose fields are all printed, in their order, under their Go names.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from trueup.kube.names import Object

Layout = Callable[[Any], Any]


def changes(old: Any, new: Any, layout: Layout) -> str:
    """A unified diff without head."""
    before, after = (_lines(layout(value)) for value in (old, new))
    return "".join(list(difflib.unified_diff(before, after))[2:])


def _lines(value: Any) -> list[str]:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    found = []
    for line in text.split("\n"):
        bare = line.lstrip(" ")
        found.append(f"{' ' * ((len(line) - len(bare)) // 2)}{bare}\n")
    return found


_ZEROS: Mapping[str, Any] = {"s": "", "i": 0, "b": False, "p": None}


def _struct(text: str, **inner: Layout) -> Layout:
    """Reads ``Name:kind …``: s a text, i a number, b a truth, p what may be absent.

    A field's name in JSON is its name in Go but for the letters' case; ``inner`` says how other structs look, by that name.
    """
    fields = [(name, name.lower(), kind) for name, _, kind in (word.partition(":") for word in text.split())]

    def lay(value: Any) -> Any:
        if value is None:
            return None
        found = {name.lower(): each for name, each in value.items()}
        made: Object = {}
        for name, key, kind in fields:
            each = found.get(_OTHERWISE.get(key, key), _ZEROS[kind])
            made[name] = inner[key](each) if key in inner else each
        return made

    return lay


_OTHERWISE = {
    "endpointsname": "endpoints", "cephmonitors": "monitors", "rbdimage": "image", "rbdpool": "pool", "radosuser": "user",
    "discoverychapauth": "chapauthdiscovery", "sessionchapauth": "chapauthsession", "datadiskuri": "diskuri",
}  # fmt: skip
"""Fields whose names in Go are others than in JSON."""
_SECRET = _struct("Name:s Namespace:s")
_OBJECT = _struct("Kind:s Namespace:s Name:s UID:s APIVersion:s ResourceVersion:s FieldPath:s")


def _sorted(value: Any) -> Any:
    """A map, as Go prints it."""
    return dict(sorted(value.items())) if value else value


def _with_secret(text: str) -> Layout:
    return _struct(text, secretref=_SECRET)


_SOURCES: Mapping[str, Layout] = {
    "GCEPersistentDisk": _struct("PDName:s FSType:s Partition:i ReadOnly:b"),
    "AWSElasticBlockStore": _struct("VolumeID:s FSType:s Partition:i ReadOnly:b"),
    "HostPath": _struct("Path:s Type:p"),
    "Glusterfs": _struct("EndpointsName:s Path:s ReadOnly:b EndpointsNamespace:p"),
    "NFS": _struct("Server:s Path:s ReadOnly:b"),
    "RBD": _with_secret(
        "CephMonitors:p RBDImage:s FSType:s RBDPool:s RadosUser:s Keyring:s SecretRef:p ReadOnly:b"
    ),
    "Quobyte": _struct("Registry:s Volume:s ReadOnly:b User:s Group:s Tenant:s"),
    "ISCSI": _with_secret(
        "TargetPortal:s IQN:s Lun:i ISCSIInterface:s FSType:s ReadOnly:b Portals:p DiscoveryCHAPAuth:b SessionCHAPAuth:b "
        "SecretRef:p InitiatorName:p"
    ),
    "FlexVolume": _struct("Driver:s FSType:s SecretRef:p ReadOnly:b Options:p", secretref=_SECRET, options=_sorted),
    "Cinder": _with_secret("VolumeID:s FSType:s ReadOnly:b SecretRef:p"),
    "CephFS": _with_secret("Monitors:p Path:s User:s SecretFile:s SecretRef:p ReadOnly:b"),
    "FC": _struct("TargetWWNs:p Lun:p FSType:s ReadOnly:b WWIDs:p"),
    "Flocker": _struct("DatasetName:s DatasetUUID:s"),
    "AzureFile": _struct("SecretName:s ShareName:s ReadOnly:b SecretNamespace:p"),
    "VsphereVolume": _struct("VolumePath:s FSType:s StoragePolicyName:s StoragePolicyID:s"),
    "AzureDisk": _struct("DiskName:s DataDiskURI:s CachingMode:p FSType:p ReadOnly:p Kind:p"),
    "PhotonPersistentDisk": _struct("PdID:s FSType:s"),
    "PortworxVolume": _struct("VolumeID:s FSType:s ReadOnly:b"),
    "ScaleIO": _with_secret(
        "Gateway:s System:s SecretRef:p SSLEnabled:b ProtectionDomain:s StoragePool:s StorageMode:s VolumeName:s FSType:s "
        "ReadOnly:b"
    ),
    "Local": _struct("Path:s FSType:p"),
    "StorageOS": _struct("VolumeName:s VolumeNamespace:s FSType:s ReadOnly:b SecretRef:p", secretref=_OBJECT),
    "CSI": _struct(
        "Driver:s VolumeHandle:s ReadOnly:b FSType:s VolumeAttributes:p ControllerPublishSecretRef:p NodeStageSecretRef:p "
        "NodePublishSecretRef:p ControllerExpandSecretRef:p NodeExpandSecretRef:p",
        volumeattributes=_sorted,
        controllerpublishsecretref=_SECRET,
        nodestagesecretref=_SECRET,
        nodepublishsecretref=_SECRET,
        controllerexpandsecretref=_SECRET,
        nodeexpandsecretref=_SECRET,
    ),
}  # fmt: skip


def volume_source(spec: Object) -> Object:
    """``PersistentVolumeSource``, out of a volume's spec."""
    found = {name.lower(): each for name, each in spec.items()}
    return {name: lay(found.get(name.lower())) for name, lay in _SOURCES.items()}


def _asked(found: Any) -> Any:
    found = found or {}
    return {"Limits": _sorted(found.get("limits")), "Requests": _sorted(found.get("requests"))}


def _selector(found: Any) -> Any:
    """What says nothing is left out there."""
    if found is None:
        return None
    laid = {"matchLabels": _sorted(found.get("matchLabels"))}
    laid["matchExpressions"] = [
        {name: one.get(name, "") for name in ("key", "operator", "values") if one.get(name) or name != "values"}
        for one in found.get("matchExpressions") or ()
    ]
    return {name: value for name, value in laid.items() if value}


claim_spec = _struct(
    "AccessModes:p Selector:p Resources:p VolumeName:s StorageClassName:p VolumeMode:p DataSource:p DataSourceRef:p "
    "VolumeAttributesClassName:p",
    selector=_selector,
    resources=_asked,
    datasource=_struct("APIGroup:p Kind:s Name:s"),
    datasourceref=_struct("APIGroup:p Kind:s Name:s Namespace:p"),
)
"""``PersistentVolumeClaimSpec``."""
