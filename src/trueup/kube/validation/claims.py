"""Claims of volumes, alone and as templates. Source: Kubernetes ``core/validation``, ValidatePersistentVolumeClaimSpec."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import Causes, each_invalid, forbidden, invalid, not_supported, required

ACCESS = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_ONE_POD = "ReadWriteOncePod"


def claim(obj: Object) -> Causes:
    """v1 PersistentVolumeClaim."""
    yield from claim_spec(obj.get("spec") or {}, "spec")


def claim_spec(spec: Object, path: str) -> Causes:
    """What a claim asks for."""
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from object_meta.selector(spec.get("selector"), f"{path}.selector")
    yield from access_modes(modes, f"{path}.accessModes")
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        yield required(f"{path}.resources[storage]")
    elif parse(size) <= 0:
        yield invalid(f"{path}.resources[storage]", size, "must be greater than zero")
    name, mode = spec.get("storageClassName"), spec.get("volumeMode")
    if name:
        yield from each_invalid(f"{path}.storageClassName", name, formats.subdomain(name))
    if mode is not None and mode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    yield from _sources(spec, path)
    attributes = spec.get("volumeAttributesClassName")
    if attributes:
        yield from each_invalid(f"{path}.volumeAttributesClassName", attributes, formats.subdomain(attributes))


def access_modes(modes: Any, path: str) -> Causes:
    """How a volume may be used at once; by one pod is by nobody else."""
    for mode in modes:
        if mode not in ACCESS:
            yield not_supported(path, mode, ACCESS)
    if _ONE_POD in modes and any(mode in ACCESS and mode != _ONE_POD for mode in modes):
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def _sources(spec: Object, path: str) -> Causes:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        yield from _source(source, f"{path}.dataSource")
    if reference is not None:
        yield from _source(reference, f"{path}.dataSourceRef")
        space = reference.get("namespace")
        if space:
            yield from each_invalid(f"{path}.dataSourceRef.namespace", space, formats.label(space))
    if source is None or reference is None:
        return
    # Kubernetes shows the path of the field here, as the inside of a Go value that holds nothing public.
    if reference.get("namespace"):
        yield invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif any(source.get(name) != reference.get(name) for name in ("apiGroup", "kind", "name")):
        yield invalid(path, {}, "must match dataSourceRef")


def _source(found: Object, path: str) -> Causes:
    for name in ("name", "kind"):
        if not found.get(name):
            yield required(f"{path}.{name}")
    group, kind = found.get("apiGroup") or "", found.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        yield invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group:
        yield from each_invalid(f"{path}.apiGroup", group, formats.subdomain(group))
