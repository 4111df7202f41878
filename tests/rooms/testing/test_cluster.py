"""A cluster inside a test's process: its methods, its errors, its end."""

import gc
import threading
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.testing.wanted import WEB
from trueup.kube.names import Kind, Resource
from trueup.kube.problems import Invalid, NotFound
from trueup.ports import ResourceInfo
from trueup.testing import Cluster, NotInTime
from trueup.testing.kinds import find

SHOP = Path(__file__).parents[3] / "examples" / "shop"


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """One for this file."""
    with Cluster() as made:
        yield made


def test_what_is_applied_becomes_healthy(running: Cluster) -> None:
    """YAML in, stored objects out; waiting ends with the healthy one."""
    stored = running.apply(WEB)
    found = running.wait("deploy", "web")

    assert [obj["kind"] for obj in stored] == ["Deployment", "Service"]
    assert found["status"]["readyReplicas"] == 2
    assert len(running.list("pods", namespace="default", labels="app=web")) == 2


def test_what_does_not_come_is_explained(running: Cluster) -> None:
    """What there is instead, and what happened to it."""
    broken = {**ONE_POD, "metadata": {"name": "broken", "annotations": {"simulate.trueup.dev/pending": "true"}}}
    running.apply(broken)

    with pytest.raises(NotInTime, match=r"(?s)Pod default/broken: Progressing after 1 s.*FailedScheduling"):
        running.wait("pod", "broken", timeout=1)
    with pytest.raises(NotInTime, match=r"Pod default/nowhere: not there after 0\.1 s"):
        running.wait("pod", "nowhere", timeout=0.1)


def test_nothing_is_kept_of_a_cluster_that_has_ended() -> None:
    """A test session may start thousands."""
    with Cluster() as made:
        made.apply(ONE_POD)
        made.wait("pod", "one")
        kept = weakref.ref(made._running.hub)
    del made
    gc.collect()
    assert kept() is None


def test_what_is_deleted_goes(running: Cluster) -> None:
    """With what it owns."""
    running.apply(ONE_POD)
    running.delete("pod", "one")
    running.wait_gone("pod", "one")

    with pytest.raises(NotFound):
        running.get("pod", "one")


def test_refusals_are_the_apis_own(running: Cluster) -> None:
    """As a client would read them."""
    with pytest.raises(Invalid, match=r"spec\.containers: Required value"):
        running.apply({**ONE_POD, "spec": {}})
    with pytest.raises(NotFound, match=r"does not serve .example\.com/v1/Site.: install its"):
        running.apply({"apiVersion": "example.com/v1", "kind": "Site", "metadata": {"name": "a"}})


def test_slips_are_named(running: Cluster) -> None:
    """A word that is nearly a kind, a path that is text, an object that says not what it is."""
    with pytest.raises(NotFound, match=r'does not serve "deploymnt": did you mean "deployment"\?'):
        running.get("deploymnt", "web")
    with pytest.raises(TypeError, match=r"'web\.yaml': a file is told from YAML by being a pathlib\.Path"):
        running.apply("web.yaml")
    with pytest.raises(ValueError, match=r"an apiVersion and a kind, this one has not: \{'kind': 'ConfigMap'\}"):
        running.apply("kind: ConfigMap")


def test_nothing_remains() -> None:
    """Neither files nor threads nor an open port; two clusters know nothing of each other."""
    with Cluster(simulate=False) as one, Cluster(kubernetes_version="1.34", simulate=False) as two:
        one.apply(ONE_POD)
        assert two.list("pods") == []
        assert one.list("pods")[0]["status"]["phase"] == "Pending"
        kubeconfig, url = one.kubeconfig, one.url

    assert not kubeconfig.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "trueup cluster" and not thread.daemon]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/version")


def test_a_repository_comes_to_life() -> None:
    """As with `trueup up`."""
    with Cluster(source=SHOP, mapping={"https://git.example.com/shop.git": SHOP}) as cluster:
        cluster.wait("application", "storefront", namespace="argocd")
        cluster.wait("deployment", "payments", namespace="payments")


def test_a_cluster_that_was_not_started_says_so() -> None:
    """Instead of waiting for ever."""
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = Cluster().url


ONE_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one"},
    "spec": {"containers": [{"name": "a", "image": "a"}]},
}


def info(group: str, version: str, plural: str, kind: str, *short: str) -> ResourceInfo:
    """What discovery says of a kind."""
    resource = Resource(group, version, plural)
    return ResourceInfo(resource, Kind(group, version, kind), True, frozenset(), kind.lower(), short)


SERVED = [
    info("", "v1", "events", "Event", "ev"),
    info("apps", "v1", "deployments", "Deployment", "deploy"),
    info("events.k8s.io", "v1", "events", "Event", "ev"),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deploy", 1),
        ("deployment", 1),
        ("deployments", 1),
        ("Deployment", 1),
        ("deployments.apps", 1),
        ("deployments.v1.apps", 1),
        ("apps/v1/Deployment", 1),
        ("events", 0),
        ("events.events.k8s.io", 2),
        ("v1/Event", 0),
    ],
)
def test_kinds_have_many_names(name: str, expected: int) -> None:
    """As kubectl takes them."""
    assert SERVED[expected] == find(name, SERVED)


def test_the_fixture_is_there(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest finds it by its entry point; clients find the cluster by the environment."""
    import os

    assert os.environ["KUBECONFIG"] == str(cluster.kubeconfig)
