"""May they: RBAC over the stored roles and bindings. Called by `asgi` and by the review APIs.

Source: Kubernetes documentation, "Using RBAC Authorization".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.apiserver.policy import ANONYMOUS, AUTHENTICATED, GROUP, MASTERS, UNAUTHENTICATED
from trueup.apiserver.users import User, service_account_user
from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.problems import Forbidden
from trueup.store.state import Event, Store

Rule = Mapping[str, Any]
Grant = tuple[Rule, Object, Mapping[str, Any]]
"""A rule, the binding that gives it, and to whom."""

_BUCKETS = tuple(f"{kind}.{GROUP}" for kind in ("clusterrolebindings", "rolebindings", "clusterroles", "roles"))
_KNOWN_USERS = 10_000
"""How many users' rules are remembered between changes of roles."""


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
    """Asks the stored roles. What applies to a user is remembered until a role or a binding changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, tuple[str, ...], str], tuple[Grant, ...]] = {}
        for bucket in _BUCKETS:
            store.bucket(bucket).listeners.append(self._forget)

    def _forget(self, event: Event) -> None:
        self._known.clear()

    def authorize(self, user: User, attributes: Attributes) -> None:
        """Raises ``Forbidden`` as Kubernetes words it."""
        if not self.allows(user, attributes):
            raise self.refusal(user, attributes)

    def refusal(self, user: User, attributes: Attributes, why: str = "") -> Forbidden:
        """What is said to who may not do something."""
        told = f": {why}" if why else ""
        group = f".{attributes.group}" if attributes.group else ""
        name = f' "{attributes.name}"' if attributes.name else ""
        details: Object = {"kind": attributes.resource}
        if attributes.name:
            details["name"] = attributes.name
        if attributes.group:
            details["group"] = attributes.group
        return Forbidden(
            f'{attributes.resource}{group}{name} is forbidden: User "{user.name}" {attributes.words}{told}',
            details=details,
        )

    def authorize_path(self, user: User, method: str, path: str) -> None:
        """A path that is no resource's."""
        verb = method.lower()
        if not self.allows(user, Attributes(verb=verb, path=path)):
            raise Forbidden(f'forbidden: User "{user.name}" cannot {verb} path "{path}"')

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether any rule of the user's roles allows it."""
        if MASTERS in user.groups:
            return True
        return any(_matches(grant[0], attributes) for grant in self._grants(user, attributes.namespace))

    def decide(self, user: User, attributes: Attributes) -> tuple[bool, str]:
        """Whether it is allowed, and by which binding. Source: ``rbac.go``, ``pkg/registry/rbac/validation``."""
        if MASTERS in user.groups:
            return True, ""
        for rule, binding, subject in self._grants(user, attributes.namespace):
            if _matches(rule, attributes):
                return True, f"RBAC: allowed by {_granted(binding, subject)}"
        return False, ""

    def rules(self, user: User, namespace: str) -> tuple[Rule, ...]:
        """Every rule that applies to a user in a namespace (cluster-wide ones included)."""
        return tuple(grant[0] for grant in self._grants(user, namespace))

    def _grants(self, user: User, namespace: str) -> tuple[Grant, ...]:
        key = (user.name, user.groups, namespace)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _KNOWN_USERS:
                self._known.clear()
            found = self._known[key] = tuple(self._find(user, namespace))
        return found

    def _find(self, user: User, namespace: str) -> Iterator[Grant]:
        for binding in self._all(f"clusterrolebindings.{GROUP}", ""):
            if (subject := _bound(binding, user, "")) is not None:
                yield from ((rule, binding, subject) for rule in self.role(binding.get("roleRef") or {}, "") or ())
        if namespace:
            for binding in self._all(f"rolebindings.{GROUP}", namespace):
                if (subject := _bound(binding, user, namespace)) is not None:
                    yield from (
                        (rule, binding, subject) for rule in self.role(binding.get("roleRef") or {}, namespace) or ()
                    )

    def _all(self, bucket: str, namespace: str) -> Iterator[Object]:
        for _, _, entry in self._store.bucket(bucket).scan(namespace):
            yield entry.obj

    def role(self, ref: Mapping[str, Any], namespace: str) -> Sequence[Rule] | None:
        """The rules of a role, those that it gathers from other roles included; None when there is no such role."""
        kind, space = ("roles", namespace) if ref.get("kind") == "Role" else ("clusterroles", "")
        entry = self._store.bucket(f"{kind}.{GROUP}").get(space, str(ref.get("name") or ""))
        if entry is None:
            return None
        rules: list[Rule] = list(entry.obj.get("rules") or ())
        for selector in (entry.obj.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            wanted = selectors.label_selector(selector)
            for other in self._all(f"clusterroles.{GROUP}", ""):
                if other is not entry.obj and wanted.matches(other["metadata"].get("labels") or {}):
                    rules += other.get("rules") or ()
        return rules


def known_as(name: str, groups: Sequence[str] = ()) -> User:
    """A user by name, with the groups that the name itself brings.

    Groups that are given are all there are, but for the one that says whether somebody is known.
    """
    parts = name.split(":")
    if name.startswith("system:serviceaccount:") and len(parts) == 4 and not groups:
        return service_account_user(parts[2], parts[3])
    if name == ANONYMOUS:
        return User(name, tuple(dict.fromkeys((*groups, UNAUTHENTICATED))))
    if AUTHENTICATED in groups or UNAUTHENTICATED in groups:
        return User(name, tuple(groups))
    return User(name, (*groups, AUTHENTICATED))


def to_impersonate(
    name: str, groups: Sequence[str] = (), uid: str = "", extra: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Attributes]:
    """What has to be allowed. Source: Kubernetes documentation, "User impersonation"."""
    parts = name.split(":")
    if name.startswith("system:serviceaccount:") and len(parts) == 4:
        yield Attributes("impersonate", "", "serviceaccounts", namespace=parts[2], name=parts[3])
    else:
        yield Attributes("impersonate", "", "users", name=name)
    for group in groups:
        yield Attributes("impersonate", "", "groups", name=group)
    if uid:
        yield Attributes("impersonate", "authentication.k8s.io", "uids", name=uid)
    for key, values in (extra or {}).items():
        for value in values:
            yield Attributes("impersonate", "authentication.k8s.io", "userextras", subresource=key, name=value)


def _bound(binding: Object, user: User, namespace: str) -> Mapping[str, Any] | None:
    """The subject of a binding that the user is."""
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return dict(subject)
        if kind == "Group" and name in user.groups:
            return dict(subject)
        if kind == "ServiceAccount":
            space = subject.get("namespace") or namespace
            if user.name == f"system:serviceaccount:{space}:{name}":
                return {**subject, "namespace": space}
    return None


def _granted(binding: Object, subject: Mapping[str, Any]) -> str:
    """``ClusterRoleBinding "a" of ClusterRole "b" to Group "c"``."""
    meta, ref = binding["metadata"], binding.get("roleRef") or {}
    space = meta.get("namespace")
    whose = f'RoleBinding "{meta["name"]}/{space}"' if space else f'ClusterRoleBinding "{meta["name"]}"'
    name = subject.get("name")
    if subject.get("kind") == "ServiceAccount":
        name = f"{name}/{subject.get('namespace')}"
    return f'{whose} of {ref.get("kind")} "{ref.get("name")}" to {subject.get("kind")} "{name}"'


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
