"""Live objects of one cluster: watched from the first question on, owners across kinds."""

from collections.abc import AsyncIterator

import pytest

from tests.rooms.runtime.small_cluster import MAP, SmallCluster, config_map
from tests.rooms.runtime.waiting import until
from trueup.kube.names import Kind, Ref
from trueup.kube.problems import NotFound, Unavailable
from trueup.runtime.clock import VirtualClock
from trueup.runtime.live import LiveCache

CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
THING = Kind("example.com", "v1", "Thing")
A = Ref(MAP, "default", "a")


@pytest.fixture
async def cluster() -> SmallCluster:
    """A cluster that serves ConfigMaps and definitions."""
    return SmallCluster((MAP, CRD))


@pytest.fixture
async def live(cluster: SmallCluster) -> AsyncIterator[LiveCache]:
    """Its live objects."""
    cache = LiveCache(cluster, VirtualClock())
    yield cache
    await cache.close()


def thing(name: str) -> dict[str, object]:
    """A custom object."""
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name, "namespace": "default"}}


def define(cluster: SmallCluster) -> None:
    """Serves Things from now on."""
    cluster.served.add(THING)
    spec = {"group": "example.com", "names": {"kind": "Thing"}}
    cluster.put(
        {"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": {"name": "things.example.com"}, "spec": spec}
    )


async def test_a_kind_is_listed_once_and_read_without_calls(cluster: SmallCluster, live: LiveCache) -> None:
    """The first question lists; further ones read memory."""
    cluster.put(config_map("a"))
    for _ in range(3):
        assert await live.get(A) is not None
    assert await live.get(Ref(MAP, "default", "b")) is None
    assert len(await live.list(MAP, "default")) == 1
    assert cluster.calls.count("list ConfigMap") == 1


async def test_an_unserved_kind_is_not_found_until_it_is_served(cluster: SmallCluster, live: LiveCache) -> None:
    """Each question asks anew, so that a definition that came is seen at once."""
    with pytest.raises(NotFound):
        await live.get(Ref(THING, "default", "t"))
    define(cluster)
    cluster.put(thing("t"))
    assert await live.get(Ref(THING, "default", "t")) is not None


async def test_a_kept_kind_is_watched_as_soon_as_its_definition_comes(cluster: SmallCluster, live: LiveCache) -> None:
    """No polling: the definition's own watch wakes it."""
    informer = live.informer(THING)
    with pytest.raises(NotFound):
        await informer.wait()
    await until(lambda: cluster.watches == 1)
    define(cluster)
    cluster.put(thing("t"))
    await until(lambda: len(informer) == 1)
    assert informer.synced


async def test_a_kind_that_is_served_later_than_defined_is_found(cluster: SmallCluster) -> None:
    """Discovery lags behind the definition: it is asked again soon, for no further event will come."""
    clock = VirtualClock()
    live = LiveCache(cluster, clock)
    spec = {"group": "example.com", "names": {"kind": "Thing"}, "versions": [{"name": "v1", "served": True}]}
    definition = {"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": {"name": "things.example.com"}}
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    await live.list(CRD)
    informer = live.informer(THING)
    with pytest.raises(NotFound):
        await informer.wait()
    cluster.put({**definition, "spec": spec, "status": established})
    await until(lambda: cluster.calls.count("list Thing") >= 2)
    cluster.served.add(THING)
    cluster.put(thing("t"))
    began = clock.now()
    await until(lambda: len(informer) == 1)
    assert clock.now() - began < 60
    await live.close()


async def test_a_dead_cluster_fails_fast(cluster: SmallCluster, live: LiveCache) -> None:
    """While the listing is retried, questions get the problem instead of waiting."""
    cluster.problems["list"] = [Unavailable("down")] * 3
    with pytest.raises(Unavailable):
        await live.get(A)
    with pytest.raises(Unavailable):
        await live.get(A)
    cluster.put(config_map("a"))
    await until(lambda: live.informer(MAP).synced)
    assert await live.get(A) is not None


async def test_owners_are_known_across_kinds(cluster: SmallCluster, live: LiveCache) -> None:
    """Children are listed under their owner's uid until they go."""
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [{"uid": "parent", "kind": "Any", "name": "x", "apiVersion": "v1"}]
    cluster.put(child)
    await live.list(MAP)
    assert [o["metadata"]["name"] for o in live.owned("parent")] == ["child"]
    cluster.drop(Ref.of(child))
    await until(lambda: not live.owned("parent"))
    assert live.owned("stranger") == ()


async def test_listeners_hear_every_kind(cluster: SmallCluster, live: LiveCache) -> None:
    """What is there already comes as added."""
    heard: list[str] = []
    cluster.put(config_map("a"))
    await live.list(MAP)
    live.subscribe(lambda event: heard.append(f"{event.type} {event.object['metadata']['name']}"))
    await live.list(CRD)
    define(cluster)
    cluster.drop(A)
    await until(lambda: len(heard) == 3)
    assert sorted(heard) == ["ADDED a", "ADDED things.example.com", "DELETED a"]


async def test_a_noted_write_shows_at_once(cluster: SmallCluster, live: LiveCache) -> None:
    """The next read has the answer of one's own write, and its owners."""
    await live.list(MAP)
    new = config_map("a")
    new["metadata"]["ownerReferences"] = [{"uid": "parent"}]
    live.note(cluster.put(new))
    assert await live.get(A) is not None
    await until(lambda: live.owned("parent"))
