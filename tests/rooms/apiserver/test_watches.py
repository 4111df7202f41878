"""Watches: nothing is missed, nothing comes twice, and they end when they should."""

import asyncio

import orjson
import pytest

from tests.rooms.apiserver.web import MAP, MAPS, POD, Web, config_map, pod, ref, until
from trueup.apiserver.asgi import Application
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.path import parse
from trueup.apiserver.request import Request
from trueup.apiserver.users import ADMIN
from trueup.apiserver.watching import answer
from trueup.kube.names import Kind
from trueup.kube.problems import Expired


async def revision(client: InProcessClient) -> str:
    return (await client.list(MAP, "default")).revision


async def test_a_watch_tells_what_happens_from_a_version_on(client: InProcessClient, web: Web) -> None:
    """Changes before the watch began and after, in order, once each."""
    start = await revision(client)
    await client.create(config_map("a"))

    async with web.watch(MAPS, resourceVersion=start) as watch:
        await client.patch(ref("a"), {"data": {"x": "1"}}, "merge")
        await client.delete(ref("a"))

        assert await watch.names(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_without_a_version_starts_with_what_is_there(client: InProcessClient, web: Web) -> None:
    """As additions, in the order of names."""
    await client.create(config_map("b"))
    await client.create(config_map("a"))

    async with web.watch(MAPS) as watch:
        await client.create(config_map("c"))

        assert await watch.names(3) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


async def test_a_watch_hears_its_namespace_alone(client: InProcessClient, web: Web) -> None:
    """What happens elsewhere is left out."""
    async with web.watch(MAPS) as watch:
        await client.create(config_map("other", space="kube-public"))
        await client.create(config_map("mine"))

        assert await watch.names(1) == [("ADDED", "mine")]


async def test_one_object_can_be_watched(client: InProcessClient, web: Web) -> None:
    """By a field selector; its own path is read, whatever the query says."""
    async with web.watch(MAPS, fieldSelector="metadata.name=b") as chosen:
        await client.create(config_map("a"))
        await client.create(config_map("b"))

        assert await chosen.names(1) == [("ADDED", "b")]
    assert (await web.get(f"{MAPS}/b", watch="true"))["metadata"]["name"] == "b"


async def test_objects_enter_and_leave_a_selection(client: InProcessClient, web: Web) -> None:
    """Entering is an addition, leaving a deletion of the object as it last was in it."""
    async with web.watch(MAPS, labelSelector="on=yes") as watch:
        await client.create(config_map("a", {"on": "no"}))
        await client.patch(ref("a"), {"metadata": {"labels": {"on": "yes"}}}, "merge")
        await client.patch(ref("a"), {"data": {"x": "1"}}, "merge")
        left = await client.patch(ref("a"), {"metadata": {"labels": {"on": "no"}}}, "merge")

        assert await watch.names(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        type_, obj = await watch.next()
        assert (type_, obj["metadata"]["labels"]) == ("DELETED", {"on": "yes"})
        assert obj["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


async def test_pods_are_watched_by_their_node(client: InProcessClient, web: Web) -> None:
    """The field selector that a kubelet uses."""
    async with web.watch("/api/v1/pods", fieldSelector="spec.nodeName=one") as watch:
        await client.create(pod("a"))
        await client.patch(ref("a", POD), {"spec": {"nodeName": "one"}}, "merge", subresource="binding")

        assert await watch.names(1) == [("ADDED", "a")]


async def test_events_are_selected_by_the_names_of_their_group(client: InProcessClient, web: Web) -> None:
    """Whichever of their two groups they were written in, and are listed and watched in."""
    about = {"kind": "Pod", "namespace": "default", "name": "a"}
    new = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "one", "namespace": "default"},
        "regarding": about,
        "note": "it is so",
        "eventTime": "2027-01-15T08:00:00.000000Z",
        "reportingController": "example.com/test",
        "reportingInstance": "test-1",
        "action": "Testing",
        "reason": "Tested",
        "type": "Normal",
    }
    path, query = "/api/v1/namespaces/default/events", {"fieldSelector": "involvedObject.name=a"}
    async with web.watch(path, **query) as watch:
        await client.create(new)
        other = {**new, "metadata": {"name": "two", "namespace": "default"}, "regarding": {**about, "name": "b"}}
        await client.create(other)
        watched = await watch.next()
    listed = await web.get(path, **query)
    newer = {"fieldSelector": "regarding.name=a,reportingController=example.com/test"}
    again = await web.get("/apis/events.k8s.io/v1/namespaces/default/events", **newer)

    assert [event["metadata"]["name"] for event in listed["items"]] == ["one"]
    assert [event["regarding"]["name"] for event in again["items"]] == ["a"]
    assert (watched[0], watched[1]["involvedObject"]["name"], watched[1]["message"]) == ("ADDED", "a", "it is so")


async def test_a_watch_ends_with_its_definition(client: InProcessClient, web: Web) -> None:
    """Nothing of it is served any more."""
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    meta = {"name": "things.example.com"}
    kind = "CustomResourceDefinition"
    await client.create({"apiVersion": "apiextensions.k8s.io/v1", "kind": kind, "metadata": meta, "spec": spec})
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}}

    async with web.watch("/apis/example.com/v1/things") as watch:
        await client.create(thing)
        await client.delete(ref("things.example.com", Kind("apiextensions.k8s.io", "v1", kind), ""))

        assert await watch.names(2) == [("ADDED", "one"), ("DELETED", "one")]
        await watch.ended()


async def test_initial_events_end_with_a_bookmark(client: InProcessClient, web: Web) -> None:
    """The bookmark carries the annotation and a version that misses nothing."""
    await client.create(config_map("a"))

    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with web.watch(MAPS, **query) as watch:
        assert await watch.names(1) == [("ADDED", "a")]
        await client.create(config_map("b"))
        type_, mark = await watch.next()
        assert (type_, mark["kind"], mark["metadata"]["annotations"]) == (
            "BOOKMARK", "ConfigMap", {"k8s.io/initial-events-end": "true"},
        )  # fmt: skip
        type_, b = await watch.next()
        assert type_ == "ADDED"
        assert int(mark["metadata"]["resourceVersion"]) < int(b["metadata"]["resourceVersion"])


async def test_a_watch_says_how_far_it_came_when_its_time_is_over(client: InProcessClient, web: Web) -> None:
    """Then it ends."""
    start = await revision(client)
    async with web.watch(MAPS, resourceVersion=start, allowWatchBookmarks="true", timeoutSeconds=1) as watch:
        made = await client.create(config_map("a"))

        assert await watch.names(1) == [("ADDED", "a")]
        type_, mark = await watch.next()
        assert (type_, mark["metadata"]["resourceVersion"]) == ("BOOKMARK", made["metadata"]["resourceVersion"])
        await watch.ended()


async def test_initial_events_want_their_match(web: Web) -> None:
    """As Kubernetes asks for it."""
    answer = await web.ask("GET", MAPS, watch="true", sendInitialEvents="true")

    assert answer.status == 422
    assert "requires setting resourceVersionMatch to NotOlderThan" in answer.json["message"]


@pytest.mark.parametrize("version", ["1", "999999999"])
async def test_a_version_that_is_not_known_is_expired(
    client: InProcessClient, web: Web, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Too old, or of another life of the cluster: an ERROR event with 410, and the watch ends."""
    monkeypatch.setattr("trueup.store.history.WINDOW", 1)
    for name in ("a", "b", "c"):
        await client.create(config_map(name))

    async with web.watch(MAPS, resourceVersion=version) as watch:
        type_, status = await watch.next()
        await watch.ended()

    assert (type_, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")


async def test_a_watch_as_tables(client: InProcessClient, web: Web) -> None:
    """Columns come with the first event alone."""
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    async with web.watch(MAPS, headers={"accept": accept}) as watch:
        await client.create(config_map("a"))
        await client.create(config_map("b"))

        tables = [(await watch.next())[1] for _ in range(2)]

    assert [table["kind"] for table in tables] == ["Table", "Table"]
    assert [bool(table["columnDefinitions"]) for table in tables] == [True, False]
    assert [table["rows"][0]["cells"][0] for table in tables] == ["a", "b"]


async def test_a_client_that_hangs_up_is_forgotten(hub: Hub, web: Web) -> None:
    """Nothing of its watch stays behind, though nothing ever happened on it."""
    bucket = hub.store.bucket("configmaps")

    async with web.watch(MAPS):
        await until(lambda: len(bucket.listeners) == 1)

    assert len(bucket.listeners) == 0


async def test_stopping_ends_watches(application: Application, hub: Hub, web: Web) -> None:
    """All of them, at once; a client that comes back at once is sent away, for it would keep the server from stopping."""
    async with web.watch(MAPS) as watch, web.watch(MAPS):
        await application.hang_up()
        await watch.ended()

    assert (await web.ask("GET", MAPS, watch="true")).status == 503
    assert len(hub.store.bucket("configmaps").listeners) == 0


async def test_a_watcher_that_falls_behind_is_cut_off(
    client: InProcessClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watch ends, so that it comes back, and the server's memory stays small."""
    monkeypatch.setattr("trueup.apiserver.verbs.watch.BACKLOG", 2)
    watch = client.watch(MAP, "default", revision=await revision(client))
    first = asyncio.ensure_future(anext(watch))
    await until(lambda: bool(hub.store.bucket("configmaps").listeners))
    for name in ("a", "b", "c", "d"):
        await client.create(config_map(name))

    with pytest.raises(StopAsyncIteration):
        await first


async def test_a_watcher_keeps_back_no_more_than_is_remembered(
    client: InProcessClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that takes nothing is told to list again once what it missed is forgotten."""
    monkeypatch.setattr("trueup.store.history.WINDOW", 3)
    target = parse(MAPS)
    assert target is not None
    request = Request("GET", MAPS, {"resourceVersion": await revision(client)}, {}, b"", ADMIN)
    stream = (await answer(hub, hub.serves(MAP), request, target)).body
    assert not isinstance(stream, bytes)
    lines = aiter(stream)

    await client.create(config_map("first"))
    first = await anext(lines)
    for n in range(10):
        await client.create(config_map(f"n{n}"))

    assert b'"first"' in first
    assert orjson.loads(await anext(lines))["object"]["reason"] == "Expired"
    with pytest.raises(StopAsyncIteration):
        await anext(lines)


async def test_a_watch_in_process_is_cancelled_cleanly(client: InProcessClient, hub: Hub) -> None:
    """No listener stays behind."""
    bucket = hub.store.bucket("configmaps")

    async def follow() -> None:
        async for _ in client.watch(MAP, "default", revision="0"):
            pass

    task = asyncio.create_task(follow())
    await until(lambda: bool(bucket.listeners))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert len(bucket.listeners) == 0


async def test_a_watch_in_process_hears_of_an_expired_version(client: InProcessClient) -> None:
    """As an error that its caller lists again for."""
    with pytest.raises(Expired):
        await anext(client.watch(MAP, "default", revision="999999999"))


async def test_many_watches_share_the_encoding(client: InProcessClient, hub: Hub, web: Web) -> None:
    """An event is put into words once, whoever hears it."""
    async with web.watch(MAPS) as one, web.watch(MAPS) as other:
        await client.create(config_map("a"))
        await one.next()
        line = hub.store.bucket("configmaps").history.events[-1].line
        await other.next()

    assert line is not None
    assert hub.store.bucket("configmaps").history.events[-1].line is line


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", ""])
async def test_a_flag_is_on_unless_it_says_no(client: InProcessClient, web: Web, word: str) -> None:
    """Python's clients say `watch=True`; everything but `0` and `false` is meant as yes."""
    await client.create(config_map("a"))
    async with web.watch(MAPS, watch=word, allowWatchBookmarks=word) as watch:
        assert await watch.names(1) == [("ADDED", "a")]


@pytest.mark.parametrize("word", ["false", "False", "0"])
async def test_a_flag_that_says_no_is_off(client: InProcessClient, web: Web, word: str) -> None:
    """Such a watch is a list."""
    assert (await web.get(MAPS, watch=word))["kind"] == "ConfigMapList"
