"""What answers are written as: the media types and shapes that an Accept header asks for, in the order it prefers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import custom, definition, opened
from trueup.apiserver.hub import Hub
from trueup.apiserver.negotiation import BUILT_IN, CUSTOM, LISTS, PLAIN, Form, Offer, negotiate, streamed
from trueup.kube import documents
from trueup.kube.problems import NotAcceptable
from trueup.kube.protobuf import decode

PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIALS = "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with opened() as hub:
        yield hub


@pytest.fixture
def asking(hub: Hub) -> Asking:
    return Asking(hub)


async def filled(asking: Asking) -> None:
    """One ConfigMap and one custom object."""
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"key": "value"}}
    assert (await asking.send("POST", MAPS, one)).status == 201
    assert (await asking.send("POST", CRDS, definition())).status == 201
    assert (await asking.send("POST", TABS, custom())).status == 201


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TABS = "/apis/stable.example.com/v1/namespaces/default/crontabs"


@pytest.mark.parametrize(
    ("accept", "offer", "expected"),
    [
        ("", BUILT_IN, Form()),
        ("*/*", BUILT_IN, Form()),
        (PROTOBUF, BUILT_IN, Form(PROTOBUF)),
        (f"{PROTOBUF},application/json", CUSTOM, Form()),
        ("application/json;q=0.1,application/yaml;q=0.9", BUILT_IN, Form("application/yaml")),
        ("text/html, */*", BUILT_IN, Form()),
        ("application/*", CUSTOM, Form()),
        ("application/json;pretty=1", BUILT_IN, Form(pretty=True)),
        (f"application/json;{TABLE},application/json", LISTS, Form(shape="Table")),
        (f"{PROTOBUF};{TABLE},application/yaml;{TABLE}", LISTS, Form("application/yaml", "Table")),
        (f"{PROTOBUF};{PARTIALS}", CUSTOM, Form(PROTOBUF, "PartialObjectMetadataList")),
        (f"application/json;{TABLE},application/json", PLAIN, Form()),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/yaml", LISTS, Form("application/yaml")),
    ],
)
def test_the_first_clause_that_can_be_met_wins(accept: str, offer: Offer, expected: Form) -> None:
    """By quality, then by what is less of a wildcard, then by place."""
    assert expected == negotiate({"accept": accept}, {}, offer)


@pytest.mark.parametrize(
    ("accept", "offer"),
    [
        ("text/html", BUILT_IN),
        ("application/cbor", LISTS),
        ("application/*", BUILT_IN),
        (PROTOBUF, CUSTOM),
        (f"{PROTOBUF};{TABLE}", LISTS),
        (f"application/json;{TABLE}", PLAIN),
    ],
)
def test_what_cannot_be_met_is_refused(accept: str, offer: Offer) -> None:
    """Custom kinds have no protobuf, tables neither, nobody CBOR."""
    with pytest.raises(NotAcceptable):
        negotiate({"accept": accept}, {}, offer)


def test_a_watch_is_no_yaml() -> None:
    """Streams are lines of JSON or frames of protobuf."""
    with pytest.raises(NotAcceptable, match="application/json;stream=watch"):
        streamed({"accept": "application/yaml"}, LISTS)
    assert streamed({"accept": f"{PROTOBUF};stream=watch"}, LISTS).media == PROTOBUF


@pytest.mark.parametrize(("query", "agent", "expected"), [("true", "x", True), ("false", "curl/8", False)])
def test_people_read_json_by_lines(query: str, agent: str, expected: bool) -> None:
    """Those who ask for it, and the programs with which people look, unless they say otherwise."""
    assert expected == negotiate({"user-agent": agent}, {"pretty": query}, BUILT_IN).pretty
    assert negotiate({"user-agent": "curl/8"}, {}, BUILT_IN).pretty


async def test_objects_lists_and_failures_in_protobuf(asking: Asking) -> None:
    """A client that reads protobuf alone reads what others read as JSON; items of lists do not name their kind."""
    await filled(asking)
    for path in (f"{MAPS}/one", MAPS, f"{MAPS}/none", "/apis", "/apis/apps", "/apis/apps/v1", "/api"):
        plain, packed = await asking.get(path), await asking.get(path, accept=PROTOBUF)
        assert packed.headers["content-type"] == PROTOBUF
        assert (packed.status, _whole(decode(packed.body))) == (plain.status, _whole(plain.json)), path


def _whole(value: object) -> object:
    """Without what Go's JSON of a type leaves out or not."""
    if isinstance(value, dict):
        return {
            k: _whole(v) for k, v in value.items() if v not in (None, "", {}, []) and (k, v) != ("apiVersion", "v1")
        }
    return [_whole(each) for each in value] if isinstance(value, list) else value


async def test_lists_in_yaml(asking: Asking) -> None:
    """A list as one document."""
    await filled(asking)
    answer = await asking.get(MAPS, accept="application/yaml")
    assert answer.headers["content-type"] == "application/yaml"
    assert (await asking.get(MAPS)).json == documents.parse_one(answer.body.decode())


async def test_metadata_alone_in_protobuf(asking: Asking) -> None:
    """Of built-in and custom kinds: a client of metadata asks for nothing else."""
    await filled(asking)
    for path, name in ((MAPS, "one"), (TABS, "one")):
        many = decode((await asking.get(path, accept=f"{PROTOBUF};{PARTIALS}")).body)
        one = decode((await asking.get(f"{path}/{name}", accept=f"{PROTOBUF};{PARTIAL}")).body)
        assert (many["kind"], [item["metadata"]["name"] for item in many["items"]]) == (
            "PartialObjectMetadataList",
            [name],
        )
        assert (one["kind"], set(one)) == ("PartialObjectMetadata", {"apiVersion", "kind", "metadata"})


async def test_a_list_is_no_single_object(asking: Asking) -> None:
    """Neither is an object a list."""
    await filled(asking)
    for path, shape, text in (
        (MAPS, PARTIAL, "the requested object is a list (*core.ConfigMapList)"),
        (f"{MAPS}/one", PARTIALS, "the requested object is not a list (*core.ConfigMap)"),
        (TABS, PARTIAL, "the requested object is a list (*unstructured.UnstructuredList)"),
    ):
        answer = await asking.get(path, accept=f"application/json;{shape}")
        assert (answer.status, answer.json["message"].endswith(text)) == (406, True), answer.json


async def test_a_refusal_to_custom_kinds_speaks_protobuf(asking: Asking) -> None:
    """The kind has no protobuf, its failures do."""
    await filled(asking)
    answer = await asking.get(TABS, accept=PROTOBUF)
    assert (answer.status, decode(answer.body)["reason"]) == (406, "NotAcceptable")
    assert (await asking.get(TABS, accept=f"{PROTOBUF},application/json")).status == 200


async def test_nothing_is_written_for_a_client_that_could_not_read_of_it(asking: Asking) -> None:
    """The form of the answer is agreed upon first."""
    await filled(asking)
    assert (await asking.send("DELETE", f"{TABS}/one", accept=PROTOBUF)).status == 406
    assert (await asking.get(f"{TABS}/one")).status == 200


async def test_a_watch_in_protobuf(asking: Asking, hub: Hub) -> None:
    """Frames: a length, an event, in it the object as a get would answer it; metadata alone where that is asked for."""
    await filled(asking)
    query = (
        "watch=true&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    )
    for path, media in ((MAPS, PROTOBUF), (TABS, f"{PROTOBUF};{PARTIAL}")):
        answer = await asyncio.wait_for(asking.get(f"{path}?{query}", accept=media), 10)
        assert answer.headers["content-type"] == f"{PROTOBUF};stream=watch"
        one = (await asking.get(f"{path}/one", accept=media)).body
        size = int.from_bytes(answer.body[:4], "big")
        frame, rest = answer.body[4 : 4 + size], answer.body[4 + size :]
        assert frame.startswith(b"\n\x05ADDED\x12")
        assert frame.endswith(one)
        assert b"\n\x08BOOKMARK\x12" in rest
        assert b"k8s.io/initial-events-end" in rest


async def test_items_of_built_in_lists_name_no_kind(asking: Asking) -> None:
    """As Go writes its lists; those of custom kinds do."""
    await filled(asking)
    maps, tabs = (await asking.get(MAPS)).json["items"], (await asking.get(TABS)).json["items"]
    assert [("kind" in item, "apiVersion" in item) for item in (*maps, *tabs)] == [(False, False), (True, True)]


async def test_bodies_of_unknown_types_are_refused(asking: Asking) -> None:
    """With what would do."""
    answer = await asking.send("POST", MAPS, b"{}", content_type="application/cbor")
    assert (answer.status, answer.json["message"]) == (
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        f"application/json, application/yaml, {PROTOBUF}",
    )


async def test_what_no_one_accepts_is_told_in_json(asking: Asking) -> None:
    """By lines, for somebody may be looking."""
    answer = await asking.get(MAPS, accept="text/html")
    assert (answer.status, answer.headers["content-type"]) == (406, "application/json")
    assert answer.body == orjson.dumps(answer.json, option=orjson.OPT_INDENT_2)
