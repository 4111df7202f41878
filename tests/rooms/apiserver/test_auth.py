"""Tokens: whose they are, how long they last, and what reviews say of them and of their users' rights."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import NOW, opened
from tests.rooms.apiserver.web import until
from trueup.apiserver import openid
from trueup.apiserver.account_secrets import AccountSecrets
from trueup.apiserver.auth import read_tokens
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.rbac import known_as
from trueup.apiserver.tokens import ISSUER, SECRET_TYPE, Tokens
from trueup.apiserver.users import User
from trueup.kube.names import Kind, Object, Ref

ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/robot"
ROBOT = "system:serviceaccount:default:robot"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A cluster that signs tokens, with a service account."""
    async with opened() as made:
        made.tokens = Tokens(ec.generate_private_key(ec.SECP256R1()), made.store)
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
    foreign = Tokens(ec.generate_private_key(ec.SECP256R1()), hub.store)
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
        assert expected == answer.json["status"].get("authenticated", False), audiences


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
    assert bad == {"user": {}, "error": "invalid bearer token"}


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


SECRET: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "held", "namespace": "default"}}
NODE: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "held", "namespace": "default"},
    "spec": {"serviceAccountName": "robot", "nodeName": "one", "containers": [{"name": "c", "image": "i"}]},
}


@pytest.mark.parametrize("bound", [SECRET, NODE, POD], ids=lambda obj: str(obj["kind"]))
async def test_token_ends_with_what_it_is_bound_to(hub: Hub, asking: Asking, bound: Object) -> None:
    """And with that very object: one made anew under its name does not count."""
    client = InProcessClient(hub)
    made = await client.create(bound)
    ref = {"kind": bound["kind"], "apiVersion": "v1", "name": bound["metadata"]["name"]}
    text = await token(asking, boundObjectRef=ref)
    assert (await asking.send("GET", "/api", token=text)).status == 200
    await client.delete(Ref.of(made), grace=0)
    assert (await asking.send("GET", "/api", token=text)).status == 401
    await client.create(bound)
    review = {"spec": {"token": text}}
    answer = await asking.send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert "UID (" in answer.json["status"]["error"]


async def test_token_of_a_pod_says_where_it_runs(hub: Hub, asking: Asking) -> None:
    """Its user has the pod, the pod's node and the token's own identity among its extras."""
    client = InProcessClient(hub)
    await client.create(NODE)
    pod = await client.create(POD)
    text = await token(asking, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "held"})
    answer = await asking.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=text)
    extra = answer.json["status"]["userInfo"]["extra"]
    lead = "authentication.kubernetes.io/"
    assert sorted(extra) == [lead + x for x in ("credential-id", "node-name", "node-uid", "pod-name", "pod-uid")]
    assert extra[lead + "pod-uid"] == [pod["metadata"]["uid"]]


@pytest.mark.parametrize(
    ("ref", "code", "words"),
    [
        ({"kind": "Pod", "apiVersion": "v1", "name": "no"}, 404, 'pods "no" not found'),
        ({"kind": "Pod", "apiVersion": "v1"}, 400, "Name parameter required."),
        (
            {"kind": "ConfigMap", "apiVersion": "v1", "name": "a"},
            400,
            "cannot bind token to object of type /v1, Kind=Config",
        ),
        ({"kind": "Secret", "apiVersion": "v1", "name": "held", "uid": "x"}, 409, "does not match the UID in record"),
    ],
)
async def test_tokens_bind_to_what_is_there(hub: Hub, asking: Asking, ref: Object, code: int, words: str) -> None:
    """A pod, a node or a Secret that exists."""
    await InProcessClient(hub).create(SECRET)
    answer = await asking.send("POST", f"{ACCOUNT}/token", {"spec": {"boundObjectRef": ref}})
    assert answer.status == code
    assert words in answer.json["message"]


async def test_secrets_of_the_old_type_are_filled(hub: Hub, asking: Asking) -> None:
    """Their token is good as long as the Secret holds it; they go with their account."""
    assert hub.tokens is not None
    filling = asyncio.create_task(AccountSecrets(hub, hub.tokens, b"authority").run())
    client, secrets = InProcessClient(hub), hub.store.bucket("secrets")
    kind = {"apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE}
    named = {"kubernetes.io/service-account.name": "robot"}
    await client.create({**kind, "metadata": {"name": "old", "namespace": "default", "annotations": named}})

    def data() -> Any:
        entry = secrets.get("default", "old")
        return entry.obj.get("data") or {} if entry is not None else None

    await until(lambda: bool(data()))
    assert sorted(data()) == ["ca.crt", "namespace", "token"]
    text = base64.b64decode(data()["token"]).decode()
    me = await asking.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=text)
    assert me.json["status"]["userInfo"]["username"] == ROBOT
    ref = Ref(Kind("", "v1", "Secret"), "default", "old")
    await client.patch(ref, {"data": {"token": "bm90aGluZw=="}}, "merge")
    assert (await asking.send("GET", "/api", token=text)).status == 401
    await client.delete(Ref(Kind("", "v1", "ServiceAccount"), "default", "robot"))
    await until(lambda: data() is None)
    filling.cancel()


async def test_keys_are_published(hub: Hub, asking: Asking) -> None:
    """Whoever checks tokens elsewhere finds the issuer, the key by its name, and a signature that fits."""
    assert hub.tokens is not None
    openid.add_to(asking.application, hub.tokens, "https://here:1")
    about = (await asking.get("/.well-known/openid-configuration")).json
    assert (about["issuer"], about["jwks_uri"]) == (ISSUER, "https://here:1/openid/v1/jwks")
    answer = await asking.get("/openid/v1/jwks")
    (key,) = answer.json["keys"]
    head = (await token(asking)).partition(".")[0]
    assert orjson.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "ES256", "kid": key["kid"]}
    assert answer.headers["content-type"] == "application/jwk-set+json"


def test_static_tokens_come_from_a_file(tmp_path: Path) -> None:
    """As kube-apiserver reads them; a line that is none is named."""
    path = tmp_path / "tokens.csv"
    path.write_text('t1,ann,1,"dev, ops"\nt2,bob,2\n\n')
    assert read_tokens(path) == {
        "t1": User("ann", ("dev", "ops", "system:authenticated"), "1"),
        "t2": User("bob", ("system:authenticated",), "2"),
    }
    path.write_text("t1,ann,1\nt2\n")
    with pytest.raises(OSError, match="line 2"):
        read_tokens(path)
