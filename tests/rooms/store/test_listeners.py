"""Who is told of changes, and who is woken by them: `trueup.store.listeners`."""

from __future__ import annotations

import asyncio

from trueup.store.listeners import SLICE, Listeners, Turns


def test_listeners_come_and_go_while_they_are_told() -> None:
    """Whoever is there when it begins is told, in the order of coming."""
    there: Listeners[str] = Listeners()
    for name in ("a", "b", "c"):
        there.append(name)
    told = []

    for name in there:
        told.append(name)
        there.remove(name)
        there.append(name.upper())

    assert told == ["a", "b", "c"]
    assert list(there) == ["A", "B", "C"]
    assert len(there) == 3


async def test_sleepers_are_woken_a_few_at_a_time() -> None:
    """What else the loop has to do comes in between, and those who wake others come first."""
    turns, loop = Turns(), asyncio.get_running_loop()
    sleepers = [loop.create_future() for _ in range(3 * SLICE)]
    sleepers[1].cancel()
    seen: list[int] = []
    for sleeper in sleepers:
        turns.wake(sleeper)

    for _ in range(4):
        seen.append(sum(sleeper.done() for sleeper in sleepers))
        await asyncio.sleep(0)

    assert seen == [1, SLICE, 2 * SLICE, 3 * SLICE]


async def test_sleepers_are_woken_again_later() -> None:
    """A new sleeper does not wait for others that were woken long ago."""
    turns, loop = Turns(), asyncio.get_running_loop()
    for _ in range(2):
        sleeper = loop.create_future()
        turns.wake(sleeper)
        await sleeper

    assert sleeper.done()
