"""A write as policies see it, and whether their constraints match it.

Source: apiserver ``admission/plugin/policy/matching`` and ``webhook/predicates/{namespace,object,rules}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.apiserver.registry import Registry, Served
from trueup.apiserver.request import Write
from trueup.kube import selectors
from trueup.kube.names import Object, Resource
from trueup.kube.problems import NotFound
from trueup.store.state import Store

EXEMPT_GROUP = "admissionregistration.k8s.io"
Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One write."""

    served: Served
    operation: str
    obj: Object | None
    old: Object | None
    write: Write

    @property
    def meta(self) -> Object:
        """The object's metadata, or the old one's."""
        found: Object = (self.obj or self.old or {}).get("metadata") or {}
        return found

    @property
    def name(self) -> str:
        """The object's name; empty while it is to be generated."""
        return str(self.meta.get("name") or "")

    @property
    def namespace(self) -> str:
        """The object's namespace; a namespace's own name."""
        return self.name if self.is_namespace else str(self.meta.get("namespace") or "")

    @property
    def is_namespace(self) -> bool:
        """Whether a namespace itself is written."""
        return self.served.storage == "namespaces"


def options_of(asked: Asked) -> Object | None:
    """A write's options as reviews show them: what the client named, and no more. None of a connection, which is its options."""
    write = asked.write
    if asked.operation == "CONNECT":
        return None
    kind = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}[asked.operation]
    made: Object = {"kind": kind, "apiVersion": "meta.k8s.io/v1", **write.given}
    if write.dry_run:
        made["dryRun"] = ["All"]
    return made


class Matcher:
    """Judges constraints against stored namespaces and served resources."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._namespaces = store.bucket("namespaces")
        self._registry = registry

    def namespace(self, asked: Asked) -> Object | None:
        """The object's namespace; None for what has none. Raises ``NotFound``."""
        if asked.is_namespace or not asked.namespace:
            return None
        entry = self._namespaces.newest("", asked.namespace)
        if entry is None:
            raise NotFound(f'namespaces "{asked.namespace}" not found')
        return entry.obj

    def match(self, constraints: Mapping[str, Any], asked: Asked) -> Served | None:
        """What the write is matched as: its own resource, or another version of it; None where it is not meant."""
        if not self._in_namespace(constraints.get("namespaceSelector"), asked):
            return None
        if not _has_labels(constraints.get("objectSelector"), asked):
            return None
        exact = constraints.get("matchPolicy") == "Exact"
        if self._by_rules(constraints.get("excludeResourceRules") or (), asked, exact) is not None:
            return None
        rules = constraints.get("resourceRules") or ()
        return self._by_rules(rules, asked, exact) if rules else asked.served

    def _in_namespace(self, selector: Mapping[str, Any] | None, asked: Asked) -> bool:
        if not selector:
            return True
        if asked.is_namespace:
            labels = (asked.obj or asked.old or {}).get("metadata", {}).get("labels") or {}
        elif not asked.namespace:
            return True
        else:
            labels = (self.namespace(asked) or {}).get("metadata", {}).get("labels") or {}
        return selectors.label_selector(selector).matches(labels)

    def _by_rules(self, rules: Iterable[Rule], asked: Asked, exact: bool) -> Served | None:
        served = asked.served
        if any(_matches(rule, asked, served.resource) for rule in rules):
            return served
        if exact:
            return None
        others = [each for each in self._registry.all() if each.storage == served.storage and each is not served]
        return next((each for rule in rules for each in others if _matches(rule, asked, each.resource)), None)


def _has_labels(selector: Mapping[str, Any] | None, asked: Asked) -> bool:
    if not selector:
        return True
    wanted = selectors.label_selector(selector)
    return any(
        wanted.matches((obj.get("metadata") or {}).get("labels") or {})
        for obj in (asked.obj, asked.old)
        if obj is not None
    )


def _matches(rule: Rule, asked: Asked, resource: Resource) -> bool:
    names = rule.get("resourceNames")
    return (
        _one_of(rule.get("operations"), asked.operation)
        and _one_of(rule.get("apiGroups"), resource.group)
        and _one_of(rule.get("apiVersions"), resource.version)
        and _in_scope(rule.get("scope"), asked)
        and any(_is_resource(each, resource.name, asked.write.subresource) for each in rule.get("resources") or ())
        and (not names or asked.name in names)
    )


def _one_of(items: Iterable[str] | None, wanted: str) -> bool:
    return any(item in ("*", wanted) for item in items or ())


def _in_scope(scope: str | None, asked: Asked) -> bool:
    whole = asked.is_namespace or not asked.namespace
    return scope in (None, "*") or whole == (scope == "Cluster")


def _is_resource(text: str, name: str, subresource: str) -> bool:
    resource, _, sub = text.partition("/")
    return resource in ("*", name) and sub in ("*", subresource)
