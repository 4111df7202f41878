"""The web UI and the webhooks beside Kubernetes' API: handed what they show and whom they tell."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from trueup.app.controllers import Controllers
from trueup.app.embedded import Embedded
from trueup.app.families import health_of, units
from trueup.family import Unit
from trueup.kube.names import Object
from trueup.plan.show import show
from trueup.source import webhook
from trueup.web.asgi import Parts, Web


def pages(cluster: Embedded, parts: Controllers) -> tuple[ASGIApp, str]:
    """The application, and the address at which a person signs in."""
    token = kept_secret(cluster.folder / "pki" / "web.token")
    hook_secret = kept_secret(cluster.folder / "pki" / "webhook.secret")

    async def plan(unit: Unit, obj: Object) -> Any:
        assert unit.plan is not None
        return await unit.plan(parts.tools, obj)

    def hook(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        try:
            push = webhook.read(headers, body, hook_secret)
        except webhook.Forged as forged:
            return 401, str(forged)
        except webhook.Malformed as malformed:
            return 400, str(malformed)
        if push is None:
            return 200, "nothing to do for this event"
        count = sum(parts.news(url) for url in push.urls)
        return 202, f"{count} objects look at their source again"

    web = Web(
        Parts(
            client=cluster.client,
            live=parts.manager.live,
            ledger=parts.ledger,
            clock=parts.tools.clock,
            units=units(),
            health=health_of,
            plan=plan,
            show=show,
            token=token,
            hook=hook,
        )
    )
    return web.application(), f"{cluster.server.url}/login?token={token}"


def kept_secret(path: Path) -> str:
    """A secret of our own making in a file for the owner alone, made once."""
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text().strip()
