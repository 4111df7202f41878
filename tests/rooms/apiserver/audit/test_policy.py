"""Which requests an audit policy tells of."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.apiserver.audit.policy import METADATA, Policy, PolicyProblem, Telling, parse_policy
from trueup.apiserver.rbac import Attributes
from trueup.apiserver.users import User

JANE = User("jane", ("dev", "system:authenticated"))
PODS = Attributes("get", "", "pods", "", "web", "a")
LOGS = Attributes("get", "", "pods", "log", "web", "a")
NODES = Attributes("list", "", "nodes")
SCALE = Attributes("patch", "apps", "deployments", "scale", "web", "shop")
VERSION = Attributes("get", path="/version")
HEALTH = Attributes("get", path="/healthz/ping")


def policy(*rules: dict[str, Any], **whole: Any) -> Policy:
    return parse_policy({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **whole})


RULES: list[tuple[str, dict[str, Any], Attributes, bool]] = [
    ("a rule without conditions matches a resource", {}, PODS, True),
    ("and a path", {}, VERSION, True),
    ("a user by name", {"users": ["joe", "jane"]}, PODS, True),
    ("another user", {"users": ["joe"]}, PODS, False),
    ("a group", {"userGroups": ["dev"]}, PODS, True),
    ("another group", {"userGroups": ["ops"]}, PODS, False),
    ("a verb", {"verbs": ["get", "list"]}, PODS, True),
    ("another verb", {"verbs": ["list"]}, PODS, False),
    ("a namespace", {"namespaces": ["web"]}, PODS, True),
    ("another namespace", {"namespaces": ["db"]}, PODS, False),
    ("no namespace is the empty one", {"namespaces": [""]}, NODES, True),
    ("a path has no namespace", {"namespaces": [""]}, VERSION, False),
    ("a whole group", {"resources": [{"group": ""}]}, PODS, True),
    ("any group", {"resources": [{"group": "*"}]}, SCALE, True),
    ("another group of resources", {"resources": [{"group": "apps"}]}, PODS, False),
    ("a resource", {"resources": [{"group": "", "resources": ["pods"]}]}, PODS, True),
    ("a resource is not its subresource", {"resources": [{"group": "", "resources": ["pods"]}]}, LOGS, False),
    ("a subresource", {"resources": [{"group": "", "resources": ["pods/log"]}]}, LOGS, True),
    ("all subresources", {"resources": [{"group": "", "resources": ["pods/*"]}]}, LOGS, True),
    ("and the resource with them", {"resources": [{"group": "", "resources": ["pods/*"]}]}, PODS, True),
    ("a subresource of anything", {"resources": [{"group": "apps", "resources": ["*/scale"]}]}, SCALE, True),
    ("everything of a group", {"resources": [{"group": "apps", "resources": ["*"]}]}, SCALE, True),
    ("a name", {"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["a"]}]}, PODS, True),
    ("another name", {"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["b"]}]}, PODS, False),
    ("a path", {"nonResourceURLs": ["/version"]}, VERSION, True),
    ("a path and what is below", {"nonResourceURLs": ["/healthz*"]}, HEALTH, True),
    ("any path", {"nonResourceURLs": ["*"]}, HEALTH, True),
    ("any path is no resource", {"nonResourceURLs": ["*"]}, PODS, False),
    ("all conditions hold together", {"users": ["jane"], "verbs": ["list"]}, PODS, False),
]


@pytest.mark.parametrize(("rule", "wanted", "matches"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_what_a_rule_matches(rule: dict[str, Any], wanted: Attributes, matches: bool) -> None:
    """A rule that matches tells; one that does not leaves the request to no rule, which tells nothing."""
    assert ("Request" if matches else "None") == policy({"level": "Request", **rule}).telling(JANE, wanted).level


def test_the_first_rule_that_matches_decides() -> None:
    """Later ones are not looked at."""
    rules = policy({"level": "None", "users": ["jane"]}, {"level": "Metadata"})
    assert rules.telling(JANE, PODS).level == "None"
    assert rules.telling(User("joe"), PODS).level == "Metadata"


def test_stages_add_up_and_managed_fields_are_overruled() -> None:
    """A rule omits what the policy omits too; its own word on managed fields stands above the policy's."""
    rules = policy(
        {"level": "Request", "omitStages": ["Panic"], "omitManagedFields": False, "verbs": ["get"]},
        {"level": "Metadata"},
        omitStages=["RequestReceived"],
        omitManagedFields=True,
    )
    assert Telling("Request", frozenset({"Panic", "RequestReceived"}), False) == rules.telling(JANE, PODS)
    assert Telling("Metadata", frozenset({"RequestReceived"}), True) == rules.telling(JANE, NODES)


def test_without_a_policy_everybody_is_told_of_and_no_body() -> None:
    """The policy of those who give none."""
    assert Telling("Metadata") == METADATA.telling(JANE, VERSION)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "rules[0].level: Required value"),
        ({"level": "All"}, 'rules[0].level: Unsupported value: "All"'),
        ({"level": "None", "omitStages": ["Never"]}, 'rules[0].omitStages[0]: Invalid value: "Never": allowed stages'),
        ({"level": "None", "nonResourceURLs": ["version"]}, "must begin with a '/' character"),
        ({"level": "None", "nonResourceURLs": ["/a*/b"]}, "must be the final character"),
        ({"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["b"]}, "both regular resources and non-resource"),
        ({"level": "None", "resources": [{"group": "apps/v1"}]}, "without its version"),
        ({"level": "None", "resources": [{"resourceNames": ["a"]}]}, "requires at least one resource"),
        ({"level": "None", "users": "jane"}, "rules[0].users: must be a list of strings"),
    ],
)
def test_wrong_policies_are_refused(rule: dict[str, Any], words: str) -> None:
    """With the field that is wrong, before the server starts."""
    with pytest.raises(PolicyProblem) as problem:
        policy(rule)
    assert words in str(problem.value)


@pytest.mark.parametrize("document", [None, [], {"kind": "Policy"}, {"apiVersion": "audit.k8s.io/v1", "kind": "Pod"}])
def test_other_documents_are_no_policy(document: Any) -> None:
    """Neither are lists, other kinds and other versions."""
    with pytest.raises(PolicyProblem):
        parse_policy(document)


def test_a_policy_without_rules_is_refused() -> None:
    """It would tell nothing, which nobody means."""
    with pytest.raises(PolicyProblem, match="0 rules"):
        policy()
