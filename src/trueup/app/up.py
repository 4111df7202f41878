"""`trueup up`: an embedded cluster with all controllers, begun with a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from trueup.app import bootstrap
from trueup.app.controllers import Controllers, controllers
from trueup.app.convention import beginning
from trueup.app.embedded import Embedded, embedded
from trueup.app.families import chosen, install
from trueup.app.follow import follow
from trueup.app.pages import pages
from trueup.app.process import shown
from trueup.app.serve import hand_over, tell_metrics
from trueup.ports import GitSpec
from trueup.runtime.clock import SystemClock
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster with its controllers at work."""

    cluster: Embedded
    controllers: Controllers
    mapping: Mapping[str, Path]
    start: bootstrap.Start | None
    failed: asyncio.Task[None]
    """Ends only when a part of the runtime failed."""


@asynccontextmanager
async def running(settings: Settings, say: Say, kubeconfig_out: Path | None = None) -> AsyncIterator[Running]:
    """Everything of `trueup up`; stops cleanly at the end of the block."""
    clock = SystemClock()
    mapping = dict(settings.mapping)
    start = bootstrap.start_of(settings.source, mapping) if settings.source else None
    if start is not None and start.folder is not None:
        mapping.setdefault(start.url, start.folder)
    settings = replace(settings, mapping=mapping)
    async with embedded(settings, clock, kubeconfig_out) as cluster:
        say(f"cluster    {cluster.server.url} (Kubernetes {settings.kubernetes_version})")
        say(f"look       export KUBECONFIG={shown(cluster.kubeconfig)}")
        families = [f for f in chosen(settings.families) if settings.simulate or f.name != "builtin"]
        await install(cluster.client, families, ours=True)
        metrics = Metrics()
        parts = controllers(
            cluster.client, clock, settings, cluster.folder, families,
            durable=settings.state is not None, metrics=metrics,
        )  # fmt: skip
        hand_over(cluster)
        tell_metrics(cluster, metrics)
        cluster.application.pages, address = pages(cluster, parts)
        say(f"pages      {address}")
        if start is not None:
            artifact = await parts.fetcher.fetch(GitSpec(start.url))
            where = shown(start.folder) if start.folder else start.url
            found = await asyncio.to_thread(beginning, artifact.tree, settings.path, where)
            say(f"source     {where}, from {found.folder or '.'} ({found.why})")
            if found.flux_system:
                say("           also as GitRepository flux-system/flux-system, which its Kustomizations name")
            await bootstrap.begin(cluster.client, start, found)
        tasks = [
            asyncio.create_task(parts.manager.run(), name="manager"),
            asyncio.create_task(follow(mapping, parts.news), name="follow"),
        ]
        try:
            yield Running(cluster, parts, mapping, start, tasks[0])
        finally:
            parts.manager.stop()
            await asyncio.wait([tasks[0]], timeout=15)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parts.close()
