"""HTTP against a server that misbehaves on purpose: retries, refusals, identities, TLS, watches."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trueup.apiserver import pki
from trueup.client.access import AccessProblem, ClusterAccess, Impersonation
from trueup.client.http import HttpClient
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem, Expired, Forbidden, InternalError, TooManyRequests, Unavailable

MAP = Kind("", "v1", "ConfigMap")
A = Ref(MAP, "default", "a")
OBJECT: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, reason: str, **headers: str) -> web.Response:
    """A refusal as Kubernetes words it."""
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": f"{reason}!", "code": code}
    return web.json_response(body, status=code, headers=headers)


class Server:
    """Serves ConfigMaps: each request gets the next prepared answer, or the object."""

    def __init__(self) -> None:
        self.answers: list[Answer | web.Response] = []
        self.requests: list[web.Request] = []
        self.slept: list[float] = []
        self.seen: list[tuple[str, int]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._clients: list[HttpClient] = []

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        """Listens on a free port."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"

    async def client(self, **access: Any) -> HttpClient:
        """A client of this server that knows no patience."""

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        client = await HttpClient.connect(
            ClusterAccess(access.pop("server", self.url), **access),
            sleep=sleep,
            observe=lambda verb, code, seconds: self.seen.append((verb, code)),
        )
        self._clients.append(client)
        return client

    async def stop(self) -> None:
        """Lets go of everybody."""
        for client in self._clients:
            await client.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/api", "/apis"):
            return web.json_response(DISCOVERY if request.path == "/api" else {"kind": "APIGroupDiscoveryList"})
        self.requests.append(request)
        if not self.answers:
            return web.json_response(OBJECT)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, web.Response) else await answer(request)


DISCOVERY = {
    "kind": "APIGroupDiscoveryList",
    "items": [{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [
        {"resource": "configmaps", "responseKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
         "scope": "Namespaced", "verbs": ["get", "list", "watch"]},
    ]}]}],
}  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server without TLS."""
    running = Server()
    await running.start()
    yield running
    await running.stop()


async def cut(request: web.Request) -> web.StreamResponse:
    """The connection breaks instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_who_says_when_is_asked_again_then(server: Server) -> None:
    """429 and 503 with ``Retry-After`` are retried after that time, writes too: nothing was done."""
    client = await server.client()
    server.answers = [status(429, "TooManyRequests", **{"Retry-After": "3"}), status(503, "x", **{"Retry-After": "1"})]
    assert await client.create(OBJECT) == OBJECT
    assert server.slept == [3, 1]
    assert server.seen[-3:] == [("create", 429), ("create", 503), ("create", 200)]


async def test_patience_ends(server: Server) -> None:
    """After ten trials the refusal is the caller's."""
    client = await server.client()
    server.answers = [status(429, "TooManyRequests", **{"Retry-After": "1"}) for _ in range(12)]
    with pytest.raises(TooManyRequests) as refused:
        await client.get(A)
    assert (len(server.requests), refused.value.retry_after) == (10, 1)


async def test_other_failures_are_not_retried(server: Server) -> None:
    """The server has decided."""
    client = await server.client()
    server.answers = [status(500, "InternalError"), status(503, "ServiceUnavailable"), status(403, "Forbidden")]
    for problem in (InternalError, Unavailable, Forbidden):
        with pytest.raises(problem):
            await client.get(A)
    assert len(server.requests) == 3


async def test_a_broken_read_is_tried_again(server: Server) -> None:
    """A write is not: it may have been done."""
    client = await server.client()
    server.answers = [cut, cut]
    assert await client.get(A) == OBJECT
    server.requests.clear()
    server.answers = [cut]
    with pytest.raises(Unavailable):
        await client.create(OBJECT)
    assert len(server.requests) == 1


async def test_a_server_that_is_not_there_is_named(server: Server) -> None:
    """The error says where it was looked for."""
    client = await server.client(server="http://127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1: Connection refused"):
        await client.get(A)


async def test_what_is_no_status_is_quoted(server: Server) -> None:
    """A proxy on the way answers in its own words."""
    client = await server.client()
    server.answers = [web.Response(status=502, text="<h1>Bad Gateway</h1>"), web.Response(text="hello")]
    with pytest.raises(ApiProblem, match="Bad Gateway") as refused:
        await client.get(A)
    assert refused.value.code == 502
    with pytest.raises(ApiProblem, match="no JSON"):
        await client.get(A)


async def test_a_refused_token_is_read_again(server: Server, tmp_path: Path) -> None:
    """Once: when the new one is refused too, the caller hears of it."""
    token = tmp_path / "token"
    token.write_text("old")
    client = await server.client(token_file=token)
    await client.get(A)
    token.write_text("new")
    server.answers = [status(401, "Unauthorized")]
    await client.get(A)
    assert [r.headers["Authorization"] for r in server.requests] == ["Bearer old", "Bearer old", "Bearer new"]


async def test_impersonation_names_user_and_every_group(server: Server) -> None:
    """Groups and extra values are repeated headers."""
    client = await server.client(impersonation=Impersonation("alice", "7", ("dev", "ops"), (("Team/x", ("shop",)),)))
    await client.get(A)
    headers = server.requests[-1].headers
    assert (headers["Impersonate-User"], headers["Impersonate-Uid"]) == ("alice", "7")
    assert headers.getall("Impersonate-Group") == ["dev", "ops"]
    assert headers["Impersonate-Extra-Team%2fx"] == "shop"
    await client.acting_as("bob", ("qa",)).get(A)
    headers = server.requests[-1].headers
    assert (headers["Impersonate-User"], headers.getall("Impersonate-Group")) == ("bob", ["qa"])


async def test_paths_and_queries(server: Server) -> None:
    """As Kubernetes expects them, under the path that the server's URL has."""
    client = await server.client(server=f"{server.url}/k8s/clusters/c-1")
    server.answers = [web.json_response({"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "c1"}})]
    # The prefix is part of every path, so discovery under it is not answered by this server: it serves plain lists.
    client._discovery._by_kind[MAP] = next(iter(await (await server.client()).resources()))
    listing = await client.list(MAP, "default", labels="a in (b,c)", limit=5, page="x=y")
    assert (listing.items[0]["kind"], listing.items[0]["apiVersion"], listing.next_page) == ("ConfigMap", "v1", "c1")
    assert server.requests[-1].path == "/k8s/clusters/c-1/api/v1/namespaces/default/configmaps"
    assert dict(server.requests[-1].query) == {"labelSelector": "a in (b,c)", "limit": "5", "continue": "x=y"}
    await client.apply(OBJECT, manager="me", dry_run=True)
    assert dict(server.requests[-1].query) == {"fieldManager": "me", "dryRun": "All", "force": "true"}
    assert server.requests[-1].content_type == "application/apply-patch+yaml"


TORN = (
    b'{"type":"ADDED","obj',
    b'ect":{"kind":"A"}}\n{"type":"MODIFIED","object":{"kind":"B"}}\n{"ty',
    b'pe":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n',
)


async def test_a_watch_puts_torn_lines_together(server: Server) -> None:
    """Events are split wherever the network likes; an error event ends the watch as its problem."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in TORN:
            await response.write(piece)
        return response

    client = await server.client()
    server.answers = [stream]
    events = client.watch(MAP, revision="5")
    heard = [f"{event.type} {event.object['kind']}" for event in (await anext(events), await anext(events))]
    with pytest.raises(Expired, match="too old"):
        await anext(events)
    assert heard == ["ADDED A", "MODIFIED B"]
    query = server.requests[-1].query
    assert (query["watch"], query["resourceVersion"], query["allowWatchBookmarks"]) == ("true", "5", "true")
    assert 300 <= int(query["timeoutSeconds"]) <= 600


async def test_a_quiet_watch_tells_at_once(server: Server) -> None:
    """An event is handed out when it comes, not when a buffer is full."""
    gone: list[bool] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"ADDED","object":{"kind":"A"}}\n')
        assert request.transport is not None
        while not request.transport.is_closing():
            try:
                await response.write(b"\n")
            except ConnectionError:
                break
        gone.append(True)
        return response

    client = await server.client()
    server.answers = [stream]
    async with aclosing(client.watch(MAP, revision="5")) as events:  # type: ignore[type-var]
        async for event in events:
            assert event.object == {"kind": "A"}
            break


# --- TLS ---


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose certificate is for ``kubernetes`` alone, and that asks for a client's."""
    keys = pki.prepare(tmp_path, ["kubernetes"], datetime.datetime.now(datetime.UTC).timestamp())  # noqa: TID251
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(keys.ca))
    context.load_cert_chain(keys.certificate, keys.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    running = Server()
    await running.start(context)
    yield running
    await running.stop()


async def test_the_certificate_must_fit(secure: Server, tmp_path: Path) -> None:
    """Another authority, another name: refused; the right name, or no check at all: served."""
    ca = (tmp_path / "ca.crt").read_bytes()
    for access in ({}, {"ca": ca}):
        with pytest.raises(Unavailable):
            await (await secure.client(**access)).get(A)
    assert await (await secure.client(ca=ca, tls_server_name="kubernetes")).get(A) == OBJECT
    assert await (await secure.client(insecure=True)).get(A) == OBJECT


async def test_a_client_certificate_is_shown(secure: Server, tmp_path: Path) -> None:
    """The server sees whose it is."""
    certificate, key = issue(tmp_path, "alice")
    names: list[Any] = []

    async def look(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        names.append(request.transport.get_extra_info("peercert")["subject"][0][0][1])
        return web.json_response(OBJECT)

    secure.answers = [look]
    await (await secure.client(insecure=True, certificate=certificate, key=key)).get(A)
    assert names == ["alice"]


async def test_what_is_no_certificate_is_refused_at_once(server: Server) -> None:
    """Before the first call, by name of the server."""
    with pytest.raises(AccessProblem, match="example"):
        await server.client(server="https://example.invalid", certificate=b"nonsense", key=b"nonsense")
    with pytest.raises(AccessProblem, match="no URL"):
        await server.client(server="ftp://example.invalid")


def issue(folder: Path, name: str) -> tuple[bytes, bytes]:
    """A client certificate of the authority in a folder."""
    ca = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ca.not_valid_before_utc)
        .not_valid_after(ca.not_valid_after_utc)
        .sign(ca_key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(*form)


class Proxy:
    """Gives its answers in turn, then joins the client with the server."""

    def __init__(self, beyond: int, *answers: bytes) -> None:
        self.beyond, self.answers, self.heard = beyond, answers, list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        for answer in self.answers:
            self.heard.append(await reader.read(1000))
            writer.write(answer)
        beyond, on = await asyncio.open_connection("127.0.0.1", self.beyond)
        await asyncio.gather(self._pass(reader, on), self._pass(beyond, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1000):
            sink.write(data)
        sink.close()


@pytest.mark.parametrize(
    ("scheme", "answers", "heard"),
    [
        ("http", [b"HTTP/1.1 200 OK\r\n\r\n"], b"CONNECT kubernetes:443 HTTP/1.1"),
        ("socks5", [b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"], b"kubernetes"),
    ],
)
async def test_a_proxy_is_gone_through(
    secure: Server, tmp_path: Path, scheme: str, answers: list[bytes], heard: bytes
) -> None:
    """By HTTP or SOCKS; it is told the server's name, which this machine need not be able to resolve."""
    proxy = Proxy(int(secure.url.rpartition(":")[2]), *answers)
    running = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    address = f"{scheme}://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    access = {"ca": (tmp_path / "ca.crt").read_bytes(), "proxy_url": address}

    found = await (await secure.client(server="https://kubernetes", **access)).get(A)
    running.close()

    assert found == OBJECT
    assert heard in proxy.heard[-1]


async def test_an_unknown_kind_of_proxy_is_refused(server: Server) -> None:
    """Before the first call."""
    with pytest.raises(AccessProblem, match="neither http, https nor socks5"):
        await server.client(proxy_url="gopher://127.0.0.1:1")
