"""What drivers have to offer: ResourceSlice. Source: Kubernetes ``pkg/apis/resource/validation/validation.go``."""

from __future__ import annotations

import re

from trueup.kube.names import Object
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, required, too_long, too_many
from trueup.kube.validation.resource import EFFECTS, qualified_name, unique
from trueup.kube.validation.storage import csi_driver_name

_MOST_DEVICES, _MOST_ADVANCED, _MOST_NAMED, _MOST_TAINTS = 128, 64, 32, 16
_LONGEST_POOL, _LONGEST_VALUE = 253, 64
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_PART = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_is_version = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-{_PART}(\.{_PART})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?", re.ASCII
).fullmatch
_VALUES = ("bool", "int", "string", "version", "bools", "ints", "strings", "versions")


def resource_slice(obj: Object) -> Causes:
    """ResourceSlice."""
    spec = obj.get("spec") or {}
    yield from csi_driver_name(spec.get("driver") or "", "spec.driver")
    yield from _pool(spec.get("pool") or {})
    yield from _place(spec)
    devices = spec.get("devices") or []
    if spec.get("sharedCounters") and devices:
        yield invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    yield from unique(devices, _MOST_ADVANCED if advanced else _MOST_DEVICES, "spec.devices", _device, "name")


def _pool(pool: Object) -> Causes:
    name, count, generation = pool.get("name") or "", pool.get("resourceSliceCount") or 0, pool.get("generation") or 0
    if not name:
        yield required("spec.pool.name")
    else:
        if len(name) > _LONGEST_POOL:
            yield too_long("spec.pool.name", _LONGEST_POOL)
        for part in name.split("/"):
            yield from each_invalid("spec.pool.name", part, formats.subdomain(part))
    if count <= 0:
        yield invalid("spec.pool.resourceSliceCount", count, "must be greater than zero")
    if generation < 0:
        yield invalid("spec.pool.generation", generation, "must be greater than or equal to zero")


def _place(spec: Object) -> Causes:
    """Where the devices are: one way of saying it."""
    name, given = spec.get("nodeName"), []
    if name:
        given.append("nodeName")
        yield from each_invalid("spec.nodeName", name, formats.subdomain(name))
    elif name is not None:
        yield invalid("spec.nodeName", name, "must be either unset or set to a non-empty string")
    if spec.get("nodeSelector") is not None:
        given.append("nodeSelector")
    for field in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(field):
            given.append(field)
        elif spec.get(field) is not None:
            yield invalid(f"spec.{field}", spec[field], "must be either unset or set to true")
    text = f"exactly one of {', '.join(f'`{place}`' for place in _PLACES)} is required"
    if not given:
        yield required("spec", text)
    elif len(given) > 1:
        shown = "{" + ", ".join(f"`{place}`" for place in given) + "}"
        yield invalid("spec", shown, f"{text}, but multiple fields are set")


def _device(device: Object, path: str) -> Causes:
    name = device.get("name") or ""
    yield from each_invalid(f"{path}.name", name, formats.label(name))
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > _MOST_NAMED:
        text = f"the total number of attributes and capacities must not exceed {_MOST_NAMED}"
        yield invalid(path, len(attributes) + len(capacity), text)
    for key, attribute in attributes.items():
        yield from qualified_name(key, f"{path}.attributes")
        yield from _attribute(attribute or {}, f"{path}.attributes[{key}]")
    for key in capacity:
        yield from qualified_name(key, f"{path}.capacity")
    taints = device.get("taints") or []
    if len(taints) > _MOST_TAINTS:
        yield too_many(f"{path}.taints", len(taints), _MOST_TAINTS)
        return
    for index, taint in enumerate(taints):
        yield from _taint(taint, f"{path}.taints[{index}]")


def _attribute(attribute: Object, path: str) -> Causes:
    given = [name for name in _VALUES if attribute.get(name) is not None]
    text, version = attribute.get("string"), attribute.get("version")
    if text is not None and len(text.encode()) > _LONGEST_VALUE:
        yield too_long(f"{path}.string", _LONGEST_VALUE)
    if version is not None and not _is_version(version):
        yield invalid(f"{path}.version", version, "must be a string compatible with semver.org spec 2.0.0")
    if version is not None and len(version.encode()) > _LONGEST_VALUE:
        yield too_long(f"{path}.version", _LONGEST_VALUE)
    if len(given) != 1:
        yield invalid(path, attribute if given else "", "exactly one value must be specified")


def _taint(taint: Object, path: str) -> Causes:
    key, value, effect = taint.get("key") or "", taint.get("value") or "", taint.get("effect") or ""
    yield from each_invalid(f"{path}.key", key, formats.qualified(key))
    if value:
        yield from each_invalid(f"{path}.value", value, formats.label_value(value))
    if not effect:
        yield required(f"{path}.effect")
    elif effect not in EFFECTS:
        yield not_supported(f"{path}.effect", effect, EFFECTS)
