"""Tokens: whose they are, how long they last, and what reviews say of them and of their users' rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import NOW, opened
from trueup.apiserver.auth import ISSUER, Tokens
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.rbac import known_as
from trueup.kube.names import Kind, Object, Ref

ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/robot"
ROBOT = "system:serviceaccount:default:robot"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A cluster that signs tokens, with a service account."""
    async with opened() as made:
        made.tokens = Tokens(ec.generate_private_key(ec.SECP256R1()), made.store.bucket("serviceaccounts"))
        account: Object = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "robot", "namespace": "default"},
        }
        await InProcessClient(made).create(account)
        yield made


@pytest.fixture
def asking(hub: Hub) -> Asking:
    """Its clients."""
    return Asking(hub, ann=known_as("ann"))


async def token(asking: Asking, **spec: Any) -> str:
    """A token of the account."""
    answer = await asking.send("POST", f"{ACCOUNT}/token", {"spec": spec})
    assert answer.status == 201, answer.body
    found: str = answer.json["status"]["token"]
    return found


async def test_token_is_its_accounts(asking: Asking) -> None:
    """Whoever shows it is the account, with the account's groups."""
    me = await asking.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=await token(asking))
    assert me.json["status"]["userInfo"]["username"] == ROBOT
    assert me.json["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]


async def test_token_ends(hub: Hub, asking: Asking) -> None:
    """It is good until it expires and not a second longer."""
    made = await token(asking, expirationSeconds=600)
    assert hub.tokens is not None
    found = [hub.tokens.user(made, NOW + seconds) is not None for seconds in (0, 599, 600)]
    assert found == [True, True, False]


async def test_token_goes_with_its_account(hub: Hub, asking: Asking) -> None:
    """An account made anew under the same name does not inherit it."""
    made = await token(asking)
    client = InProcessClient(hub)
    account = await client.get(Ref(Kind("", "v1", "ServiceAccount"), "default", "robot"))
    await client.delete(Ref.of(account))
    await client.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}}
    )
    assert (await asking.send("GET", "/api", token=made)).status == 401


async def test_token_of_another_cluster_is_nobodys(hub: Hub, asking: Asking) -> None:
    """A signature by another key does not count, nor a token that was changed."""
    made = await token(asking)
    foreign = Tokens(ec.generate_private_key(ec.SECP256R1()), hub.store.bucket("serviceaccounts"))
    assert foreign.user(made, NOW) is None
    head, claims, signature = made.split(".")
    changed = f"{head}.{claims[:-2]}AA.{signature}"
    assert (await asking.send("GET", "/api", token=changed)).status == 401


async def test_token_for_others_opens_nothing_here(asking: Asking) -> None:
    """A token for another audience is for that audience alone."""
    made = await token(asking, audiences=["vault"])
    assert (await asking.send("GET", "/api", token=made)).status == 401
    for audiences, expected in ((["vault"], True), (["other"], False), ([], False)):
        review = {"spec": {"token": made, **({"audiences": audiences} if audiences else {})}}
        answer = await asking.send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
        assert expected == answer.json["status"]["authenticated"], audiences


async def test_token_lasts_ten_minutes_at_least(asking: Asking) -> None:
    """Shorter ones are refused, by field."""
    answer = await asking.send("POST", f"{ACCOUNT}/token", {"spec": {"expirationSeconds": 60}})
    assert answer.status == 422
    assert (
        "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes"
        in answer.json["message"]
    )


async def test_token_review(asking: Asking) -> None:
    """Says whose token it is, or that it is nobody's."""
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    good = (await asking.send("POST", path, {"spec": {"token": await token(asking)}})).json["status"]
    bad = (await asking.send("POST", path, {"spec": {"token": "nonsense"}})).json["status"]
    assert (good["authenticated"], good["user"]["username"], good["audiences"]) == (True, ROBOT, [ISSUER])
    assert bad["authenticated"] is False


REVIEWS = "/apis/authorization.k8s.io/v1"


async def test_access_reviews(hub: Hub, asking: Asking) -> None:
    """One's own rights, another's, and those within a namespace."""
    wanted = {"verb": "list", "resource": "pods", "namespace": "default"}
    own = await asking.send(
        "POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": wanted}}, token="ann"
    )
    admin = await asking.send("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": wanted}})
    asked = {"spec": {"user": "ann", "groups": ["system:masters"], "resourceAttributes": wanted}}
    other = await asking.send("POST", f"{REVIEWS}/subjectaccessreviews", asked)
    local = await asking.send("POST", f"{REVIEWS}/namespaces/default/localsubjectaccessreviews", asked)
    found = [answer.json["status"]["allowed"] for answer in (own, admin, other, local)]
    assert found == [False, True, True, True]


async def test_local_review_stays_in_its_namespace(asking: Asking) -> None:
    """A local review of another namespace is refused."""
    wanted = {"verb": "list", "resource": "pods", "namespace": "kube-system"}
    answer = await asking.send(
        "POST",
        f"{REVIEWS}/namespaces/default/localsubjectaccessreviews",
        {"spec": {"user": "ann", "resourceAttributes": wanted}},
    )
    assert answer.status == 422


async def test_reviews_of_others_need_the_right(asking: Asking) -> None:
    """Whoever may ask about themselves may not ask about others."""
    answer = await asking.send("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": {"user": "bob"}}, token="ann")
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")


async def test_rules_review(asking: Asking) -> None:
    """Lists one's rules in a namespace."""
    path = f"{REVIEWS}/selfsubjectrulesreviews"
    status = (await asking.send("POST", path, {"spec": {"namespace": "default"}}, token="ann")).json["status"]
    assert {"selfsubjectreviews"} <= {name for rule in status["resourceRules"] for name in rule["resources"]}
    assert status["incomplete"] is False


async def test_reviews_name_what_is_missing(asking: Asking) -> None:
    """A review that asks nothing is a mistake."""
    answer = await asking.send("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {}})
    assert answer.status == 422
    assert "exactly one of nonResourceAttributes or resourceAttributes" in answer.json["message"]


async def test_token_that_ends_with_a_pod_is_refused(asking: Asking) -> None:
    """It would outlive the pod, so it is not issued."""
    bound = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}
    answer = await asking.send("POST", f"{ACCOUNT}/token", {"spec": bound})
    assert answer.status == 422
    assert "spec.boundObjectRef" in answer.json["message"]
