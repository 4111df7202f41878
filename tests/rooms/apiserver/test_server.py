"""The server on a socket: TLS, both HTTP versions, watches, compression, its end; and what a full disk looks like."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import h2.connection
import h2.events
import httpx
import orjson
import pytest

from tests.rooms.apiserver.web import MAPS, Clock, Web, config_map, ref, until
from trueup.apiserver.asgi import Application
from trueup.apiserver.auth import Authenticator
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.opening import open_hub
from trueup.apiserver.server import Server, serve
from trueup.apiserver.users import ADMIN
from trueup.kube.problems import Unavailable
from trueup.kube.protobuf import encode
from trueup.kube.types import load
from trueup.store.log import MemoryLog, Row, SqliteLog, StoreFull
from trueup.store.state import Store


@pytest.fixture
async def server(application: Application, keys: Path) -> AsyncIterator[Server]:
    """The hub on a free port."""
    made = await serve(application, "127.0.0.1", 0, keys / "server.crt", keys / "server.key")
    yield made
    await made.stop()


@pytest.fixture
async def http(server: Server, keys: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that speaks HTTP/1.1 as administrator."""
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(keys / "ca.crt")))
    async with aiohttp.ClientSession(
        server.url, connector=trust, headers={"authorization": "Bearer secret"}, timeout=aiohttp.ClientTimeout(20)
    ) as session:
        yield session


async def test_a_request_over_tls(http: aiohttp.ClientSession) -> None:
    """Written and read back."""
    async with http.post(MAPS, json=config_map("a", x="1")) as made:
        assert made.status == 201
    async with http.get(f"{MAPS}/a") as got:
        assert (got.status, (await got.json())["data"]) == (200, {"x": "1"})


async def test_a_request_over_http_2(server: Server, keys: Path, client: InProcessClient, hub: Hub) -> None:
    """Chosen by ALPN; a watch and calls share the connection, and a watch that is left is forgotten."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    headers = {"authorization": "Bearer secret"}
    async with (
        httpx.AsyncClient(http1=False, http2=True, verify=trust, headers=headers, base_url=server.url) as http,
        asyncio.timeout(20),
        http.stream("GET", MAPS, params={"watch": "true"}) as watch,
    ):
        made = await http.post(MAPS, json=config_map("a"))
        line = await anext(watch.aiter_lines())
    await until(lambda: not hub.store.bucket("configmaps").listeners)

    assert (made.http_version, made.status_code, orjson.loads(line)["type"]) == ("HTTP/2", 201, "ADDED")


async def test_hundreds_of_watches_share_an_http_2_connection(
    server: Server, keys: Path, client: InProcessClient, hub: Hub
) -> None:
    """All hear the same, and no frame is empty but the last: clients that count those hang up (Rust's h2, after 100)."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    trust.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
    http = h2.connection.H2Connection()
    http.initiate_connection()
    wanted = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", f"{MAPS}?watch=true")]
    streams = [2 * n + 1 for n in range(400)]
    for stream in streams:
        http.send_headers(stream, [*wanted, ("authorization", "Bearer secret")], end_stream=True)
    heard = dict.fromkeys(streams, b"")
    started, empty = 0, 0
    async with asyncio.timeout(20):
        while not all(line.endswith(b"\n") for line in heard.values()):
            writer.write(http.data_to_send())
            for event in http.receive_data(await reader.read(65_536)):
                if isinstance(event, h2.events.ResponseReceived):
                    started += 1
                    if started == len(streams):
                        await client.create(config_map("a"))
                elif isinstance(event, h2.events.DataReceived):
                    heard[event.stream_id] += event.data
                    empty += not event.data
                    http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        writer.close()
        await until(lambda: not hub.store.bucket("configmaps").listeners)

    assert {orjson.loads(line)["object"]["metadata"]["name"] for line in heard.values()} == {"a"}
    assert (started, empty) == (400, 0)


async def test_the_headers_of_a_watch_come_at_once(http: aiohttp.ClientSession, hub: Hub) -> None:
    """Before anything happens; when the client closes, nothing stays."""
    async with http.get(MAPS, params={"watch": "true"}) as watch:
        assert (watch.status, watch.content_type) == (200, "application/json")
        assert len(hub.store.bucket("configmaps").listeners) == 1

    await until(lambda: not hub.store.bucket("configmaps").listeners)


async def test_stopping_lets_watchers_go(application: Application, keys: Path, hub: Hub) -> None:
    """The server ends though somebody watches, and the port is free again."""
    made = await serve(application, "127.0.0.1", 0, keys / "server.crt", keys / "server.key")
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(keys / "ca.crt")))
    headers = {"authorization": "Bearer secret"}
    async with (
        aiohttp.ClientSession(made.url, connector=trust, headers=headers) as session,
        session.get(MAPS, params={"watch": "true"}) as watch,
        asyncio.timeout(20),
    ):
        await made.stop()
        assert await watch.content.read() == b""

    assert not hub.store.bucket("configmaps").listeners
    again = await serve(application, "127.0.0.1", made.port, keys / "server.crt", keys / "server.key")
    await again.stop()


async def test_an_address_in_use_is_named(server: Server, application: Application, keys: Path) -> None:
    """With what to do about it."""
    with pytest.raises(OSError, match=f"127.0.0.1:{server.port} cannot be listened on: .*choose another --listen"):
        await serve(application, "127.0.0.1", server.port, keys / "server.crt", keys / "server.key")


async def test_a_hundred_watches_hear_the_same(http: aiohttp.ClientSession, client: InProcessClient) -> None:
    """Each of them, whole."""

    async def first() -> bytes:
        async with http.get(MAPS, params={"watch": "true"}) as watch:
            ready.release()
            return await watch.content.readline()

    ready = asyncio.Semaphore(0)
    http.connector._limit = 0  # type: ignore[union-attr]
    watches = [asyncio.create_task(first()) for _ in range(100)]
    for _ in watches:
        await ready.acquire()
    await client.create(config_map("a"))

    heard = set(await asyncio.gather(*watches))

    assert [orjson.loads(line)["object"]["metadata"]["name"] for line in heard] == ["a"]


async def test_a_client_that_stops_reading_costs_a_bounded_amount(
    server: Server, keys: Path, client: InProcessClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not take is let go with the window of the past; when it reads on, it is told to list again."""
    monkeypatch.setattr("trueup.store.history.WINDOW_BYTES", 2 << 20)
    monkeypatch.setattr("trueup.store.history.FRESH_BYTES", 1 << 20)
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust, limit=1024)
    writer.write(f"GET {MAPS}?watch=true HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer secret\r\n\r\n".encode())
    bucket = hub.store.bucket("configmaps")
    await until(lambda: bool(bucket.listeners))

    await client.create(config_map("a"))
    for n in range(100):
        await client.patch(ref("a"), {"data": {"fill": f"{n}" + "x" * 200_000}}, "merge")
    watcher = list(bucket.listeners)[-1].__self__
    behind = sum(event.size for event in watcher._queue or ())
    heard = b""
    async with asyncio.timeout(20):
        while not heard.endswith(b"0\r\n\r\n"):
            heard = heard[-2_000:] + await reader.read(65_536)
    writer.close()

    assert behind <= 2 << 20
    assert b'"type":"ERROR"' in heard
    assert b'"reason":"Expired"' in heard
    await until(lambda: not bucket.listeners)


async def test_long_answers_are_compressed_for_who_asks(web: Web, client: InProcessClient) -> None:
    """From 128 KiB on, as Kubernetes does it."""
    import gzip

    await client.create(config_map("big", x="y" * 200_000))

    plain = await web.ask("GET", f"{MAPS}/big")
    packed = await web.ask("GET", f"{MAPS}/big", headers={"accept-encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("deflate, gzip, br", True),
        ("gzip;q=0", False),
        ("gzip;q=1.0", False),
        ("x-gzip", False),
        ("*", False),
    ],
)
async def test_who_asks_for_compression(web: Web, client: InProcessClient, accepted: str, packed: bool) -> None:
    """Only who names gzip and says nothing else of it."""
    await client.create(config_map("big", x="y" * 200_000))

    answer = await web.ask("GET", f"{MAPS}/big", headers={"accept-encoding": accepted})

    assert ("content-encoding" in answer.headers) == packed


async def test_protobuf_bodies_are_read(web: Web, hub: Hub) -> None:
    """What kubectl's imperative verbs and Go clients send."""
    body = encode(config_map("a", x="1"))

    answer = await web.ask("POST", MAPS, body, {"content-type": "application/vnd.kubernetes.protobuf"})

    assert (answer.status, answer.json["data"]) == (201, {"x": "1"})


async def test_who_is_not_known_is_not_answered(application: Application) -> None:
    """401 with a Status."""
    answer = await Web(application, token="guess").ask("GET", MAPS)

    assert (answer.status, answer.json["reason"], answer.json["code"]) == (401, "Unauthorized", 401)


async def test_a_bug_is_an_answer_too(web: Web, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """500 without its insides, which go to the log."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret insides")

    hub.validating.append(broken)
    answer = await web.ask("POST", MAPS, config_map("a"))

    assert (answer.status, answer.json["reason"]) == (500, "InternalError")
    assert "insides" not in answer.json["message"]
    assert "secret insides" in caplog.text


class FullDisk(MemoryLog):
    """A log on a disk that is full from some moment on."""

    durable = True
    full = False

    def append(self, rows: list[Row]) -> None:  # type: ignore[override]
        if self.full:
            raise StoreFull("cluster.sqlite cannot be written: database or disk is full")


async def test_a_full_disk_refuses_writes_and_goes_on_reading() -> None:
    """507, at once; what was refused was never seen, and works once there is room."""
    log = FullDisk()
    clock = Clock()
    hub = await open_hub(Store(log), load(), clock)
    web = Web(Application(hub, Authenticator({"secret": ADMIN}, None, clock.now), hub.authorizer))
    await web.post(MAPS, config_map("a", x="1"))
    log.full = True

    refused = await web.ask("PUT", f"{MAPS}/a", config_map("a", x="2"))
    with pytest.raises(Unavailable, match="database or disk is full"):
        await InProcessClient(hub).delete(ref("a"))
    read = await web.get(f"{MAPS}/a")
    log.full = False
    stored = await web.ask("PUT", f"{MAPS}/a", config_map("a", x="3"))
    await hub.close()

    assert (refused.status, refused.json["code"], refused.json["reason"]) == (507, 507, "ServiceUnavailable")
    assert "retry-after" not in refused.headers
    assert "database or disk is full" in refused.json["message"]
    assert read["data"] == {"x": "1"}
    assert (stored.status, stored.json["data"]) == (200, {"x": "3"})


async def test_a_cluster_comes_back_as_it_was(tmp_path: Path, clock: Clock) -> None:
    """Objects, their versions and what was defined; a watch of before has to list again."""
    path = tmp_path / "cluster.sqlite"
    hub = await open_hub(Store(SqliteLog(path)), load(), clock)
    made = await InProcessClient(hub).create(config_map("a", x="1"))
    await hub.close()

    again = await open_hub(Store(SqliteLog(path)), load(), clock)
    web = Web(Application(again, Authenticator({"secret": ADMIN}, None, clock.now), again.authorizer))
    found = await web.get(f"{MAPS}/a")
    async with web.watch(MAPS, resourceVersion="1") as watch:
        type_, status = await watch.next()
        await watch.ended()
    await again.close()

    assert found == made
    assert (type_, status["reason"]) == ("ERROR", "Expired")
