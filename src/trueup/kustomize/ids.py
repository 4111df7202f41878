"""What kustomize knows an object by: group, version, kind, name, namespace; and how it prints that.

Called by every file of the room. Source: kyaml ``resid``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from trueup.kustomize.scopes import cluster_scoped

NO_NAMESPACE = "_non_namespaceable_"
"""The effective namespace of an object that belongs to none."""

_FIRST = (
    "Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount", "PodSecurityPolicy",
    "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret", "Endpoints", "Service",
    "LimitRange", "PriorityClass", "PersistentVolume", "PersistentVolumeClaim", "Deployment", "StatefulSet", "CronJob",
    "PodDisruptionBudget",
)  # fmt: skip
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
DEFAULT_FIRST, DEFAULT_LAST = _FIRST, _LAST


class Gvk(NamedTuple):
    """A group, version and kind; as a selector, empty parts match everything."""

    group: str = ""
    version: str = ""
    kind: str = ""

    def selects(self, other: Gvk | Id) -> bool:
        """Whether the non-empty parts of this equal the other's."""
        return (
            (not self.group or self.group == other.group)
            and (not self.version or self.version == other.version)
            and (not self.kind or self.kind == other.kind)
        )

    def __str__(self) -> str:
        return f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"


class Id(NamedTuple):
    """An object's identity. ``effective`` is the namespace for comparing: ``default`` for none."""

    group: str
    version: str
    kind: str
    name: str
    namespace: str
    effective: str

    @property
    def gvk(self) -> Gvk:
        """Group, version and kind."""
        return Gvk(self.group, self.version, self.kind)

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Equal for two ids that name the same object."""
        return self.group, self.version, self.kind, self.name, self.effective

    @property
    def cluster_scoped(self) -> bool:
        """Whether it belongs to no namespace."""
        return self.effective == NO_NAMESPACE

    def __str__(self) -> str:
        return f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"

    def go(self) -> str:
        """As Go prints the struct in some messages."""
        scoped = "true" if self.cluster_scoped else "false"
        return (
            f'resid.ResId{{Gvk:resid.Gvk{{Group:"{self.group}", Version:"{self.version}", Kind:"{self.kind}", '
            f'isClusterScoped:{scoped}}}, Name:"{self.name}", Namespace:"{self.namespace}"}}'
        )


@lru_cache(maxsize=4096)
def split_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` as group and version."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", api_version)


@lru_cache(maxsize=16384)
def current_id(api_version: str, kind: str, name: str, namespace: str) -> Id:
    """The id of an object as it stands."""
    group, version = split_version(api_version)
    effective = NO_NAMESPACE if cluster_scoped(api_version, kind) else namespace or "default"
    return Id(group, version, kind, name, namespace, effective)


@lru_cache(maxsize=16384)
def previous_id(group: str, version: str, kind: str, name: str, namespace: str) -> Id:
    """An id that an object had; its namespace was effective already when it was noted."""
    return Id(group, version, kind, name, namespace, namespace or "default")


def order_of(kind: str) -> int:
    """The rank that tables of field specs are sorted by."""
    if kind in _FIRST:
        return _FIRST.index(kind) - len(_FIRST)
    return 1 + _LAST.index(kind) if kind in _LAST else 0


def order_key(gvk: Gvk) -> tuple[int, str]:
    """What tables of references are sorted by."""
    return order_of(gvk.kind), f"{gvk.group or '~G'}_{gvk.version or '~V'}_{gvk.kind or '~K'}"
