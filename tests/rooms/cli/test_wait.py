"""Waiting for units: which of them can still come right by themselves, and when it gives up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.opening import open_hub
from trueup.app.families import families, install, units
from trueup.cli.units import Found, all_units
from trueup.cli.wait import stuck, wait_for
from trueup.kube.types import load
from trueup.runtime.clock import SystemClock
from trueup.store.log import MemoryLog
from trueup.store.state import Store


def application(name: str, *, sync: str, health: str, automated: bool = True, phase: str = "") -> dict[str, Any]:
    """An Application as its controller would have left it."""
    status: dict[str, Any] = {"sync": {"status": sync}, "health": {"status": health}}
    if phase:
        status["operationState"] = {"phase": phase, "message": "one or more objects failed to apply"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/a.git", "path": "."},
            "destination": {"name": "in-cluster", "namespace": "default"},
            **({"syncPolicy": {"automated": {}}} if automated else {}),
        },
        "status": status,
    }


def kustomization(name: str, ready: str, reason: str, *, needs: str = "") -> dict[str, Any]:
    """A Kustomization as its controller would have left it."""
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": reason}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system", "generation": 1},
        "spec": {"dependsOn": [{"name": needs}] if needs else []},
        "status": {"observedGeneration": 1, "conditions": [condition], "lastAttemptedRevision": "main@sha1:a"},
    }


def found(*objects: dict[str, Any]) -> list[Found]:
    known = {unit.kind.kind: unit for unit in units()}
    return [Found(obj, known[obj["kind"]], known[obj["kind"]].view(obj)) for obj in objects]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (application("a", sync="OutOfSync", health="Missing", automated=False), True),
        (application("a", sync="OutOfSync", health="Missing", phase="Failed"), True),
        (application("a", sync="OutOfSync", health="Missing", phase="Running"), False),
        (application("a", sync="OutOfSync", health="Missing"), False),
        (application("a", sync="Synced", health="Progressing"), False),
        (application("a", sync="Synced", health="Healthy", automated=False), False),
        (kustomization("a", "False", "BuildFailed"), True),
        (kustomization("a", "Unknown", "Progressing"), False),
    ],
    ids=["by-hand", "failed", "running", "about-to-sync", "starting", "well", "build-failed", "reconciling"],
)
def test_a_unit_is_stuck_when_it_says_what_is_wrong_and_nothing_runs(obj: dict[str, Any], expected: bool) -> None:
    """Or when nobody but a person will deliver it."""
    assert bool(stuck(found(obj))) == expected


def test_what_waits_for_a_stuck_unit_is_stuck() -> None:
    """However long the chain; what waits for one that moves is not."""
    chain = found(
        kustomization("c", "False", "DependencyNotReady", needs="b"),
        kustomization("b", "False", "DependencyNotReady", needs="a"),
        kustomization("a", "False", "BuildFailed"),
        kustomization("z", "False", "DependencyNotReady", needs="y"),
        kustomization("y", "Unknown", "Progressing"),
    )

    assert {ref.name for ref in stuck(chain)} == {"a", "b", "c"}


async def test_it_gives_up_when_nothing_moves_and_names_who_is_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """Long before the time is up, with 1, each with its reason."""
    hub = await open_hub(Store(MemoryLog()), load(), SystemClock())
    client = InProcessClient(hub)
    await install(client, families(), ours=True)
    for obj in (
        application("manual", sync="OutOfSync", health="Missing", automated=False),
        application("fine", sync="Synced", health="Healthy"),
    ):
        await client.create(obj, manager="test")
    async with asyncio.timeout(20):
        code = await wait_for(client, await all_units(client, units()), timeout=3600, quiet=0.05)
    await hub.close()

    said = capsys.readouterr()
    assert code == 1
    assert "application argocd/fine Synced Healthy" in said.out
    assert "application argocd/manual still: OutOfSync Missing - not synced automatically" in said.err
    assert "fine" not in said.err
