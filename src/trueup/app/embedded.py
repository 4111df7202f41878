"""An embedded cluster: store, hub, certificates, wire, put together from the settings."""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.apiserver import itself, kubeconfig, openid, pki
from trueup.apiserver.account_secrets import AccountSecrets
from trueup.apiserver.asgi import Application
from trueup.apiserver.audit.log import MEGABYTE, AuditLog
from trueup.apiserver.audit.policy import METADATA, PolicyProblem, parse_policy
from trueup.apiserver.audit.recorder import Audit
from trueup.apiserver.auth import Authenticator, read_tokens
from trueup.apiserver.discovery import Discovery
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.openapi import OpenApi
from trueup.apiserver.opening import open_hub
from trueup.apiserver.server import Server, serve
from trueup.apiserver.signing import Signing
from trueup.apiserver.tokens import Tokens
from trueup.apiserver.users import ADMIN
from trueup.kube import documents
from trueup.kube.types import load
from trueup.ports import Clock
from trueup.settings import AuditSettings, Settings
from trueup.store.log import Log, MemoryLog, SqliteLog
from trueup.store.state import Store

log = logging.getLogger("trueup.app")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running cluster of our own."""

    hub: Hub
    application: Application
    server: Server
    client: InProcessClient
    folder: Path
    """Where its files are: the state folder, or a temporary one."""
    kubeconfig: Path


@asynccontextmanager
async def embedded(settings: Settings, clock: Clock, kubeconfig_out: Path | None = None) -> AsyncIterator[Embedded]:
    """A cluster for as long as the block runs. Raises ``StoreProblem`` and ``OSError`` saying what to do."""
    with tempfile.TemporaryDirectory(prefix="trueup-") as temporary:
        folder = settings.state or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / ".gitignore").exists():  # it may well stand inside of what it is brought up from
            (folder / ".gitignore").write_text("*\n")
        database: Log = SqliteLog(folder / "cluster.sqlite") if settings.state is not None else MemoryLog()
        hub = await open_hub(Store(database), load(settings.kubernetes_version), clock)
        try:
            async with _served(settings, hub, folder, clock, kubeconfig_out or folder / "kubeconfig") as running:
                yield running
        finally:
            await hub.close()


@asynccontextmanager
async def _served(settings: Settings, hub: Hub, folder: Path, clock: Clock, path: Path) -> AsyncIterator[Embedded]:
    hosts = sorted(
        {"127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc", settings.host, *_own_names(settings)}
    )
    keys = pki.prepare(folder / "pki", hosts, clock.now())
    hub.tokens = Tokens(keys.token_key, hub.store)
    known = read_tokens(settings.tokens) if settings.tokens is not None else {}
    hub.authenticator = Authenticator({**known, keys.admin_token: ADMIN}, hub.tokens, clock.now)
    application = Application(hub, hub.authenticator, hub.authorizer)
    application.audit = _audit(settings.audit, hub) if settings.audit is not None else None
    Discovery(hub).add_to(application)
    OpenApi(hub).add_to(application)
    trusted = (settings.client_ca or keys.ca).read_bytes()
    try:
        server = await serve(application, settings.host, settings.port, keys.certificate, keys.key, trusted)
    except ValueError as problem:
        raise OSError(f"{settings.client_ca or keys.ca} holds no certificates: {problem}") from None
    try:
        hub.start(Signing(hub, keys.ca.read_bytes(), keys.ca_key).run(), "signing certificates")
        openid.add_to(application, hub.tokens, server.url)
        account_secrets = AccountSecrets(hub, hub.tokens, keys.ca.read_bytes())
        hub.start(account_secrets.run(), "filling token secrets")
        identity = itself.Identity(hub, socket.gethostname())
        hub.start(identity.run(), "renewing the lease of this server")
        await itself.publish(hub, settings.host, server.port, keys.ca.read_text())
        kubeconfig.write(path, url=server.url, ca=keys.ca.read_bytes(), token=keys.admin_token)
        yield Embedded(hub, application, server, InProcessClient(hub), folder, path)
    finally:
        await server.stop()
        if application.audit is not None:
            await asyncio.to_thread(application.audit.close)


def _audit(wanted: AuditSettings, hub: Hub) -> Audit:
    """Raises ``OSError`` when there is no such file or it holds no policy."""
    policy = METADATA
    if wanted.policy is not None:
        try:
            policy = parse_policy(documents.parse_one(wanted.policy.read_bytes(), str(wanted.policy)))
        except (PolicyProblem, documents.YamlProblem) as problem:
            raise OSError(f"{wanted.policy}: {problem}") from None
    log = AuditLog(
        wanted.path,
        hub.clock.now,
        max_age=wanted.max_age,
        max_backups=wanted.max_backups,
        max_size=wanted.max_size * MEGABYTE,
    )
    return Audit(policy, log, hub)


def _own_names(settings: Settings) -> set[str]:
    """A cluster that listens beyond loopback is reached by this machine's name too."""
    return {socket.gethostname()} if settings.host in ("0.0.0.0", "::") else set()  # noqa: S104
