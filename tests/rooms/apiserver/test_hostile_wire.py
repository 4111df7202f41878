"""Clients that mean no good, on the socket: slow ones, many, too large ones, and bytes that are no HTTP. Others are served
meanwhile, and nothing is kept of them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import h2.connection
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms.apiserver.web import MAPS, until
from trueup.apiserver.asgi import Application
from trueup.apiserver.hub import Hub
from trueup.apiserver.server import Server, serve

GET = f"GET {MAPS} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer secret\r\n\r\n".encode()
POST = f"POST {MAPS} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer secret\r\ncontent-type: application/json\r\n".encode()


@pytest.fixture
async def server(application: Application, keys: Path) -> AsyncIterator[Server]:
    """The hub on a free port."""
    made = await serve(application, "127.0.0.1", 0, keys / "server.crt", keys / "server.key")
    yield made
    await made.stop()


@pytest.fixture
def trust(keys: Path) -> ssl.SSLContext:
    """Of a client that knows the server."""
    return ssl.create_default_context(cafile=str(keys / "ca.crt"))


async def connect(server: Server, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)


async def served(server: Server, trust: ssl.SSLContext) -> bool:
    """Whether somebody else is."""
    reader, writer = await connect(server, trust)
    writer.write(GET)
    async with asyncio.timeout(20):
        line = await reader.readline()
    writer.close()
    return line == b"HTTP/1.1 200 OK\r\n"


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that is said until the server hangs up."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_handshake_that_does_not_end_is_ended(
    server: Server, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is a connection on which nothing is ever asked."""
    monkeypatch.setattr("trueup.apiserver.link.HANDSHAKE", 0.1)
    silent, _ = await asyncio.open_connection("127.0.0.1", server.port)
    idle, _ = await connect(server, trust)

    assert (await ended(silent), await ended(idle)) == (b"", b"")
    await until(lambda: not server._front.open)


async def test_headers_that_do_not_end_are_not_waited_for(
    application: Application, keys: Path, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then does not keep the connection."""
    monkeypatch.setattr("trueup.apiserver.http1.HEADERS", 0.2)
    server = await serve(application, "127.0.0.1", 0, keys / "server.crt", keys / "server.key")
    connections = [await connect(server, trust) for _ in range(50)]
    for _, writer in connections:
        writer.write(b"GET /api HTTP/1.1\r\nhost: a\r\nx-slow: ")

    assert await served(server, trust)
    said = [await ended(reader) for reader, _ in connections]
    assert {answer[:12] for answer in said} <= {b"", b"HTTP/1.1 408"}
    await until(lambda: not server._front.open)
    await server.stop()


async def test_a_body_that_does_not_come_is_not_waited_for(
    server: Server, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """504, and others are served meanwhile."""
    monkeypatch.setattr("trueup.apiserver.asgi.BODY_SECONDS", 0.2)
    reader, writer = await connect(server, trust)
    writer.write(POST + b'content-length: 1000\r\n\r\n{"kind":')

    assert await served(server, trust)
    async with asyncio.timeout(20):
        assert await reader.readline() == b"HTTP/1.1 504 Gateway Timeout\r\n"
    writer.close()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_100_mb_is_refused(server: Server, trust: ssl.SSLContext, chunked: bool) -> None:
    """413 in Kubernetes' words, told or not how much comes, without reading it all."""
    reader, writer = await connect(server, trust)
    piece = b"x" * (1 << 20)
    writer.write(POST + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"content-length: 104857600\r\n\r\n"))
    for _ in range(4):
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b'"code":413}')
    writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"Request entity too large: limit is 3145728" in body


async def test_connections_beyond_the_bound_are_hung_up_on(server: Server, trust: ssl.SSLContext) -> None:
    """Those that are there go on, and when one leaves there is room again."""
    server._front.most = 3
    held = [await connect(server, trust) for _ in range(3)]
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await connect(server, trust)
    held[0][1].write(GET)
    async with asyncio.timeout(20):
        assert await held[0][0].readline() == b"HTTP/1.1 200 OK\r\n"
    for _, writer in held:
        writer.close()
    await until(lambda: not server._front.open)

    assert await served(server, trust)


async def test_hundreds_of_idle_connections_keep_nobody_out(server: Server, trust: ssl.SSLContext) -> None:
    """They cost nothing inside until they ask."""
    held = await asyncio.gather(*(connect(server, trust) for _ in range(200)))

    assert await served(server, trust)
    await until(lambda: not server._front.peers)
    for _, writer in held:
        writer.close()
    await until(lambda: not server._front.open)


async def test_streams_that_are_reset_at_once_end_the_connection(
    server: Server, trust: ssl.SSLContext, hub: Hub
) -> None:
    """HTTP/2 rapid reset (CVE-2023-44487): thousands of watches asked for and cancelled; nothing of them stays."""
    trust.set_alpn_protocols(["h2"])
    reader, writer = await connect(server, trust)
    http = h2.connection.H2Connection()
    http.initiate_connection()
    wanted = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", f"{MAPS}?watch=true")]
    writer.write(http.data_to_send())
    for n in range(5_000):
        http.send_headers(2 * n + 1, [*wanted, ("authorization", "Bearer secret")], end_stream=True)
        http.reset_stream(2 * n + 1)
    writer.write(http.data_to_send())
    trust.set_alpn_protocols(["http/1.1"])

    assert await served(server, trust)
    await ended(reader)
    writer.close()
    await until(lambda: not hub.store.bucket("configmaps").listeners)


_RAW = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.builds(
        lambda method, path, version, headers, body: b"%b %b %b\r\n%b\r\n\r\n%b" % (method, path, version, headers, body),
        st.sampled_from([b"GET", b"POST", b"PRI", b"get", b"G\x00T", b"CONNECT", b"OPTIONS", b"A" * 5_000]),
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"*", b"/%", b"/%zz", b"/%ff%fe", b"/api?%", b"//", b"http://a/api", b"/" + b"a" * 70_000,
                             b"/api?" + b"a=b&" * 20_000, b"/api#x", b"/../../etc/passwd", b"/api/v1/pods?watch=%00"]),
        ),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"", b"HTTP/1.1 x"]),
        st.lists(
            st.sampled_from([b"host: a", b"host: b", b"content-length: 5", b"content-length: 6", b"content-length: -1",
                             b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked", b"connection: close",
                             b"expect: 100-continue", b"upgrade: h2c", b"upgrade: websocket", b": x", b"a", b"\xff: \xff",
                             b"authorization: Bearer secret", b"authorization: Bearer \xff", b"x: " + b"y" * 9_000,
                             b"content-type: \xff", b"accept: \xff"]),
            max_size=5,
        ).map(b"\r\n".join),
        st.sampled_from([b"", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"hello", b"zz\r\n"]),
    ),
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(raw=_RAW)
async def test_no_bytes_are_a_500(server: Server, trust: ssl.SSLContext, raw: bytes) -> None:
    """Whatever they are, the answer is none or one that blames the client; the server is there afterwards."""
    reader, writer = await connect(server, trust)
    writer.write(raw)
    try:
        async with asyncio.timeout(0.02):  # most of it is waited for in vain: more might come
            said = await reader.read(4_096)
    except (TimeoutError, ConnectionError):
        said = b""
    writer.transport.abort()

    assert not said.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), said


async def test_no_bytes_before_tls_hurt(server: Server, trust: ssl.SSLContext) -> None:
    """What is no TLS is hung up on."""
    for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 100, b"\x80" * 1_000, b"\x00"):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(raw)
        writer.write_eof()
        await ended(reader)
        writer.close()

    assert await served(server, trust)
    await until(lambda: not server._front.open)
