"""`trueup apiserver`: the embedded API server with the built-in controllers, and nothing that follows Git."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.apiserver.request import Request, Response
from trueup.app.embedded import Embedded, embedded
from trueup.app.families import chosen, install
from trueup.app.process import shown
from trueup.family import Tools
from trueup.runtime.clock import SystemClock
from trueup.runtime.manager import Manager
from trueup.runtime.metrics import CONTENT_TYPE, Metrics
from trueup.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """A cluster with (some) built-in controllers, and nothing that follows Git."""

    cluster: Embedded
    failed: asyncio.Task[None]


@asynccontextmanager
async def serving(settings: Settings, say: Say, kubeconfig_out: Path | None = None) -> AsyncIterator[Serving]:
    """Everything of `trueup apiserver`."""
    clock = SystemClock()
    async with embedded(settings, clock, kubeconfig_out) as cluster:
        metrics = Metrics()
        manager = Manager(cluster.client, clock, workers=settings.workers, metrics=metrics)
        tell_metrics(cluster, metrics)
        tools = Tools(cluster.client, manager.cache, manager.events, clock, manager.live)
        for family in chosen(settings.families) if settings.simulate else ():
            await install(cluster.client, [family], ours=True)
            for controller in family.controllers:
                manager.add(controller, tools)
        if settings.simulate:
            hand_over(cluster)
        task = asyncio.create_task(manager.run(), name="manager")
        say(f"cluster    {cluster.server.url} (Kubernetes {settings.kubernetes_version})")
        say(f"look       export KUBECONFIG={shown(cluster.kubeconfig)}")
        try:
            yield Serving(cluster, task)
        finally:
            manager.stop()
            await asyncio.wait([task], timeout=15)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def hand_over(cluster: Embedded) -> None:
    """What families offer to the API server: lines of simulated pods."""
    from trueup.families.builtin.logs import pod_logs

    cluster.hub.pod_logs = pod_logs


def tell_metrics(cluster: Embedded, metrics: Metrics) -> None:
    """Serve the program's metrics and the API server's at ``/metrics``, to whom RBAC allows that path."""

    async def page(request: Request) -> Response:
        return Response(200, metrics.page() + cluster.hub.counts.page(), CONTENT_TYPE)

    cluster.application.routes["/metrics"] = page
