"""One kind kept in memory: pages, watches, relists, indexes, troubles."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.rooms.runtime.small_cluster import MAP, SmallCluster, config_map
from tests.rooms.runtime.waiting import until
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import Forbidden, NotFound, Unavailable
from trueup.runtime import informer as module
from trueup.runtime.clock import VirtualClock
from trueup.runtime.informer import Informer

Start = Callable[[], "asyncio.Task[None]"]
A = Ref(MAP, "default", "a")


class Heard:
    """What an informer told."""

    def __init__(self, informer: Informer) -> None:
        self.all: list[str] = []
        informer.listen(lambda type, obj, old: self.all.append(f"{type} {obj['metadata']['name']}"))

    def take(self) -> list[str]:
        """What was told since the last look."""
        told, self.all = self.all, []
        return told


@pytest.fixture
async def cluster() -> SmallCluster:
    """A cluster that serves ConfigMaps."""
    return SmallCluster()


@pytest.fixture
async def informer(cluster: SmallCluster) -> Informer:
    """The ConfigMaps of that cluster, not yet listed."""
    return Informer(cluster, MAP, VirtualClock(), chance=lambda: 0.0)


@pytest.fixture
async def start(informer: Informer) -> AsyncIterator[Start]:
    """Sets the informer to work."""
    tasks = []

    def begin() -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(informer.run()))
        return tasks[0]

    yield begin
    for task in tasks:
        task.cancel()


async def test_pages_are_listed_and_watched(cluster: SmallCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages make one listing; what comes later is heard; managed fields are left out."""
    monkeypatch.setattr(module, "PAGE", 2)
    for n in range(5):
        cluster.put(config_map(f"m{n}"))
    informer = Informer(cluster, MAP, VirtualClock())
    heard = Heard(informer)
    task = asyncio.create_task(informer.run())
    await informer.wait()
    assert cluster.calls.count("list ConfigMap") == 3
    assert heard.take() == [f"ADDED m{n}" for n in range(5)]
    cluster.put(config_map("m0", hello="world"))
    cluster.put(config_map("m9"))
    cluster.drop(Ref(MAP, "default", "m1"))
    await until(lambda: len(heard.all) == 3)
    assert heard.take() == ["MODIFIED m0", "ADDED m9", "DELETED m1"]
    kept = informer.get(Key("default", "m0"))
    assert kept is not None
    assert kept["data"] == {"hello": "world"}
    assert "managedFields" not in kept["metadata"]
    assert "managedFields" in cluster.objects[Ref(MAP, "default", "m0")]["metadata"]
    task.cancel()


async def test_an_expired_watch_relists_and_tells_the_difference(
    cluster: SmallCluster, informer: Informer, start: Start
) -> None:
    """After 410 only what differs is told: added, modified, deleted."""
    for name in ("same", "changed", "gone"):
        cluster.put(config_map(name))
    heard = Heard(informer)
    start()
    await until(lambda: cluster.watches == 1)
    heard.take()
    cluster.cut()
    cluster.problems["watch"] = [Unavailable("down")]
    await until(lambda: cluster.watches == 0)
    cluster.put(config_map("changed", x="1"))
    cluster.drop(Ref(MAP, "default", "gone"))
    cluster.put(config_map("new"))
    cluster.forget()
    await until(lambda: len(heard.all) == 3)
    assert sorted(heard.take()) == ["ADDED new", "DELETED gone", "MODIFIED changed"]
    await until(lambda: cluster.watches == 1)


async def test_a_bookmark_saves_the_relist(cluster: SmallCluster, informer: Informer, start: Start) -> None:
    """A watch goes on from the bookmark, though the history before it is gone."""
    cluster.put(config_map("a"))
    start()
    await until(lambda: cluster.watches == 1)
    cluster.revision += 100
    cluster.bookmark(MAP)
    await until(lambda: informer._revision == str(cluster.revision))
    cluster.forget()
    await until(lambda: cluster.calls.count("watch ConfigMap") == 2)
    cluster.put(config_map("b"))
    await until(lambda: informer.get(Key("default", "b")))
    assert cluster.calls.count("list ConfigMap") == 1


async def test_troubles_are_told_and_retried(cluster: SmallCluster, informer: Informer, start: Start) -> None:
    """Who waits for the first listing gets the problem; behind the scenes it is tried again."""
    cluster.problems["list"] = [Forbidden("no"), Unavailable("down")]
    cluster.put(config_map("a"))
    start()
    with pytest.raises(Forbidden):
        await informer.wait()
    await until(lambda: informer.synced)
    assert informer.problem is None
    assert len(informer) == 1


async def test_a_kind_that_goes_takes_its_objects_along(
    cluster: SmallCluster, informer: Informer, start: Start
) -> None:
    """When the kind is no longer served its objects are told as deleted, and the informer ends."""
    cluster.put(config_map("a"))
    heard = Heard(informer)
    running = start()
    await until(lambda: cluster.watches == 1)
    cluster.served.clear()
    cluster.cut()
    await running
    assert heard.take() == ["ADDED a", "DELETED a"]
    with pytest.raises(NotFound):
        await informer.wait()


async def test_indexes_follow_changes(cluster: SmallCluster, informer: Informer, start: Start) -> None:
    """An object moves between values, and an object that the function cannot read is left out alone."""

    def colours(obj: Object) -> list[str]:
        return [obj["data"]["colour"]]

    informer.add_index("colour", colours)
    cluster.put(config_map("a", colour="red"))
    cluster.put(config_map("b", colour="red"))
    cluster.put(config_map("odd"))
    start()
    await informer.wait()
    assert [o["metadata"]["name"] for o in informer.by_index("colour", "red")] == ["a", "b"]
    cluster.put(config_map("a", colour="blue"))
    await until(lambda: informer.by_index("colour", "blue"))
    assert [o["metadata"]["name"] for o in informer.by_index("colour", "red")] == ["b"]
    cluster.drop(Ref(MAP, "default", "b"))
    await until(lambda: len(informer) == 2)
    assert list(informer.by_index("colour", "red")) == []


async def test_namespaces_are_listed_apart(cluster: SmallCluster, informer: Informer, start: Start) -> None:
    """A listing of one namespace touches no other."""
    cluster.put(config_map("a", "one"))
    cluster.put(config_map("b", "two"))
    start()
    await informer.wait()
    assert [Key.of(o) for o in informer.list("two")] == [Key("two", "b")]
    assert len(informer.list()) == 2


async def test_own_writes_are_read_at_once_and_heard_once(
    cluster: SmallCluster, informer: Informer, start: Start
) -> None:
    """A noted answer shows before the watch brings it; the watch still tells of it."""
    heard = Heard(informer)
    start()
    await until(lambda: cluster.watches == 1)
    informer.note(cluster.put(config_map("a", x="1")))
    found = informer.get(Key("default", "a"))
    assert found is not None
    assert found["data"] == {"x": "1"}
    await until(lambda: heard.all)
    assert heard.take() == ["MODIFIED a"]


async def test_a_late_note_does_not_raise_the_dead(cluster: SmallCluster, informer: Informer, start: Start) -> None:
    """An answer that comes after the watch told of the deletion is old news."""
    heard = Heard(informer)
    start()
    await until(lambda: cluster.watches == 1)
    answer = cluster.put(config_map("a"))
    cluster.drop(A)
    await until(lambda: len(heard.all) == 2)
    informer.note(answer)
    assert informer.get(Key("default", "a")) is None


async def test_a_listener_that_fails_stops_nobody(cluster: SmallCluster, informer: Informer, start: Start) -> None:
    """The other listeners hear everything."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    informer.listen(broken)
    heard = Heard(informer)
    cluster.put(config_map("a"))
    start()
    await until(lambda: heard.all)
    assert heard.take() == ["ADDED a"]
