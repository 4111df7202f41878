"""The queue: each key once, delays, back-off, re-queueing behind the present run."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.rooms.runtime.waiting import until
from trueup.runtime.clock import VirtualClock
from trueup.runtime.queue import Queue, Timers
from trueup.timing.backoff import Backoff


@pytest.fixture
async def clock() -> VirtualClock:
    """Virtual time."""
    return VirtualClock(0.0)


@pytest.fixture
async def queue(clock: VirtualClock) -> AsyncIterator[Queue[str]]:
    """A queue whose timers run."""
    timers = Timers(clock)
    running = asyncio.create_task(timers.run())
    yield Queue("test", timers, lambda: None, backoff=Backoff(base=1, cap=8), chance=lambda: 0.0)
    running.cancel()


async def test_a_key_waits_once(queue: Queue[str]) -> None:
    """However often it is added."""
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert [queue.take(), queue.take(), queue.take()] == ["a", "b", None]


async def test_a_key_being_worked_on_comes_again_afterwards(queue: Queue[str]) -> None:
    """It is never taken twice at once, and nothing that came meanwhile is lost."""
    queue.add("a")
    queue.take()
    queue.add("a")
    queue.add("b")
    assert queue.take() == "b"
    assert queue.take() is None
    queue.done("a")
    assert queue.take() == "a"
    queue.done("a")
    assert queue.take() is None


async def test_delays_pass_in_order(queue: Queue[str], clock: VirtualClock) -> None:
    """An earlier delay that comes later is due first."""
    queue.add_after("late", 60)
    queue.add_after("early", 5)
    await until(lambda: len(queue) == 2)
    assert [queue.take(), queue.take()] == ["early", "late"]
    assert clock.now() == 60.0


async def test_a_run_voids_the_delay_before_it(queue: Queue[str], clock: VirtualClock) -> None:
    """The run itself says when to look again."""
    queue.add_after("a", 10)
    queue.add("a")
    assert queue.take() == "a"
    queue.done("a")
    queue.add_after("b", 20)
    await until(lambda: len(queue) == 1)
    assert queue.take() == "b"
    assert clock.now() == 20.0


async def test_failures_back_off_per_key(queue: Queue[str]) -> None:
    """Delays double to the cap; another key begins anew; success forgets."""
    assert [queue.fail("a") for _ in range(5)] == [1, 2, 4, 8, 8]
    assert queue.fail("b") == 1
    queue.forget("a")
    assert queue.fail("a") == 1


async def test_old_timers_do_not_pile_up() -> None:
    """A key that is delayed anew ten thousand times keeps one timer."""
    timers = Timers(VirtualClock())
    for n in range(10_000):
        timers.set("key", 100 + n, lambda: None)
    assert len(timers) == 1
    assert len(timers._heap) < 200
