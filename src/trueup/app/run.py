"""`trueup run`: the controllers over a real cluster, alone or as one replica of several."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trueup.app.bootstrap import NAMESPACE
from trueup.app.controllers import Controllers, controllers
from trueup.app.families import chosen, install
from trueup.app.follow import follow
from trueup.app.process import collect_rarely
from trueup.client.access import ClusterAccess
from trueup.client.http import HttpClient
from trueup.client.incluster import IN_CLUSTER
from trueup.client.kubeconfig import load
from trueup.family import Controller
from trueup.kube.names import Key
from trueup.kube.problems import AlreadyExists, Forbidden
from trueup.runtime.clock import SystemClock
from trueup.runtime.lease import Replicas
from trueup.runtime.metrics import CONTENT_TYPE, Metrics
from trueup.runtime.probes import Answer, answering, check
from trueup.settings import Settings

log = logging.getLogger("trueup.app.run")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Running:
    """Controllers at work on a cluster that is not their own."""

    controllers: Controllers
    replicas: Replicas | None
    failed: asyncio.Task[None]
    """Ends only when a part of the runtime failed."""


@asynccontextmanager
async def running(
    settings: Settings,
    kubeconfig: Path | None,
    context: str,
    say: Say,
    *,
    install_kinds: bool,
    metrics: Metrics | None = None,
) -> AsyncIterator[Running]:
    """Everything of `trueup run`; stops cleanly at the end of the block."""
    collect_rarely()
    clock, metrics = SystemClock(), metrics or Metrics()
    families = [family for family in chosen(settings.families) if family.name != "builtin"]
    access = load(kubeconfig, context)
    async with AsyncExitStack() as stack:
        client = await HttpClient.connect(access, clock=clock, observe=metrics.called)
        stack.push_async_callback(client.close)
        say(f"cluster    Kubernetes {await client.version()}, families {', '.join(family.name for family in families)}")
        if install_kinds:
            await install(client, families, ours=False)
        folder = settings.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trueup-")))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replicas = await _replicas(client, clock, settings, access, say)
        parts = controllers(
            client, clock, settings, folder, families,
            durable=settings.state is not None, metrics=metrics, mine=_mine(settings, replicas),
        )  # fmt: skip
        stack.push_async_callback(parts.close)
        failed = await stack.enter_async_context(_at_work(parts, replicas, settings))
        if settings.metrics is not None:
            probes = _probes(parts, replicas, failed, metrics)
            say(f"metrics    {await stack.enter_async_context(answering(*settings.metrics, probes))}/metrics")
        yield Running(parts, replicas, failed)


@asynccontextmanager
async def _at_work(
    parts: Controllers, replicas: Replicas | None, settings: Settings
) -> AsyncIterator[asyncio.Task[None]]:
    """All that goes on by itself; the task ends when any of it fails."""
    manager = asyncio.create_task(parts.manager.run(), name="manager")
    tasks = [manager, asyncio.create_task(follow(settings.mapping, parts.news), name="follow")]
    sharing: list[asyncio.Task[None]] = []
    if replicas is not None:
        replicas.changed, replicas.strays = parts.manager.enqueue_all, parts.manager.strays
        sharing = [asyncio.create_task(replicas.run(), name="replicas")]
    failed = asyncio.create_task(_first([manager, *sharing]), name="failed")
    try:
        yield failed
    finally:
        failed.cancel()
        parts.manager.stop()
        await asyncio.wait([manager], timeout=15)
        for ending in (tasks, sharing):  # the Lease last: with its end the others take over
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)


async def _first(tasks: list[asyncio.Task[None]]) -> None:
    """Waits for the first that ends, and raises what ended it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _replicas(
    client: HttpClient, clock: SystemClock, settings: Settings, access: ClusterAccess, say: Say
) -> Replicas | None:
    """This process among its peers, if it is to have any."""
    if settings.replicas is None:
        return None
    inside = access.context == IN_CLUSTER
    namespace = settings.namespace or (access.namespace if inside else NAMESPACE)
    if not inside and not settings.namespace:
        with suppress(AlreadyExists, Forbidden):  # who may not make it may still use it
            await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    host = re.sub(r"[^a-z0-9.-]", "-", socket.gethostname().lower()).strip("-.") or "trueup"
    identity = os.environ.get("POD_NAME") or f"{host}-{secrets.token_hex(4)}"
    most = settings.replicas or None
    say(f"replica    {identity}, Leases in {namespace}" + (f", {most} at work" if most else ""))
    return Replicas(
        client, clock, namespace=namespace, identity=identity, most=most, lasts=settings.lease_seconds,
        group=f"trueup-{settings.namespace}" if settings.namespace else "trueup",
    )  # fmt: skip


def _mine(settings: Settings, replicas: Replicas | None) -> Callable[[Controller, Key], bool]:
    """Which keys this process works on."""
    namespace = settings.namespace

    def mine(controller: Controller, key: Key) -> bool:
        return (not namespace or key.namespace == namespace) and (replicas is None or replicas.mine(controller, key))

    return mine


def _probes(
    parts: Controllers, replicas: Replicas | None, failed: asyncio.Task[None], metrics: Metrics
) -> dict[str, Answer]:
    """Alive: no part of the runtime has failed. Ready: all that is watched is there, and so is the Lease."""
    if replicas is not None:
        metrics.replicas(lambda: len(replicas.members))

    def alive() -> str:
        return "a part of the runtime failed" if failed.done() else ""

    def ready() -> str:
        if not parts.manager.ready.is_set():
            return "the first listings are not in"
        return "" if replicas is None or replicas.held else "the Lease is not held"

    return {
        "/metrics": lambda: (True, CONTENT_TYPE, metrics.page()),
        "/healthz": check(alive),
        "/livez": check(alive),
        "/readyz": check(lambda: alive() or ready()),
    }
