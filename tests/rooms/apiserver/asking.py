"""Ask the ASGI application without a socket between."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.apiserver.asgi import Application
from trueup.apiserver.auth import Authenticator
from trueup.apiserver.discovery import Discovery
from trueup.apiserver.hub import Hub
from trueup.apiserver.openapi import OpenApi
from trueup.apiserver.users import ADMIN, User

TOKEN = "secret"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Asking:
    """A client of one hub; ``users``: whose token is whose."""

    def __init__(self, hub: Hub, **users: User) -> None:
        hub.authenticator = Authenticator({TOKEN: ADMIN, **users}, hub.tokens, hub.clock.now)
        self.application = Application(hub, hub.authenticator, hub.authorizer)
        Discovery(hub).add_to(self.application)
        OpenApi(hub).add_to(self.application)

    async def get(self, path: str, accept: str = "application/json", **headers: str) -> Answer:
        return await self.send("GET", path, accept=accept, **headers)

    async def send(self, method: str, path: str, body: Any = None, *, token: str = TOKEN, **headers: str) -> Answer:
        """One request; underscores in the names of headers are dashes."""
        route, _, query = path.partition("?")
        sent = {"authorization": f"Bearer {token}", "content-type": "application/json"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": route,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        content = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        came: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            came.append(message)

        await self.application(scope, receive, send)
        got = {name.decode(): value.decode() for name, value in came[0]["headers"]}
        return Answer(came[0]["status"], got, b"".join(message.get("body", b"") for message in came[1:]))
