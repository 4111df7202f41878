"""Renders in threads are stopped when they take too long or too much: Python's own parts, for a thread cannot be killed.

Called by `render` (and by the command that builds a kustomization) around each render. A thread of its own looks at the CPU
time of those that render; who has taken more than its allowance, or has made the process larger by more than a worker may
have, gets `Stopped` raised in its midst. What waits (for a worker process, for a remote base) takes no CPU and has other
bounds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trueup.kube.limits import DEEPEST, Allowance, TooMuch, in_words, remedy, spending
from trueup.ports import RenderProblem

_EVERY = 0.02
_STATM = Path("/proc/self/statm")
_PAGE = 4096
_LEAST_CPU = 0.2
"""Who has taken less has not filled the memory: somebody else has."""


class Stopped(BaseException):
    """Raised in the thread of a render; no handler on the way may take it for something that it expects."""


class _Run:
    """One render and its thread."""

    __slots__ = ("allowance", "began", "clock", "size", "thread", "why")

    def __init__(self, allowance: Allowance, size: int) -> None:
        self.allowance, self.size, self.why = allowance, size, ""
        self.thread = threading.get_ident()
        self.clock = _clock(self.thread)
        self.began = time.clock_gettime(self.clock)

    def taken(self) -> float:
        """CPU seconds so far."""
        return time.clock_gettime(self.clock) - self.began


def _clock(thread: int) -> int:
    """The CPU clock of a thread; where there is none, that of everybody."""
    find = getattr(time, "pthread_getcpuclockid", None)
    return int(find(thread)) if find else time.CLOCK_PROCESS_CPUTIME_ID


class Watch:
    """Looks at renders while there are any; its thread ends when nobody renders, and starts with the next who does."""

    def __init__(self) -> None:
        self._runs: set[_Run] = set()
        self._guard = threading.Lock()
        self._watching = False

    @contextmanager
    def bounded(self, allowance: Allowance, path: str) -> Iterator[None]:
        """The block is one render: what it may not take is a `RenderProblem` about its path."""
        run = None
        try:
            with spending(allowance), self.over(allowance) as run:
                yield
        except TooMuch as problem:
            raise RenderProblem(str(problem), path=problem.path or path) from None
        except Stopped:
            allowance.by_chance = True
            raise RenderProblem(run.why if run else "rendering was stopped", path=path) from None
        except MemoryError:
            allowance.by_chance = True
            raise RenderProblem("the machine has no memory left for it", path=path) from None
        except RecursionError:
            raise RenderProblem(f"something in it is nested more than {DEEPEST} levels deep", path=path) from None

    @contextmanager
    def over(self, allowance: Allowance) -> Iterator[_Run]:
        """The block may raise `Stopped` at any place; the ``why`` of what it gives says for what reason."""
        run = _Run(allowance, _size())
        with self._guard:
            self._runs.add(run)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="render-watch", daemon=True).start()
        try:
            yield run
        finally:
            with self._guard:
                self._runs.discard(run)
                if run.why:
                    _raise(run.thread, None)  # decided, but perhaps not yet raised: the render was faster

    def _watch(self) -> None:
        while True:
            time.sleep(_EVERY)
            size = _size()
            with self._guard:
                if not self._runs:
                    self._watching = False
                    return
                for run in list(self._runs):
                    if why := _judged(run, size):
                        run.why = why
                        self._runs.discard(run)
                        _raise(run.thread, Stopped)


def _judged(run: _Run, size: int) -> str:
    """Why a render is to be stopped; empty if it may go on."""
    taken, limits = run.taken(), run.allowance.limits
    if taken > run.allowance.seconds:
        return f"rendering takes more than {run.allowance.seconds:.2g} s of CPU ({remedy('seconds')})"
    if taken > _LEAST_CPU and size - run.size > limits.memory:
        return f"rendering takes more than {in_words(limits.memory)} of memory ({remedy('memory')})"
    return ""


def _size() -> int:
    """Of this process in memory; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0


def _raise(thread: int, problem: type[BaseException] | None) -> None:
    import ctypes  # most programs never need it

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(problem) if problem else None)
