"""The small answers of `trueup run`: metrics and probes over plain HTTP."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from trueup.runtime.metrics import CONTENT_TYPE, Metrics
from trueup.runtime.probes import answering, check


class Served:
    """What is the matter, and where it is told."""

    def __init__(self, url: str, trouble: list[str], metrics: Metrics) -> None:
        self.url, self.trouble, self.metrics = url, trouble, metrics


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Probes over a list of troubles."""
    trouble: list[str] = []
    metrics = Metrics()
    answers = {
        "/metrics": lambda: (True, CONTENT_TYPE, metrics.page()),
        "/healthz": check(lambda: ", ".join(trouble)),
    }
    async with answering("127.0.0.1", 0, answers) as url:
        yield Served(url, trouble, metrics)


async def test_health_is_told(served: Served) -> None:
    """200 while all is well, 503 with the reason otherwise."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{served.url}/healthz") as well:
            assert (well.status, await well.text()) == (200, "ok\n")
        served.trouble.append("the watch stands still")
        async with session.get(f"{served.url}/healthz?verbose") as ill:
            assert (ill.status, await ill.text()) == (503, "the watch stands still\n")


async def test_metrics_are_served_as_prometheus_reads_them(served: Served) -> None:
    """Counters, and what the process uses."""
    served.metrics.called("get", 200, 0.01)
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/metrics") as answer:
        text = await answer.text()
        assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'trueup_api_request_duration_seconds_count{code="200",verb="get"} 1.0' in text
    assert "process_cpu_seconds_total " in text
    assert "process_resident_memory_bytes " in text


async def test_nothing_else_is_served(served: Served) -> None:
    """Other paths and methods are refused."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{served.url}/") as other:
            assert other.status == 404
        async with session.post(f"{served.url}/metrics") as write:
            assert write.status == 405
        async with session.head(f"{served.url}/healthz") as head:
            assert (head.status, await head.text()) == (200, "")


async def test_a_request_without_end_is_hung_up_on(served: Served) -> None:
    """Who sends more than a head may have gets no answer."""
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 10_000)
    try:
        answered = await reader.read()
    except ConnectionError:  # what was sent too much was not read
        answered = b""
    assert answered == b""
    writer.close()


async def test_a_taken_address_is_refused(served: Served) -> None:
    """As an ``OSError``."""
    host, port = served.url.removeprefix("http://").split(":")
    with pytest.raises(OSError, match="address already in use"):
        async with answering(host, int(port), {}):
            pass
