"""Published schemas: complete in themselves, in the forms that clients ask for, and known to have changed by their hash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import definition, opened
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient

PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for below in value.values():
            yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


async def test_every_document_is_complete(hub: Hub) -> None:
    """Each group's document holds whatever it refers to, and the paths by which kubectl finds kinds."""
    asking = Asking(hub)
    listed = (await asking.get("/openapi/v3")).json["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1"} <= set(listed)
    for path, entry in listed.items():
        document = (await asking.get(entry["serverRelativeURL"])).json
        known = {f"#/components/schemas/{name}" for name in document["components"].get("schemas", {})}
        assert set(references(document)) <= known, path
        assert document["paths"], path


async def test_v2_is_complete(hub: Hub) -> None:
    """The one old document holds whatever it refers to."""
    document = (await Asking(hub).get("/openapi/v2")).json
    known = {f"#/{part}/{name}" for part in ("definitions", "parameters") for name in document[part]}
    assert set(references(document)) <= known


async def test_operations_are_named(hub: Hub) -> None:
    """Generators of clients take an operation's name from the document: of parts, connections, watches and custom kinds too."""
    await InProcessClient(hub).create(definition())
    paths = (await Asking(hub).get("/openapi/v2")).json["paths"]
    named = {each["operationId"] for item in paths.values() for key, each in item.items() if key != "parameters"}
    assert {
        "listCoreV1PodForAllNamespaces",
        "deleteAppsV1CollectionNamespacedDeployment",
        "patchAppsV1NamespacedDeploymentScale",
        "connectCoreV1PostNamespacedPodExec",
        "connectCoreV1HeadNamespacedServiceProxyWithPath",
        "watchCoreV1NamespaceList",
        "getRbacAuthorizationAPIGroup",
        "replaceStableExampleComV1NamespacedCronTab",
    } <= named


async def test_shared_parameters_stand_once(hub: Hub) -> None:
    """What many operations of the old document may be asked stands once, by a name that tells its content."""
    document = (await Asking(hub).get("/openapi/v2")).json
    listing = document["paths"]["/api/v1/nodes"]["get"]["parameters"]
    assert {"$ref": "#/parameters/watch-XNNPZGbK"} in listing
    assert document["parameters"]["watch-XNNPZGbK"]["name"] == "watch"


async def test_words_are_published(hub: Hub) -> None:
    """What a property may hold, what that means, and what it is when nothing is said."""
    asking = Asking(hub)
    new = (await asking.get("/openapi/v3/api/v1")).json["components"]["schemas"]
    old = (await asking.get("/openapi/v2")).json["definitions"]
    policy = new["io.k8s.api.core.v1.Container"]["properties"]["imagePullPolicy"]
    assert policy["enum"] == ["Always", "IfNotPresent", "Never"]
    assert "Possible enum values:" in policy["description"]
    assert old["io.k8s.api.core.v1.Container"]["properties"]["imagePullPolicy"] == policy
    protocol = "io.k8s.api.core.v1.ServicePort"
    assert new[protocol]["properties"]["protocol"]["default"] == "TCP"
    assert "default" not in old[protocol]["properties"]["protocol"]


async def test_lists_are_published(hub: Hub) -> None:
    """Of built-in kinds and of custom ones, for those who generate clients; a list's path answers with it."""
    await InProcessClient(hub).create(definition())
    asking = Asking(hub)
    old = (await asking.get("/openapi/v2")).json
    new = (await asking.get("/openapi/v3/apis/apps/v1")).json
    for name in (
        "io.k8s.api.core.v1.ConfigMapList",
        "io.k8s.api.autoscaling.v1.Scale",
        "io.k8s.api.policy.v1.Eviction",
    ):
        assert name in old["definitions"]
    listed = new["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentList"]
    assert listed["x-kubernetes-group-version-kind"] == [{"group": "apps", "kind": "DeploymentList", "version": "v1"}]
    answer = new["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["get"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentList"}
    items = old["definitions"]["com.example.stable.v1.CronTabList"]["properties"]["items"]
    assert items["items"] == {"$ref": "#/definitions/com.example.stable.v1.CronTab"}


async def test_patch_says_that_fields_are_validated(hub: Hub) -> None:
    """kubectl looks for this parameter before it leaves validation to the server."""
    document = (await Asking(hub).get("/openapi/v3/apis/apps/v1")).json
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}


async def test_custom_kinds_are_published(hub: Hub) -> None:
    """A definition's schema is published in its own group, and a change of it changes the hash."""
    asking, client = Asking(hub), InProcessClient(hub)
    await client.create(definition(spec={"type": "object", "properties": {"size": {"type": "integer"}}}))
    path = "apis/stable.example.com/v1"
    first = (await asking.get("/openapi/v3")).json["paths"][path]["serverRelativeURL"]
    schemas = (await asking.get(first)).json["components"]["schemas"]
    assert schemas["com.example.stable.v1.CronTab"]["properties"]["spec"]["properties"] == {"size": {"type": "integer"}}
    await client.apply(definition(spec={"type": "object", "properties": {"name": {"type": "string"}}}), manager="t")
    second = (await asking.get("/openapi/v3")).json["paths"][path]["serverRelativeURL"]
    schemas = (await asking.get(second)).json["components"]["schemas"]
    assert first != second
    assert "name" in schemas["com.example.stable.v1.CronTab"]["properties"]["spec"]["properties"]


async def test_unchanged_document_is_not_sent_again(hub: Hub) -> None:
    """A client that names what it has gets 304."""
    asking = Asking(hub)
    first = await asking.get("/openapi/v3/apis/apps/v1")
    second = await asking.get("/openapi/v3/apis/apps/v1", if_none_match=first.headers["etag"])
    assert (second.status, second.body) == (304, b"")


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of one protobuf message: number and content."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            at += 8
            yield tag >> 3, data[at - 8 : at]
        else:
            length = varint()
            at += length
            yield tag >> 3, data[at - length : at]


async def test_v2_as_protobuf_says_what_its_json_says(hub: Hub) -> None:
    """The same definitions, with the extensions that tell their kinds."""
    asking = Asking(hub)
    answer = await asking.get("/openapi/v2", accept=PROTOBUF)
    document = (await asking.get("/openapi/v2")).json
    top = dict(fields(answer.body))
    named = [dict(fields(content)) for _, content in fields(top[9])]
    assert {each[1].decode() for each in named} == set(document["definitions"])
    config = next(each[2] for each in named if each[1] == b"io.k8s.api.core.v1.ConfigMap")
    extensions = [dict(fields(content)) for number, content in fields(config) if number == 31]
    kinds = next(each[2] for each in extensions if each[1] == b"x-kubernetes-group-version-kind")
    assert dict(fields(kinds))[2] == b'[{"group":"","kind":"ConfigMap","version":"v1"}]\n'


async def test_v3_as_protobuf_says_what_its_json_says(hub: Hub) -> None:
    """Each schema under its name, with its properties in their order."""
    asking = Asking(hub)
    media = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
    packed, plain = [await asking.get("/openapi/v3/apis/apps/v1", accept=a) for a in (media, "application/json")]

    def named(data: bytes) -> dict[str, bytes]:
        """The entries of a map of schemas."""
        pairs = (dict(fields(entry)) for number, entry in fields(data) if number == 1)
        return {pair[1].decode(): pair[2] for pair in pairs}

    assert packed.headers["content-type"] == media
    assert (packed.headers["etag"], packed.headers["vary"]) == (plain.headers["etag"], "Accept")
    components = dict(fields(dict(fields(packed.body))[5]))
    found = named(components[1])
    wanted = plain.json["components"]["schemas"]
    assert list(found) == list(wanted)
    spec = dict(fields(dict(fields(found["io.k8s.api.apps.v1.DeploymentSpec"]))[1]))
    assert list(named(spec[31])) == list(wanted["io.k8s.api.apps.v1.DeploymentSpec"]["properties"])


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/apis/apps/v1"])
async def test_documents_come_as_json_or_protobuf_alone(hub: Hub, path: str) -> None:
    """Whoever reads neither gets nothing."""
    assert (await Asking(hub).get(path, accept="text/html")).status == 406


async def test_the_head_of_a_document_is_sent_without_it(hub: Hub) -> None:
    """Its size is told."""
    answer = await Asking(hub).send("HEAD", "/openapi/v3/apis/apps/v1")
    assert (answer.status, answer.body, int(answer.headers["content-length"]) > 1000) == (200, b"", True)


async def test_v3_tells_words_and_what_is_never_absent(hub: Hub) -> None:
    """Enums and defaults as Kubernetes publishes them, which v2 has no place for."""
    schemas = (await Asking(hub).get("/openapi/v3/apis/apps/v1")).json["components"]["schemas"]
    spec = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]
    ports = schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]

    assert schemas["io.k8s.api.apps.v1.DeploymentStrategy"]["properties"]["type"]["enum"] == [
        "Recreate",
        "RollingUpdate",
    ]
    assert (spec["template"]["default"], "default" in spec["selector"]) == ({}, False)
    assert (ports["containerPort"]["default"], ports["protocol"]["enum"]) == (0, ["SCTP", "TCP", "UDP"])
    assert schemas["io.k8s.api.core.v1.Container"]["properties"]["args"]["items"] == {"type": "string", "default": ""}
    plain = (await Asking(hub).get("/openapi/v2")).json["definitions"]["io.k8s.api.apps.v1.DeploymentStrategy"]
    assert plain["properties"]["type"]["enum"] == ["Recreate", "RollingUpdate"]
    assert "default" not in plain["properties"]["rollingUpdate"]


async def test_options_are_told_of_the_group_alone(hub: Hub) -> None:
    """And reviews, which nobody deletes, come without them."""
    asking, name = Asking(hub), "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    apps = (await asking.get("/openapi/v3/apis/apps/v1")).json["components"]["schemas"]
    reviews = (await asking.get("/openapi/v3/apis/authorization.k8s.io/v1")).json["components"]["schemas"]
    assert [each["group"] for each in apps[name]["x-kubernetes-group-version-kind"]] == ["", "apps"]
    assert name not in reviews
