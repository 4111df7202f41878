"""`ports.Client` over HTTP: calls, watches, retries. Called through the port by runtime, delivery and families.

Every failure leaves as ``kube.problems.ApiProblem``. Retried are: 429 and 503 that say when (``Retry-After``), connections
that were never made, and reads whose connection broke. Source: client-go ``rest.Request`` (at most ten trials).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from urllib.parse import quote

import orjson

from trueup.client import requests
from trueup.client.access import AccessProblem, ClusterAccess, Impersonation
from trueup.client.credentials import Credentials, Proof
from trueup.client.discovery import ACCEPT, Answer, Discovery
from trueup.client.requests import Call
from trueup.client.transport import Headers, NotSent, Reply, Transport
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound, Timeout, Unauthorized, Unavailable, from_status
from trueup.ports import Client, Clock, Listing, PatchType, Propagation, ResourceInfo, WatchEvent

log = logging.getLogger("trueup.client")

Observer = Callable[[str, int, float], None]
"""Told of every request: its verb, the status (0: none came), the seconds."""

_JSON: Headers = (("accept", "application/json"),)
_TRIALS = 10
_BROKEN = 3
"""Trials of a read whose connection breaks."""
_LONGEST_RETRY_AFTER = 60
_WATCH_LASTS = (300, 600)
"""Seconds after which the server ends a watch: client-go's spread, so that not all come back at once."""


class _Cluster:
    """What all identities on one cluster share: connections, credentials, discovery."""

    def __init__(
        self, access: ClusterAccess, clock: Clock, observe: Observer | None, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.access, self.sleep = access, sleep
        self.observe = observe
        self.credentials = Credentials(access, clock)
        self._transport: tuple[Transport, bytes] | None = None
        self._old: list[Transport] = []

    async def proof(self) -> Proof:
        try:
            return self.credentials.current() or await self.credentials.proof()
        except AccessProblem as problem:
            raise Unauthorized(str(problem)) from problem

    def transport(self, proof: Proof) -> Transport:
        """Connections with the certificate of that proof."""
        if self._transport is None or self._transport[1] != proof.certificate:
            if self._transport is not None:
                self._old.append(self._transport[0])  # its watches go on until their end
            self._transport = (Transport(self.access, proof.certificate, proof.key), proof.certificate)
        return self._transport[0]

    async def close(self) -> None:
        for transport in (*self._old, *((self._transport[0],) if self._transport else ())):
            await transport.close()


class HttpClient:
    """One cluster's API under one identity. Made by ``connect``; ``await close()`` at the end."""

    def __init__(self, cluster: _Cluster, impersonation: Impersonation, discovery: Discovery | None = None) -> None:
        self._cluster = cluster
        self._identity = _impersonate(impersonation)
        self._discovery = discovery or Discovery(self._ask)
        self._version = ""

    @classmethod
    async def connect(
        cls,
        access: ClusterAccess,
        *,
        clock: Clock | None = None,
        observe: Observer | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> HttpClient:
        """A client; the cluster is first spoken to at the first call. Raises ``AccessProblem`` for an unusable access."""
        cluster = _Cluster(access, clock or _Wall(), observe, sleep)
        client = cls(cluster, access.impersonation)
        if access.exec is None:
            cluster.transport(await cluster.credentials.proof())  # a broken certificate shows at once
        return client

    async def close(self) -> None:
        """Lets go of all connections, those of other identities on this cluster too."""
        await self._cluster.close()

    @property
    def access(self) -> ClusterAccess:
        """What it was made from."""
        return self._cluster.access

    # --- ports.Client ---

    async def get(self, ref: Ref) -> Object:
        info = await self._info(ref.kind)
        return await self._object(requests.get(info, ref.namespace, ref.name))

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
    ) -> Listing:
        info = await self._info(kind)
        call = requests.list_(info, namespace, labels=labels, fields=fields, limit=limit, page=page)
        try:
            answer = await self._object(call)
        except NotFound:
            self._discovery.forget(kind)
            raise
        items = answer.get("items") or []
        for item in items:  # entries of a list do not repeat what they are
            item["apiVersion"], item["kind"] = kind.api_version, kind.kind
        metadata = answer.get("metadata") or {}
        return Listing(items, metadata.get("resourceVersion") or "", metadata.get("continue") or "")

    async def watch(
        self, kind: Kind, namespace: str = "", *, revision: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[WatchEvent]:
        info = await self._info(kind)
        seconds = random.randint(*_WATCH_LASTS)  # noqa: S311 - spreads load, guards nothing
        call = requests.watch(info, namespace, revision=revision, labels=labels, fields=fields, seconds=seconds)
        proof = await self._cluster.proof()
        started = time.monotonic()
        rest = b""
        async with self._cluster.transport(proof).stream(call, self._headers(proof)) as response:
            self._observe(call.verb, response.status, started)
            if response.status != 200:
                reply = await self._cluster.transport(proof).refusal(response)
                if reply.status == 401:
                    self._cluster.credentials.refused(proof)
                problem = _problem(reply)
                if isinstance(problem, NotFound):
                    self._discovery.forget(kind)
                raise problem
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield _event(line)

    async def create(self, obj: Object, *, manager: str = "", dry_run: bool = False) -> Object:
        info = await self._info(Kind.of(obj))
        return await self._object(requests.create(info, obj, manager=manager, dry_run=dry_run))

    async def update(self, obj: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False) -> Object:
        info = await self._info(Kind.of(obj))
        call = requests.update(info, obj, subresource=subresource, manager=manager, dry_run=dry_run)
        return await self._object(call)

    async def patch(
        self,
        ref: Ref,
        body: object,
        how: PatchType,
        *,
        subresource: str = "",
        manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        info = await self._info(ref.kind)
        call = requests.patch(
            info, ref.namespace, ref.name, body, how,
            subresource=subresource, manager=manager, force=force, dry_run=dry_run,
        )  # fmt: skip
        return await self._object(call)

    async def apply(
        self, obj: Object, *, manager: str, force: bool = True, subresource: str = "", dry_run: bool = False
    ) -> Object:
        return await self.patch(
            Ref.of(obj), obj, "apply", subresource=subresource, manager=manager, force=force, dry_run=dry_run
        )

    async def delete(
        self,
        ref: Ref,
        *,
        propagation: Propagation | None = None,
        grace: int | None = None,
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> None:
        info = await self._info(ref.kind)
        call = requests.delete(
            info, ref.namespace, ref.name,
            propagation=propagation, grace=grace, uid=uid, revision=revision, dry_run=dry_run,
        )  # fmt: skip
        await self._send(call)

    async def resources(self) -> Sequence[ResourceInfo]:
        return await self._discovery.resources()

    async def version(self) -> str:
        if not self._version:
            self._version = str((await self._object(Call("version", "GET", "/version"))).get("gitVersion") or "")
        return self._version

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        return HttpClient(self._cluster, Impersonation(user=user, groups=tuple(groups)), self._discovery)

    # --- within ---

    async def _info(self, kind: Kind) -> ResourceInfo:
        return self._discovery.known(kind) or await self._discovery.find(kind)

    async def _object(self, call: Call) -> Object:
        reply = await self._send(call)
        try:
            answer = orjson.loads(reply.body)
        except orjson.JSONDecodeError as problem:
            raise ApiProblem(f"{self._cluster.access.server}{call.path}: the answer is no JSON") from problem
        if not isinstance(answer, dict):
            raise ApiProblem(f"{self._cluster.access.server}{call.path}: the answer is no object")
        return answer

    async def _ask(self, path: str, etag: str) -> Answer:
        extra: Headers = (("accept", ACCEPT), ("if-none-match", etag)) if etag else (("accept", ACCEPT),)
        reply = await self._send(Call("discover", "GET", path), extra)
        return Answer(None, etag) if reply.status == 304 else Answer(orjson.loads(reply.body), reply.etag)

    async def _send(self, call: Call, extra: Headers = _JSON) -> Reply:
        """One call until it is answered, refused, or not worth another trial."""
        refused = False
        for trial in range(1, _TRIALS + 1):
            proof = await self._cluster.proof()
            started = time.monotonic()
            try:
                reply = await self._cluster.transport(proof).send(call, self._headers(proof, extra))
            except (Unavailable, Timeout) as problem:
                self._observe(call.verb, 0, started)
                again = isinstance(problem, NotSent) or (call.method == "GET" and isinstance(problem, Unavailable))
                if not again or trial >= _BROKEN:
                    raise
                await self._cluster.sleep(0.1 * trial)
                continue
            self._observe(call.verb, reply.status, started)
            if reply.status < 300 or reply.status == 304:
                return reply
            if reply.status == 401 and not refused and self._cluster.credentials.refused(proof):
                refused = True
                continue
            if reply.retry_after is None or reply.status not in (429, 503) or trial == _TRIALS:
                raise _problem(reply)
            log.debug("%s %s: asked to wait %d s", call.method, call.path, reply.retry_after)
            await self._cluster.sleep(min(reply.retry_after, _LONGEST_RETRY_AFTER))
        raise AssertionError("the last trial returns or raises")

    def _headers(self, proof: Proof, extra: Headers = _JSON) -> Headers:
        if proof.authorization:
            return (*extra, ("authorization", proof.authorization), *self._identity)
        return (*extra, *self._identity)

    def _observe(self, verb: str, status: int, started: float) -> None:
        if self._cluster.observe is not None:
            self._cluster.observe(verb, status, time.monotonic() - started)


class _Wall:
    """The machine's clock, where none is handed in."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _event(line: bytes) -> WatchEvent:
    value = orjson.loads(line)
    if value["type"] == "ERROR":
        status = value["object"]
        raise from_status(int(status.get("code") or 500), status)
    return WatchEvent(value["type"], value["object"])


def _problem(reply: Reply) -> ApiProblem:
    """The error that a refused call stands for; a proxy on the way may answer anything but a Status."""
    try:
        status = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = reply.body[:200].decode(errors="replace").strip()
        status = {"message": f"the server answered {reply.status}" + (f": {text}" if text else "")}
    problem = from_status(reply.status, status)
    if problem.retry_after is None:
        problem.retry_after = reply.retry_after
    return problem


def _impersonate(who: Impersonation) -> tuple[tuple[str, str], ...]:
    """Source: Kubernetes documentation, "User impersonation"."""
    headers = [("impersonate-user", who.user)] if who.user else []
    if who.uid:
        headers.append(("impersonate-uid", who.uid))
    headers.extend(("impersonate-group", group) for group in who.groups)
    for name, values in who.extra:
        headers.extend((f"impersonate-extra-{quote(name, safe='').lower()}", value) for value in values)
    return tuple(headers)
