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
from trueup.kube.problems import Forbidden, NotFound

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
            resource = "roles" if served.kind.kind == "Role" else "clusterroles"
            if not self._authorizer.allows(
                user, Attributes("escalate", GROUP, resource, namespace=namespace, name=name)
            ):
                self._check_held(served, user, namespace, name, _role_rules(obj))
        elif served.kind.kind in _BINDINGS and (
            old is None or (old.get("roleRef"), old.get("subjects")) != (obj.get("roleRef"), obj.get("subjects"))
        ):
            self._may_bind(served, user, namespace, name, obj.get("roleRef") or {})

    def _may_bind(self, served: Served, user: User, namespace: str, name: str, ref: Mapping[str, Any]) -> None:
        resource, role = "roles" if ref.get("kind") == "Role" else "clusterroles", str(ref.get("name") or "")
        if self._authorizer.allows(user, Attributes("bind", GROUP, resource, namespace=namespace, name=role)):
            return
        bound = self._authorizer.role(ref, namespace)
        if bound is None:
            group = served.resource.group
            details = {"group": group, "kind": served.resource.name, "name": role}
            raise NotFound(f'{served.resource.group_resource} "{role}" not found', details=details)
        self._check_held(served, user, namespace, name, bound)

    def _check_held(self, served: Served, user: User, namespace: str, name: str, rules: Sequence[Rule]) -> None:
        held = self._authorizer.rules(user, namespace)
        missing = [part for rule in rules for part in _parts(rule) if not any(_covers(own, part) for own in held)]
        if missing:
            raise Forbidden(
                f'{served.resource.group_resource} "{name}" is forbidden: user "{user.name}" (groups={_quoted(user.groups)}) '
                f"is attempting to grant RBAC permissions not currently held:\n{_compact(missing)}",
                details={"group": served.resource.group, "kind": served.resource.name, "name": name},
            )


def _grants(role: Object) -> tuple[Any, Any]:
    return role.get("rules"), role.get("aggregationRule")


def _role_rules(role: Object) -> Sequence[Rule]:
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


def _compact(missing: Sequence[Part]) -> str:
    """One line a resource, with all verbs that are missing on it; paths each for itself."""
    verbs: dict[tuple[str, ...], list[str]] = {}
    lines: set[str] = set()
    for verb, group, resource, name, path in missing:
        if path:
            lines.add(f'{{NonResourceURLs:["{path}"], Verbs:["{verb}"]}}')
        elif verb not in (known := verbs.setdefault((group, resource, name), [])):
            known.append(verb)
    for (group, resource, name), wanted in verbs.items():
        names = f', ResourceNames:["{name}"]' if name else ""
        lines.add(f'{{APIGroups:["{group}"], Resources:["{resource}"]{names}, Verbs:{_quoted(wanted)}}}')
    return "\n".join(sorted(lines))


def _quoted(words: Sequence[str]) -> str:
    """As Go prints a list of strings by ``%q``."""
    return "[" + " ".join(f'"{word}"' for word in words) + "]"
