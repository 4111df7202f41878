"""`trueup up` and `trueup apiserver`: an embedded cluster with its controllers, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from trueup.app import bootstrap
from trueup.app.controllers import Controllers, controllers
from trueup.app.embedded import Embedded, embedded
from trueup.app.families import chosen, install
from trueup.app.follow import follow
from trueup.app.pages import pages
from trueup.family import Tools
from trueup.runtime.clock import SystemClock
from trueup.runtime.manager import Manager
from trueup.settings import Settings

log = logging.getLogger("trueup.app")
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
    start = bootstrap.start_of(settings.source) if settings.source else None
    mapping = dict(settings.mapping)
    if start is not None and start.folder is not None:
        mapping.setdefault(start.url, start.folder)
    settings = replace(settings, mapping=mapping)
    async with embedded(settings, clock, kubeconfig_out) as cluster:
        say(f"cluster    {cluster.server.url} (Kubernetes {settings.kubernetes_version})")
        say(f"look       export KUBECONFIG={_shown(cluster.kubeconfig)}")
        families = [f for f in chosen(settings.families) if settings.simulate or f.name != "builtin"]
        await install(cluster.client, families, ours=True)
        parts = controllers(
            cluster.client, clock, settings, cluster.folder, families, durable=settings.state is not None
        )
        _hand_over(cluster)
        cluster.application.pages, address = pages(cluster, parts)
        say(f"pages      {address}")
        if start is not None:
            folder, why = await bootstrap.first_folder(parts.fetcher, start, settings.path)
            say(f"source     {start.url}, from {folder or '.'} ({why})")
            await bootstrap.begin(cluster.client, start, folder)
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
            await parts.ledger.close()
            await parts.fetcher.close()


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
        manager = Manager(cluster.client, clock, workers=settings.workers)
        tools = Tools(cluster.client, manager.cache, manager.events, clock)
        for family in chosen(settings.families) if settings.simulate else ():
            await install(cluster.client, [family], ours=True)
            for controller in family.controllers:
                manager.add(controller, tools)
        if settings.simulate:
            _hand_over(cluster)
        task = asyncio.create_task(manager.run(), name="manager")
        say(f"cluster    {cluster.server.url} (Kubernetes {settings.kubernetes_version})")
        say(f"look       export KUBECONFIG={_shown(cluster.kubeconfig)}")
        try:
            yield Serving(cluster, task)
        finally:
            manager.stop()
            await asyncio.wait([task], timeout=15)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _hand_over(cluster: Embedded) -> None:
    """What families offer to the API server: lines of simulated pods."""
    try:
        from trueup.families.builtin.logs import pod_logs
    except ImportError:
        return
    cluster.hub.pod_logs = pod_logs


@asynccontextmanager
async def marked(folder: Path, url: str, mapping: Mapping[str, Path] | None = None) -> AsyncIterator[None]:
    """A file that says which process runs here, for `trueup down` and for verbs that render; gone when it ends."""
    path = folder / "up.json"
    told = {url: str(target) for url, target in (mapping or {}).items()}
    path.write_bytes(orjson.dumps({"pid": os.getpid(), "url": url, "mapping": told}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


async def until_told(also: asyncio.Task[None]) -> None:
    """Waits for Ctrl-C or SIGTERM; a failed part of the runtime is raised."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    waiter = asyncio.create_task(told.wait())
    try:
        await asyncio.wait((waiter, also), return_when=asyncio.FIRST_COMPLETED)
        if also.done():
            also.result()
    finally:
        waiter.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path.resolve())
