"""Asking the server as a client would: objects to send, ASGI without a network, watches read event by event."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from trueup.apiserver.asgi import Application
from trueup.kube.names import Kind, Object, Ref

MAP = Kind("", "v1", "ConfigMap")
POD = Kind("", "v1", "Pod")
NAMESPACE = Kind("", "v1", "Namespace")
SERVICE = Kind("", "v1", "Service")
DEPLOYMENT = Kind("apps", "v1", "Deployment")
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class Clock:
    """`ports.Clock` that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def config_map(name: str, labels: dict[str, str] | None = None, space: str = "default", **data: str) -> Object:
    meta: Object = {"name": name, "namespace": space, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def deployment(name: str, replicas: int = 1, image: str = "nginx:1") -> Object:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def service(name: str, **spec: Any) -> Object:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}], **spec}}


def pod(name: str, **spec: Any) -> Object:
    meta = {"name": name, "namespace": "default"}
    containers = [{"name": "main", "image": "nginx:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers, **spec}}


def ref(name: str, kind: Kind = MAP, space: str = "default") -> Ref:
    return Ref(kind, space, name)


async def until(holds: Callable[[], bool]) -> None:
    """Let the others run until something holds; fails the test when it never does."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    warnings: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Watching:
    """The events of one watch as they come."""

    def __init__(self, pieces: asyncio.Queue[bytes], answering: asyncio.Task[None]) -> None:
        self._pieces, self._answering = pieces, answering

    async def next(self) -> tuple[str, Object]:
        """The next event; fails the test when none comes."""
        async with asyncio.timeout(10):
            while not (piece := await self._pieces.get()):
                continue
        event = orjson.loads(piece)
        return event["type"], event["object"]

    async def names(self, count: int) -> list[tuple[str, str]]:
        """Types and names of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(type_, obj["metadata"]["name"]) for type_, obj in events]

    async def ended(self) -> None:
        """Wait until the server ends the watch."""
        async with asyncio.timeout(10):
            await asyncio.wait((self._answering,))


class Web:
    """A client of the ASGI application, without a network."""

    def __init__(self, application: Application, token: str = "secret") -> None:
        self.application, self.token = application, token

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        """One request and its whole answer."""
        messages: list[MutableMapping[str, Any]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        receive = _Receive(b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body))
        await self.application(self._scope(method, path, headers, query), receive, send)
        start, parts = messages[0], messages[1:]
        pairs = [(name.decode(), value.decode()) for name, value in start["headers"]]
        content = b"".join(part.get("body", b"") for part in parts)
        warnings = [value for name, value in pairs if name == "warning"]
        return Answer(start["status"], dict(pairs), content, warnings)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer that has to be a success."""
        answer = await self.ask("GET", path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    async def post(self, path: str, body: Object, **query: Any) -> Any:
        """Create; has to succeed."""
        answer = await self.ask("POST", path, body, **query)
        assert answer.status == 201, answer.body
        return answer.json

    @asynccontextmanager
    async def watch(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> AsyncIterator[Watching]:
        """A watch for as long as the block runs; the client hangs up at its end."""
        pieces: asyncio.Queue[bytes] = asyncio.Queue()
        started = asyncio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                started.set()
                for line in bytes(message["body"]).splitlines():
                    pieces.put_nowait(line)

        receive = _Receive(b"")
        scope = self._scope("GET", path, headers, {"watch": "true", **query})
        task = asyncio.create_task(self.application(scope, receive, send))
        await started.wait()
        try:
            yield Watching(pieces, task)
        finally:
            receive.gone.set()
            async with asyncio.timeout(10):
                await task

    def _scope(
        self, method: str, path: str, headers: dict[str, str] | None, query: dict[str, Any]
    ) -> MutableMapping[str, Any]:
        every = {"authorization": f"Bearer {self.token}", "user-agent": "tester/1.0", **(headers or {})}
        return {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": urlencode(query, doseq=True).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in every.items()],
        }


class _Receive:
    """The client's side of a connection: a body, then silence until it hangs up."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.gone = asyncio.Event()

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}
