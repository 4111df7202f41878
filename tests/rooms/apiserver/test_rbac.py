"""Who may do what: roles, bindings, impersonation, and that nobody hands out what they do not have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.rooms.apiserver.opened import opened
from trueup.apiserver.hub import Hub
from trueup.apiserver.impersonation import Impersonation
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.rbac import Attributes, known_as
from trueup.apiserver.users import ADMIN, User, service_account_user
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import BadRequest, Forbidden, NotFound

RBAC = "rbac.authorization.k8s.io"
ANN = known_as("ann", ("devs",))


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


@pytest.fixture
def admin(hub: Hub) -> InProcessClient:
    """Its administrator."""
    return InProcessClient(hub)


def role(name: str, *rules: Object, namespace: str = "default", **more: Any) -> Object:
    """A Role, or a ClusterRole where there is no namespace."""
    meta: Object = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("meta", {})}
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta, "rules": list(rules), **more}


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> Object:
    """One rule, its lists written as words."""
    made: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**made, "resourceNames": names.split()} if names else made


def binding(to: str, *subjects: Object, namespace: str = "default", kind: str = "Role") -> Object:
    """A RoleBinding, or a ClusterRoleBinding where there is no namespace."""
    meta: Object = {"name": to, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": kind if namespace else "ClusterRole", "name": to},
        "subjects": list(subjects),
    }


def group(name: str) -> Object:
    return {"kind": "Group", "name": name, "apiGroup": RBAC}


GRANTED = {
    "the verb": (Attributes("get", "", "pods", namespace="default"), True),
    "another verb": (Attributes("delete", "", "pods", namespace="default"), False),
    "another namespace": (Attributes("get", "", "pods", namespace="kube-system"), False),
    "all namespaces": (Attributes("get", "", "pods"), False),
    "another group": (Attributes("get", "apps", "pods", namespace="default"), False),
    "a subresource not named": (Attributes("get", "", "pods", "exec", "default"), False),
    "a subresource named": (Attributes("get", "", "pods", "log", "default"), True),
    "a name in the list": (Attributes("get", "", "secrets", namespace="default", name="mine"), True),
    "a name not in the list": (Attributes("get", "", "secrets", namespace="default", name="yours"), False),
    "no name where names count": (Attributes("list", "", "secrets", namespace="default"), False),
}


@pytest.mark.parametrize("case", GRANTED)
async def test_role_grants(hub: Hub, admin: InProcessClient, case: str) -> None:
    """A role grants exactly what its rules say, where it is bound."""
    await admin.create(role("r", rule("get", "pods pods/log"), rule("get list", "secrets", names="mine")))
    await admin.create(binding("r", group("devs")))
    wanted, expected = GRANTED[case]
    assert expected == hub.authorizer.allows(ANN, wanted)


async def test_rights_follow_their_bindings_at_once(hub: Hub, admin: InProcessClient) -> None:
    """What is granted or taken away counts from the next request on."""
    wanted = Attributes("get", "", "pods", namespace="default")
    await admin.create(role("r", rule("get", "pods")))
    found = [hub.authorizer.allows(ANN, wanted)]
    await admin.create(binding("r", group("devs")))
    found.append(hub.authorizer.allows(ANN, wanted))
    await admin.delete(Ref(Kind(RBAC, "v1", "RoleBinding"), "default", "r"))
    found.append(hub.authorizer.allows(ANN, wanted))
    assert found == [False, True, False]


async def test_cluster_roles_gather_by_label(hub: Hub, admin: InProcessClient) -> None:
    """A role that others are labelled for grants what they grant: here what a custom kind adds to ``view``."""
    label = {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}
    await admin.create(role("more", rule("get", "crontabs", "stable.example.com"), namespace="", meta=label))
    await admin.create(binding("view", group("devs"), kind="ClusterRole"))
    assert hub.authorizer.allows(ANN, Attributes("get", "stable.example.com", "crontabs", namespace="default"))
    assert hub.authorizer.allows(ANN, Attributes("list", "", "configmaps", namespace="default"))
    assert not hub.authorizer.allows(ANN, Attributes("list", "", "secrets", namespace="default"))


DEFAULTS = {
    "the version": (Attributes("get", path="/version"), True),
    "schemas": (Attributes("get", path="/openapi/v3/apis/apps/v1"), True),
    "metrics": (Attributes("get", path="/metrics"), False),
    "own rights": (Attributes("create", "authorization.k8s.io", "selfsubjectaccessreviews"), True),
    "others' rights": (Attributes("create", "authorization.k8s.io", "subjectaccessreviews"), False),
}


@pytest.mark.parametrize("case", DEFAULTS)
async def test_whoever_is_logged_in_may(hub: Hub, case: str) -> None:
    """Discovery and questions about oneself are everybody's, nothing else is."""
    wanted, expected = DEFAULTS[case]
    assert expected == hub.authorizer.allows(ANN, wanted)


async def test_refusal_is_worded_as_kubernetes_does(hub: Hub) -> None:
    """The message names user, verb, resource, group and place."""
    with pytest.raises(Forbidden) as caught:
        hub.authorizer.authorize(ANN, Attributes("delete", "apps", "deployments", namespace="web", name="shop"))
    assert caught.value.message == (
        'deployments.apps "shop" is forbidden: User "ann" cannot delete resource "deployments" in API group "apps" '
        'in the namespace "web"'
    )


async def test_client_in_process_is_bound_too(hub: Hub, admin: InProcessClient) -> None:
    """A tenant that a controller acts as may do no more than over HTTP."""
    tenant = admin.acting_as("system:serviceaccount:default:tenant")
    config: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
    with pytest.raises(Forbidden, match='User "system:serviceaccount:default:tenant" cannot patch'):
        await tenant.apply(config, manager="flux")
    await admin.create(role("r", rule("patch", "configmaps")))
    await admin.create(binding("r", {"kind": "ServiceAccount", "name": "tenant", "namespace": "default"}))
    with pytest.raises(Forbidden, match="cannot create"):
        await tenant.apply(config, manager="flux")
    await admin.create(config)
    await tenant.apply({**config, "data": {"a": "b"}}, manager="flux")
    with pytest.raises(Forbidden, match="cannot impersonate"):
        tenant.acting_as("system:admin", ("system:masters",))


async def test_rights_one_lacks_cannot_be_granted(hub: Hub, admin: InProcessClient) -> None:
    """Neither a role nor a binding gives more than its author holds, unless they may escalate or bind."""
    await admin.create(role("own", rule("create", "roles rolebindings", RBAC), rule("get", "pods")))
    await admin.create(binding("own", group("devs")))
    ann = InProcessClient(hub, ANN)
    await ann.create(role("fine", rule("get", "pods")))
    with pytest.raises(Forbidden, match="attempting to grant RBAC permissions not currently held") as caught:
        await ann.create(role("more", rule("get delete", "pods")))
    assert caught.value.message.splitlines()[1:] == ['{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}']
    with pytest.raises(Forbidden, match="not currently held"):
        await ann.create(binding("cluster-admin", group("devs"), kind="ClusterRole"))
    await admin.create(role("may", rule("bind", "clusterroles", RBAC, "view")))
    await admin.create(binding("may", group("devs")))
    await ann.create(binding("view", group("devs"), kind="ClusterRole"))


LISTING = Attributes("list", resource="pods", namespace="default")


def acting(hub: Hub, user: User, headers: dict[str, str], *, constrained: bool = True) -> User:
    """Who a listing of pods is asked as."""
    return Impersonation(hub.authorizer, constrained=constrained).user(user, headers, lambda: LISTING)


async def test_impersonation_needs_the_right_for_each_part(hub: Hub, admin: InProcessClient) -> None:
    """User, every group, uid and extra are asked for one by one."""
    headers = {"impersonate-user": "bob", "impersonate-group": "devs\nops"}
    await admin.create(role("i", rule("impersonate", "users", names="bob"), namespace=""))
    await admin.create(binding("i", group("devs"), namespace=""))
    with pytest.raises(Forbidden, match='groups "devs" is forbidden'):
        acting(hub, ANN, headers, constrained=False)
    assert acting(hub, ADMIN, headers) == User("bob", ("devs", "ops", "system:authenticated"))
    with pytest.raises(BadRequest, match="without impersonating a user"):
        acting(hub, ADMIN, {"impersonate-group": "devs"})


@pytest.mark.parametrize(
    ("mode", "resource", "name", "groups"),
    [
        ("user-info", "users", "bob", ("system:authenticated",)),
        ("arbitrary-node", "nodes", "system:node:n1", ("system:nodes", "system:authenticated")),
        (
            "serviceaccount",
            "serviceaccounts",
            "system:serviceaccount:default:x",
            ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"),
        ),
    ],
)
async def test_impersonation_for_some_requests_alone(
    hub: Hub, admin: InProcessClient, mode: str, resource: str, name: str, groups: tuple[str, ...]
) -> None:
    """Who may act as users of a kind needs the right to be the user, and the right to do this as one."""
    headers = {"impersonate-user": name}
    told = f'pods is forbidden: User "ann" cannot impersonate-on:{mode}:list resource "pods" in API group ""'
    await admin.create(role("be", rule(f"impersonate:{mode}", resource, "authentication.k8s.io"), namespace=""))
    await admin.create(binding("be", group("devs"), namespace=""))
    with pytest.raises(Forbidden, match=told):
        acting(hub, ANN, headers)
    await admin.create(role("do", rule(f"impersonate-on:{mode}:list", "pods"), namespace=""))
    await admin.create(binding("do", group("devs"), namespace=""))
    assert acting(hub, ANN, headers) == User(name, groups)
    with pytest.raises(Forbidden, match="cannot impersonate resource"):
        acting(hub, ANN, headers, constrained=False)


async def test_an_account_may_act_as_its_node(hub: Hub, admin: InProcessClient) -> None:
    """And as no other one."""
    extra = {"authentication.kubernetes.io/node-name": ["n1"]}
    account = service_account_user("default", "agent", extra=extra)
    await admin.create(
        role(
            "agent",
            rule("impersonate:associated-node", "nodes", "authentication.k8s.io"),
            rule("impersonate-on:associated-node:list", "pods"),
            namespace="",
        )
    )
    await admin.create(binding("agent", group("system:serviceaccounts"), namespace=""))
    assert acting(hub, account, {"impersonate-user": "system:node:n1"}).name == "system:node:n1"
    with pytest.raises(Forbidden, match="impersonate-on:arbitrary-node:list"):
        acting(hub, account, {"impersonate-user": "system:node:n2"})


async def test_masters_are_nobody_to_be_for_some_requests(hub: Hub, admin: InProcessClient) -> None:
    """Nor is extra information without a domain taken; the old right says nothing of either."""
    rules = [
        rule("impersonate:user-info", "users groups userextras", "authentication.k8s.io"),
        rule("impersonate-on:user-info:list", "pods"),
    ]
    await admin.create(role("i", *rules, namespace=""))
    await admin.create(binding("i", group("devs"), namespace=""))
    with pytest.raises(Forbidden, match="impersonating the system:masters group is not allowed"):
        acting(hub, ANN, {"impersonate-user": "bob", "impersonate-group": "system:masters"})
    with pytest.raises(Forbidden, match="must be a domain-prefixed path"):
        acting(hub, ANN, {"impersonate-user": "bob", "impersonate-extra-scopes": "x"})


async def test_what_is_missing_is_told_a_line_a_resource(hub: Hub, admin: InProcessClient) -> None:
    """The binding is named, and its role when there is none such; verbs stand together, as Kubernetes compacts them."""
    everything = rule("create", "rolebindings", RBAC)
    await admin.create(role("binder", everything, namespace=""))
    await admin.create(binding("binder", group("devs"), namespace=""))
    await admin.create(role("reader", rule("get list", "pods services"), namespace=""))
    ann = InProcessClient(hub, known_as("ann", ["devs"]))
    with pytest.raises(Forbidden) as caught:
        await ann.create(binding("reader", group("devs"), kind="ClusterRole"))
    assert caught.value.message == (
        'rolebindings.rbac.authorization.k8s.io "reader" is forbidden: user "ann" (groups=["devs" "system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}\n'
        '{APIGroups:[""], Resources:["services"], Verbs:["get" "list"]}'
    )
    with pytest.raises(NotFound, match='"none" not found'):
        await ann.create(binding("none", group("devs"), kind="ClusterRole"))


async def test_reviews_say_why(hub: Hub, admin: InProcessClient) -> None:
    """The binding that allows it; nothing more when it is not allowed."""
    await admin.create(role("reader", rule("get", "pods"), namespace=""))
    await admin.create(binding("reader", group("devs"), namespace=""))
    review = Kind("authorization.k8s.io", "v1", "SubjectAccessReview")

    async def asked(verb: str) -> Object:
        spec = {"user": "bob", "groups": ["devs"], "resourceAttributes": {"verb": verb, "resource": "pods"}}
        made = await admin.create({"apiVersion": review.api_version, "kind": review.kind, "spec": spec})
        return dict(made["status"])

    why = 'RBAC: allowed by ClusterRoleBinding "reader" of ClusterRole "reader" to Group "devs"'
    assert await asked("get") == {"allowed": True, "reason": why}
    assert await asked("delete") == {"allowed": False}


@pytest.mark.parametrize(
    ("name", "groups", "expected"),
    [
        ("ann", (), ("system:authenticated",)),
        ("ann", ("devs",), ("devs", "system:authenticated")),
        ("ann", ("system:unauthenticated",), ("system:unauthenticated",)),
        ("system:anonymous", (), ("system:unauthenticated",)),
        ("system:serviceaccount:a:b", ("devs",), ("devs", "system:authenticated")),
    ],
)
def test_groups_that_a_name_brings(name: str, groups: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Those given, and the one that says whether somebody is known."""
    assert known_as(name, groups).groups == expected
