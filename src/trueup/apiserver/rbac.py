"""May they: RBAC over the stored roles and bindings, and impersonation. Called by `asgi` and by the review APIs.

Source: Kubernetes documentation, "Using RBAC Authorization", "User impersonation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueup.apiserver.auth import service_account_user
from trueup.apiserver.users import User
from trueup.kube.names import Object
from trueup.kube.problems import Forbidden
from trueup.store.state import Store

MASTERS = "system:masters"
_OPEN = ("/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi", "/.well-known")
"""Paths that ``system:discovery`` and ``system:public-info-viewer`` grant to whoever is authenticated."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request wants to do."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def words(self) -> str:
        """``resource "pods/log" in API group "" in the namespace "web"``."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        text = f'cannot {self.verb} resource "{resource}" in API group "{self.group}"'
        return f'{text} in the namespace "{self.namespace}"' if self.namespace else f"{text} at the cluster scope"


class Authorizer:
    """Asks the stored roles."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def authorize(self, user: User, attributes: Attributes) -> None:
        """Raises ``Forbidden`` as Kubernetes words it."""
        if not self.allows(user, attributes):
            group = f".{attributes.group}" if attributes.group else ""
            name = f' "{attributes.name}"' if attributes.name else ""
            details: Object = {"kind": attributes.resource}
            if attributes.name:
                details["name"] = attributes.name
            if attributes.group:
                details["group"] = attributes.group
            raise Forbidden(
                f'{attributes.resource}{group}{name} is forbidden: User "{user.name}" {attributes.words}',
                details=details,
            )

    def authorize_path(self, user: User, method: str, path: str) -> None:
        """A path that is no resource's."""
        verb = {"GET": "get", "HEAD": "get", "POST": "post", "PUT": "put", "DELETE": "delete"}.get(
            method, method.lower()
        )
        if verb == "get" and path.startswith(_OPEN):
            return
        if not self.allows(user, Attributes(verb=verb, path=path)):
            raise Forbidden(f'forbidden: User "{user.name}" cannot {verb} path "{path}"')

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether any rule of the user's roles allows it."""
        if MASTERS in user.groups:
            return True
        return any(_matches(rule, attributes) for rule in self.rules(user, attributes.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[Mapping[str, Any]]:
        """Every rule that applies to a user in a namespace (cluster-wide ones included)."""
        for binding in self._all("clusterrolebindings.rbac.authorization.k8s.io", ""):
            if _binds(binding, user, ""):
                yield from self._role(binding["roleRef"], "")
        if namespace:
            for binding in self._all("rolebindings.rbac.authorization.k8s.io", namespace):
                if _binds(binding, user, namespace):
                    yield from self._role(binding["roleRef"], namespace)

    def _all(self, bucket: str, namespace: str) -> Iterator[Object]:
        for _, _, entry in self._store.bucket(bucket).scan(namespace):
            yield entry.obj

    def _role(self, ref: Mapping[str, Any], namespace: str) -> Sequence[Mapping[str, Any]]:
        kind, space = ("roles", namespace) if ref.get("kind") == "Role" else ("clusterroles", "")
        entry = self._store.bucket(f"{kind}.rbac.authorization.k8s.io").get(space, str(ref.get("name") or ""))
        return (entry.obj.get("rules") or ()) if entry is not None else ()

    def impersonated(self, user: User, headers: Mapping[str, str]) -> User:
        """The user that the request's Impersonate headers name, if the real one may be them."""
        name = headers.get("impersonate-user")
        if not name:
            return user
        groups = tuple(filter(None, (g.strip() for g in headers.get("impersonate-group", "").split(","))))
        kind, space = "users", ""
        target = User(name, (*groups, "system:authenticated"))
        parts = name.split(":")
        bare = name
        if name.startswith("system:serviceaccount:") and len(parts) == 4:
            kind, space, bare = "serviceaccounts", parts[2], parts[3]
            account = service_account_user(parts[2], parts[3])
            target = replace(account, groups=(*account.groups, *groups))
        self.authorize(user, Attributes("impersonate", "", kind, namespace=space, name=bare))
        for group in groups:
            self.authorize(user, Attributes("impersonate", "", "groups", name=group))
        return target


def _binds(binding: Object, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        if kind == "ServiceAccount":
            space = subject.get("namespace") or namespace
            if user.name == f"system:serviceaccount:{space}:{name}":
                return True
    return False


def _matches(rule: Mapping[str, Any], wanted: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and wanted.verb not in verbs:
        return False
    if wanted.path:
        return any(
            url == "*" or url == wanted.path or (url.endswith("*") and wanted.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    groups, resources, names = rule.get("apiGroups") or (), rule.get("resources") or (), rule.get("resourceNames") or ()
    if "*" not in groups and wanted.group not in groups:
        return False
    if names and wanted.name not in names:
        return False
    if not wanted.subresource:
        return "*" in resources or wanted.resource in resources
    full = f"{wanted.resource}/{wanted.subresource}"
    return "*" in resources or full in resources or f"*/{wanted.subresource}" in resources


BOOTSTRAP_ROLES: Sequence[Object] = (
    {
        "metadata": {"name": "cluster-admin"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ],
    },
    *(
        {
            "metadata": {"name": name},
            "rules": [
                {
                    "apiGroups": ["", "apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io"],
                    "resources": ["*"],
                    "verbs": verbs,
                },
                *more,
            ],
        }
        for name, verbs, more in (
            (
                "admin",
                ["*"],
                [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"]}],
            ),
            ("edit", ["*"], []),
        )
    ),
    {
        "metadata": {"name": "view"},
        "rules": [
            {
                "apiGroups": ["", "apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io"],
                "resources": [
                    "configmaps", "endpoints", "persistentvolumeclaims", "pods", "pods/log", "services", "serviceaccounts",
                    "events", "namespaces", "daemonsets", "deployments", "deployments/scale", "replicasets",
                    "replicasets/scale", "statefulsets", "statefulsets/scale", "jobs", "cronjobs", "ingresses",
                    "networkpolicies", "poddisruptionbudgets", "horizontalpodautoscalers", "endpointslices",
                    "resourcequotas", "limitranges", "replicationcontrollers",
                ],
                "verbs": ["get", "list", "watch"],
            }
        ],
    },
)  # fmt: skip
"""Roles that every cluster has; ``admin`` and ``edit`` are cut to the built-in groups, without aggregation yet."""
