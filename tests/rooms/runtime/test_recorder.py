"""Kubernetes Events: written behind the reconcilers, counted, limited, never in the way."""

from tests.rooms.runtime.small_cluster import SmallCluster, config_map
from trueup.kube.names import Kind, Object
from trueup.kube.problems import Forbidden
from trueup.runtime.clock import VirtualClock
from trueup.runtime.recorder import Recorder

EVENT = Kind("", "v1", "Event")


def setting() -> tuple[SmallCluster, VirtualClock, Recorder, Object]:
    """A recorder over a cluster, and an object to speak of."""
    cluster = SmallCluster((EVENT,))
    clock = VirtualClock(1_000_000.0)
    about = config_map("a")
    about["metadata"].update(uid="u1", resourceVersion="7")
    return cluster, clock, Recorder(cluster, clock, component="test"), about


async def test_an_event_is_written_as_client_go_writes_it() -> None:
    """Involved object, reason, message, source, counts and times."""
    cluster, _, recorder, about = setting()
    recorder.record(about, "Normal", "Synced", "all is well")
    await recorder.flush()
    (event,) = cluster.objects.values()
    assert event["involvedObject"] == {
        "kind": "ConfigMap", "apiVersion": "v1", "name": "a", "namespace": "default", "uid": "u1", "resourceVersion": "7",
    }  # fmt: skip
    assert event["metadata"]["name"].startswith("a.")
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Synced", "all is well")
    assert (event["count"], event["source"]) == (1, {"component": "test"})
    assert event["firstTimestamp"] == "1970-01-12T13:46:40Z"


async def test_built_in_kinds_have_their_own_speakers() -> None:
    """Kubernetes' controllers by their names, unless somebody else says who it is."""
    cluster, _, recorder, _ = setting()
    web: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}}
    recorder.record(web, "Normal", "ScalingReplicaSet", "up")
    recorder.record(web, "Normal", "Seen", "by another", component="me")
    recorder.record({**web, "apiVersion": "example.com/v1"}, "Normal", "Other", "of another group")
    await recorder.flush()
    said = [event["source"]["component"] for event in cluster.objects.values()]
    assert said == ["deployment-controller", "me", "test"]


async def test_repeats_are_counted() -> None:
    """The same words about the same object are one Event; many repeats are one call."""
    cluster, clock, recorder, about = setting()
    recorder.record(about, "Warning", "Failed", "no")
    await recorder.flush()
    clock.advance(60)
    for _ in range(3):
        recorder.record(about, "Warning", "Failed", "no")
    await recorder.flush()
    (event,) = cluster.objects.values()
    assert (event["count"], event["lastTimestamp"]) == (4, "1970-01-12T13:47:40Z")
    assert cluster.calls == ["create Event", "patch Event"]


async def test_an_expired_event_is_written_anew() -> None:
    """Clusters drop Events after an hour."""
    cluster, clock, recorder, about = setting()
    recorder.record(about, "Warning", "Failed", "no")
    await recorder.flush()
    cluster.drop(next(iter(cluster.objects)))
    clock.advance(7200)
    recorder.record(about, "Warning", "Failed", "no")
    await recorder.flush()
    (event,) = cluster.objects.values()
    assert event["count"] == 1


async def test_an_object_that_says_too_much_is_limited() -> None:
    """Twenty-five in a burst, one more each five minutes; other objects are free to speak."""
    cluster, clock, recorder, about = setting()
    for n in range(40):
        recorder.record(about, "Normal", "Chatter", f"message {n}")
    await recorder.flush()
    assert len(cluster.objects) == 25
    clock.advance(301)
    recorder.record(about, "Normal", "Chatter", "later")
    recorder.record({**about, "metadata": {**about["metadata"], "uid": "u2"}}, "Normal", "Chatter", "another")
    await recorder.flush()
    assert len(cluster.objects) == 27


async def test_a_cluster_that_refuses_events_stops_nobody() -> None:
    """Neither ``record`` nor the writer raises."""
    cluster, _, recorder, about = setting()
    cluster.problems["create"] = [Forbidden("no events")]
    recorder.record(about, "Normal", "Synced", "one")
    recorder.record({}, "Normal", "Odd", "an object without anything")
    await recorder.flush()
    recorder.record(about, "Normal", "Synced", "one")
    await recorder.flush()
    assert sum(event["reason"] == "Synced" for event in cluster.objects.values()) == 1


async def test_long_messages_are_cut() -> None:
    """The API takes 1,024 characters."""
    cluster, _, recorder, about = setting()
    recorder.record(about, "Normal", "Long", "x" * 5000)
    await recorder.flush()
    (event,) = cluster.objects.values()
    assert len(event["message"]) == 1024
