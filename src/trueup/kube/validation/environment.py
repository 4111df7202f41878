"""Environment variables of containers, and what fields of a pod they and files may show.

Source: Kubernetes ``core/validation``, ValidateEnv, ValidateEnvFrom and what they call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import canonical, parse
from trueup.kube.validation import formats, paths
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, required

FIELDS_OF_FILES = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_MAPS = ("metadata.annotations", "metadata.labels")
_LABELS = frozenset(
    {
        "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
        "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName", "status.phase", "status.hostIP",
        "status.hostIPs", "status.podIP", "status.podIPs",
    }
)  # fmt: skip
"""What the API can name at all; not all of it can be shown everywhere."""
_SUBSCRIPT = re.compile(r"(.*?)\['(.*)'\]", re.DOTALL)
_SIZES = frozenset({"1", *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))})
_CORES = frozenset({"1m", "1"})
_ALL_SIZES = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported"
_DIVISORS = {
    "cpu": (_CORES, "only divisor's values 1m and 1 are supported with the cpu resource"),
    "memory": (_SIZES, f"only divisor's values {_ALL_SIZES} with the memory resource"),
    "ephemeral-storage": (_SIZES, f"only divisor's values {_ALL_SIZES} with the local ephemeral storage resource"),
    "hugepages": (_SIZES, f"only divisor's values {_ALL_SIZES} with the hugepages resource"),
}


def variables(found: Iterable[Object], path: str) -> Causes:
    """``env``."""
    for index, one in enumerate(found):
        at, name = f"{path}[{index}]", one.get("name") or ""
        if not name:
            yield required(f"{at}.name")
        else:
            yield from each_invalid(f"{at}.name", name, formats.env_name(name))
        source = one.get("valueFrom")
        if source is not None:
            yield from _value_from(source, f"{at}.valueFrom", bool(one.get("value")))


def _value_from(source: Object, path: str, has_value: bool) -> Causes:
    given = [kind for kind in _SOURCES if source.get(kind) is not None]
    for kind in given:
        yield from _SOURCES[kind](source[kind], f"{path}.{kind}")
    if not given:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield invalid(path, "", text)
    elif has_value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _field(found: Object, path: str) -> Causes:
    yield from field_reference(found, path, _FIELDS)


def field_reference(found: Object, path: str, known: tuple[str, ...]) -> Causes:
    """A field of the pod."""
    version, field = found.get("apiVersion") or "", found.get("fieldPath") or ""
    for name, value in (("apiVersion", version), ("fieldPath", field)):
        if not value:
            yield required(f"{path}.{name}")
            return
    parts = _SUBSCRIPT.fullmatch(field)
    bare = parts[1] if parts else "spec.nodeName" if field == "spec.host" else field
    problem = _unknown(version, field, bare, subscript=parts is not None)
    if problem:
        yield invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {problem}")
    elif parts:
        key = parts[2].lower() if bare == "metadata.annotations" else parts[2]
        yield from each_invalid(path, key, formats.qualified(key))
    elif bare not in known:
        yield not_supported(f"{path}.fieldPath", bare, known)


def _unknown(version: str, field: str, bare: str, *, subscript: bool) -> str:
    """Why a field cannot be named at all."""
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscript:
        return "" if bare in _MAPS else f"field label does not support subscript: {field}"
    return "" if bare in _LABELS else f"field label not supported: {field}"


def _resource(found: Object, path: str) -> Causes:
    yield from resource_reference(found, path, in_volume=False)


def resource_reference(found: Object, path: str, *, in_volume: bool) -> Causes:
    """A limit or a request of a container."""
    name = found.get("resource") or ""
    if in_volume and not found.get("containerName"):
        yield required(f"{path}.containerName")
    elif not name:
        yield required(f"{path}.resource")
    elif name not in _RESOURCES and not name.startswith(_HUGE):
        yield not_supported(f"{path}.resource", name, _RESOURCES)
    yield from _divisor(name, found.get("divisor"), path)


def _divisor(name: str, divisor: Any, path: str) -> Causes:
    if divisor is None or divisor == "0" or parse(divisor) == 0:
        return
    kind = name.partition(".")[2] if name in _RESOURCES else "hugepages" if name.startswith(_HUGE) else ""
    if kind:
        right, text = _DIVISORS[kind]
        if canonical(str(divisor)) not in right:
            yield invalid(f"{path}.divisor", name, text)


def _key(found: Object, path: str) -> Causes:
    name, key = found.get("name") or "", found.get("key") or ""
    yield from each_invalid(f"{path}.name", name, formats.subdomain(name))
    if not key:
        yield required(f"{path}.key")
    else:
        yield from each_invalid(f"{path}.key", key, formats.config_key(key))


def _file(found: Object, path: str) -> Causes:
    key, volume, place = (found.get(name) or "" for name in ("key", "volumeName", "path"))
    if not key:
        yield required(f"{path}.key")
    else:
        yield from each_invalid(f"{path}.key", key, formats.env_name(key))
    if not volume:
        yield required(f"{path}.volumeName")
    else:
        yield from each_invalid(f"{path}.volumeName", volume, formats.label(volume))
    if not place:
        yield required(f"{path}.path")
    else:
        yield from paths.no_backsteps(place, f"{path}.path")


_SOURCES = {
    "fieldRef": _field,
    "resourceFieldRef": _resource,
    "configMapKeyRef": _key,
    "secretKeyRef": _key,
    "fileKeyRef": _file,
}


def sources(found: Iterable[Object], path: str) -> Causes:
    """``envFrom``."""
    for index, one in enumerate(found):
        at, prefix = f"{path}[{index}]", one.get("prefix") or ""
        if prefix:
            yield from each_invalid(f"{at}.prefix", prefix, formats.env_name(prefix))
        given = [kind for kind in ("configMapRef", "secretRef") if one.get(kind) is not None]
        for kind in given:
            name = one[kind].get("name") or ""
            if not name:
                yield required(f"{at}.{kind}.name")
            else:
                # Names of objects to come may end in a hyphen here.
                bare = f"{name[:-1]}a" if name.endswith("-") else name
                yield from each_invalid(f"{at}.{kind}.name", name, formats.subdomain(bare))
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")
