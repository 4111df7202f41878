"""All controllers over one cluster: sources, renderers, delivery and families put together around a manager."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from trueup.app import families as known
from trueup.app.keys import LazyKeys
from trueup.app.process import take_turns
from trueup.client.access import AccessProblem, ClusterAccess
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import parse
from trueup.delivery.clusters import Access, KnownClusters
from trueup.delivery.pipeline import Delivery
from trueup.delivery.tools import DeliveryTools
from trueup.family import Controller, Family
from trueup.kube.names import Key
from trueup.kube.problems import BadRequest
from trueup.ports import Client, Clock, Cluster
from trueup.render.render import Render
from trueup.runtime.live import LiveCache
from trueup.runtime.manager import Manager
from trueup.runtime.metrics import Metrics
from trueup.settings import Settings
from trueup.source.charts import ChartFetcher
from trueup.source.fetcher import GitFetcher
from trueup.source.sources import Sources
from trueup.source.urls import same
from trueup.store.ledger import MemoryLedger, SqliteLedger

log = logging.getLogger("trueup.app")


@dataclass(frozen=True, slots=True)
class Controllers:
    """What runs, and the parts that others (webhooks, the web UI, the command line) speak to."""

    manager: Manager
    delivery: Delivery
    fetcher: Sources
    renderer: Render
    ledger: MemoryLedger | SqliteLedger
    tools: DeliveryTools
    clusters: KnownClusters

    async def close(self) -> None:
        """Let go of files, processes and connections, after the manager has stopped."""
        await self.clusters.close()
        self.renderer.close()
        await self.fetcher.close()
        await self.ledger.close()

    def news(self, url: str) -> int:
        """A source has changed: ask it anew, requeue whatever follows it; how many objects that are."""
        self.fetcher.forget([url])
        wanted, count = same(url), 0
        for controller in self.manager.controllers:
            if controller.reads is None:
                continue
            for obj in self.manager.cache(controller.kind).list():
                if any(same(read) == wanted for read in controller.reads(obj)):
                    self.manager.enqueue(controller.name, Key.of(obj))
                    count += 1
        return count


def controllers(
    client: Client,
    clock: Clock,
    settings: Settings,
    folder: Path,
    of: Sequence[Family],
    *,
    durable: bool,
    metrics: Metrics | None = None,
    mine: Callable[[Controller, Key], bool] = lambda controller, key: True,
) -> Controllers:
    """Everything wired; nothing runs before ``manager.run()``.

    ``metrics``: those that the client is counted in already. ``mine``: which keys this replica works on.
    """
    take_turns()
    metrics = metrics or Metrics()
    manager = Manager(client, clock, workers=settings.workers, metrics=metrics, mine=mine)
    fetcher = Sources(
        GitFetcher(folder / "mirrors", mapping=settings.mapping, clock=clock),
        ChartFetcher(folder / "charts", mapping=settings.mapping, clock=clock),
    )
    renderer = Render(folder / "render", limits=settings.limits, shared=settings.render_cache)
    ledger = SqliteLedger(folder / "ledger.sqlite") if durable else MemoryLedger()
    local = Cluster("in-cluster", client, manager.live, "https://kubernetes.default.svc")

    async def connect(name: str, access: Access) -> Cluster:
        try:
            remote = await HttpClient.connect(_remote(access), clock=clock, observe=metrics.called)
        except ValueError as problem:  # an AccessProblem, or a config that is no JSON
            raise BadRequest(f"cluster {name} cannot be used: {problem}") from problem
        live = LiveCache(remote, clock, metrics=metrics)
        manager.observe(live)
        return Cluster(name, remote, live, access.server)

    async def disconnect(cluster: Cluster) -> None:
        assert isinstance(cluster.live, LiveCache)
        assert isinstance(cluster.client, HttpClient)
        manager.forget(cluster.live)
        await cluster.live.close()
        await cluster.client.close()

    clusters = KnownClusters(local, connect, disconnect, clock)
    rules = {key: rule for family in known.families() for key, rule in family.health.items()}
    delivery = Delivery(clusters, fetcher, renderer, ledger, manager.events, clock, rules)
    tools = DeliveryTools(
        client, manager.cache, manager.events, clock, manager.live, delivery, fetcher, clusters, keys=LazyKeys()
    )
    for family in of:
        for controller in family.controllers:
            manager.add(controller, tools)
    return Controllers(manager, delivery, fetcher, renderer, ledger, tools, clusters)


def _remote(access: Access) -> ClusterAccess:
    """A kubeconfig's current context, or the fields of an Argo CD cluster Secret as one."""
    if access.kubeconfig:
        return parse(access.kubeconfig)
    config = orjson.loads(access.config or "{}")
    for unsupported in ("execProviderConfig", "awsAuthConfig"):
        if config.get(unsupported):
            raise AccessProblem(
                f"{unsupported}: programs named in a Secret are not run; give a bearerToken or a certificate"
            )
    tls = config.get("tlsClientConfig") or {}
    user = {
        name: value
        for name, value in (
            ("token", config.get("bearerToken")),
            ("username", config.get("username")),
            ("password", config.get("password")),
            ("client-certificate-data", tls.get("certData")),
            ("client-key-data", tls.get("keyData")),
        )
        if value
    }
    cluster = {
        "server": access.server,
        **({"certificate-authority-data": tls["caData"]} if tls.get("caData") else {}),
        **({"insecure-skip-tls-verify": True} if tls.get("insecure") else {}),
        **({"tls-server-name": tls["serverName"]} if tls.get("serverName") else {}),
        **({"proxy-url": config["proxyUrl"]} if config.get("proxyUrl") else {}),
    }
    context = {"cluster": "c", "user": "u"}
    return parse(
        orjson.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": context}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
