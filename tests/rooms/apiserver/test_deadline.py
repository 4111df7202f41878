"""How long clients want to wait: ``?timeout=`` and ``timeoutSeconds``."""

import asyncio

import pytest

from tests.rooms.apiserver.web import MAP, MAPS, Web, config_map, until
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object


async def test_a_request_ends_in_time(hub: Hub, web: Web) -> None:
    """The client is told; what was begun goes on, as it does in Kubernetes."""
    held = asyncio.Event()

    async def slow(served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        await held.wait()

    hub.validating.append(slow)
    answer = await web.ask("POST", MAPS, config_map("a"), timeout="10ms")
    held.set()
    stored = hub.store.bucket(hub.serves(MAP).storage)
    await until(lambda: stored.get("default", "a") is not None)

    assert (answer.status, answer.json["reason"]) == (504, "Timeout")
    assert answer.json["message"] == "Timeout: request did not complete within the allotted timeout"


@pytest.mark.parametrize("timeout", ["30s", "0", "-1s", ""])
async def test_a_request_within_its_time_is_answered(web: Web, timeout: str) -> None:
    """No time at all, or less, is no bound."""
    assert (await web.ask("POST", MAPS, config_map("a"), timeout=timeout)).status == 201
    assert (await web.ask("GET", f"{MAPS}/b", timeout=timeout)).status == 404


@pytest.mark.parametrize(
    ("seconds", "problem"),
    [
        ("1", ""),
        ("-1", ""),
        ("abc", "invalid syntax"),
        ("1.5", "invalid syntax"),
        ("9" * 20, "value out of range"),
    ],
)
async def test_seconds_of_a_list_are_a_number(web: Web, seconds: str, problem: str) -> None:
    """Though they bound watches alone."""
    answer = await web.ask("GET", MAPS, timeoutSeconds=seconds)

    if problem:
        assert answer.status == 400
        assert answer.json["message"] == f'strconv.ParseInt: parsing "{seconds}": {problem}'
    else:
        assert answer.status == 200
