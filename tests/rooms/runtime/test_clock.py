"""Virtual time leaps when all wait, and only then."""

import asyncio

from tests.rooms.runtime.waiting import until
from trueup.runtime.clock import SystemClock, VirtualClock


async def test_a_year_passes_at_once() -> None:
    """Sleepers wake in the order of their times."""
    clock, woken = VirtualClock(0.0), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now()))

    await asyncio.gather(sleep(31_536_000), sleep(1), sleep(3600))
    assert woken == [(1, 1.0), (3600, 3600.0), (31_536_000, 31_536_000.0)]


async def test_time_stands_still_while_anything_runs() -> None:
    """A task that goes on turning keeps the clock."""
    clock = VirtualClock(0.0)
    sleeper = asyncio.create_task(clock.sleep(1))
    for _ in range(100):
        await asyncio.sleep(0)
    assert clock.now() == 0.0
    await sleeper
    assert clock.now() == 1.0


async def test_held_time_stands_still() -> None:
    """Work that the loop does not see holds the clock."""
    clock = VirtualClock(0.0)
    with clock.held():
        sleeper = asyncio.create_task(clock.sleep(1))
        await asyncio.to_thread(lambda: None)
        assert clock.now() == 0.0
    await sleeper
    assert clock.now() == 1.0


async def test_cancelled_sleepers_are_forgotten() -> None:
    """Time does not leap to a moment that nobody waits for."""
    clock = VirtualClock(0.0)
    sleeper = asyncio.create_task(clock.sleep(5))
    await until(lambda: clock._sleepers)
    sleeper.cancel()
    await clock.sleep(10)
    assert clock.now() == 10.0


async def test_advancing_by_hand() -> None:
    """Whoever sleeps until then wakes."""
    clock = VirtualClock(0.0)
    with clock.held():
        sleeper = asyncio.create_task(clock.sleep(5))
        await until(lambda: clock._sleepers)
        clock.advance(7)
        await sleeper
    assert clock.now() == 7.0


async def test_the_system_clock_moves_on() -> None:
    """Wall time never runs backwards by sleeping."""
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(0)
    assert clock.now() >= before
