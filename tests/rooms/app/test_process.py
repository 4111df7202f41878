"""What ends a process."""

import asyncio
import os
import signal
import threading

import pytest

from trueup.app.process import End


@pytest.fixture(autouse=True)
def _handlers() -> object:
    """What the tests set for signals is gone afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_an_end_is_heard_by_a_loop_that_sleeps() -> None:
    """The signal wakes it."""
    end = End()
    waits = asyncio.create_task(asyncio.Event().wait())

    threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
    async with asyncio.timeout(10):
        await end.told(waits)  # type: ignore[arg-type]
    waits.cancel()


async def test_an_end_is_heard_while_thousands_of_callbacks_come_from_threads() -> None:
    """The pipe that wakes the loop is full then, and does not take the signal's number."""
    end = End()
    waits, loop = asyncio.create_task(asyncio.Event().wait()), asyncio.get_running_loop()

    for _ in range(20_000):
        loop.call_soon_threadsafe(int)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await end.told(waits)  # type: ignore[arg-type]
    waits.cancel()
