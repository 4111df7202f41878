"""Rules of the core group's other kinds. Source: Kubernetes ``pkg/apis/core/validation/validation.go``."""

from __future__ import annotations

from typing import Any

import orjson

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import claims, formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
    too_long,
)  # fmt: skip

MOST_DATA = 1024 * 1024
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def service(obj: Object) -> Causes:
    """v1 Service."""
    spec = obj.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and spec.get("clusterIP") == "None":
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        name = spec.get("externalName") or ""
        if name:
            yield from each_invalid("spec.externalName", name, formats.subdomain(name.removesuffix(".")))
        else:
            yield required("spec.externalName")
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _service_port(port, f"spec.ports[{index}]", len(ports) > 1, names)
    yield from _same_ports(ports)
    yield from object_meta.labels(spec.get("selector"), "spec.selector")
    yield from one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    yield from one_of("spec.type", kind, _TYPES)
    policy = spec.get("externalTrafficPolicy")
    if policy not in (None, "Cluster", "Local"):
        yield not_supported("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    elif policy and kind not in ("LoadBalancer", "NodePort") and not spec.get("externalIPs"):
        yield invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")


def _service_port(port: Object, path: str, needs_name: bool, names: set[str]) -> Causes:
    name = port.get("name") or ""
    if needs_name and not name:
        yield required(f"{path}.name")
    elif name:
        yield from each_invalid(f"{path}.name", name, formats.label(name))
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
    yield from each_invalid(f"{path}.port", port.get("port") or 0, formats.port_number(port.get("port")))
    yield from one_of(f"{path}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
    target = port.get("targetPort")
    if isinstance(target, str):
        yield from each_invalid(f"{path}.targetPort", target, formats.port_name(target))
    elif target is not None:
        yield from each_invalid(f"{path}.targetPort", target, formats.port_number(target))


def _same_ports(ports: list[Any]) -> Causes:
    seen: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            yield duplicate(f"spec.ports[{index}]", {"protocol": key[0], "port": key[1]})
        seen.add(key)


def config_map(obj: Object) -> Causes:
    """v1 ConfigMap."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        size += len(str(value).encode())
        yield from each_invalid(f"data[{key}]", key, formats.config_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key, value in binary.items():
        size += len(value or "") * 3 // 4
        yield from each_invalid(f"binaryData[{key}]", key, formats.config_key(key))
    if size > MOST_DATA:
        yield too_long("", MOST_DATA)


_SECRET_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def secret(obj: Object) -> Causes:
    """v1 Secret: never a value in a message."""
    data, kind = obj.get("data") or {}, str(obj.get("type") or "")
    size = 0
    for key, value in data.items():
        size += len(str(value)) * 3 // 4
        yield from each_invalid(f"data[{key}]", key, formats.config_key(key))
    if size > MOST_DATA:
        yield too_long("data", MOST_DATA)
    for key in _SECRET_KEYS.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")
        elif kind.startswith("kubernetes.io/docker") and not _is_json(data[key]):
            yield invalid(f"data[{key}]", "<secret contents redacted>", "invalid JSON")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not (obj["metadata"].get("annotations") or {}).get(name):
            yield required(f"metadata.annotations[{name}]")


def _is_json(encoded: Any) -> bool:
    from base64 import b64decode

    try:
        orjson.loads(b64decode(str(encoded)))
    except ValueError:
        return False
    return True


_NO_SOURCE = frozenset(
    {
        "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
        "storageClassName", "volumeAttributesClassName", "volumeMode",
    }
)  # fmt: skip


def volume(obj: Object) -> Causes:
    """v1 PersistentVolume."""
    yield from volume_spec(obj.get("spec") or {}, "spec")


def volume_spec(spec: Object, path: str) -> Causes:
    """What a volume is, also where an attachment says it itself."""
    if not spec.get("accessModes"):
        yield required(f"{path}.accessModes")
    for mode in spec.get("accessModes") or ():
        if mode not in claims.ACCESS:
            yield not_supported(f"{path}.accessModes", mode, claims.ACCESS)
    capacity = spec.get("capacity") or {}
    if not capacity:
        yield required(f"{path}.capacity")
    elif list(capacity) != ["storage"]:
        yield not_supported(f"{path}.capacity", capacity, ("storage",))
    elif parse(capacity["storage"]) <= 0:
        yield invalid(f"{path}.capacity[storage]", capacity["storage"], "must be greater than zero")
    sources = [name for name in spec if name not in _NO_SOURCE]
    if not sources:
        yield required(path, "must specify a volume type")
    for other in sources[1:]:
        yield forbidden(f"{path}.{other}", "may not specify more than 1 volume type")
    policy = spec.get("persistentVolumeReclaimPolicy")
    yield from one_of(f"{path}.persistentVolumeReclaimPolicy", policy, ("Delete", "Recycle", "Retain"))


def limit_range(obj: Object) -> Causes:
    """v1 LimitRange."""
    kinds: set[str] = set()
    for index, limit in enumerate((obj.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", str(limit.get("type") or "")
        if not kind:
            yield required(f"{path}.type")
        if kind in kinds:
            yield duplicate(f"{path}.type", kind)
        kinds.add(kind)
        if kind == "Pod":
            for name in ("default", "defaultRequest"):
                if limit.get(name):
                    yield forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'")
        yield from _in_order(limit, path)


_ORDERED = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest",
     "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)  # fmt: skip
"""What may not be greater than what; whose field is named, whose value is shown."""


def _in_order(limit: Object, path: str) -> Causes:
    for low, high, named, shown, text in _ORDERED:
        lower, upper = limit.get(low) or {}, limit.get(high) or {}
        for name in sorted(lower.keys() & upper.keys()):
            if parse(lower[name]) > parse(upper[name]):
                value = (limit.get(shown) or {})[name]
                yield invalid(f"{path}.{named}[{name}]", value, text.format(lower[name], upper[name]))


def quota(obj: Object) -> Causes:
    """v1 ResourceQuota."""
    for name, amount in ((obj.get("spec") or {}).get("hard") or {}).items():
        path = f"spec.hard[{name}]"
        yield from each_invalid(path, name, formats.qualified(name))
        if str(amount).startswith("-"):
            yield invalid(path, amount, "must be greater than or equal to 0")
    yield from _scopes(obj.get("spec") or {})


_COMPUTED = frozenset({"cpu", "limits.cpu", "limits.memory", "memory", "pods", "requests.cpu", "requests.memory"})
_COUNTED = frozenset({
    "configmaps", "ephemeral-storage", "limits.ephemeral-storage", "persistentvolumeclaims", "replicationcontrollers",
    "requests.ephemeral-storage", "requests.storage", "resourcequotas", "secrets", "services", "services.loadbalancers",
    "services.nodeports",
})  # fmt: skip
"""The names of Kubernetes' own that are no pods' share; a quota of others may have any scope."""
_OF_PODS = {
    "BestEffort": frozenset({"pods"}),
    "NotBestEffort": _COMPUTED,
    "Terminating": _COMPUTED,
    "NotTerminating": _COMPUTED,
    "PriorityClass": _COMPUTED,
    "CrossNamespacePodAffinity": _COMPUTED,
}
"""What each scope can limit."""


def _scopes(spec: Object) -> Causes:
    """Scopes that say the contrary of each other, or nothing about what is limited."""
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _OF_PODS and scope != "VolumeAttributesClass":
            yield invalid("spec.scopes", scopes, "unsupported scope")
        for name in sorted(spec.get("hard") or {}):
            if name in _COMPUTED | _COUNTED and name not in _OF_PODS.get(scope, (name,)):
                yield invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    for pair in ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"}):
        if pair <= set(scopes):
            yield invalid("spec.scopes", scopes, "conflicting scopes")


def event(obj: Object) -> Causes:
    """v1 Event. One that is about an object without a namespace is in ``default``. Source: ``validation/events.go``."""
    space, about = obj["metadata"].get("namespace") or "", (obj.get("involvedObject") or {}).get("namespace") or ""
    if about != space and (about or space not in ("", "default", *(("kube-system",) if obj.get("eventTime") else ()))):
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")


def endpoints(obj: Object) -> Causes:
    """v1 Endpoints."""
    for index, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(path, "must specify `addresses` or `notReadyAddresses`")
        for number, port in enumerate(subset.get("ports") or ()):
            where = f"{path}.ports[{number}].port"
            yield from each_invalid(where, port.get("port") or 0, formats.port_number(port.get("port")))


def namespace(obj: Object) -> Causes:
    """v1 Namespace."""
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        yield from each_invalid("spec.finalizers", name, formats.qualified(name))
