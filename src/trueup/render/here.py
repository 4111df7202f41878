"""Engines in this very process: for a command that renders once, and ends.

Made by the `app` room. A second process would cost more than the render. Nothing can stop an engine here but the end of the
process, which is what it comes to when a render takes more than it may.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trueup.kube.limits import Allowance, Limits, current, in_words, remedy
from trueup.render import engines
from trueup.render.jobs import Answer, WorkerProblem, nobody

_EVERY = 0.02
_GRACE = 0.2
"""CPU seconds that others (a collector, a watcher) may take meanwhile."""
_STATM = Path("/proc/self/statm")


class Here:
    """One job after the other, in the caller's thread."""

    def run(self, job: str, value: Any, answer: Answer | None = None) -> Any:
        """Do a job. Raises `WorkerProblem`."""
        allowance = current() or Allowance(Limits())
        os.environ["GOMEMLIMIT"] = str(allowance.limits.memory)
        engines.load(job)
        try:
            with _bounded(allowance):
                return engines.JOBS[job](value, answer or nobody)
        except Exception as problem:  # an engine's errors are its own, whatever they are
            raise WorkerProblem(str(problem) or type(problem).__name__) from None


@contextmanager
def _bounded(allowance: Allowance) -> Iterator[None]:
    """End the process when the block takes too much: an engine hears nobody."""
    done = threading.Event()
    threading.Thread(target=_watch, args=(allowance, done), name="engine-watch", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _watch(allowance: Allowance, done: threading.Event) -> None:
    began, until, size = time.process_time(), time.monotonic() + allowance.limits.longest, _size()
    limits = allowance.limits
    while not done.wait(_EVERY):
        if time.process_time() - began > allowance.seconds + _GRACE:
            _end(f"rendering takes more than {allowance.seconds:.2g} s of CPU ({remedy('seconds')})")
        if time.monotonic() > until:
            _end(f"rendering takes longer than {limits.longest:.3g} s ({remedy('longest')})")
        if _size() - size > limits.memory:
            _end(f"rendering takes more than {in_words(limits.memory)} of memory ({remedy('memory')})")


def _size() -> int:
    """Of this process in memory; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _end(why: str) -> None:
    sys.stderr.write(f"Error: {why}\n")
    sys.stderr.flush()
    os._exit(2)
