"""Which requests the audit log tells of, and how much. Pure: a policy document in, rules that match requests out.

Called by `recorder` once per request and by `app` when it starts. Source: audit.k8s.io/v1 ``Policy``; apiserver
``pkg/audit/policy/checker.go``, ``pkg/apis/audit/validation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.apiserver.rbac import Attributes
from trueup.apiserver.users import User

LEVELS = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


class PolicyProblem(ValueError):
    """The document is no audit policy; the message names the field."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How one request is told of."""

    level: str
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    @property
    def requests(self) -> bool:
        """Whether bodies of requests are told."""
        return self.level in ("Request", "RequestResponse")

    @property
    def responses(self) -> bool:
        """Whether bodies of answers are told."""
        return self.level == "RequestResponse"


@dataclass(frozen=True, slots=True)
class _Resources:
    group: str
    resources: frozenset[str]
    names: frozenset[str]

    def match(self, wanted: Attributes) -> bool:
        if self.group not in ("*", wanted.group):
            return False
        if not self.resources:
            return True
        if self.names and wanted.name not in self.names:
            return False
        sub = wanted.subresource
        full = f"{wanted.resource}/{sub}" if sub else wanted.resource
        known = self.resources
        return full in known or "*" in known or f"{wanted.resource}/*" in known or (bool(sub) and f"*/{sub}" in known)


@dataclass(frozen=True, slots=True)
class _Rule:
    telling: Telling
    users: frozenset[str]
    groups: frozenset[str]
    verbs: frozenset[str]
    namespaces: frozenset[str]
    resources: tuple[_Resources, ...]
    paths: tuple[str, ...]

    def match(self, user: User, wanted: Attributes) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user.groups):
            return False
        if self.verbs and wanted.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            if wanted.path or (self.namespaces and wanted.namespace not in self.namespaces):
                return False
            return not self.resources or any(each.match(wanted) for each in self.resources)
        if self.paths:
            return bool(wanted.path) and any(_path_matches(wanted.path, each) for each in self.paths)
        return True


class Policy:
    """The rules in their order: the first that matches says how a request is told of."""

    def __init__(self, rules: Sequence[_Rule], otherwise: Telling) -> None:
        self._rules, self._otherwise = tuple(rules), otherwise

    def telling(self, user: User, wanted: Attributes) -> Telling:
        """How a request is told of."""
        for rule in self._rules:
            if rule.match(user, wanted):
                return rule.telling
        return self._otherwise


def parse_policy(document: Any) -> Policy:
    """A policy out of its document. Raises ``PolicyProblem`` with everything that is wrong."""
    if not isinstance(document, dict) or document.get("kind") != "Policy":
        raise PolicyProblem("an audit policy is an object of kind Policy")
    if document.get("apiVersion") != "audit.k8s.io/v1":
        raise PolicyProblem(f"apiVersion is {document.get('apiVersion')!r}: an audit policy is of audit.k8s.io/v1")
    if not isinstance(document.get("rules"), list) or not document["rules"]:
        raise PolicyProblem("loaded illegal policy with 0 rules")
    wrong = list(_wrong(document))
    if wrong:
        raise PolicyProblem("; ".join(wrong))
    omitted = frozenset(document.get("omitStages") or ())
    without = bool(document.get("omitManagedFields"))
    return Policy([_rule(rule, omitted, without) for rule in document["rules"]], Telling("None", omitted, without))


def _rule(rule: Mapping[str, Any], omitted: frozenset[str], without: bool) -> _Rule:
    own = rule.get("omitManagedFields")
    return _Rule(
        Telling(
            rule["level"], omitted | frozenset(rule.get("omitStages") or ()), without if own is None else bool(own)
        ),
        users=frozenset(rule.get("users") or ()),
        groups=frozenset(rule.get("userGroups") or ()),
        verbs=frozenset(rule.get("verbs") or ()),
        namespaces=frozenset(rule.get("namespaces") or ()),
        resources=tuple(
            _Resources(
                str(each.get("group") or ""),
                frozenset(each.get("resources") or ()),
                frozenset(each.get("resourceNames") or ()),
            )
            for each in rule.get("resources") or ()
        ),
        paths=tuple(rule.get("nonResourceURLs") or ()),
    )


def _path_matches(path: str, spec: str) -> bool:
    return spec in ("*", path) or (spec.endswith("*") and path.startswith(spec.rstrip("*")))


_LISTS = ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs", "omitStages")


def _wrong(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrong_stages(document.get("omitStages"), "omitStages")
    for number, rule in enumerate(document["rules"]):
        at = f"rules[{number}]"
        if not isinstance(rule, dict):
            yield f"{at}: must be an object"
            continue
        lists = [name for name in _LISTS if not _is_words(rule.get(name))]
        if lists:
            yield from (f"{at}.{name}: must be a list of strings" for name in lists)
            continue
        level = rule.get("level")
        if not level:
            yield f"{at}.level: Required value"
        elif level not in LEVELS:
            yield f'{at}.level: Unsupported value: "{level}": supported values: {_quoted(LEVELS)}'
        yield from _wrong_stages(rule.get("omitStages"), f"{at}.omitStages")
        yield from _wrong_paths(rule.get("nonResourceURLs") or (), f"{at}.nonResourceURLs")
        yield from _wrong_resources(rule.get("resources"), f"{at}.resources")
        if rule.get("nonResourceURLs") and (rule.get("resources") or rule.get("namespaces")):
            yield f"{at}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs"


def _wrong_stages(stages: Any, at: str) -> Iterator[str]:
    if not _is_words(stages):
        yield f"{at}: must be a list of strings"
        return
    for number, stage in enumerate(stages or ()):
        if stage not in STAGES:
            yield f'{at}[{number}]: Invalid value: "{stage}": allowed stages are {",".join(STAGES)}'


def _wrong_paths(paths: Sequence[str], at: str) -> Iterator[str]:
    for number, path in enumerate(paths):
        if path != "*" and not path.startswith("/"):
            yield f"{at}[{number}]: Invalid value: \"{path}\": non-resource URL rules must begin with a '/' character"
        if "*" in path[:-1]:
            text = "non-resource URL wildcards '*' must be the final character of the rule"
            yield f'{at}[{number}]: Invalid value: "{path}": {text}'


def _wrong_resources(found: Any, at: str) -> Iterator[str]:
    if not isinstance(found, list | None):
        yield f"{at}: must be a list"
        return
    for number, each in enumerate(found or ()):
        if not isinstance(each, dict) or not all(_is_words(each.get(name)) for name in ("resources", "resourceNames")):
            yield f"{at}[{number}]: must be a group with lists of resources and resourceNames"
        elif "/" in str(each.get("group") or ""):
            yield f'{at}[{number}].group: Invalid value: "{each["group"]}": a group is meant, without its version'
        elif each.get("resourceNames") and not each.get("resources"):
            yield f"{at}[{number}].resourceNames: Invalid value: using resourceNames requires at least one resource"


def _is_words(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(word, str) for word in value))


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


METADATA = parse_policy({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]})
"""Who did what to which object, and nobody's bodies: when no policy is given."""
