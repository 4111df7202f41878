"""A server-side apply of what its kind does not declare is refused, where other writes drop it."""

import pytest

from tests.rooms.apiserver.web import MAP, MAPS, Web, config_map, deployment, ref
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, NotFound


def quota(cpu: object) -> Object:
    """A ResourceQuota."""
    spec = {"hard": {"cpu": cpu}}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": spec,
    }


async def test_an_unknown_field_is_refused_by_its_path(client: InProcessClient) -> None:
    """With status 500, as apimachinery answers; nothing is created."""
    wrong = {**config_map("a"), "dta": {}}

    with pytest.raises(ApiProblem) as refused:
        await client.apply(wrong, manager="m")

    said = "failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .dta: field not declared in schema"
    assert (refused.value.code, refused.value.message) == (500, said)
    with pytest.raises(NotFound):
        await client.get(ref("a", MAP))


async def test_a_wrong_type_is_refused_by_its_path(client: InProcessClient) -> None:
    """On an object that exists, too."""
    await client.apply(deployment("web"), manager="m")
    wrong = deployment("web")
    wrong["spec"]["replicas"] = "two"

    with pytest.raises(ApiProblem, match=r"\.spec\.replicas: expected numeric \(int or float\), got string$"):
        await client.apply(wrong, manager="m")


async def test_what_fits_but_cannot_be_read_is_refused(client: InProcessClient) -> None:
    """A quantity is any scalar to the schema; which one it is, is seen when it is read."""
    with pytest.raises(ApiProblem, match=r"failed to convert new object .* quantities must match"):
        await client.apply(quota("a lot"), manager="m")
    assert (await client.apply(quota(1), manager="m"))["spec"] == {"hard": {"cpu": "1"}}


async def test_a_mistake_is_told_before_a_key_that_comes_twice(web: Web) -> None:
    """And the object is called what it was called in the patch, without the namespace of the path."""
    yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    media = {"content-type": "application/apply-patch+yaml"}
    twice = b"data:\n  a: one\n  a: two\n"

    answer = await web.ask("PATCH", f"{MAPS}/a", yaml + twice + b"dta: {}\n", media, fieldManager="m")
    assert answer.json["message"] == (
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .dta: field not declared in schema"
    )
    answer = await web.ask("PATCH", f"{MAPS}/a", yaml + twice, media, fieldManager="m", fieldValidation="Strict")
    assert (answer.status, 'key "a" already set in map' in answer.json["message"]) == (400, True)
