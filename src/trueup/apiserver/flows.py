"""Which flow schema a request falls under, and which priority level: told in two headers of every answer. Called by `asgi`.

Who asks and for what in, headers out. Nothing waits here: a schema says only how the request would be dealt with.
Source: apiserver ``pkg/util/flowcontrol/rule.go``, ``pkg/server/filters/priority-and-fairness.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.apiserver.attributes import attributes_of
from trueup.apiserver.path import Target
from trueup.apiserver.rbac import Attributes
from trueup.apiserver.users import User
from trueup.kube.names import Object
from trueup.store.state import Event, Store

_SCHEMAS = "flowschemas.flowcontrol.apiserver.k8s.io"
_LEVELS = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
_LONG = frozenset({"attach", "exec", "log", "portforward", "proxy"})
"""Requests that go on, and are never counted. A watch is, while it begins."""
_KNOWN = 10_000
"""Kinds of requests that are remembered between changes of schemas."""
_Headers = Mapping[str, str]


class Flows:
    """Reads the stored schemas; what they say of one kind of request is remembered until one of them changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._schemas: list[tuple[Sequence[Object], _Headers]] | None = None
        self._known: dict[object, _Headers] = {}
        for bucket in (_SCHEMAS, _LEVELS):
            store.bucket(bucket).listeners.append(self._forget)

    def headers(
        self, user: User, method: str, path: str, query: Mapping[str, str], target: Target | None
    ) -> Mapping[str, str]:
        """None of a request that goes on, such as a log."""
        if target is None:
            key: object = (user.name, user.groups, method, path)
        else:
            named = target.name if target.resource.name == "namespaces" else bool(target.name)
            asked = (target.resource, target.subresource, target.namespace, named)
            key = (user.name, user.groups, method, "watch" in query, asked)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = self._known[key] = self._found(user, attributes_of(method, path, query, target))
        return found

    def _forget(self, event: Event) -> None:
        self._schemas = None
        self._known.clear()

    def _found(self, user: User, wanted: Attributes) -> _Headers:
        if wanted.subresource in _LONG:
            return {}
        if self._schemas is None:
            self._schemas = self._read()
        for rules, headers in self._schemas:
            if any(_matches(rule, user, wanted) for rule in rules):
                return headers
        return {}

    def _read(self) -> list[tuple[Sequence[Object], _Headers]]:
        """Schemas whose level there is, in their order, each with what it says of a request."""
        levels = {name: entry.obj["metadata"]["uid"] for _, name, entry in self._store.bucket(_LEVELS).scan()}
        found = []
        for _, name, entry in self._store.bucket(_SCHEMAS).scan():
            spec = entry.obj["spec"]
            level = levels.get(spec["priorityLevelConfiguration"]["name"])
            if level is not None:
                headers = {
                    "x-kubernetes-pf-flowschema-uid": entry.obj["metadata"]["uid"],
                    "x-kubernetes-pf-prioritylevel-uid": level,
                }
                found.append((spec.get("matchingPrecedence") or 0, name, spec.get("rules") or (), headers))
        found.sort(key=lambda each: each[:2])
        return [each[2:] for each in found]


def _matches(rule: Object, user: User, wanted: Attributes) -> bool:
    if not any(_is_subject(subject, user) for subject in rule.get("subjects") or ()):
        return False
    if not wanted.resource:
        return any(_is_path(each, wanted) for each in rule.get("nonResourceRules") or ())
    return any(_is_resource(each, wanted) for each in rule.get("resourceRules") or ())


def _is_subject(subject: Object, user: User) -> bool:
    match subject.get("kind"):
        case "User":
            return (subject.get("user") or {}).get("name") in ("*", user.name)
        case "Group":
            name = (subject.get("group") or {}).get("name")
            return name == "*" or name in user.groups
        case "ServiceAccount":
            account = subject.get("serviceAccount") or {}
            space, name = account.get("namespace"), account.get("name")
            lead = f"system:serviceaccount:{space}:"
            return user.name.startswith(lead) if name == "*" else user.name == f"{lead}{name}"
    return False


def _is_resource(rule: Object, wanted: Attributes) -> bool:
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    return (
        _holds(rule.get("verbs"), wanted.verb)
        and _holds(rule.get("resources"), resource)
        and _holds(rule.get("apiGroups"), wanted.group)
        and (_holds(rule.get("namespaces"), wanted.namespace) if wanted.namespace else bool(rule.get("clusterScope")))
    )


def _is_path(rule: Object, wanted: Attributes) -> bool:
    return _holds(rule.get("verbs"), wanted.verb) and any(
        each in ("*", wanted.path) or wanted.path.startswith(each.removesuffix("*").rstrip("/") + "/")
        for each in rule.get("nonResourceURLs") or ()
    )


def _holds(listed: Any, wanted: str) -> bool:
    return bool(listed) and (wanted in listed or listed == ["*"])
