"""The group flowcontrol.apiserver.k8s.io. Source: Kubernetes ``pkg/apis/flowcontrol/validation/validation.go``."""

from __future__ import annotations

import math

from trueup.kube.names import Object
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, forbidden, invalid, not_supported, required

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
_MOST_QUEUES, _MOST_BITS = 10_000_000, 60


def flow_schema(obj: Object) -> Causes:
    """FlowSchema."""
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name")
    precedence, at = spec.get("matchingPrecedence") or 0, "spec.matchingPrecedence"
    if precedence <= 0:
        yield invalid(at, precedence, "must be a positive value")
    if precedence > 10000:
        yield invalid(at, precedence, "must not be greater than 10000")
    if precedence == 1 and name != "exempt":
        yield invalid(at, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        shown = {"Type": method.get("type") or ""}
        yield not_supported("spec.distinguisherMethod.type", shown, ("ByNamespace", "ByUser"))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name") or ""
    if level:
        yield from each_invalid("spec.priorityLevelConfiguration.name", level, formats.subdomain(level))
    else:
        yield required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _rule(rule, f"spec.rules[{index}]")


def _rule(rule: Object, path: str) -> Causes:
    if not rule.get("subjects"):
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(rule.get("subjects") or ()):
        yield from _subject(subject, f"{path}.subjects[{index}]")
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, each in enumerate(rule.get("resourceRules") or ()):
        yield from _resources(each, f"{path}.resourceRules[{index}]")
    for index, each in enumerate(rule.get("nonResourceRules") or ()):
        yield from _urls(each, f"{path}.nonResourceRules[{index}]")


def _subject(subject: Object, path: str) -> Causes:
    kind = subject.get("kind") or ""
    if kind not in _SUBJECTS:
        yield not_supported(f"{path}.kind", kind, sorted(_SUBJECTS))
        return
    word = _SUBJECTS[kind]
    named = subject.get(word)
    if named is None:
        yield required(f"{path}.{word}", f"{word} is required when subject kind is '{kind}'")
    else:
        yield from _named(named, kind, f"{path}.{word}")
    for other, field in _SUBJECTS.items():
        if field != word and subject.get(field) is not None:
            yield forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{other}'")


def _named(named: Object, kind: str, path: str) -> Causes:
    name, namespace = named.get("name") or "", named.get("namespace") or ""
    if not name:
        yield required(f"{path}.name")
    elif kind == "ServiceAccount" and name != "*":
        yield from each_invalid(f"{path}.name", name, formats.subdomain(name))
    if kind == "ServiceAccount":
        if namespace:
            yield from each_invalid(f"{path}.namespace", namespace, formats.label(namespace))
        else:
            yield required(f"{path}.namespace", "must specify namespace for service account")


def _verbs(verbs: list[str], path: str) -> Causes:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        if len(verbs) > 1:
            yield invalid(path, verbs, "if '*' is present, must not specify other verbs")
    elif not set(verbs) <= set(_VERBS):
        yield not_supported(path, verbs, _VERBS)


def _urls(rule: Object, path: str) -> Causes:
    yield from _verbs(rule.get("verbs") or [], f"{path}.verbs")
    urls, at = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        yield required(at, "nonResourceURLs must contain at least one value")
    elif "*" in urls:
        if len(urls) > 1:
            yield invalid(at, urls, "if '*' is present, must not specify other non-resource URLs")
    else:
        for index, url in enumerate(urls):
            if problem := _url_problem(url):
                yield invalid(f"{at}[{index}]", url, problem)


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if "*" in url and not (url.endswith("/*") and url.count("*") == 1):
        return "wildcard can only do suffix matching"
    return ""


def _resources(rule: Object, path: str) -> Causes:
    yield from _verbs(rule.get("verbs") or [], f"{path}.verbs")
    for word, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        found = rule.get(word) or []
        if not found:
            yield required(f"{path}.{word}", f"resource rules must supply at least one {one}")
        elif len(found) > 1 and "*" in found:
            yield invalid(f"{path}.{word}", found, f"if '*' is present, must not specify other {many}")
    namespaces, at = rule.get("namespaces") or [], f"{path}.namespaces"
    if not namespaces and not rule.get("clusterScope"):
        yield required(at, "resource rules that are not cluster scoped must supply at least one namespace")
    elif "*" in namespaces:
        if len(namespaces) > 1:
            yield invalid(at, namespaces, "if '*' is present, must not specify other namespaces")
    else:
        for index, namespace in enumerate(namespaces):
            for problem in formats.label(namespace):
                intro = "each member of this list must be '*' or a DNS-1123 label; "
                yield invalid(f"{at}[{index}]", namespace, intro + problem)


def priority_level(obj: Object) -> Causes:
    """PriorityLevelConfiguration."""
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name")
    kind = spec.get("type") or ""
    if not kind:
        yield required("spec.type")
        return
    if kind not in ("Exempt", "Limited"):
        yield not_supported("spec.type", kind, ("Exempt", "Limited"))
        return
    if (name == "exempt") != (kind == "Exempt"):
        yield invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'")
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if kind == "Exempt":
        if limited is not None:
            yield forbidden("spec.limited", "must be nil if the type is not Limited")
        yield from _shares(exempt or {}, "spec.exempt")
        return
    if exempt is not None:
        yield forbidden("spec.exempt", "must be nil if the type is Limited")
    if limited is None:
        yield required("spec.limited", "must not be empty when type is Limited")
        return
    yield from _shares(limited, "spec.limited")
    yield from _response(limited.get("limitResponse") or {}, "spec.limited.limitResponse")
    borrowed = limited.get("borrowingLimitPercent")
    if borrowed is not None and borrowed < 0:
        yield invalid("spec.limited.borrowingLimitPercent", borrowed, "if specified, must be a non-negative integer")


def _shares(found: Object, path: str) -> Causes:
    shares, lent = found.get("nominalConcurrencyShares") or 0, found.get("lendablePercent")
    if shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")
    if lent is not None and not 0 <= lent <= 100:
        yield invalid(f"{path}.lendablePercent", lent, "must be between 0 and 100, inclusive")


def _response(found: Object, path: str) -> Causes:
    kind, queuing = found.get("type") or "", found.get("queuing")
    if not kind:
        yield required(f"{path}.type")
    elif kind not in ("Queue", "Reject"):
        yield not_supported(f"{path}.type", kind, ("Queue", "Reject"))
    elif kind == "Reject":
        if queuing is not None:
            yield forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif queuing is None:
        yield required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
    else:
        yield from _queuing(queuing, f"{path}.queuing")


def _queuing(found: Object, path: str) -> Causes:
    length, queues, hand = (found.get(word) or 0 for word in ("queueLengthLimit", "queues", "handSize"))
    if length <= 0:
        yield invalid(f"{path}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        yield invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif _bits(queues, hand) > _MOST_BITS:
        detail = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_MOST_BITS}"
        )
        yield invalid(f"{path}.handSize", hand, detail)


def _bits(deck: int, hand: int) -> int:
    """How many bits of a hash it takes to deal a hand."""
    return math.ceil(math.log2(deck) * hand)
