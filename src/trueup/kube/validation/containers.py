"""Rules of containers and volumes. Source: Kubernetes ``pkg/apis/core/validation/validation.go``."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import formats
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_negative,
    not_supported,
    one_of,
    required,
)  # fmt: skip

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL = ("Always", "IfNotPresent", "Never")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NEEDED = {
    "configMap": "name",
    "persistentVolumeClaim": "claimName",
    "secret": "secretName",
    "hostPath": "path",
    "csi": "driver",
}


def volume_names(spec: Object) -> frozenset[str]:
    """The volumes that a pod's containers may mount."""
    return frozenset(str(volume.get("name")) for volume in spec.get("volumes") or ())


def volumes(found: Any, path: str) -> Causes:
    """A pod's volumes."""
    seen: set[str] = set()
    for index, volume in enumerate(found):
        at, name = f"{path}[{index}]", str(volume.get("name") or "")
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if not sources:
            yield required(at, "must specify a volume type")
        for other in sources[1:]:
            yield forbidden(f"{at}.{other}", "may not specify more than 1 volume type")
        if not name:
            yield required(f"{at}.name")
        else:
            yield from each_invalid(f"{at}.name", name, formats.label(name))
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        for key in sources[:1]:
            needed = _NEEDED.get(key)
            if needed and not volume[key].get(needed):
                yield required(f"{at}.{key}.{needed}")


def container(found: Object, path: str, known: frozenset[str], names: set[str], part: str) -> Causes:
    """One container; ``known`` are the volumes, ``names`` those of the containers before."""
    name = str(found.get("name") or "")
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each_invalid(f"{path}.name", name, formats.label(name))
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
    image = found.get("image") or ""
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from one_of(f"{path}.imagePullPolicy", found.get("imagePullPolicy"), _PULL)
    if found.get("ports"):
        yield from _ports(found["ports"], f"{path}.ports")
    for index, variable in enumerate(found.get("env") or ()):
        yield from _variable(variable, f"{path}.env[{index}]")
    if found.get("volumeMounts"):
        yield from _mounts(found["volumeMounts"], f"{path}.volumeMounts", known)
    if found.get("resources"):
        yield from resources(found["resources"], f"{path}.resources")
    restarts = found.get("restartPolicy") == "Always"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if found.get(probe) is not None:
            if part == "initContainers" and not restarts:
                yield forbidden(f"{path}.{probe}", "may not be set for init containers without restartPolicy=Always")
            else:
                yield from _probe(found[probe], f"{path}.{probe}", once=probe != "readinessProbe")
    for hook, action in (found.get("lifecycle") or {}).items():
        if isinstance(action, dict):
            yield from _handler(action, f"{path}.lifecycle.{hook}", (*_HANDLERS[:3], "sleep"))


def _ports(found: Any, path: str) -> Causes:
    seen: set[str] = set()
    for index, port in enumerate(found):
        at, name = f"{path}[{index}]", port.get("name")
        if name:
            problems = formats.port_name(name)
            yield from each_invalid(f"{at}.name", name, problems)
            if not problems and name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)
        if not port.get("containerPort"):
            yield required(f"{at}.containerPort")
        else:
            yield from each_invalid(
                f"{at}.containerPort", port["containerPort"], formats.port_number(port["containerPort"])
            )
        if port.get("hostPort"):
            yield from each_invalid(f"{at}.hostPort", port["hostPort"], formats.port_number(port["hostPort"]))
        yield from one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS)


def _variable(found: Object, path: str) -> Causes:
    name = found.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each_invalid(f"{path}.name", name, formats.env_name(name))
    source = found.get("valueFrom")
    if source is None:
        return
    given = [key for key in _SOURCES if source.get(key) is not None]
    for key in given:
        yield from _reference(source[key], f"{path}.valueFrom.{key}", key)
    if not given:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield invalid(f"{path}.valueFrom", "", text)
    elif found.get("value"):
        yield invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(f"{path}.valueFrom", "", "may not have more than one field specified at a time")


def _reference(found: Object, path: str, how: str) -> Causes:
    if how in ("configMapKeyRef", "secretKeyRef"):
        if not found.get("name"):
            yield required(f"{path}.name")
        key = found.get("key") or ""
        if not key:
            yield required(f"{path}.key")
        else:
            yield from each_invalid(f"{path}.key", key, formats.config_key(key))
    elif how == "fieldRef" and not found.get("fieldPath"):
        yield required(f"{path}.fieldPath")
    elif how == "resourceFieldRef" and not found.get("resource"):
        yield required(f"{path}.resource")


def _mounts(found: Any, path: str, known: frozenset[str]) -> Causes:
    places: set[str] = set()
    for index, mount in enumerate(found):
        at, name, place = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{at}.name")
        elif name not in known:
            yield not_found(f"{at}.name", name)
        if not place:
            yield required(f"{at}.mountPath")
        elif place in places:
            yield invalid(f"{at}.mountPath", place, "must be unique")
        places.add(place)
        sub = mount.get("subPath") or ""
        if sub.startswith("/"):
            yield invalid(f"{at}.subPath", sub, "must be a relative path")
        elif ".." in sub.split("/"):
            yield invalid(f"{at}.subPath", sub, "must not contain '..'")


def resources(found: Object, path: str) -> Causes:
    """Limits and requests of a container or a pod."""
    limits, requests = found.get("limits") or {}, found.get("requests") or {}
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            yield from resource_name(name, f"{path}.{part}")
            if str(amount).startswith("-"):
                yield invalid(f"{path}.{part}[{name}]", amount, "must be greater than or equal to 0")
    for name, amount in requests.items():
        limit = limits.get(name)
        if limit is not None and amount != limit and parse(amount) > parse(limit):
            yield invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


_STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})


def resource_name(name: str, path: str) -> Causes:
    """A compute resource: a standard one, or one with a domain."""
    if name in _STANDARD:
        return
    problems = formats.qualified(name)
    yield from each_invalid(path, name, problems)
    if not problems and "/" not in name and not name.startswith("hugepages-"):
        yield invalid(path, name, "must be a standard resource type or fully qualified")
        yield invalid(path, name, "must be a standard resource for containers")


def _probe(found: Object, path: str, *, once: bool) -> Causes:
    yield from _handler(found, path, _HANDLERS)
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        yield from not_negative(f"{path}.{name}", found.get(name))
    if once and found.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", found["successThreshold"], "must be 1")


def _handler(found: Object, path: str, known: tuple[str, ...]) -> Causes:
    given = [name for name in known if found.get(name) is not None]
    if not given:
        yield required(path, "must specify a handler type")
    for name in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    for name in given[:1]:
        yield from _action(found[name], f"{path}.{name}", name)


def _action(found: Object, path: str, how: str) -> Causes:
    if how == "exec" and not found.get("command"):
        yield required(f"{path}.command")
    elif how in ("httpGet", "tcpSocket"):
        port = found.get("port")
        if isinstance(port, str):
            yield from each_invalid(f"{path}.port", port, formats.port_name(port))
        else:
            yield from each_invalid(f"{path}.port", port or 0, formats.port_number(port))
        scheme = found.get("scheme")
        if how == "httpGet" and scheme not in (None, "HTTP", "HTTPS"):
            yield not_supported(f"{path}.scheme", scheme, ("HTTP", "HTTPS"))
    elif how == "grpc":
        yield from each_invalid(f"{path}.port", found.get("port") or 0, formats.port_number(found.get("port")))
