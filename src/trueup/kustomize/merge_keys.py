"""Which lists a patch merges element by element, and by which keys.

Called by `merge`. Kustomize takes this from its own copy of the OpenAPI of Kubernetes 1.21, or from the file that a
kustomization names under ``openapi``; kinds and fields that it does not know have their lists replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from trueup.kustomize.ids import split_version


class Node:
    """One schema node. ``keys`` is None unless the node is a list that merges; empty for a list of scalars."""

    __slots__ = ("fields", "items", "keys", "values")

    def __init__(
        self,
        fields: Mapping[str, Node] | None = None,
        *,
        keys: tuple[str, ...] | None = None,
        items: Node | None = None,
        values: Node | None = None,
    ) -> None:
        self.fields: Mapping[str, Node] = fields or {}
        self.keys, self.items, self.values = keys, items, values

    def field(self, name: str) -> Node | None:
        """The node of a field, None where the schema says nothing."""
        return self.fields.get(name) or self.values


def _by(*keys: str, of: Node | None = None) -> Node:
    return Node(keys=keys, items=of)


_METADATA = Node({"ownerReferences": _by("uid"), "finalizers": _by()})
_EPHEMERAL = Node({"env": _by("name"), "volumeMounts": _by("mountPath"), "volumeDevices": _by("devicePath")})
_CONTAINER = Node({**_EPHEMERAL.fields, "ports": _by("containerPort", "protocol")})
_POD = Node({
    "containers": _by("name", of=_CONTAINER),
    "initContainers": _by("name", of=_CONTAINER),
    "ephemeralContainers": _by("name", of=_EPHEMERAL),
    "volumes": _by("name"),
    "imagePullSecrets": _by("name"),
    "hostAliases": _by("ip"),
    "topologySpreadConstraints": _by("topologyKey", "whenUnsatisfiable"),
})  # fmt: skip
_CONDITIONS = Node({"conditions": _by("type")})
_TEMPLATE = Node({"metadata": _METADATA, "spec": _POD})
_WORKLOAD = {"spec": Node({"template": _TEMPLATE}), "status": _CONDITIONS}
_WEBHOOKS = {"webhooks": _by("name")}
_CSI_NODE = {"spec": Node({"drivers": _by("name")})}
_CRON_JOB = {"spec": Node({"jobTemplate": Node({"metadata": _METADATA, "spec": Node({"template": _TEMPLATE})})})}
_SPECIAL: Mapping[str, Mapping[str, Node]] = {
    "v1 Pod": {"spec": _POD, "status": Node({"conditions": _by("type"), "podIPs": _by("ip")})},
    "v1 PodTemplate": {"template": _TEMPLATE},
    "v1 ReplicationController": _WORKLOAD,
    "v1 Service": {"spec": Node({"ports": _by("port", "protocol")}), "status": _CONDITIONS},
    "v1 ServiceAccount": {"secrets": _by("name")},
    "v1 Namespace": {"status": _CONDITIONS},
    "v1 PersistentVolumeClaim": {"status": _CONDITIONS},
    "v1 ComponentStatus": _CONDITIONS.fields,
    "v1 Node": {
        "spec": Node({"podCIDRs": _by()}),
        "status": Node({"conditions": _by("type"), "addresses": _by("type")}),
    },
    "apps/v1 Deployment": _WORKLOAD,
    "apps/v1 ReplicaSet": _WORKLOAD,
    "apps/v1 DaemonSet": _WORKLOAD,
    "apps/v1 StatefulSet": _WORKLOAD,
    "batch/v1 Job": _WORKLOAD,
    "batch/v1 CronJob": _CRON_JOB,
    "batch/v1beta1 CronJob": _CRON_JOB,
    "policy/v1 PodDisruptionBudget": {"status": _CONDITIONS},
    "policy/v1beta1 PodDisruptionBudget": {"status": _CONDITIONS},
    "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration": _WEBHOOKS,
    "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration": _WEBHOOKS,
    "admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration": _WEBHOOKS,
    "admissionregistration.k8s.io/v1beta1 ValidatingWebhookConfiguration": _WEBHOOKS,
    "apiregistration.k8s.io/v1 APIService": {"status": _CONDITIONS},
    "apiregistration.k8s.io/v1beta1 APIService": {"status": _CONDITIONS},
    "storage.k8s.io/v1 CSINode": _CSI_NODE,
    "storage.k8s.io/v1beta1 CSINode": _CSI_NODE,
}
_NAMED: Mapping[str, Node] = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": _METADATA,
    **{
        f"io.k8s.api.core.v1.{name}": node
        for name, node in (
            ("Container", _CONTAINER), ("EphemeralContainer", _EPHEMERAL), ("PodSpec", _POD),
            ("PodTemplateSpec", _TEMPLATE), ("ServiceSpec", _SPECIAL["v1 Service"]["spec"]),
        )
    },
}  # fmt: skip
"""Types that definitions of one's own may refer to."""
_ORDINARY = """
v1: Binding ConfigMap Endpoints Event LimitRange PersistentVolume ResourceQuota Secret
apps/v1: ControllerRevision
authentication.k8s.io/v1: TokenRequest
autoscaling/v1: HorizontalPodAutoscaler Scale
autoscaling/v2beta1: HorizontalPodAutoscaler
autoscaling/v2beta2: HorizontalPodAutoscaler
apiextensions.k8s.io/v1: CustomResourceDefinition
apiextensions.k8s.io/v1beta1: CustomResourceDefinition
certificates.k8s.io/v1: CertificateSigningRequest
certificates.k8s.io/v1beta1: CertificateSigningRequest
coordination.k8s.io/v1: Lease
coordination.k8s.io/v1beta1: Lease
discovery.k8s.io/v1: EndpointSlice
discovery.k8s.io/v1beta1: EndpointSlice
events.k8s.io/v1: Event
events.k8s.io/v1beta1: Event
extensions/v1beta1: Ingress
flowcontrol.apiserver.k8s.io/v1beta1: FlowSchema PriorityLevelConfiguration
networking.k8s.io/v1: Ingress IngressClass NetworkPolicy
networking.k8s.io/v1beta1: Ingress IngressClass
node.k8s.io/v1: RuntimeClass
node.k8s.io/v1beta1: RuntimeClass
policy/v1beta1: Eviction PodSecurityPolicy
rbac.authorization.k8s.io/v1: ClusterRole ClusterRoleBinding Role RoleBinding
rbac.authorization.k8s.io/v1beta1: ClusterRole ClusterRoleBinding Role RoleBinding
scheduling.k8s.io/v1: PriorityClass
scheduling.k8s.io/v1beta1: PriorityClass
storage.k8s.io/v1: CSIDriver StorageClass VolumeAttachment
storage.k8s.io/v1beta1: CSIDriver CSIStorageCapacity StorageClass VolumeAttachment
"""
"""Kinds of which only the metadata has lists that merge."""


@lru_cache(maxsize=1)
def _builtin() -> Mapping[tuple[str, str], Node]:
    table: dict[tuple[str, str], Node] = {}
    for name, fields in _SPECIAL.items():
        version, _, kind = name.partition(" ")
        table[version, kind] = Node({"metadata": _METADATA, **fields})
    plain = Node({"metadata": _METADATA})
    for line in _ORDINARY.strip().splitlines():
        version, _, kinds = line.partition(":")
        table.update(((version, kind), plain) for kind in kinds.split())
    return table


_SCOPED_ALONE = frozenset({
    ("v1", f"{name}Options") for name in ("NodeProxy", "PodAttach", "PodExec", "PodPortForward", "PodProxy", "ServiceProxy")
})  # fmt: skip
_UNSCOPED = frozenset({
    ("v1", "Binding"), ("authentication.k8s.io/v1", "TokenRequest"), ("policy/v1beta1", "Eviction"),
})  # fmt: skip


def scope_known(api_version: str, kind: str) -> bool:
    """Whether kustomize knows by heart, without its schema, if a kind is namespaced."""
    key = api_version, kind
    return (key in _builtin() and key not in _UNSCOPED) or key in _SCOPED_ALONE


Beside = Literal["nothing", "first", "last"]
"""Where the built-in definitions stand beside those that a kustomization brings; the later ones count."""


class Schemas:
    """Where merge keys are looked up: the built-in table, or the definitions that a kustomization brings."""

    def __init__(self, definitions: Mapping[str, Any] | None = None, *, builtin: Beside = "nothing") -> None:
        self._beside = builtin
        self._custom = (
            None if definitions is None else _Definitions(definitions, {} if builtin == "nothing" else _NAMED)
        )
        self.asked = False

    def of(self, api_version: str, kind: str) -> Node | None:
        """The schema of a kind, None when it is not known."""
        self.asked = True
        builtin = _builtin().get((api_version, kind))
        if self._custom is None or (builtin is not None and self._beside == "last"):
            return builtin
        if builtin is not None and self._beside == "first" and not self._custom.has(api_version, kind):
            return builtin
        return self._custom.of(api_version, kind)


class _Definitions:
    """An OpenAPI document's definitions, read as they are asked for."""

    def __init__(self, definitions: Mapping[str, Any], known: Mapping[str, Node]) -> None:
        self._definitions = definitions
        self._made: dict[str, Node] = dict(known)
        self._names: dict[tuple[str, str, str], str] = {}
        for name, definition in definitions.items():
            for gvk in definition.get("x-kubernetes-group-version-kind") or ():
                self._names[gvk.get("group", ""), gvk.get("version", ""), gvk.get("kind", "")] = name

    def has(self, api_version: str, kind: str) -> bool:
        """Whether a kind is among them."""
        return (*split_version(api_version), kind) in self._names

    def of(self, api_version: str, kind: str) -> Node | None:
        name = self._names.get((*split_version(api_version), kind))
        return self._named(name) if name else None

    def _named(self, name: str) -> Node | None:
        if name not in self._made:
            if name not in self._definitions:
                return None
            node = self._made[name] = Node()
            made = self._node(self._definitions[name])
            node.fields, node.keys, node.items, node.values = made.fields, made.keys, made.items, made.values
        return self._made[name]

    def _node(self, schema: Mapping[str, Any]) -> Node:
        keys = None
        if "merge" in str(schema.get("x-kubernetes-patch-strategy") or "").split(","):
            several = schema.get("x-kubernetes-list-map-keys")
            one = schema.get("x-kubernetes-patch-merge-key")
            keys = tuple(several) if several else (one,) if one else ()
        target = self._named(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else None
        if target is not None:
            return Node(target.fields, keys=keys or target.keys, items=target.items, values=target.values)
        fields: dict[str, Node] = {}
        for name, item in (schema.get("properties") or {}).items():
            if isinstance(item, dict):
                fields[name] = self._lazy(item)
        items, values = schema.get("items"), schema.get("additionalProperties")
        return Node(
            fields,
            keys=keys,
            items=self._lazy(items) if isinstance(items, dict) else None,
            values=self._lazy(values) if isinstance(values, dict) else None,
        )

    def _lazy(self, schema: Mapping[str, Any]) -> Node:
        if set(schema) == {"$ref"}:
            return self._named(schema["$ref"].rpartition("/")[2]) or Node()
        return self._node(schema)
