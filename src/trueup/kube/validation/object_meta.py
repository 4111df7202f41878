"""Rules of every object's metadata: names, labels, annotations, owners, finalizers.

Source: apimachinery ``api/validation/objectmeta.go``; the kinds' own name rules.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from trueup.kube.names import Kind, Object
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, forbidden, invalid, required, too_long

MOST_ANNOTATIONS = 256 * 1024
_PATH_SEGMENTS = frozenset(
    {
        *(("rbac.authorization.k8s.io", kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")),
        ("", "Event"), ("certificates.k8s.io", "CertificateSigningRequest"), ("policy", "PodDisruptionBudget"),
    }
)  # fmt: skip
"""Kinds whose names may be anything that a path can hold."""
_NEWEST = 36
_RELAXED = 36
"""Since when a Service's name may begin with a digit."""
_CRON_JOB_NAME = 52
"""A job's name is its cron job's with eleven letters more."""


def metadata(kind: Kind, obj: Object, old: Object | None = None, part: str = "", minor: int = _NEWEST) -> Causes:
    """What is wrong with an object's metadata. ``old``: what it was, of an update; ``part``: the subresource written."""
    meta = obj["metadata"]
    problems = _name_rule(kind, minor)
    generated, name = meta.get("generateName"), str(meta.get("name") or "")
    if generated and old is not None:
        yield from each_invalid("metadata.generateName", generated, formats.path_prefix(generated))
    if generated and _checks_prefix(kind, old, part) and problems is formats.path_segment:
        yield from each_invalid("metadata.generateName", generated, formats.path_prefix(generated))
    elif generated and _checks_prefix(kind, old, part):
        # A trailing hyphen is fine there: letters follow.
        yield from each_invalid(
            "metadata.generateName", generated, problems(generated[:-1] + "a" if generated.endswith("-") else generated)
        )
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif old is None:
        yield from each_invalid("metadata.name", name, problems(name))
        if kind.kind == "CronJob" and len(name) > _CRON_JOB_NAME and kind.group == "batch":
            yield invalid("metadata.name", name, f"must be no more than {_CRON_JOB_NAME} characters")
    yield from labels(meta.get("labels"), "metadata.labels")
    yield from annotation_keys(meta.get("annotations"), "metadata.annotations")
    if meta.get("ownerReferences"):
        yield from _owners(meta["ownerReferences"])
    if meta.get("finalizers"):
        yield from _finalizers(kind, meta["finalizers"])


def labels(found: Any, path: str) -> Causes:
    """Keys and values of labels."""
    for key, value in (found or {}).items():
        yield from each_invalid(path, key, formats.qualified(key))
        yield from each_invalid(path, value, formats.label_value(str(value)))


def of_template(meta: Object, path: str) -> Causes:
    """Of what is made by a template: labels and annotations alone. Source: ``ValidateTemplateObjectMeta``."""
    yield from annotation_keys(meta.get("annotations"), f"{path}.annotations")
    yield from labels(meta.get("labels"), f"{path}.labels")
    for name, value in meta.items():
        if name not in ("annotations", "labels") and value:
            yield forbidden(f"{path}.{'uID' if name == 'uid' else name}", "cannot be set")


def annotation_keys(found: Any, path: str) -> Causes:
    """Keys of annotations, whose letters' case does not matter, and their size."""
    if not found:
        return
    size = 0
    for key, value in found.items():
        size += len(key) + len(str(value))
        yield from each_invalid(path, key, formats.qualified(key.lower()))
    if size > MOST_ANNOTATIONS:
        yield too_long(path, MOST_ANNOTATIONS)


def _checks_prefix(kind: Kind, old: Object | None, part: str) -> bool:
    """Whether ``generateName`` is held to the rule of names: a few kinds look at it in updates too."""
    known = (kind.group, kind.kind)
    if old is None:
        return known not in _NO_PREFIX
    return known == ("storage.k8s.io", "VolumeAttachment") or (not part and known in _PREFIX_AGAIN)


_NO_PREFIX = frozenset({("", "ReplicationController"), ("resource.k8s.io", "DeviceClass")})
_PREFIX_AGAIN = frozenset(
    (group, kind)
    for group, kinds in {
        "": (
            "ConfigMap", "Endpoints", "LimitRange", "Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim",
            "Pod", "Secret", "ServiceAccount",
        ),
        "admissionregistration.k8s.io": (
            "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
        ),
        "apps": ("ControllerRevision",),
        "certificates.k8s.io": ("ClusterTrustBundle",),
        "batch": ("Job",),
        "discovery.k8s.io": ("EndpointSlice",),
        "flowcontrol.apiserver.k8s.io": ("FlowSchema", "PriorityLevelConfiguration"),
        "networking.k8s.io": ("IPAddress", "Ingress", "IngressClass"),
        "node.k8s.io": ("RuntimeClass",),
        "resource.k8s.io": ("ResourceClaim", "ResourceClaimTemplate"),
        "storage.k8s.io": (
            "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttachment", "VolumeAttributesClass",
        ),
        "storagemigration.k8s.io": ("StorageVersionMigration",),
    }.items()
    for kind in kinds
)  # fmt: skip
"""Kinds whose updates are checked as their creations are."""


def name_problems(kind: Kind, name: str) -> formats.Problems:
    """Why a name is not allowed."""
    return _name_rule(kind)(name)


def _name_rule(kind: Kind, minor: int = _NEWEST) -> Callable[[str], formats.Problems]:
    if (kind.group, kind.kind) in _PATH_SEGMENTS:
        return formats.path_segment
    if kind.kind == "StatefulSet" and kind.group == "apps":
        return formats.label
    if kind.kind == "IPAddress" and kind.group == "networking.k8s.io":
        return _address
    if not kind.group and kind.kind in ("Namespace", "Service"):
        relaxed = kind.kind == "Namespace" or minor >= _RELAXED
        return formats.label if relaxed else formats.dns1035
    return formats.subdomain


def _address(name: str) -> formats.Problems:
    try:
        canonical = str(ipaddress.ip_address(name))
    except ValueError:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    return () if canonical == name else (f'must be in canonical form ("{canonical}")',)


_NAMED = {
    "apiVersion": "version must not be empty",
    "kind": "must not be empty",
    "name": "must not be empty",
    "uid": "must not be empty",
}
STANDARD = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_ANY_FINALIZER = frozenset(
    {
        "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "coordination.k8s.io",
        "node.k8s.io", "policy",
    }
)  # fmt: skip
"""Groups whose kinds ask no more of finalizers than that they are qualified names; custom ones are told by their schema."""


def _owners(owners: Any) -> Causes:
    controller = ""
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        for name, detail in _NAMED.items():
            if not owner.get(name):
                yield invalid(f"metadata.ownerReferences.{name}", "", detail)
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            yield invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            this = f"{owner.get('kind')}/{owner.get('name')}"
            if controller:
                text = 'Only one reference can have Controller set to true. Found "true" in references for'
                yield invalid("metadata.ownerReferences", owners, f"{text} {controller} and {this}")
            controller = controller or this


def _finalizers(kind: Kind, finalizers: Any) -> Causes:
    strict = kind.group not in _ANY_FINALIZER and ("." not in kind.group or kind.group.endswith(".k8s.io"))
    strict = strict and (kind.group, kind.kind) != ("", "Event")
    for index, name in enumerate(finalizers):
        yield from each_invalid("metadata.finalizers", name, formats.qualified(str(name)))
        if strict and "/" not in str(name) and name not in STANDARD:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid(f"metadata.finalizers[{index}]", name, detail)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield invalid("metadata.finalizers", finalizers, text)


def finalizer_warnings(added: Iterable[str]) -> Iterator[str]:
    """What is said of finalizers that a custom object gets. Source: apiextensions ``customresource/validator.go``."""
    for name in sorted(added):
        lead = f'metadata.finalizers: "{name}": '
        for problem in formats.qualified(name):
            yield lead + problem
        if "/" not in name and name not in STANDARD:
            path = " including a path (/)" if "." in name else ""
            yield (
                f"{lead}prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer"
                " writers"
            )


_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def unchanged(new: Object, old: Object) -> Causes:
    """What an update may not touch. Source: ``ValidateObjectMetaAccessorUpdate``."""
    was, now = old["metadata"], new["metadata"]
    if was.get("deletionTimestamp"):
        added = sorted(set(now.get("finalizers") or ()) - set(was.get("finalizers") or ()))
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield forbidden("metadata.finalizers", f"{text}[]string{{{shown}}}")
    for name in _FIXED:
        if was.get(name) != now.get(name):
            yield invalid(f"metadata.{name}", now.get(name), "field is immutable")


def selector(found: Any, path: str) -> Causes:
    """A label selector. Source: apimachinery ``apis/meta/v1/validation``."""
    if not isinstance(found, Mapping):
        return
    yield from labels(found.get("matchLabels"), f"{path}.matchLabels")
    for index, wish in enumerate(found.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        operator, values = wish.get("operator"), wish.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                yield required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                yield forbidden(f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        else:
            yield invalid(f"{at}.operator", operator or "", "not a valid selector operator")
        yield from each_invalid(f"{at}.key", wish.get("key") or "", formats.qualified(wish.get("key") or ""))
        for number, value in enumerate(values):
            yield from each_invalid(f"{at}.values[{number}]", value, formats.label_value(str(value)))
