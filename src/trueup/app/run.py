"""`trueup run`: the controllers over a real cluster."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.app.controllers import Controllers, controllers
from trueup.app.families import chosen, install
from trueup.app.follow import follow
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.family import Family
from trueup.runtime.clock import SystemClock
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings


@asynccontextmanager
async def running(
    settings: Settings,
    kubeconfig: Path | None,
    context: str,
    say: Callable[[str], None],
    *,
    install_kinds: bool,
    metrics: Metrics | None = None,
) -> AsyncIterator[tuple[Controllers, asyncio.Task[None]]]:
    """Controllers at work on the cluster of a kubeconfig; the task ends only when a part of the runtime failed."""
    clock, metrics = SystemClock(), metrics or Metrics()
    families = [family for family in chosen(settings.families) if family.name != "builtin"]
    client = await HttpClient.connect(load(kubeconfig, context), clock=clock, observe=metrics.called)
    try:
        async with _at_work(client, clock, metrics, families, settings, say, install_kinds) as (parts, task):
            yield parts, task
    finally:
        await client.close()


@asynccontextmanager
async def _at_work(
    client: HttpClient,
    clock: SystemClock,
    metrics: Metrics,
    families: Sequence[Family],
    settings: Settings,
    say: Callable[[str], None],
    install_kinds: bool,
) -> AsyncIterator[tuple[Controllers, asyncio.Task[None]]]:
    """The controllers over one client, stopped cleanly at the end."""
    say(f"cluster    Kubernetes {await client.version()}, families {', '.join(family.name for family in families)}")
    if install_kinds:
        await install(client, families, ours=False)
    with tempfile.TemporaryDirectory(prefix="trueup-") as temporary:
        folder = settings.state or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        parts = controllers(
            client, clock, settings, folder, families, durable=settings.state is not None, metrics=metrics
        )
        tasks = [
            asyncio.create_task(parts.manager.run(), name="manager"),
            asyncio.create_task(follow(settings.mapping, parts.news), name="follow"),
        ]
        try:
            yield parts, tasks[0]
        finally:
            parts.manager.stop()
            await asyncio.wait([tasks[0]], timeout=15)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parts.close()
            await client.close()
