"""A process among others: the mark it leaves in its state folder, and what ends it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson


@asynccontextmanager
async def marked(folder: Path, url: str, mapping: Mapping[str, Path] | None = None) -> AsyncIterator[None]:
    """A file that says which process runs here, for `trueup down` and for verbs that render; gone when it ends."""
    path = folder / "up.json"
    told = {url: str(target) for url, target in (mapping or {}).items()}
    path.write_bytes(orjson.dumps({"pid": os.getpid(), "url": url, "mapping": told}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def collect_rarely() -> None:
    """Look for garbage in cycles ten times less often than Python does by itself.

    What clusters are made of has no cycles, and each look at all of it stops everything: a sixth of the CPU time of
    bringing up two hundred applications, a tenth of a second at a time, was spent looking.
    """
    gc.set_threshold(10_000, 5, 50)


def take_turns() -> None:
    """Let a thread that waits for the interpreter have it after half a millisecond instead of five.

    An event loop that is busy lets go of it for moments only, and each of them starts the five anew: a render in a thread
    waited until everybody else had been served.
    """
    sys.setswitchinterval(0.0005)


class End:
    """Ctrl-C or SIGTERM, heard from when this is made: before others learn whom they may tell to end."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._told.set)  # lets the signal wake a loop that sleeps
            signal.signal(number, self._hear)
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)

    def _hear(self, *_: object) -> None:
        """asyncio learns which signal came from the pipe that wakes it, and in a pipe that is full (thousands of watches
        that end at once) that is lost: a process that was told to end would go on. So Python's own handler tells it too.
        """
        self._loop.call_soon_threadsafe(self._told.set)

    async def told(self, also: asyncio.Task[None]) -> None:
        """Waits until it is heard; a failed part of the runtime is raised."""
        waiter = asyncio.create_task(self._told.wait())
        try:
            await asyncio.wait((waiter, also), return_when=asyncio.FIRST_COMPLETED)
            if also.done():
                also.result()
        finally:
            waiter.cancel()  # the handlers stay: a second Ctrl-C must not cut the clean stop short


def shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path.resolve())
