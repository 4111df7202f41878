"""What runs beside the verbs: done once for each change, again after a failure, and whatever the others meet."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.rooms.apiserver.web import until
from trueup.apiserver import following
from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.kube.problems import Unavailable
from trueup.timing.backoff import Backoff


async def test_what_failed_is_done_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal and a bug are told, keep no other thing from being done, and are tried again."""
    monkeypatch.setattr(following, "_AGAIN", Backoff(base=0, cap=0))
    failures: dict[str, list[Exception]] = {"a": [Unavailable("the disk is full"), KeyError("bug")]}
    done: list[str] = []

    async def do(thing: str) -> None:
        if failures.get(thing):
            raise failures[thing].pop(0)
        done.append(thing)

    work = Following("testing", do)
    task = asyncio.create_task(work.run())
    for thing in ("a", "b", "b", "c"):
        work.take(thing)
    await until(lambda: "a" in done)
    task.cancel()
    assert done == ["b", "c", "a"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "testing: a failed, trying again: the disk is full" in caplog.text


async def test_a_part_that_ends_is_told(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for what runs beside the verbs, so the log says that it is gone, and why."""

    async def part() -> None:
        raise RuntimeError("a bug")

    with caplog.at_level(logging.ERROR):
        hub.start(part(), "doing nothing")
        await until(lambda: "doing nothing has ended" in caplog.text)
    assert "a bug" in caplog.text
