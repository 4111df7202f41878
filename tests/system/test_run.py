"""`trueup run`: the controllers over a cluster that is not their own, through HTTP and a kubeconfig.

Over an embedded cluster always, over a genuine Kubernetes where ``--kubeconfig`` names one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.world import (
    APPLICATION,
    CRD,
    KUSTOMIZATION,
    MAP,
    NAMESPACE,
    PROJECT,
    World,
    namespace,
    pytest_generate_tests,
    settings_map,
    world,
)
from trueup.app.run import running
from trueup.client.http import HttpClient
from trueup.kube.names import Object, Ref
from trueup.kube.problems import Unavailable
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings

__all__ = ["pytest_generate_tests", "world"]

pytestmark = pytest.mark.system


async def test_it_installs_kinds_syncs_and_prunes(world: World) -> None:
    """Each new object costs one request; a commit that only removes is carried out, too."""
    metrics = Metrics()
    async with world.running("argocd", metrics=metrics):
        await world.begin(namespace("argocd"), PROJECT, world.application())
        await world.synced(world.repository.git("rev-parse", "HEAD"))
        assert applies(metrics) == 4  # with the namespace
        world.repository.git("rm", "-q", "shop/two.yaml")
        await world.synced(world.repository.commit("only two"))
        assert await world.maps() == ["one", "three"]
        assert applies(metrics) == 4


async def test_it_installs_nothing_that_is_there(world: World) -> None:
    """A second start leaves the definitions as they are."""
    where = Ref(CRD, "", "applications.argoproj.io")
    seen = []
    for _ in range(2):
        async with world.running("argocd"):
            seen.append((await world.client.get(where))["metadata"]["resourceVersion"])
    assert seen[0] == seen[1]


async def test_drift_is_repaired(world: World) -> None:
    """What was edited is put right, what was deleted is back; nobody asks for it."""
    async with world.running("argocd"):
        await world.begin(namespace("argocd"), PROJECT, world.application(selfHeal=True))
        await world.synced(world.repository.git("rev-parse", "HEAD"))
        one = Ref(MAP, world.name, "one")
        edited = await world.client.patch(one, {"data": {"a": "edited"}}, "merge", manager="hand")
        healed = await world.until(MAP, world.name, "one", lambda obj: obj.get("data") == {"a": "b"})
        assert healed["metadata"]["uid"] == edited["metadata"]["uid"]
        await world.client.delete(one)
        await world.until(
            MAP, world.name, "one", lambda obj: obj and obj["metadata"]["uid"] != edited["metadata"]["uid"]
        )


async def test_what_does_not_fit_is_told_and_stops_nobody_else(world: World) -> None:
    """An object that the API refuses is named with its file; the rest is applied, and so are other Applications."""
    world.repository.write("shop/bad.yaml", settings_map("bad").replace("\ndata:", "\ndta:"))
    world.repository.write("other/four.yaml", settings_map("four"))
    at = world.repository.commit("bad")
    other = f"{world.name}-other"
    async with world.running("argocd"):
        await world.begin(namespace("argocd"), PROJECT, world.application(), world.application(other, "other"))
        await world.synced(at, other)

        def failed(obj: Object) -> dict[str, str]:
            result = (obj.get("status") or {}).get("operationState", {}).get("syncResult") or {}
            entries = result.get("resources") or ()
            return {entry["name"]: entry["message"] for entry in entries if entry["status"] == "SyncFailed"}

        told = failed(await world.until(APPLICATION, "argocd", world.name, failed))
        assert list(told) == ["bad"]
        assert "shop/bad.yaml:1" in told["bad"]
        assert ".dta: field not declared in schema" in told["bad"]
        assert "four" in await world.maps()
        await world.client.delete(Ref(APPLICATION, "argocd", other))


async def test_a_deleted_application_takes_its_resources_along(world: World) -> None:
    """With the finalizer; the namespace that was made on the way stays."""
    app = world.application()
    app["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io/background"]
    async with world.running("argocd"):
        await world.begin(namespace("argocd"), PROJECT, app)
        await world.synced(world.repository.git("rev-parse", "HEAD"))
        assert await world.maps() == ["one", "three", "two"]
        await world.client.delete(Ref(APPLICATION, "argocd", world.name))
        await world.until(APPLICATION, "argocd", world.name, lambda obj: not obj)
        assert await world.maps() == []
        assert (await world.client.get(Ref(NAMESPACE, "", world.name)))["metadata"].get("deletionTimestamp") is None


async def test_a_kustomization_is_applied_pruned_and_deleted(world: World) -> None:
    """The other dialect over the same wire."""

    def at(revision: str) -> Callable[[Object], bool]:
        return lambda obj: str((obj.get("status") or {}).get("lastAppliedRevision")).endswith(revision)

    async with world.running("flux"):
        await world.begin(namespace(world.name), *world.flux())
        await world.until(KUSTOMIZATION, world.name, "shop", at(world.repository.git("rev-parse", "HEAD")))
        assert await world.maps() == ["one", "three", "two"]
        world.repository.git("rm", "-q", "shop/two.yaml")
        await world.until(KUSTOMIZATION, world.name, "shop", at(world.repository.commit("only two")))
        assert await world.maps() == ["one", "three"]
        await world.client.delete(Ref(KUSTOMIZATION, world.name, "shop"))
        await world.until(KUSTOMIZATION, world.name, "shop", lambda obj: not obj)
        assert await world.maps() == []


async def test_a_sync_whose_end_cannot_be_written_is_told_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the history, and nothing is applied a second time."""
    patch, refused = HttpClient.patch, []

    async def cut_off(self: HttpClient, ref: Ref, body: Any, how: Any, **more: Any) -> Object:
        if ref.kind == APPLICATION and "history" in body.get("status", {}) and not refused:
            refused.append(ref)
            raise Unavailable("cut off")
        return await patch(self, ref, body, how, **more)

    monkeypatch.setattr(HttpClient, "patch", cut_off)
    metrics, at = Metrics(), world.repository.git("rev-parse", "HEAD")
    async with world.running("argocd", metrics=metrics):
        await world.begin(namespace("argocd"), PROJECT, world.application())
        app = await world.synced(at)
    assert len(refused) == 1
    assert [entry["revision"] for entry in app["status"]["history"]] == [at]
    assert app["status"]["operationState"]["phase"] == "Succeeded"
    assert applies(metrics) == 4


async def test_only_units_of_a_namespace(world: World) -> None:
    """With ``--namespace`` others are left alone."""
    settings = Settings(
        state=world.state, mapping={world.url: world.repository.folder}, families=("flux",), namespace=world.name
    )
    elsewhere = f"{world.name}-other"
    source, kustomization = world.flux()
    async with running(settings, world.kubeconfig, "", lambda line: None, install_kinds=True):
        for space in (elsewhere, world.name):
            await world.begin(namespace(space))
            for obj in (source, kustomization):
                await world.begin({**obj, "metadata": {**obj["metadata"], "namespace": space}})
        await world.until(
            KUSTOMIZATION, world.name, "shop", lambda obj: (obj.get("status") or {}).get("lastAppliedRevision")
        )
        other = await world.client.get(Ref(KUSTOMIZATION, elsewhere, "shop"))
        assert other["status"] == {"observedGeneration": -1}  # as the definition has it from the start
        assert "finalizers" not in other["metadata"]
    await world.client.delete(Ref(NAMESPACE, "", elsewhere))


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
