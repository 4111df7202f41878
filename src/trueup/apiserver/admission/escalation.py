"""Nobody hands out rights that they do not have. An admission step of the hub, for users who are no masters.

Source: Kubernetes documentation, "Using RBAC Authorization", "Privilege escalation prevention and bootstrapping";
``rbac/validation/policy_compact.go`` (Covers).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trueup.apiserver.policy import GROUP, MASTERS
from trueup.apiserver.rbac import Attributes, Authorizer, Rule
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.users import User
from trueup.kube.names import Object
from trueup.kube.problems import Forbidden

_ROLES, _BINDINGS = ("Role", "ClusterRole"), ("RoleBinding", "ClusterRoleBinding")


class Escalation:
    """Checks what a write would grant against what its user holds."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Forbidden``. An apply or a patch that creates needs the right to create as well."""
        user = write.user
        if MASTERS in user.groups or operation == "DELETE":
            return
        meta = obj["metadata"]
        namespace, name = meta.get("namespace") or "", meta.get("name") or ""
        if operation == "CREATE":
            self._authorizer.authorize(
                user, Attributes("create", served.resource.group, served.resource.name, namespace=namespace)
            )
        if served.kind.group != GROUP:
            return
        if served.kind.kind in _ROLES and (old is None or _grants(old) != _grants(obj)):
            self._may_grant(served, user, "escalate", namespace, name, _role_rules(self._authorizer, obj))
        elif served.kind.kind in _BINDINGS and (
            old is None or (old.get("roleRef"), old.get("subjects")) != (obj.get("roleRef"), obj.get("subjects"))
        ):
            ref = obj.get("roleRef") or {}
            bound = self._authorizer.role(ref, namespace)
            self._may_grant(served, user, "bind", namespace, str(ref.get("name") or ""), bound, ref)

    def _may_grant(
        self,
        served: Served,
        user: User,
        verb: str,
        namespace: str,
        name: str,
        rules: Sequence[Rule],
        ref: Mapping[str, Any] | None = None,
    ) -> None:
        kind = str((ref or {}).get("kind") or served.kind.kind)
        resource = "roles" if kind == "Role" else "clusterroles"
        if self._authorizer.allows(user, Attributes(verb, GROUP, resource, namespace=namespace, name=name)):
            return
        held = self._authorizer.rules(user, namespace)
        missing = [part for rule in rules for part in _parts(rule) if not any(_covers(own, part) for own in held)]
        if missing:
            listed = "\n".join(dict.fromkeys(map(_shown, missing)))
            group = served.resource.group_resource
            raise Forbidden(
                f'{group} "{name}" is forbidden: user "{user.name}" (groups={list(user.groups)!r}) is attempting to grant '
                f"RBAC permissions not currently held:\n{listed}".replace("'", '"'),
                details={"group": served.resource.group, "kind": served.resource.name, "name": name},
            )


def _grants(role: Object) -> tuple[Any, Any]:
    return role.get("rules"), role.get("aggregationRule")


def _role_rules(authorizer: Authorizer, role: Object) -> Sequence[Rule]:
    """What a role grants; one that gathers rules by labels may come to grant anything."""
    if role.get("aggregationRule"):
        return ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]})
    return role.get("rules") or ()


Part = tuple[str, str, str, str, str]
"""verb, group, resource, name, path: the smallest thing that a rule grants."""


def _parts(rule: Rule) -> Iterator[Part]:
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield verb, "", "", "", path
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield verb, group, resource, name, ""


def _covers(own: Rule, part: Part) -> bool:
    verb, group, resource, name, path = part
    verbs = own.get("verbs") or ()
    if "*" not in verbs and verb not in verbs:
        return False
    if path:
        urls = own.get("nonResourceURLs") or ()
        return any(url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1])) for url in urls)
    groups, names = own.get("apiGroups") or (), own.get("resourceNames") or ()
    if "*" not in groups and group not in groups:
        return False
    resources = own.get("resources") or ()
    if "*" not in resources and resource not in resources:
        _, slash, sub = resource.partition("/")
        if not (slash and f"*/{sub}" in resources):
            return False
    return not names or (bool(name) and name in names)


def covered(rule: Rule, held: Sequence[Rule]) -> bool:
    """Whether all that a rule grants is granted by others."""
    return all(any(_covers(own, part) for own in held) for part in _parts(rule))


def _shown(part: Part) -> str:
    verb, group, resource, name, path = part
    if path:
        return f'{{NonResourceURLs:["{path}"], Verbs:["{verb}"]}}'
    names = f', ResourceNames:["{name}"]' if name else ""
    return f'{{APIGroups:["{group}"], Resources:["{resource}"]{names}, Verbs:["{verb}"]}}'
