"""`trueup run`: the controllers over a cluster that is not their own, through HTTP and a kubeconfig."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.system.program import URL, Repository
from trueup.app.embedded import embedded
from trueup.app.run import running
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client
from trueup.runtime.clock import SystemClock
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings

APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
PROJECT: Object = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": "argocd"},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}
SHOP: Object = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "shop", "namespace": "argocd"},
    "spec": {
        "project": "default",
        "source": {"repoURL": URL, "path": "shop", "targetRevision": "HEAD"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "syncPolicy": {
            "automated": {"prune": True},
            # Nobody collects garbage here, for which deletions in the foreground would wait.
            "syncOptions": ["CreateNamespace=true", "PrunePropagationPolicy=background"],
        },
    },
}


def settings_map(name: str) -> str:
    """A ConfigMap as a file."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: b\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Three ConfigMaps."""
    made = Repository.of(tmp_path / "repo")
    for name in ("one", "two", "three"):
        made.write(f"shop/{name}.yaml", settings_map(name))
    made.commit("three")
    return made


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[Client, Path]]:
    """A cluster with none of the families' kinds."""
    async with embedded(Settings(state=tmp_path / "cluster", port=0), SystemClock()) as made:
        yield made.client, made.kubeconfig


async def until(client: Client, holds: Callable[[Object], bool]) -> Object:
    """Shop's Application as soon as its status holds."""
    listing = await client.list(APPLICATION, "argocd")
    for obj in listing.items:
        if holds(obj.get("status") or {}):
            return obj
    async with asyncio.timeout(30):
        async for event in client.watch(APPLICATION, "argocd", revision=listing.revision):
            if event.type != "BOOKMARK" and holds(event.object.get("status") or {}):
                return event.object
    raise AssertionError("the watch ended")


async def test_it_installs_kinds_syncs_and_prunes(
    tmp_path: Path, cluster: tuple[Client, Path], repository: Repository
) -> None:
    """Each new object costs one request; a commit that only removes is carried out, too."""
    client, kubeconfig = cluster
    settings = Settings(state=tmp_path / "run", mapping={URL: repository.folder}, families=("argocd",))
    metrics, said = Metrics(), []
    async with running(settings, kubeconfig, "", said.append, install_kinds=True, metrics=metrics):
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
        await client.create(PROJECT)
        await client.create(SHOP)
        await until(client, lambda status: status.get("sync", {}).get("status") == "Synced")
        assert applies(metrics) == 4  # with the namespace
        removed = repository.git("rm", "-q", "shop/two.yaml") or repository.commit("only two")
        await until(
            client,
            lambda status: status.get("sync") == {**status.get("sync", {}), "status": "Synced", "revision": removed},
        )
        listing = await client.list(Kind("", "v1", "ConfigMap"), "shop")
        assert sorted(obj["metadata"]["name"] for obj in listing.items) == ["one", "three"]
        assert applies(metrics) == 4
    assert said == ["cluster    Kubernetes v1.36.0, families argocd"]


async def test_it_installs_nothing_that_is_there(tmp_path: Path, cluster: tuple[Client, Path]) -> None:
    """A second start leaves the definitions as they are."""
    client, kubeconfig = cluster
    where = Ref(Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), "", "applications.argoproj.io")
    settings = Settings(state=tmp_path / "run", families=("argocd",))
    seen = []
    for _ in range(2):
        async with running(settings, kubeconfig, "", lambda line: None, install_kinds=True):
            seen.append((await client.get(where))["metadata"]["resourceVersion"])
    assert seen[0] == seen[1]


def applies(metrics: Metrics) -> int:
    """Server-side applies so far, dry runs included."""
    name = "trueup_api_request_duration_seconds"
    return sum(
        int(sample.value)
        for family in metrics.registry.collect()
        if family.name == name
        for sample in family.samples
        if sample.name == f"{name}_count" and sample.labels["verb"] == "apply"
    )
