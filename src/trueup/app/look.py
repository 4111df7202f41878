"""Rendering and comparing from the command line: the controllers' own parts over a cluster, without running them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from trueup.app.connect import connect
from trueup.app.controllers import Controllers, controllers
from trueup.app.families import families
from trueup.app.folder import render_folder
from trueup.delivery.request import Request
from trueup.kube.limits import Limits
from trueup.kube.names import Kind, Ref
from trueup.kube.problems import NotFound
from trueup.plan.plan import Plan
from trueup.plan.wanted import Wanted
from trueup.ports import Client, Target
from trueup.runtime.clock import SystemClock
from trueup.runtime.live import LiveCache
from trueup.settings import Settings

_READ_BY_PLANS = ("argocd", "flux")


@asynccontextmanager
async def looking(
    state: Path, kubeconfig: Path | None, context: str, mapping: Mapping[str, Path], limits: Limits | None = None
) -> AsyncIterator[tuple[Client, Controllers]]:
    """The cluster's client and everything that a unit's plan needs; mappings of a running `up` count too."""
    client = await connect(state, kubeconfig, context)
    known = {**_mapping_of(state), **mapping}
    chosen = [family for family in families() if family.name in _READ_BY_PLANS]
    with tempfile.TemporaryDirectory(prefix="trueup-") as folder:
        settings = Settings(state=None, mapping=known, limits=limits or Limits())
        parts = controllers(client, SystemClock(), settings, Path(folder), chosen, durable=False)
        try:
            await _listed(parts.manager.live)
            yield client, parts
        finally:
            await parts.manager.live.close()
            await parts.close()
            await client.close()


async def _listed(live: LiveCache) -> None:
    kinds = {
        kind
        for family in families()
        if family.name in _READ_BY_PLANS
        for controller in family.controllers
        for kind in (controller.kind, *(watch.kind for watch in controller.watches))
    }

    async def one(kind: Kind) -> None:
        try:
            await live.informer(kind).wait()
        except NotFound:
            return  # not served there: nothing of that kind is live

    await asyncio.gather(*(one(kind) for kind in kinds))


def _mapping_of(state: Path) -> dict[str, Path]:
    marker = state / "up.json"
    if not marker.exists():
        return {}
    return {url: Path(folder) for url, folder in (orjson.loads(marker.read_bytes()).get("mapping") or {}).items()}


async def compare_folder(parts: Controllers, folder: Path, namespace: str) -> Plan:
    """What applying a folder would change."""
    cluster = await parts.tools.clusters.of()
    target = Target(await cluster.client.version(), namespace=namespace)
    rendered = await render_folder(folder, target)
    wanted = tuple(
        Wanted(obj, f"{origin.path}:{origin.line}" if origin.line else origin.path)
        for obj, origin in zip(rendered.objects, rendered.origins, strict=True)
    )
    unit = Ref(Kind("", "v1", "Folder"), "", str(folder))
    request = Request(unit=unit, cluster=cluster, manager="trueup", wanted=wanted, namespace=namespace or "default")
    return await parts.delivery.plan(request)
