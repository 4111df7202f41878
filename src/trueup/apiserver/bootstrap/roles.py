"""Roles and bindings that every cluster has. Read by `prepared`; people may change them later, and add to them.

Source: ``roles.txt`` and ``bindings.txt``, which hold the bootstrap policy of every version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources

from trueup.apiserver.policy import AGGREGATE, GROUP
from trueup.kube.names import Object

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"


@lru_cache(maxsize=2)
def roles(minor: int) -> Sequence[Object]:
    """Roles and cluster roles of Kubernetes 1.``minor``; those that gather rules have them gathered."""
    made: list[Object] = []
    going = False
    for line in _lines("roles.txt"):
        words, known = _of_version(line.split(), minor)
        if not line.startswith(" "):
            going = known
            if known:
                made.append(_role(words))
        elif going and known:
            made[-1]["rules"].append(_rule(words))
    for role in made:
        if "aggregationRule" in role:
            role["rules"] = gathered(role, made)
    return made


@lru_cache(maxsize=2)
def bindings(minor: int) -> Sequence[Object]:
    """Bindings of Kubernetes 1.``minor``."""
    made: list[Object] = []
    for line in _lines("bindings.txt"):
        head, _, listed = line.partition(" : ")
        (kind, name, role_kind, role), known = _of_version(head.split(), minor)
        if not known:
            continue
        subjects = [_of_version(text.split(), minor) for text in listed.split(", ") if text]
        binding = _object(kind, name)
        binding["roleRef"] = {"apiGroup": GROUP, "kind": role_kind, "name": role}
        if found := [_subject(words[0]) for words, there in subjects if there]:
            binding["subjects"] = found
        made.append(binding)
    return made


def gathered(role: Object, every: Sequence[Object]) -> list[Object]:
    """The rules of all roles that carry the labels a role gathers by, in the order of their names."""
    rules: list[Object] = []
    for selector in role["aggregationRule"]["clusterRoleSelectors"]:
        wanted = selector["matchLabels"].items()
        for other in sorted(every, key=lambda each: str(each["metadata"]["name"])):
            labels = other["metadata"]["labels"].items()
            if other is not role and wanted <= labels:
                source = gathered(other, every) if "aggregationRule" in other else other["rules"]
                rules += [rule for rule in source if rule not in rules]
    return rules


def _lines(name: str) -> Iterator[str]:
    text = (resources.files(__package__) / name).read_text()
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def _of_version(words: list[str], minor: int) -> tuple[list[str], bool]:
    """The words without their marks, and whether the version has them."""
    known = True
    while words[0][0] in "@<":
        mark, *words = words
        bound = int(mark[1:])
        known = known and (minor >= bound if mark[0] == "@" else minor < bound)
    return words, known


def _object(kind: str, name: str) -> Object:
    space, _, own = name.rpartition("/")
    meta: Object = {"name": own, **({"namespace": space} if space else {})}
    meta["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    meta["annotations"] = {AUTOUPDATE: "true"}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta}


def _role(words: list[str]) -> Object:
    kind, name, *marks = words
    role = _object(kind, name)
    role["rules"] = []
    for mark in marks:
        if mark[0] == ">":
            role["metadata"]["labels"][AGGREGATE + mark[1:]] = "true"
        else:
            role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {AGGREGATE + mark[1:]: "true"}}]}
    return role


def _rule(words: list[str]) -> Object:
    verbs, groups, *what = words
    if groups == "url":
        return {"nonResourceURLs": what, "verbs": verbs.split(",")}
    names: list[str] = []
    if "=" in what:
        at = what.index("=")
        what, names = what[:at], what[at + 1 :]
    rule: Object = {"apiGroups": ["" if group == "-" else group for group in groups.split(",")]}
    if names:
        rule["resourceNames"] = names
    return {**rule, "resources": what, "verbs": verbs.split(",")}


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind == "s":
        space, _, own = name.partition("/")
        return {"kind": "ServiceAccount", "name": own, "namespace": space}
    return {"apiGroup": GROUP, "kind": "Group" if kind == "g" else "User", "name": name}
