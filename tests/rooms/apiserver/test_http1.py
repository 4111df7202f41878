"""HTTP/1.1 as it is on the wire, for an application that answers what it was asked: framing, order, what is no request."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.rooms.apiserver.web import until
from trueup.apiserver.asgi import Receive, Send
from trueup.apiserver.server import Server, serve

Scope = MutableMapping[str, Any]
Route = Callable[[Scope, Receive, Send], Awaitable[None]]


async def whole(receive: Receive) -> bytes:
    """The body of a request."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def say(send: Send, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    """An answer in one piece, its length told."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """What was asked."""
    body = await whole(receive)
    told = {key: str(scope[key]) for key in ("method", "path", "http_version")}
    await say(send, orjson.dumps({**told, "query": scope["query_string"].decode(), "body": body.decode()}))


async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer of nobody knows what length."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"", b"ab", b"", b"cde"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def much(scope: Scope, receive: Receive, send: Send) -> None:
    """More than a socket takes at once."""
    await say(send, b"x" * (32 << 20))


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading what was sent."""
    await say(send, b"no", status=413)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer that has no body at all."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Breaks before it has said anything."""
    raise RuntimeError("silent")


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """Breaks in the middle."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("broken")


async def split(scope: Scope, receive: Receive, send: Send) -> None:
    """A header that would be two."""
    await say(send, b"", (b"x", b"a\r\nset-cookie: b"))


ROUTES: dict[str, Route] = {
    "/pieces": pieces, "/much": much, "/deaf": deaf, "/nothing": nothing, "/silent": silent, "/broken": broken,
    "/split": split,
}  # fmt: skip


class Answers:
    """The application under test."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await ROUTES.get(scope["path"], echo)(scope, receive, send)

    async def hang_up(self) -> None:
        """Nothing here goes on."""


@pytest.fixture
async def server(keys: Path) -> AsyncIterator[Server]:
    """On a free port."""
    made = await serve(Answers(), "127.0.0.1", 0, keys / "server.crt", keys / "server.key")
    yield made
    await made.stop()


@pytest.fixture
async def talk(server: Server, keys: Path) -> Callable[..., Awaitable[bytes]]:
    """All that is answered to these bytes, until the server hangs up."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))

    async def asked(*sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            said = await reader.read()
        writer.close()
        return said

    return asked


def bodies(said: bytes) -> list[dict[str, str]]:
    """Those of answers in one piece, without their heads."""
    found = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(orjson.loads(said[:size]))
        said = said[size:]
    return found


LAST = b"connection: close\r\n\r\n"

ASKED: dict[str, tuple[bytes, dict[str, str]]] = {
    "a path and its query": (b"GET /a/b?c=d&e HTTP/1.1\r\n", {"path": "/a/b", "query": "c=d&e"}),
    "escapes": (b"GET /a%20%C3%A9?b=%20 HTTP/1.1\r\n", {"path": "/a é", "query": "b=%20"}),
    "no UTF-8": (b"GET /%ff HTTP/1.1\r\n", {"path": "/\ufffd"}),
    "with the host": (b"GET http://other/a?b HTTP/1.1\r\n", {"path": "/a", "query": "b"}),
    "the server itself": (b"OPTIONS * HTTP/1.1\r\n", {"path": "*"}),
    "a fragment": (b"GET /a#b HTTP/1.1\r\n", {"path": "/a"}),
    "an upgrade that nobody offers": (b"GET /a HTTP/1.1\r\nupgrade: websocket\r\n", {"path": "/a"}),
}


@pytest.mark.parametrize("case", ASKED)
async def test_what_is_asked(talk: Callable[..., Awaitable[bytes]], case: str) -> None:
    """Paths are told without their escapes, queries with them."""
    line, expected = ASKED[case]

    (told,) = bodies(await talk(line + b"host: a\r\n" + LAST))

    assert {key: told[key] for key in expected} == expected


async def test_requests_are_answered_in_their_order(talk: Callable[..., Awaitable[bytes]]) -> None:
    """However many come at once, cut wherever."""
    asked = b"".join(b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab" % n for n in range(50))
    asked += b"GET /last HTTP/1.1\r\nhost: a\r\n" + LAST

    told = bodies(await talk(*(asked[at : at + 37] for at in range(0, len(asked), 37))))

    assert [each["path"] for each in told] == [*(f"/{n}" for n in range(50)), "/last"]
    assert {each["body"] for each in told[:-1]} == {"ab"}


async def test_bodies_in_chunks_are_put_together(talk: Callable[..., Awaitable[bytes]]) -> None:
    """What follows the last of them is let go."""
    head = b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n" + LAST

    (told,) = bodies(await talk(head, b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n0\r\nlate: header\r\n\r\n"))

    assert told["body"] == "abcde"


async def test_answers_in_pieces_come_in_chunks(talk: Callable[..., Awaitable[bytes]]) -> None:
    """To HTTP/1.0, until the end of the connection."""
    new = await talk(b"GET /pieces HTTP/1.1\r\nhost: a\r\n" + LAST)
    old = await talk(b"GET /pieces HTTP/1.0\r\n\r\n")

    assert new.partition(b"\r\n\r\n")[2] == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    assert (b"transfer-encoding" in old, old.partition(b"\r\n\r\n")[2]) == (False, b"abcde")


async def test_heads_alone(talk: Callable[..., Awaitable[bytes]]) -> None:
    """HEAD and answers without content have no body, and the connection goes on."""
    asked = b"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\nGET /nothing HTTP/1.1\r\nhost: a\r\n\r\nHEAD /pieces HTTP/1.1\r\nhost: a\r\n"

    said = await talk(asked + LAST)

    assert [part[:12] for part in said.split(b"\r\n\r\n")] == [b"HTTP/1.1 200", b"HTTP/1.1 204", b"HTTP/1.1 200", b""]


async def test_old_clients_may_keep_their_connection(talk: Callable[..., Awaitable[bytes]]) -> None:
    """When they ask for it."""
    said = await talk(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n")

    assert [each["path"] for each in bodies(said)] == ["/a", "/b"]
    assert said.count(b"connection: keep-alive") == 1


async def test_who_asks_whether_to_go_on_is_told_to(talk: Callable[..., Awaitable[bytes]]) -> None:
    """Only when somebody reads what it would send."""
    head = b" HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"

    deaf_ears = await talk(b"POST /deaf" + head)

    assert deaf_ears.startswith(b"HTTP/1.1 413 ")


async def test_going_on(server: Server, keys: Path) -> None:
    """The body is sent once that is asked for."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
    async with asyncio.timeout(20):
        writer.write(b"POST /a HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ab")
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert (interim, head[:12]) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200")


async def test_what_was_not_read_ends_the_connection(talk: Callable[..., Awaitable[bytes]]) -> None:
    """After the answer has been heard, however much is on its way."""
    said = await talk(b"POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n", b"x" * 1_000_000)

    assert (said[:12], b"connection: close" in said, said[-2:]) == (b"HTTP/1.1 413", True, b"no")


async def test_large_answers_are_sent_as_they_are_taken(server: Server, keys: Path) -> None:
    """Whole, to a client that is slow."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust, limit=1 << 14)
    writer.write(b"GET /much HTTP/1.1\r\nhost: a\r\n" + LAST)
    async with asyncio.timeout(60):
        await reader.readuntil(b"\r\n\r\n")
        size = 0
        while piece := await reader.read(1 << 20):
            size += len(piece)
    writer.close()

    assert size == 32 << 20


async def test_who_takes_nothing_is_hung_up_on(server: Server, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it would wait for ever."""
    monkeypatch.setattr("trueup.apiserver.link.STALL", 0.1)
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust, limit=1 << 14)
    writer.write(b"GET /much HTTP/1.1\r\nhost: a\r\n\r\n")
    await until(lambda: bool(server._front.open))
    await until(lambda: not server._front.open)
    writer.transport.abort()


REFUSED: dict[str, tuple[bytes, bytes]] = {
    "no HTTP": (b"hello\r\n\r\n", b"HTTP/1.1 400"),
    "two lengths": (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"HTTP/1.1 400"),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 400",
    ),
    "a space before a colon": (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", b"HTTP/1.1 400"),
    "an endless head": (b"GET / HTTP/1.1\r\nx: " + b"y" * (2 << 20), b"HTTP/1.1 431"),
    "endless trailers": (
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: " + b"y" * (2 << 20),
        b"HTTP/1.1 431",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_request_is_refused(talk: Callable[..., Awaitable[bytes]], case: str) -> None:
    """And the connection is ended, for nobody knows where the next request begins."""
    sent, expected = REFUSED[case]

    said = await talk(sent)

    assert said[:12] == expected


@pytest.mark.parametrize(("path", "expected"), [("/silent", b"HTTP/1.1 500"), ("/split", b"HTTP/1.1 500")])
async def test_an_application_that_fails_is_answered_for(
    talk: Callable[..., Awaitable[bytes]], caplog: pytest.LogCaptureFixture, path: str, expected: bytes
) -> None:
    """500, and why is for the log; nothing of the answer that would have been leaves."""
    said = await talk(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())

    assert (said[:12], b"set-cookie" in said) == (expected, False)
    assert f"request failed: GET {path}" in caplog.text


async def test_an_answer_that_breaks_off_can_be_told_from_a_whole_one(talk: Callable[..., Awaitable[bytes]]) -> None:
    """The last chunk does not come."""
    said = await talk(b"GET /broken HTTP/1.1\r\nhost: a\r\n\r\n")

    assert said.endswith(b"4\r\nhalf\r\n")
