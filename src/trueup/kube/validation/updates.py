"""What may not change in an update. Sources: the ``Validate…Update`` functions of Kubernetes ``pkg/apis/*/validation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.kube.names import Kind, Object
from trueup.kube.problems import Cause
from trueup.kube.validation import job_updates, services, volume_updates, workloads
from trueup.kube.validation.causes import Causes, forbidden, in_order, invalid, unchanged
from trueup.kube.validation.pod_updates import pod_update

Rule = Callable[[Object, Object], Causes]


ALONE = frozenset(
    {("apps", "StatefulSet"), ("resource.k8s.io", "ResourceClaim"), ("scheduling.k8s.io", "PriorityClass")}
)
"""Kinds whose updates are looked at by the rules here alone: what does not change may be wrong."""


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
    if new.get("spec") == old.get("spec"):
        return
    free = {
        "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "minReadySeconds",
        "persistentVolumeClaimRetentionPolicy",
    }  # fmt: skip
    was, now = ({k: v for k, v in (o.get("spec") or {}).items() if k not in free} for o in (old, new))
    yield from workloads.stateful_set(new, again=True)
    if was != now:
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )


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


def _node(new: Object, old: Object) -> Causes:
    now, was = new.get("spec") or {}, old.get("spec") or {}
    blocks, before = now.get("podCIDRs") or [], was.get("podCIDRs") or []
    if before and blocks != before:
        yield forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if was.get("providerID") and now.get("providerID") != was["providerID"]:
        yield forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')
    if now.get("externalID") != was.get("externalID"):
        yield forbidden("spec.externalID", "may not be updated")


def _quota(new: Object, old: Object) -> Causes:
    now, was = (_at(obj, "spec.scopes") for obj in (new, old))
    if set(now or ()) != set(was or ()):
        yield invalid("spec.scopes", now, "field is immutable")


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


def _node_drivers(new: Object, old: Object) -> Causes:
    """What a driver said stays, but for how many volumes there may be."""
    now, was = (_at(obj, "spec.drivers") or () for obj in (new, old))
    for before in was:
        for after in now:
            if after.get("name") == before.get("name") and _limitless(after) != _limitless(before):
                yield invalid("spec.drivers", after, "field is immutable")


def _limitless(driver: Object) -> Object:
    return {"nodeID": driver.get("nodeID") or "", "topologyKeys": driver.get("topologyKeys") or []}


def _capacity(new: Object, old: Object) -> Causes:
    yield from unchanged("nodeTopology", new.get("nodeTopology"), old.get("nodeTopology"))
    yield from unchanged("storageClassName", new.get("storageClassName") or "", old.get("storageClassName") or "")


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
    ("", "Node"): _node,
    ("", "PersistentVolume"): volume_updates.volume,
    ("", "PersistentVolumeClaim"): volume_updates.claim,
    ("", "Pod"): pod_update,
    ("", "ResourceQuota"): _quota,
    ("", "Secret"): _secret,
    ("", "Service"): services.service_update,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _fixed(
        "spec.group", "spec.scope", "spec.names.kind", "spec.names.plural"
    ),
    ("apps", "ControllerRevision"): _fixed("data"),
    ("apps", "DaemonSet"): _fixed("spec.selector"),
    ("apps", "Deployment"): _fixed("spec.selector"),
    ("apps", "ReplicaSet"): _fixed("spec.selector"),
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): job_updates.job,
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
    ("storage.k8s.io", "CSINode"): _node_drivers,
    ("storage.k8s.io", "CSIStorageCapacity"): _capacity,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("storage.k8s.io", "VolumeAttachment"): _attachment,
    ("storage.k8s.io", "VolumeAttributesClass"): _attributes_class,
}
