"""A group of tasks ends with its owner, whatever a task does with a cancellation."""

import asyncio

from trueup.runtime.tasks import Tasks


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    """A library may mistake the first cancellation for the end of its own call."""
    started = asyncio.Event()

    async def stubborn() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    tasks = Tasks("test")
    tasks.start(stubborn(), "stubborn")
    await started.wait()
    async with asyncio.timeout(5):
        await tasks.close()

    assert len(tasks) == 0
