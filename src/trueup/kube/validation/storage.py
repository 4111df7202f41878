"""The group storage.k8s.io. Source: Kubernetes ``pkg/apis/storage/validation/validation.go``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    required,
    too_long,
)
from trueup.kube.validation.persistent import volume_spec

_MOST_PARAMETERS, _MOST_BYTES, _NODE_ID = 512, 256 * 1024, 256
_LIFECYCLES = ("Persistent", "Ephemeral")
_FS_GROUPS = ("File", "None", "ReadWriteOnceWithFSType")
_NEEDED = ("attachRequired", "podInfoOnMount", "storageCapacity")


def storage_class(obj: Object) -> Causes:
    """StorageClass."""
    yield from _provisioner(obj.get("provisioner") or "", "provisioner")
    yield from _parameters(obj.get("parameters") or {}, "parameters")
    for field, known in (
        ("reclaimPolicy", ("Delete", "Retain")),
        ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
    ):
        value = obj.get(field)
        if value is not None and value not in known and not (value == "" and field == "reclaimPolicy"):
            yield not_supported(field, value, known)
    yield from _topologies(obj.get("allowedTopologies") or [], "allowedTopologies")


def _topologies(terms: list[Object], path: str) -> Causes:
    known: list[dict[str, frozenset[str]]] = [{} for _ in terms]
    """As in Kubernetes, where a term without wishes is the same as each that is still to come."""
    for index, term in enumerate(terms):
        yield from _topology(term, f"{path}[{index}]")
        wishes: dict[str, frozenset[str]] = {}
        for wish in term.get("matchLabelExpressions") or ():
            wishes.setdefault(wish.get("key") or "", frozenset(wish.get("values") or ()))
        for other in known:
            if other == wishes:
                yield duplicate(f"{path}[{index}].matchLabelExpressions", "")
        known.append(wishes)


def _provisioner(name: str, path: str) -> Causes:
    if not name:
        yield required(path)
    else:
        yield from each_invalid(path, name.lower(), formats.qualified(name.lower()))


def _parameters(found: Object, path: str) -> Causes:
    if len(found) > _MOST_PARAMETERS:
        yield too_long(path, _MOST_PARAMETERS)
        return
    if "" in found:
        yield invalid(path, "", "field can not be empty.")
    if sum(len(name.encode()) + len(value.encode()) for name, value in found.items()) > _MOST_BYTES:
        yield too_long(path, _MOST_BYTES)


def _topology(term: Object, path: str) -> Causes:
    seen: set[str] = set()
    for index, expression in enumerate(term.get("matchLabelExpressions") or ()):
        at, key = f"{path}.matchLabelExpressions[{index}]", expression.get("key") or ""
        values = expression.get("values") or []
        if not values:
            yield required(f"{at}.values")
        for place, value in enumerate(values):
            if value in values[:place]:
                yield duplicate(f"{at}.values[{place}]", value)
        yield from each_invalid(f"{at}.key", key, formats.qualified(key))
        if key in seen:
            yield duplicate(f"{at}.key", key)
        seen.add(key)


def attributes_class(obj: Object) -> Causes:
    """VolumeAttributesClass."""
    yield from _provisioner(obj.get("driverName") or "", "driverName")
    parameters = obj.get("parameters") or {}
    yield from _parameters(parameters, "parameters")
    if not parameters:
        yield required("parameters", "must contain at least one key/value pair")


def driver(obj: Object) -> Causes:
    """CSIDriver."""
    spec = obj.get("spec") or {}
    for field in _NEEDED:
        if spec.get(field) is None:
            yield required(f"spec.{'attachedRequired' if field == 'attachRequired' else field}")
    policy, period = spec.get("fsGroupPolicy"), spec.get("nodeAllocatableUpdatePeriodSeconds")
    if policy is not None and policy not in _FS_GROUPS:
        yield not_supported("spec.fsGroupPolicy", policy, _FS_GROUPS)
    yield from _token_requests(spec.get("tokenRequests") or [], "spec.tokenRequests")
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _LIFECYCLES:
            yield not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES)
    if period is not None and period < 10:
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, "must be greater than or equal to 10 seconds")
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not spec.get("tokenRequests"):
        detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid("spec.serviceAccountTokenInSecrets", in_secrets, detail)


def _token_requests(found: list[Object], path: str) -> Causes:
    audiences: set[str] = set()
    for index, request in enumerate(found):
        audience, seconds = request.get("audience") or "", request.get("expirationSeconds")
        if audience in audiences:
            yield duplicate(f"{path}[{index}].audience", audience)
            continue
        audiences.add(audience)
        if seconds is not None and seconds < 600:
            yield invalid(
                f"{path}[{index}].expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
            )
        if seconds is not None and seconds > 2**32:
            detail = "may not specify a duration larger than 2^32 seconds"
            yield invalid(f"{path}[{index}].expirationSeconds", seconds, detail)


def node(obj: Object) -> Causes:
    """CSINode."""
    names: set[str] = set()
    for index, each in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        path, name, identity = f"spec.drivers[{index}]", each.get("name") or "", each.get("nodeID") or ""
        yield from csi_driver_name(name, f"{path}.name")
        if not identity:
            yield required(f"{path}.nodeID")
        if len(identity) > _NODE_ID:
            yield invalid(f"{path}.nodeID", identity, f"must be {_NODE_ID} characters or less")
        yield from not_negative(f"{path}.allocatable.count", (each.get("allocatable") or {}).get("count"))
        if name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
        yield from _topology_keys(each.get("topologyKeys") or [], path)


def _topology_keys(keys: list[str], path: str) -> Causes:
    for index, key in enumerate(keys):
        if not key:
            yield required(path)
        if key in keys[:index]:
            yield duplicate(path, key)
        yield from each_invalid(path, key, formats.qualified(key))


def csi_driver_name(name: str, path: str) -> Causes:
    """The name of a driver, where something uses it."""
    if not name:
        yield required(path)
        return
    if len(name) > 63:
        yield too_long(path, 63)
    yield from each_invalid(path, name, formats.subdomain(name.lower()))


def capacity(obj: Object) -> Causes:
    """CSIStorageCapacity."""
    yield from object_meta.selector(obj.get("nodeTopology"), "nodeTopology")
    name, size = obj.get("storageClassName") or "", str(obj.get("capacity") or "")
    yield from each_invalid("storageClassName", name, formats.subdomain(name))
    if size.startswith("-"):
        yield invalid("capacity", size, "must be greater than or equal to 0")


def attachment(obj: Object) -> Causes:
    """VolumeAttachment."""
    spec = obj.get("spec") or {}
    yield from csi_driver_name(spec.get("attacher") or "", "spec.attacher")
    yield from _source(spec.get("source") or {}, "spec.source")
    node_name = spec.get("nodeName") or ""
    yield from each_invalid("spec.nodeName", node_name, formats.subdomain(node_name))
    name = (spec.get("source") or {}).get("persistentVolumeName")
    if name is not None:
        yield from each_invalid("spec.source.persistentVolumeName", name, formats.subdomain(name))


def _source(source: Object, path: str) -> Causes:
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if inline is None and name is None:
        yield required(path, detail)
    elif inline is not None and name is not None:
        yield forbidden(path, detail)
    elif name == "":
        yield required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from volume_spec(inline, f"{path}.inlineVolumeSpec", inline=True)
