"""What a volume is made from, in pods and in persistent volumes: one rule for each kind of source.

Source: Kubernetes ``core/validation``, the functions ``validate…VolumeSource``. Called by `volumes` and `persistent`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from trueup.kube.names import Object
from trueup.kube.validation import formats, paths
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, required, too_long

Rule = Callable[[Object, str], Causes]

_HOST_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISKS = ("Dedicated", "Managed", "Shared")
_MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_PARTITION = "must be between 1 and 255, inclusive"
_PAIRS = "must be a host:port pair or multiple pairs separated by commas"
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$"),
}
LONGEST_PORTAL = 64
PORTAL = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."


def needs(*names: str) -> Rule:
    """A source that needs some of its fields, and no more."""

    def rule(found: Object, path: str) -> Causes:
        for name in names:
            if not found.get(name):
                yield required(f"{path}.{name}")

    return rule


def host_path(found: Object, path: str) -> Causes:
    """``hostPath``."""
    place, kind = found.get("path") or "", found.get("type")
    if not place:
        yield required(f"{path}.path")
        return
    yield from paths.no_backsteps(place, f"{path}.path")
    if kind is not None and kind not in _HOST_TYPES:
        yield not_supported(f"{path}.type", kind, _HOST_TYPES)


def git_repo(found: Object, path: str) -> Causes:
    """``gitRepo``."""
    if not found.get("repository"):
        yield required(f"{path}.repository")
    yield from paths.descending(found.get("directory") or "", f"{path}.directory")


def _disk(name: str) -> Rule:
    def rule(found: Object, path: str) -> Causes:
        # Kubernetes names the one disk by the word of its first days.
        path = path.replace("gcePersistentDisk", "persistentDisk")
        if not found.get(name):
            yield required(f"{path}.{name}")
        partition = found.get("partition") or 0
        if not 0 <= partition <= 255:
            yield invalid(f"{path}.partition", partition, _PARTITION)

    return rule


def nfs(found: Object, path: str) -> Causes:
    """``nfs``."""
    yield from needs("server", "path")(found, path)
    place = found.get("path") or ""
    if not place.startswith("/"):
        yield invalid(f"{path}.path", place, "must be an absolute path")


def iscsi(found: Object, path: str, *, in_pod: bool = True) -> Causes:
    """``iscsi``; persistent volumes are told less of what is wrong with a name."""
    name, lun, initiator = found.get("iqn") or "", found.get("lun") or 0, found.get("initiatorName")
    start = "must be valid format starting with iqn, eui, or naa" if in_pod else "must be valid format"
    if not found.get("targetPortal"):
        yield required(f"{path}.targetPortal")
    if not name:
        yield required(f"{path}.iqn")
    else:
        yield from _initiator(name, f"{path}.iqn", start)
    if not 0 <= lun <= 255:
        yield invalid(f"{path}.lun", lun, "must be between 0 and 255, inclusive")
    secret = found.get("secretRef")
    if (found.get("chapAuthDiscovery") or found.get("chapAuthSession")) and secret is None:
        yield required(f"{path}.secretRef")
    if secret is not None and not in_pod and not secret.get("name"):
        yield required(f"{path}.secretRef.name")
    if initiator is not None:
        yield from _initiator(initiator, f"{path}.initiatorname", start)


def _initiator(name: str, path: str, start: str) -> Causes:
    form = _INITIATORS.get(name[:3])
    if form is None:
        yield invalid(path, name, start)
    elif form.search(name) is None:
        yield invalid(path, name, "must be valid format")


def quobyte(found: Object, path: str) -> Causes:
    """``quobyte``."""
    registry = found.get("registry") or ""
    if not registry:
        yield required(f"{path}.registry", _PAIRS)
    elif len(found.get("tenant") or "") > 64:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not _is_pair(pair):
                yield invalid(f"{path}.registry", registry, _PAIRS)
    if not found.get("volume"):
        yield required(f"{path}.volume")


def _is_pair(text: str) -> bool:
    """A host and a port, as Go's ``net.SplitHostPort`` parts them."""
    if text.startswith("["):
        host, end, port = text[1:].partition("]")
        return bool(end) and port.startswith(":") and not {"[", "]", ":"} & set(port[1:]) and "[" not in host
    host, colon, port = text.rpartition(":")
    return bool(colon) and ":" not in host and not {"[", "]"} & set(text)


def flocker(found: Object, path: str) -> Causes:
    """``flocker``."""
    name, uid = found.get("datasetName") or "", found.get("datasetUUID") or ""
    if not name and not uid:
        yield required(path, "one of datasetName and datasetUUID is required")
    if name and uid:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield invalid(f"{path}.datasetName", name, "must not contain '/'")


def fibre_channel(found: Object, path: str) -> Causes:
    """``fc``."""
    names, ids, lun = found.get("targetWWNs") or [], found.get("wwids") or [], found.get("lun")
    if not names and not ids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and ids:
        yield invalid(f"{path}.targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously")
    if not names:
        return
    if lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif not 0 <= lun <= 255:
        yield invalid(f"{path}.lun", lun, "must be between 0 and 255, inclusive")


def flex(found: Object, path: str) -> Causes:
    """``flexVolume``."""
    if not found.get("driver"):
        yield required(f"{path}.driver")
    for key in found.get("options") or ():
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            yield invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def cinder(found: Object, path: str) -> Causes:
    """``cinder`` in a pod."""
    if not found.get("volumeID"):
        yield required(f"{path}.volumeID")
    secret = found.get("secretRef")
    if secret is not None and not secret.get("name"):
        yield required(f"{path}.secretRef.name")


def azure_disk(found: Object, path: str) -> Causes:
    """``azureDisk``."""
    yield from needs("diskName", "diskURI")(found, path)
    caching, kind, uri = found.get("cachingMode"), found.get("kind"), found.get("diskURI") or ""
    if caching is not None and caching not in _CACHING:
        yield not_supported(f"{path}.cachingMode", caching, _CACHING)
    if kind is None:
        return
    if kind not in _DISKS:
        yield not_supported(f"{path}.kind", kind, _DISKS)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        yield not_supported(f"{path}.diskURI", uri, (_MANAGED,))
    if kind != "Managed" and not uri.startswith("https://"):
        yield not_supported(f"{path}.diskURI", uri, (_BLOB,))


def storage_os(found: Object, path: str) -> Causes:
    """``storageos`` in a pod."""
    name, space, secret = found.get("volumeName") or "", found.get("volumeNamespace") or "", found.get("secretRef")
    if not name:
        yield required(f"{path}.volumeName")
    else:
        yield from each_invalid(f"{path}.volumeName", name, formats.label(name))
    if space:
        yield from each_invalid(f"{path}.volumeNamespace", space, formats.label(space))
    if secret is not None and not secret.get("name"):
        yield required(f"{path}.secretRef.name")


def driver_name(name: str, path: str) -> Causes:
    """The name of a CSI driver, where something uses it."""
    if not name:
        yield required(path)
        return
    if len(name) > 63:
        yield too_long(path, 63)
    yield from each_invalid(path, name, formats.subdomain(name.lower()))


SHARED: Mapping[str, Rule] = {
    "awsElasticBlockStore": _disk("volumeID"),
    "azureDisk": azure_disk,
    "cephfs": needs("monitors"),
    "fc": fibre_channel,
    "flexVolume": flex,
    "flocker": flocker,
    "gcePersistentDisk": _disk("pdName"),
    "hostPath": host_path,
    "nfs": nfs,
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "quobyte": quobyte,
    "rbd": needs("monitors", "image"),
    "scaleIO": needs("gateway", "system", "volumeName"),
    "vsphereVolume": needs("volumePath"),
}
"""The rules that pods and persistent volumes share."""
