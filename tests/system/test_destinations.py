"""`trueup run` delivers to further clusters: by Argo CD's cluster Secrets and by Flux's kubeconfigs."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.world import (
    APPLICATION,
    KUSTOMIZATION,
    MAP,
    PROJECT,
    World,
    namespace,
    pytest_generate_tests,
    world,
)
from trueup.app.embedded import Embedded, embedded
from trueup.client.kubeconfig import load
from trueup.kube.documents import dump
from trueup.kube.names import Object, Ref
from trueup.ports import Client
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

__all__ = ["pytest_generate_tests", "world"]

pytestmark = pytest.mark.system


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A second cluster."""
    async with embedded(Settings(state=tmp_path / "far", port=0), SystemClock()) as made:
        yield made


def secret(name: str, space: str, data: dict[str, str]) -> Object:
    """A Secret."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def cluster_secret(name: str, far: Embedded, token: str) -> Object:
    """As `argocd cluster add` makes one."""
    access = load(far.kubeconfig)
    ca = base64.b64encode(access.ca).decode()
    config = f'{{"bearerToken": "{token}", "tlsClientConfig": {{"caData": "{ca}"}}}}'
    made = secret(name, "argocd", {"name": name, "server": access.server, "config": config})
    made["metadata"]["labels"] = {"argocd.argoproj.io/secret-type": "cluster"}
    return made


async def maps(client: Client, space: str) -> list[str]:
    """The names of the ConfigMaps there."""
    listing = await client.list(MAP, space)
    return sorted(obj["metadata"]["name"] for obj in listing.items if obj["metadata"]["name"] != "kube-root-ca.crt")


async def test_an_application_goes_to_another_cluster(world: World, far: Embedded) -> None:
    """A wrong token is told; with the right one the objects arrive there and nowhere else, and are healed there."""
    app = world.application(selfHeal=True)
    app["spec"]["destination"] = {"name": world.name, "namespace": world.name}
    wrong = cluster_secret(world.name, far, "wrong")

    def refused(obj: Object) -> bool:
        conditions = (obj.get("status") or {}).get("conditions") or ()
        return any("Unauthorized" in c["message"] or "401" in c["message"] for c in conditions)

    async with world.running("argocd"):
        await world.begin(namespace("argocd"), PROJECT, wrong, app)
        await world.until(APPLICATION, "argocd", world.name, refused)
        await world.client.patch(
            Ref.of(wrong), {"data": cluster_secret(world.name, far, load(far.kubeconfig).token)["data"]}, "merge"
        )
        refresh = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        await world.client.patch(Ref(APPLICATION, "argocd", world.name), refresh, "merge")
        await world.synced(world.repository.git("rev-parse", "HEAD"))
        assert await maps(far.client, world.name) == ["one", "three", "two"]
        assert await maps(world.client, world.name) == []

        revision = (await far.client.list(MAP, world.name)).revision
        await far.client.patch(Ref(MAP, world.name, "one"), {"data": {"a": "edited"}}, "merge", manager="hand")
        async for event in far.client.watch(MAP, world.name, revision=revision):
            if event.type == "MODIFIED" and event.object["data"] == {"a": "b"}:
                break
    await world.client.delete(Ref.of(wrong))


async def test_a_kustomization_goes_to_another_cluster(world: World, far: Embedded) -> None:
    """Its kubeconfig comes out of a Secret."""
    source, kustomization = world.flux()
    kustomization["spec"]["kubeConfig"] = {"secretRef": {"name": "far"}}
    access = load(far.kubeconfig)
    user = {"token": access.token}
    cluster = {"server": access.server, "certificate-authority-data": base64.b64encode(access.ca).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "far", "cluster": cluster}],
        "users": [{"name": "far", "user": user}],
        "contexts": [{"name": "far", "context": {"cluster": "far", "user": "far"}}],
        "current-context": "far",
    }
    await far.client.create(namespace(world.name))
    async with world.running("flux"):
        await world.begin(
            namespace(world.name), secret("far", world.name, {"value": dump(config)}), source, kustomization
        )
        await world.until(
            KUSTOMIZATION, world.name, "shop", lambda obj: (obj.get("status") or {}).get("lastAppliedRevision")
        )
        assert await maps(far.client, world.name) == ["one", "three", "two"]
        assert await maps(world.client, world.name) == []
