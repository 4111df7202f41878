"""The order that Helm prints objects in, and what its hooks are. Pure.

Called by `helm`. Source: Helm's release/util: ``InstallOrder``, ``SortManifests``.
"""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.render.objects import Found

HOOK = "helm.sh/hook"
EVENTS = frozenset(
    f"{when}-{what}" for when in ("pre", "post") for what in ("install", "delete", "upgrade", "rollback")
) | {"test", "test-success"}
_KINDS = """
PriorityClass Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget
ServiceAccount Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim
CustomResourceDefinition ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList
RoleBinding RoleBindingList Service DaemonSet Pod ReplicationController ReplicaSet Deployment
HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress APIService
MutatingWebhookConfiguration ValidatingWebhookConfiguration
"""
_ORDER = {kind: at for at, kind in enumerate(_KINDS.split())}
_UNKNOWN = len(_ORDER)


def hooks(obj: Object) -> tuple[str, ...]:
    """The events that an object is a hook of; empty for an ordinary object."""
    annotations = (obj.get("metadata") or {}).get("annotations")
    named = annotations.get(HOOK) if isinstance(annotations, dict) else None
    return tuple(event.strip().lower() for event in named.split(",")) if isinstance(named, str) else ()


def is_test(obj: Object) -> bool:
    """Whether an object is there for ``helm test``."""
    return any(event in ("test", "test-success") for event in hooks(obj))


def is_unknown(obj: Object) -> bool:
    """Whether an object is a hook of an event that Helm does not have (any more): Helm leaves it out."""
    return any(event not in EVENTS for event in hooks(obj))


def in_order(found: list[Found]) -> list[Found]:
    """Ordinary objects by kind, unknown kinds last and by name of kind; hooks after them as they came."""
    ordinary = [one for one in found if not hooks(one[0])]
    return sorted(ordinary, key=_key) + [one for one in found if hooks(one[0])]


def _key(one: Found) -> tuple[int, str]:
    kind = str(one[0].get("kind") or "")
    at = _ORDER.get(kind, _UNKNOWN)
    return at, kind if at == _UNKNOWN else ""
