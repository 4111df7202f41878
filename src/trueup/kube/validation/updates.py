"""What may not change in an update. Sources: the ``Validate…Update`` functions of Kubernetes ``pkg/apis/*/validation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.kube.names import Kind, Object
from trueup.kube.problems import Cause
from trueup.kube.quantity import parse
from trueup.kube.validation import service_addresses
from trueup.kube.validation.causes import Causes, forbidden, in_order, invalid, unchanged
from trueup.kube.validation.pod_updates import pod_update

Rule = Callable[[Object, Object], Causes]


def update_rules(kind: Kind) -> Rule | None:
    """What a kind says of its updates."""
    return _RULES.get((kind.group, kind.kind))


def _at(obj: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj


def _fixed(*paths: str) -> Rule:
    def rule(new: Object, old: Object) -> Causes:
        for path in paths:
            yield from unchanged(path, _at(new, path), _at(old, path))

    return rule


def _stateful_set(new: Object, old: Object) -> Causes:
    free = {
        "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "minReadySeconds",
        "persistentVolumeClaimRetentionPolicy",
    }  # fmt: skip
    was, now = ({k: v for k, v in (o.get("spec") or {}).items() if k not in free} for o in (old, new))
    if was != now:
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )


def _job(new: Object, old: Object) -> Causes:
    now, was = new.get("spec") or {}, old.get("spec") or {}
    elastic = was.get("completionMode") == "Indexed" and now.get("completions") == now.get("parallelism")
    if not elastic:
        yield from unchanged("spec.completions", now.get("completions"), was.get("completions"))
    yield from unchanged("spec.selector", now.get("selector"), was.get("selector"))
    after, before = now.get("template"), was.get("template")
    if after != before:
        waiting = was.get("suspend") and not (old.get("status") or {}).get("startTime")
        if not waiting or _bound(after) != _bound(before):
            yield invalid("spec.template", after, "field is immutable")
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "successPolicy", "managedBy"):
        yield from unchanged(f"spec.{name}", now.get(name), was.get(name))


def _bound(template: Any) -> Any:
    """What stays of a suspended job's template: all but where its pods may run."""
    placed = {"affinity", "nodeSelector", "schedulingGates", "tolerations"}
    spec = {k: v for k, v in ((template or {}).get("spec") or {}).items() if k not in placed}
    return {**(template or {}), "spec": spec, "metadata": None}


def _sealed(new: Object, old: Object) -> Causes:
    """Config maps and secrets that were declared immutable."""
    if not old.get("immutable"):
        return
    text = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield forbidden("immutable", text)
    for part in ("data", "binaryData"):
        if (old.get(part) or {}) != (new.get(part) or {}):
            yield forbidden(part, text)


def _secret(new: Object, old: Object) -> Causes:
    yield from unchanged("type", new.get("type"), old.get("type"))
    yield from _sealed(new, old)


def _claim(new: Object, old: Object) -> Causes:
    now, was = dict(new.get("spec") or {}), dict(old.get("spec") or {})
    size, before = (((s.get("resources") or {}).get("requests") or {}).get("storage") for s in (now, was))
    for spec in (now, was):
        spec.pop("volumeAttributesClassName", None)
        requests = {k: v for k, v in ((spec.get("resources") or {}).get("requests") or {}).items() if k != "storage"}
        spec["resources"] = {**(spec.get("resources") or {}), "requests": requests}
    if not was.get("volumeName"):
        # Binding fills in the volume's name, and the default class where there was none.
        was.pop("volumeName", None), now.pop("volumeName", None)
    if was.get("storageClassName") is None:
        now.pop("storageClassName", None)
    if now != was:
        text = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
        yield forbidden("spec", text)
    if size and before and size != before:
        if (old.get("status") or {}).get("phase") != "Bound":
            yield forbidden("spec", "spec is immutable after creation except resources.requests for bound claims")
        elif parse(size) < parse(before):
            yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


_NOT_A_SOURCE = frozenset(
    {
        "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
        "storageClassName", "volumeAttributesClassName", "volumeMode",
    }
)  # fmt: skip


def _volume(new: Object, old: Object) -> Causes:
    now, was = new.get("spec") or {}, old.get("spec") or {}
    sources = ({k: v for k, v in spec.items() if k not in _NOT_A_SOURCE} for spec in (now, was))
    if next(sources) != next(sources):
        yield forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
    yield from unchanged("spec.volumeMode", now.get("volumeMode"), was.get("volumeMode"))
    if was.get("nodeAffinity") is not None:
        yield from unchanged("spec.nodeAffinity", now.get("nodeAffinity"), was.get("nodeAffinity"))


def _binding(new: Object, old: Object) -> Causes:
    if new.get("roleRef") != old.get("roleRef"):
        ref = new.get("roleRef") or {}
        shown = {"APIGroup": ref.get("apiGroup", ""), "Kind": ref.get("kind", ""), "Name": ref.get("name", "")}
        yield invalid("roleRef", shown, "cannot change roleRef")


def _storage_class(new: Object, old: Object) -> Causes:
    yield from unchanged("parameters", new.get("parameters"), old.get("parameters"))
    yield from unchanged("provisioner", new.get("provisioner") or "", old.get("provisioner") or "")
    for name in ("reclaimPolicy", "volumeBindingMode"):
        yield from unchanged(name, new.get(name), old.get(name))


def _csi_driver(new: Object, old: Object) -> Causes:
    now, was = new.get("spec") or {}, old.get("spec") or {}
    yield from unchanged("spec.attachedRequired", now.get("attachRequired"), was.get("attachRequired"))
    yield from unchanged("spec.volumeLifecycleModes", now.get("volumeLifecycleModes"), was.get("volumeLifecycleModes"))


def _attributes_class(new: Object, old: Object) -> Causes:
    for name in ("driverName", "parameters"):
        if (new.get(name) or None) != (old.get(name) or None):
            yield forbidden(name, f"updates to {name} are forbidden.")


def _resource_slice(new: Object, old: Object) -> Causes:
    for path in ("spec.pool.name", "spec.driver"):
        yield from unchanged(path, _at(new, path) or "", _at(old, path) or "")
    yield from unchanged("spec.nodeName", _at(new, "spec.nodeName"), _at(old, "spec.nodeName"))


def _ingress_class(new: Object, old: Object) -> Causes:
    yield from unchanged("spec.controller", _at(new, "spec.controller") or "", _at(old, "spec.controller") or "")


def _attachment(new: Object, old: Object) -> Causes:
    now = new.get("spec") or {}
    if now != (old.get("spec") or {}):
        source = now.get("source") or {}
        volume = {
            "PersistentVolumeName": source.get("persistentVolumeName"),
            "InlineVolumeSpec": source.get("inlineVolumeSpec"),
        }
        shown = {"Attacher": now.get("attacher") or "", "Source": volume, "NodeName": now.get("nodeName") or ""}
        yield Cause("FieldValueInvalid", f"Invalid value: {in_order(shown)}: field is immutable", "spec")


def _priority_class(new: Object, old: Object) -> Causes:
    if (new.get("value") or 0) != (old.get("value") or 0):
        yield forbidden("value", "may not be changed in an update.")
    yield from unchanged("preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))


_RULES: Mapping[tuple[str, str], Rule] = {
    ("", "ConfigMap"): _sealed,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): pod_update,
    ("", "Secret"): _secret,
    ("", "Service"): service_addresses.kept,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _fixed(
        "spec.group", "spec.scope", "spec.names.kind", "spec.names.plural"
    ),
    ("apps", "ControllerRevision"): _fixed("data"),
    ("apps", "DaemonSet"): _fixed("spec.selector"),
    ("apps", "Deployment"): _fixed("spec.selector"),
    ("apps", "ReplicaSet"): _fixed("spec.selector"),
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("certificates.k8s.io", "CertificateSigningRequest"): _fixed("spec"),
    ("discovery.k8s.io", "EndpointSlice"): _fixed("addressType"),
    ("networking.k8s.io", "IngressClass"): _ingress_class,
    ("node.k8s.io", "RuntimeClass"): _fixed("handler"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _binding,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding,
    ("resource.k8s.io", "ResourceClaim"): _fixed("spec"),
    ("resource.k8s.io", "ResourceClaimTemplate"): _fixed("spec"),
    ("resource.k8s.io", "ResourceSlice"): _resource_slice,
    ("scheduling.k8s.io", "PriorityClass"): _priority_class,
    ("storage.k8s.io", "CSIDriver"): _csi_driver,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("storage.k8s.io", "VolumeAttachment"): _attachment,
    ("storage.k8s.io", "VolumeAttributesClass"): _attributes_class,
}
