"""Defaults of the core group's other kinds. Sources: Kubernetes ``pkg/apis/core/v1/defaults.go`` and the kinds' strategies."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from trueup.kube.defaults.filling import each, fill, section
from trueup.kube.defaults.pods import volume_source
from trueup.kube.names import Object

_THREE_HOURS = 10_800


def service(obj: Object) -> None:
    """v1 Service; addresses and node ports are given on admission."""
    spec = section(obj, "spec")
    fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        fill(section(section(spec, "sessionAffinityConfig"), "clientIP"), timeoutSeconds=_THREE_HOURS)
    elif spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    for port in each(spec, "ports"):
        fill(port, protocol="TCP")
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port")
    kind = spec["type"]
    if kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs")):
        fill(spec, externalTrafficPolicy="Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        fill(spec, internalTrafficPolicy="Cluster")
    balancer = section(section(obj, "status"), "loadBalancer")
    if kind == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in each(balancer, "ingress"):
            if ingress.get("ip"):
                fill(ingress, ipMode="VIP")


def secret(obj: Object) -> None:
    """v1 Secret: what is given as text is stored as data."""
    fill(obj, type="Opaque")
    strings = obj.pop("stringData", None)
    if isinstance(strings, dict) and strings:
        data = section(obj, "data")
        for name, value in strings.items():
            data[name] = b64encode(str(value).encode()).decode()


def claim(obj: Object) -> None:
    """v1 PersistentVolumeClaim: the older and the newer name of its source say the same."""
    spec = section(obj, "spec")
    fill(spec, volumeMode="Filesystem")
    fill(section(obj, "status"), phase="Pending")
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None and not _is_known_source(source):
        del spec["dataSource"]
    elif source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace") and _is_known_source(reference):
        spec["dataSource"] = dict(reference)


def _is_known_source(reference: Object) -> bool:
    return (reference.get("apiGroup") or "", reference.get("kind")) in (
        ("", "PersistentVolumeClaim"),
        ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    )


def volume(obj: Object) -> None:
    """v1 PersistentVolume."""
    spec = section(obj, "spec")
    fill(spec, volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")
    fill(section(obj, "status"), phase="Pending")
    volume_source(spec)


def namespace(obj: Object) -> None:
    """v1 Namespace: its name is a label of it."""
    meta = section(obj, "metadata")
    if meta.get("name"):
        section(meta, "labels")["kubernetes.io/metadata.name"] = meta["name"]
    fill(section(obj, "status"), phase="Active")


def node(obj: Object) -> None:
    """v1 Node; its one range of addresses is the first of them."""
    spec = obj.get("spec") or {}
    one, all_of_them = spec.get("podCIDR"), spec.get("podCIDRs")
    if one:
        spec["podCIDRs"] = [one, *(all_of_them or ())[1:]] if all_of_them and all_of_them[0] == one else [one]
    elif all_of_them:
        spec["podCIDR"] = all_of_them[0]
    status = section(obj, "status")
    if status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])


def endpoints(obj: Object) -> None:
    """v1 Endpoints."""
    for subset in each(obj, "subsets"):
        for port in each(subset, "ports"):
            fill(port, protocol="TCP")


def limit_range(obj: Object) -> None:
    """v1 LimitRange: of containers, a maximum is the default limit, that the default request, else the minimum."""
    for limit in each(obj.get("spec"), "limits"):
        if limit.get("type") != "Container":
            continue
        defaults = _under(limit.get("max"), limit.get("default"))
        requests = _under(limit.get("min"), _under(defaults, limit.get("defaultRequest")))
        if defaults:
            limit["default"] = defaults
        if requests:
            limit["defaultRequest"] = requests


def _under(lower: Any, upper: Any) -> Object:
    return {**(lower or {}), **(upper or {})}
