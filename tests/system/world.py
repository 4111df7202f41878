"""A cluster that is not the controllers' own, embedded or genuine, and a repository to deliver: where `trueup run` is tested."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.program import Repository
from trueup.app.embedded import embedded
from trueup.app.run import running
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, NotFound
from trueup.ports import Client
from trueup.runtime.clock import SystemClock
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings

APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
MAP = Kind("", "v1", "ConfigMap")
NAMESPACE = Kind("", "v1", "Namespace")


@dataclass
class World:
    """A cluster, a repository of three ConfigMaps, and names of the test's own."""

    client: Client
    kubeconfig: Path
    repository: Repository
    name: str
    state: Path

    @property
    def url(self) -> str:
        """The repository as objects name it."""
        return f"https://git.example.com/{self.name}.git"

    def settings(self, *families: str) -> Settings:
        """How to run."""
        return Settings(state=self.state, mapping={self.url: self.repository.folder}, families=families)

    def running(self, *families: str, metrics: Metrics | None = None):  # type: ignore[no-untyped-def]
        """The controllers at work."""
        return running(
            self.settings(*families), self.kubeconfig, "", lambda line: None, install_kinds=True, metrics=metrics
        )

    async def begin(self, *objects: Object) -> None:
        """Create what is not there; a genuine cluster serves a new kind a moment later."""
        for obj in objects:
            async with asyncio.timeout(30):
                while True:
                    with suppress(NotFound):
                        with suppress(AlreadyExists):
                            await self.client.create(obj)
                        break
                    await asyncio.sleep(0.1)

    def application(self, name: str = "", path: str = "shop", **policy: object) -> Object:
        """An Application, synced and pruned by itself."""
        # Nobody collects garbage here, for which deletions in the foreground would wait.
        options = ["CreateNamespace=true", "PrunePropagationPolicy=background"]
        return {
            "apiVersion": APPLICATION.api_version,
            "kind": APPLICATION.kind,
            "metadata": {"name": name or self.name, "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": self.url, "path": path, "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": self.name},
                "syncPolicy": {"automated": {"prune": True, **policy}, "syncOptions": options},
            },
        }

    def flux(self) -> tuple[Object, Object]:
        """A GitRepository and a Kustomization."""
        source = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "shop", "namespace": self.name},
            "spec": {"interval": "10m", "url": self.url, "ref": {"branch": "main"}},
        }
        kustomization = {
            "apiVersion": KUSTOMIZATION.api_version,
            "kind": KUSTOMIZATION.kind,
            "metadata": {"name": "shop", "namespace": self.name},
            "spec": {
                "interval": "10m",
                "path": "./shop",
                "prune": True,
                "targetNamespace": self.name,
                "sourceRef": {"kind": "GitRepository", "name": "shop"},
            },
        }
        return source, kustomization

    async def until(self, kind: Kind, space: str, name: str, holds: Callable[[Object], object]) -> Object:
        """The object as soon as it holds; ``{}`` stands for one that is not there."""
        listing = await self.client.list(kind, space)
        found = next((obj for obj in listing.items if obj["metadata"]["name"] == name), {})
        if holds(found):
            return found
        async with asyncio.timeout(30):
            async for event in self.client.watch(kind, space, revision=listing.revision):
                if event.type != "BOOKMARK" and event.object["metadata"]["name"] == name:
                    found = {} if event.type == "DELETED" else event.object
                    if holds(found):
                        return found
        raise AssertionError("the watch ended")

    async def synced(self, revision: str, name: str = "") -> Object:
        """The Application as soon as it is at that commit."""

        def holds(obj: Object) -> bool:
            sync = (obj.get("status") or {}).get("sync", {})
            return (sync.get("status"), sync.get("revision")) == ("Synced", revision)

        return await self.until(APPLICATION, "argocd", name or self.name, holds)

    async def maps(self) -> list[str]:
        """The names of the delivered ConfigMaps."""
        listing = await self.client.list(MAP, self.name)
        return sorted(obj["metadata"]["name"] for obj in listing.items if obj["metadata"]["name"] != "kube-root-ca.crt")


PROJECT: Object = {
    "apiVersion": APPLICATION.api_version,
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": "argocd"},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}


def namespace(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def settings_map(name: str) -> str:
    """A ConfigMap as a file."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: b\n"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs against every cluster at hand."""
    if "world" in metafunc.fixturenames:
        genuine = ["kubernetes"] if metafunc.config.getoption("--kubeconfig") else []
        metafunc.parametrize("world", ["embedded", *genuine], indirect=True)


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A cluster that has no controllers of ours."""
    made = Repository.of(tmp_path / "repo")
    for name in ("one", "two", "three"):
        made.write(f"shop/{name}.yaml", settings_map(name))
    made.commit("three")
    async with AsyncExitStack() as stack:
        if request.param == "kubernetes":
            kubeconfig = Path(request.config.getoption("--kubeconfig"))
        else:
            settings = Settings(state=tmp_path / "cluster", port=0)
            kubeconfig = (await stack.enter_async_context(embedded(settings, SystemClock()))).kubeconfig
        client = await HttpClient.connect(load(kubeconfig))
        stack.push_async_callback(client.close)
        world = World(client, kubeconfig, made, f"shop-{uuid.uuid4().hex[:8]}", tmp_path / "run")
        yield world
        await clean(world)


async def clean(world: World) -> None:
    """Leave nothing behind that another test's controllers would take up."""
    wanted = [Ref(APPLICATION, "argocd", world.name), Ref(KUSTOMIZATION, world.name, "shop")]
    for ref in [*wanted, Ref(NAMESPACE, "", world.name)]:
        with suppress(NotFound):
            if ref.kind != NAMESPACE:
                await world.client.patch(ref, {"metadata": {"finalizers": None}}, "merge")
            await world.client.delete(ref, propagation="Background")
