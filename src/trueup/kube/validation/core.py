"""Rules of the core group's other kinds. Source: Kubernetes ``pkg/apis/core/validation/validation.go``."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from trueup.kube import go_json
from trueup.kube.names import Object
from trueup.kube.validation import addresses, formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    each_invalid,
    invalid,
    one_of,
    required,
    too_long,
)  # fmt: skip

MOST_DATA = 1024 * 1024


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
        if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
            yield required(f"data[{key}]")
        elif kind.startswith("kubernetes.io/docker") and (why := _unreadable(data[key])):
            yield invalid(f"data[{key}]", "<secret contents redacted>", why)
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not (obj["metadata"].get("annotations") or {}).get(name):
            yield required(f"metadata.annotations[{name}]")


def _unreadable(encoded: Any) -> str:
    """Why it is no JSON."""
    try:
        go_json.loads(b64decode(str(encoded)))
    except ValueError as problem:
        return str(problem)
    return ""


def event(obj: Object) -> Causes:
    """v1 Event. One that is about an object without a namespace is in ``default``. Source: ``validation/events.go``."""
    space, about = obj["metadata"].get("namespace") or "", (obj.get("involvedObject") or {}).get("namespace") or ""
    if about != space and (about or space not in ("", "default", *(("kube-system",) if obj.get("eventTime") else ()))):
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")


def endpoints(obj: Object) -> Causes:
    """v1 Endpoints."""
    for index, subset in enumerate(obj.get("subsets") or ()):
        path, ports = f"subsets[{index}]", subset.get("ports") or ()
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(path, "must specify `addresses` or `notReadyAddresses`")
        for part in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(part) or ()):
                yield from _address(address, f"{path}.{part}[{number}]")
        for number, port in enumerate(ports):
            yield from _endpoint_port(port, f"{path}.ports[{number}]", needs_name=len(ports) > 1)


def _address(found: Object, path: str) -> Causes:
    ip, name, node = found.get("ip") or "", found.get("hostname"), found.get("nodeName")
    yield from addresses.address(f"{path}.ip", ip, canonical=False)
    if name:
        yield from each_invalid(f"{path}.hostname", name, formats.label(name))
    if node is not None:
        yield from each_invalid(f"{path}.nodeName", node, formats.subdomain(node))
    yield from addresses.endpoint(f"{path}.ip", ip)


def _endpoint_port(found: Object, path: str, *, needs_name: bool) -> Causes:
    name, protocol = found.get("name") or "", found.get("appProtocol")
    if name:
        yield from each_invalid(f"{path}.name", name, formats.label(name))
    elif needs_name:
        yield required(f"{path}.name")
    yield from each_invalid(f"{path}.port", found.get("port") or 0, formats.port_number(found.get("port")))
    yield from one_of(f"{path}.protocol", found.get("protocol"), ("SCTP", "TCP", "UDP"))
    if protocol is not None:
        yield from each_invalid(f"{path}.appProtocol", protocol, formats.qualified(protocol))


def namespace(obj: Object) -> Causes:
    """v1 Namespace."""
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        yield from each_invalid("spec.finalizers", name, formats.qualified(name))
        if "/" not in name and name not in object_meta.STANDARD:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid("spec.finalizers", name, detail)
