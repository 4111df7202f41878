"""The client in process: the verbs that a kind has, questions that are answered and not stored, its own view of kinds."""

import pytest

from tests.rooms.apiserver.web import DEPLOYMENT, MAP, POD, config_map, deployment, ref
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Kind
from trueup.kube.problems import BadRequest, MethodNotAllowed

REVIEW = Kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview")


async def test_a_question_is_answered_and_not_stored(client: InProcessClient, hub: Hub) -> None:
    """As over the wire."""
    before = hub.store.revision
    asked = {"verb": "get", "resource": "pods", "namespace": "default"}

    answer = await client.create(
        {"apiVersion": REVIEW.api_version, "kind": REVIEW.kind, "spec": {"resourceAttributes": asked}}
    )

    assert answer["status"]["allowed"] is True
    assert hub.store.revision == before


async def test_a_verb_that_a_kind_lacks_is_not_allowed(client: InProcessClient) -> None:
    """Nobody can list questions."""
    with pytest.raises(MethodNotAllowed):
        await client.list(REVIEW)


async def test_kinds_are_listed_with_what_they_can(client: InProcessClient) -> None:
    """Name, kind, scope, verbs and parts."""
    found = {info.kind: info for info in await client.resources()}

    info = found[DEPLOYMENT]
    assert (info.resource.name, info.namespaced, info.singular, info.short_names) == (
        "deployments", True, "deployment", ("deploy",),
    )  # fmt: skip
    assert {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} == info.verbs
    assert info.subresources == {"status", "scale"}
    assert "log" in found[POD].subresources


async def test_readers_share_one_object(client: InProcessClient) -> None:
    """Nothing is copied for them."""
    await client.create(config_map("a"))

    assert await client.get(ref("a")) is (await client.list(MAP, "default")).items[0]


async def test_what_is_no_json_is_refused(client: InProcessClient) -> None:
    """Before anything is stored."""
    obj = config_map("a")
    obj["data"] = {"x": object()}

    with pytest.raises(BadRequest, match="cannot be written as JSON"):
        await client.create(obj)


async def test_the_manager_is_named_or_trueup(client: InProcessClient) -> None:
    """So that every field has an owner."""
    one = await client.create(config_map("a", x="1"), manager="me")
    other = await client.create(deployment("web"))

    assert [obj["metadata"]["managedFields"][0]["manager"] for obj in (one, other)] == ["me", "trueup"]
