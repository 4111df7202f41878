"""Tells others how the program is: ``/metrics``, ``/healthz``, ``/readyz`` over plain HTTP. Called by the `app` room.

Three small answers, a connection each; nothing else is served, no body is read. Source: Kubernetes documentation, "Configure
Liveness, Readiness and Startup Probes"; Prometheus, "Exposition formats".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

TEXT = "text/plain; charset=utf-8"
_LONGEST, _PATIENCE = 8192, 5.0
"""Bytes and seconds that a request may take: who sends more or slower is hung up on."""

Answer = Callable[[], tuple[bool, str, bytes]]
"""Whether all is well (200, else 503), the content type, the body."""


def check(holds: Callable[[], str]) -> Answer:
    """A probe: ``holds`` says what is the matter, nothing when all is well."""

    def answer() -> tuple[bool, str, bytes]:
        wrong = holds()
        return not wrong, TEXT, f"{wrong or 'ok'}\n".encode()

    return answer


@asynccontextmanager
async def answering(host: str, port: int, answers: Mapping[str, Answer]) -> AsyncIterator[str]:
    """Answers by path while the block runs; the address. Port 0 takes a free one. Raises ``OSError`` when it is taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Who leaves, dawdles or talks too much gets no answer; the next one asks anew.
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, answers))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, port, limit=_LONGEST)
    async with server:
        taken = server.sockets[0].getsockname()[1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{taken}"


def _response(head: bytes, answers: Mapping[str, Answer]) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
    if method not in (b"GET", b"HEAD"):
        return _message("405 Method Not Allowed", TEXT, b"only GET\n", method)
    answer = answers.get(path)
    if answer is None:
        return _message("404 Not Found", TEXT, f"there are: {', '.join(answers)}\n".encode(), method)
    well, kind, body = answer()
    return _message("200 OK" if well else "503 Service Unavailable", kind, body, method)


def _message(status: str, kind: str, body: bytes, method: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + (b"" if method == b"HEAD" else body)
