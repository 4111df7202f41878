"""Destinations: one connection for each, made anew when its access changes, let go when it is replaced or not asked for."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from trueup.delivery.clusters import Access, KnownClusters
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.ports import Cluster
from trueup.runtime.clock import VirtualClock


class Secrets:
    """The live objects of the local cluster: Secrets alone."""

    def __init__(self) -> None:
        self.held: list[Object] = []

    async def list(self, kind: Kind, namespace: str = "") -> list[Object]:
        return [secret for secret in self.held if namespace in ("", secret["metadata"]["namespace"])]

    def add(self, name: str, server: str, config: str = "{}", namespace: str = "argocd") -> None:
        """One more cluster; one of that name and namespace is replaced."""
        data = {"name": name, "server": server, "config": config}
        meta = {
            "name": name,
            "namespace": namespace,
            "labels": {"argocd.argoproj.io/secret-type": "cluster"},
        }
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.held = [old for old in self.held if old["metadata"] != meta] + [{"metadata": meta, "data": encoded}]


class Connections:
    """What was connected, and what was let go."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Access]] = []
        self.gone: list[str] = []

    async def connect(self, name: str, access: Access) -> Cluster:
        await asyncio.sleep(0)  # others may ask meanwhile
        self.made.append((name, access))
        return cluster(f"{name}#{len(self.made)}")

    async def disconnect(self, gone: Cluster) -> None:
        self.gone.append(gone.name)


def cluster(name: str, live: Any = None) -> Cluster:
    """One without a client."""
    return Cluster(name, None, live)  # type: ignore[arg-type]


class Known:
    """The clusters under test with their surroundings."""

    def __init__(self) -> None:
        self.secrets, self.connections, self.clock = Secrets(), Connections(), VirtualClock()
        local = cluster("in-cluster", self.secrets)
        self.clusters = KnownClusters(local, self.connections.connect, self.connections.disconnect, self.clock)


@pytest.fixture
def known() -> Known:
    """With one cluster besides the local one."""
    made = Known()
    made.secrets.add("far", "https://far.example.com")
    return made


async def test_the_local_one_needs_no_secret(known: Known) -> None:
    """It is what nothing at all names."""
    assert (await known.clusters.of()).name == "in-cluster"
    assert known.connections.made == []


async def test_a_cluster_is_found_by_name_and_by_server(known: Known) -> None:
    """With or without a slash at the end, it is one connection, however many ask at once."""
    asked = [known.clusters.of(name="far"), known.clusters.of(server="https://far.example.com/")]
    assert [found.name for found in await asyncio.gather(*asked)] == ["far#1", "far#1"]


async def test_an_unknown_cluster_is_not_found(known: Known) -> None:
    """Neither is one that only a Secret elsewhere names."""
    known.secrets.add("mine", "https://mine.example.com", namespace="tenant")
    with pytest.raises(NotFound, match="there is no cluster 'mine'"):
        await known.clusters.of(name="mine")


async def test_new_credentials_are_a_new_connection(known: Known) -> None:
    """The old one is let go."""
    await known.clusters.of(name="far")
    known.secrets.add("far", "https://far.example.com", '{"bearerToken": "new"}')
    assert (await known.clusters.of(name="far")).name == "far#2"
    assert known.connections.gone == ["far#1"]
    assert known.connections.made[1][1].config == '{"bearerToken": "new"}'


async def test_kubeconfigs_that_nobody_asks_for_are_let_go(known: Known) -> None:
    """Each renewal of a token is another kubeconfig; the one before goes when it was not asked for in an hour."""
    old, kept = await known.clusters.of(kubeconfig=b"old"), await known.clusters.of(kubeconfig=b"kept")
    known.clock.advance(3000)
    await known.clusters.of(kubeconfig=b"kept")
    known.clock.advance(3000)
    await known.clusters.of(kubeconfig=b"new")
    assert known.connections.gone == [old.name]
    assert await known.clusters.of(kubeconfig=b"kept") is kept


async def test_all_are_let_go_at_the_end(known: Known) -> None:
    """But the local one, which is its owner's."""
    await known.clusters.of(name="far")
    await known.clusters.of(kubeconfig=b"x")
    await known.clusters.close()
    assert len(known.connections.gone) == 2
    assert "in-cluster" not in known.connections.gone
